package build_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/build"
)

func TestParsePlan(t *testing.T) {
	good := `{"version":1,"writes":[{"op":"save","target":"oci:out","later":true}]}`
	for name, test := range map[string]struct{ data, want string }{
		"a plan, with a field of later": {good, ""},
		"nothing":                       {"", "no plan"},
		"two":                           {good + good, "more behind it"},
		"something else":                {`[]`, "no plan"},
		"another version":               {`{"version":2,"writes":[]}`, "version 2"},
		"no version":                    {`{}`, "version 0"},
	} {
		_, err := build.ParsePlan([]byte(test.data))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

func TestPlanDiff(t *testing.T) {
	of := func(writes ...build.Write) *build.Plan { return &build.Plan{Version: 1, Writes: writes} }
	a, b, c := digest.FromString("a"), digest.FromString("b"), digest.FromString("c")
	save := func(target string, dgst digest.Digest, blobs []build.PlannedBlob, tags ...build.PlannedTag) build.Write {
		return build.Write{Op: "save", Target: target, Digest: dgst, Blobs: blobs, Tags: tags}
	}
	layer := func(action string, dgst digest.Digest) build.PlannedBlob {
		return build.PlannedBlob{Action: action, Kind: "layer", Digest: dgst, Size: 5, MediaType: "text/x"}
	}
	for _, test := range []struct {
		name     string
		one, two *build.Plan
		want     []string
	}{
		{"equal", of(save("r/a", a, nil)), of(save("r/a", a, nil)), nil},
		{"another tag", of(save("r/a", a, nil, build.PlannedTag{Name: "v1", Old: b, New: a})), of(save("r/a", a, nil, build.PlannedTag{Name: "v1", Old: c, New: a})), []string{
			"  save r/a",
			fmt.Sprintf("-   tag v1 %s → %s", b, a),
			fmt.Sprintf("+   tag v1 %s → %s", c, a),
		}},
		{"one more", of(save("r/a", a, nil)), of(save("r/a", a, nil), save("r/b", b, nil)), []string{fmt.Sprintf("+ save r/b digest %s", b)}},
		{"no tag before", of(), of(build.Write{Op: "delete", Target: "r/a", Tags: []build.PlannedTag{{Name: "v1", Old: a}}}), []string{
			"+ delete r/a", fmt.Sprintf("+   tag v1 %s → none", a),
		}},
		{"in the middle", of(save("r/a", a, nil), save("r/b", b, []build.PlannedBlob{layer("upload", c)}), save("r/c", c, nil)),
			of(save("r/a", a, nil), save("r/b", b, []build.PlannedBlob{layer("skip", c)}), save("r/c", c, nil)), []string{
				"  save r/b",
				fmt.Sprintf("-   upload layer %s 5 bytes (text/x)", c),
				fmt.Sprintf("+   skip layer %s 5 bytes (text/x)", c),
			}},
	} {
		if diff := cmp.Diff(test.want, test.one.Diff(test.two)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", test.name, diff)
		}
	}
	many := build.Write{Op: "save", Target: "r/a"}
	for n := range 1500 {
		many.Blobs = append(many.Blobs, layer("upload", digest.FromString(fmt.Sprint(n))))
	}
	other := many
	other.Blobs = slices.Clone(many.Blobs)
	slices.Reverse(other.Blobs)
	if got := of(many).Diff(of(other)); len(got) != 3001 {
		t.Errorf("%d lines, want 3001", len(got))
	}
}

// TestPlanDiffSaysAll: whatever differs in the JSON of two plans, the diff has a line for it.
func TestPlanDiffSaysAll(t *testing.T) {
	full := func() *build.Plan {
		return &build.Plan{Version: 1, Writes: []build.Write{{
			Op: "save", Target: "t", From: "f", Digest: "d", MediaType: "m", Size: 1, Platforms: []string{"p"}, Referrers: 1, Unchanged: true,
			Blobs: []build.PlannedBlob{{Action: "a", Kind: "k", Digest: "d", Size: 1, MediaType: "m", DiffID: "i", Source: "s"}},
			Tags:  []build.PlannedTag{{Name: "n", Old: "o", New: "w"}},
		}}}
	}
	good := text(t, full())
	values := 0
	for _, m := range mutants(t, good) {
		p, err := build.ParsePlan([]byte(m.text))
		if err != nil || text(t, p) == good {
			continue // it is none any more, or means the same
		}
		values++
		if len(full().Diff(p)) == 0 {
			t.Errorf("%s: no line of the diff tells", m.name)
		}
	}
	if values < 20 {
		t.Errorf("only %d values were changed", values)
	}
}
