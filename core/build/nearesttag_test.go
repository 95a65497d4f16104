package build

import (
	"testing"

	"github.com/imgscript/imgscript/core/transport"
)

// TestTagsHint: what is like the tag, else what there is, as far as that is worth reading.
func TestTagsHint(t *testing.T) {
	many := []string{"1", "2", "3", "4", "5", "6"}
	for _, c := range []struct {
		ref  string
		tags []string
		want string
	}{
		{"reg.example.com/app:lst-slim", []string{"latest", "lts", "lts-slim"}, `did you mean the tag "lts-slim"?`},
		{"reg.example.com/app:v1.2.4", []string{"v1.2.3", "v1.2.5", "x"}, `did you mean the tag "v1.2.3" or "v1.2.5"?`},
		{"reg.example.com/app:main", []string{"v1"}, `the only tag there is "v1"`},
		{"reg.example.com/app:main", []string{"v1", "v2"}, `the tags there are "v1", "v2"`},
		{"reg.example.com/app:main", many, `there are 6 tags, such as "1", "2", "3", "4", "5"`},
		{"reg.example.com/app", []string{"v1"}, `a reference without a tag means "latest"; the only tag there is "v1"`},
	} {
		ref, err := transport.Parse(c.ref)
		if err != nil {
			t.Fatal(err)
		}
		if got := tagsHint(ref, c.tags); got != c.want {
			t.Errorf("%s of %q: got %s, want %s", c.ref, c.tags, got, c.want)
		}
	}
}
