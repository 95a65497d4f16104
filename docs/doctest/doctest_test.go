package doctest_test

import (
	"slices"
	"testing"

	"github.com/imgscript/imgscript/docs/doctest"
)

const document = "# Title\n\n## One\n\n```sh\ncrane ls app\n# no heading\n```\n\n```text\nv1\n```\n\n" +
	"| theirs | ours | |\n|---|---|---|\n| `-a`, `--all` | `x = 1`<br>`y = \"a\\|b\"` | see `z` |\n| `--none` | not here: `x` | |\n\n" +
	"### Two\n\n```python\n| `no` | `table` |\n|---|---|\n| a | b | c |\n```\n\n| a | b |\n|---|---|\n| no code | neither |\n"

func TestBlocks(t *testing.T) {
	want := []doctest.Block{
		{Line: 5, Heading: "One", Lang: "sh", Text: "crane ls app\n# no heading\n", Next: "v1\n"},
		{Line: 10, Heading: "One", Lang: "text", Text: "v1\n"},
		{Line: 21, Heading: "Two", Lang: "python", Text: "| `no` | `table` |\n|---|---|\n| a | b | c |\n"},
	}
	if got := doctest.Blocks(document); !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestRows(t *testing.T) {
	want := []doctest.Row{
		{Line: 16, Heading: "One", Theirs: "-a\n--all", Ours: "x = 1\ny = \"a|b\""},
		{Line: 17, Heading: "One", Theirs: "--none"},
		{Line: 29, Heading: "Two"},
	}
	if got := doctest.Rows(document); !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
