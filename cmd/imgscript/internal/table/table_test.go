package table_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/table"
)

func row(cells ...string) table.Row { return table.Row{Cells: cells} }

func tree() []table.Row {
	return []table.Row{
		row("type", "an image for people whose terminals are narrow"),
		{Cells: []string{"labels"}, Below: []table.Row{
			row("org.opencontainers.image.created", "2024-05-01"),
			row("x", "日本語のラベル"),
			row("empty", ""),
		}},
		{Cells: []string{"layers"}, Below: []table.Row{
			{Mark: "- ", Cells: []string{"1", "  1.2 kB", "ADD\x1b[31m file\n/"}},
			{Mark: "  ", Cells: []string{"12", " 12.3 MB"}},
		}},
	}
}

// TestTree draws branches and columns, and cuts what does not fit: the last cell at its end, others at their beginning.
func TestTree(t *testing.T) {
	for width, want := range map[int]string{
		0: `├─ type  an image for people whose terminals are narrow
├─ labels
│  ├─ org.opencontainers.image.created  2024-05-01
│  ├─ x                                 日本語のラベル
│  └─ empty
└─ layers
   ├─ - 1     1.2 kB  ADD\x1b[31m file\n/
   └─   12   12.3 MB
`,
		40: `├─ type  an image for people whose term…
├─ labels
│  ├─ …iners.image.created  2024-05-01
│  ├─ x                     日本語のラ…
│  └─ empty
└─ layers
   ├─ - 1     1.2 kB  ADD\x1b[31m file\…
   └─   12   12.3 MB
`,
		20: `├─ type  an image f…
├─ labels
│  ├─ …created  202…
│  ├─ x         日…
│  └─ empty
└─ layers
   ├─ - 1     1.2 k…
   └─   12   12.3 MB
`,
	} {
		got := strings.Join(table.Tree(tree(), width), "\n") + "\n"
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("width %d (-want +got):\n%s", width, diff)
		}
	}
}

// TestTreeFits: no line of any width is wider, and there is one for each row.
func TestTreeFits(t *testing.T) {
	for width := 1; width <= 100; width++ {
		lines := table.Tree(tree(), width)
		if len(lines) != 8 {
			t.Errorf("width %d: %d lines", width, len(lines))
		}
		for _, line := range lines {
			if table.Width(line) > width {
				t.Errorf("width %d: %q", width, line)
			}
		}
	}
	if got := table.Tree(nil, 80); len(got) != 0 {
		t.Errorf("no rows: %q", got)
	}
}

// TestCutLeft leaves the end.
func TestCutLeft(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcdef", 3, "…ef"}, {"日本語", 4, "… 語"}, {"日本語", 5, "…本語"}, {"", 1, ""}, {"ab", 1, "…"},
	} {
		if got := table.CutLeft(c.text, c.width); got != c.want || table.Width(got) > c.width {
			t.Errorf("%q to %d: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
