package starlib

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// entry returns the entry of a name.
func entry(t *testing.T, name string) Entry {
	t.Helper()
	entries, err := API()
	must(t, err)
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		t.Fatalf("there is no entry %s", name)
	}
	return entries[i]
}

// TestEntries: every name of scripts has an entry with a summary, and only one.
func TestEntries(t *testing.T) {
	entries, err := API()
	must(t, err)
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.Name] {
			t.Errorf("%s is there twice", e.Name)
		}
		seen[e.Name] = true
		if !strings.HasSuffix(e.Summary(), ".") || strings.Contains(e.Summary(), "\n") {
			t.Errorf("%s: the summary is %q", e.Name, e.Summary())
		}
		if owner := e.Owner(); owner != "" && !seen[owner] && e.Kind != EntryStarlark {
			t.Errorf("%s comes before %s", e.Name, owner)
		}
		if (e.URL != "") != (e.Kind == EntryStarlark) {
			t.Errorf("%s: the URL is %q", e.Name, e.URL)
		}
	}
	for name := range predeclared() {
		if !seen[name] && name != guardName {
			t.Errorf("%s has no entry", name)
		}
	}
	for _, c := range classTables() {
		for _, name := range c.attrNames() {
			if !seen[c.className()+"."+name] {
				t.Errorf("%s.%s has no entry", c.className(), name)
			}
		}
	}
}

func TestEntryOfEachKind(t *testing.T) {
	save := entry(t, "Image.save")
	if save.Kind != EntryMethod || save.Owner() != "Image" || save.Member() != "save" || save.Returns != "Saved" || save.Example == "" || !slices.Contains(save.Permissions, "--allow-push") {
		t.Errorf("got %+v", save)
	}
	if p := save.Params[0]; p.Name != "tags" || p.Type != "list[str]" || p.Default != "None" || p.KeywordOnly || p.Required || p.Doc == "" {
		t.Errorf("got %+v", p)
	}
	if p := entry(t, "Client.manifest").Params; !p[0].Required || p[0].Default != "" || !p[1].KeywordOnly || p[1].Default != "False" || p[2].Default != "…" {
		t.Errorf("got %+v", p)
	}
	if e := entry(t, "Image.env"); e.Kind != EntryAttribute || e.Type != "dict[str, str]" || e.Accepts != "dict[str, str] | list[str]" || e.ReadOnly {
		t.Errorf("got %+v", e)
	}
	if e := entry(t, "Image.user"); e.Accepts != e.Type {
		t.Errorf("got %+v", e)
	}
	if e := entry(t, "Image.base"); !e.ReadOnly || e.Accepts != "" {
		t.Errorf("got %+v", e)
	}
	if e := entry(t, "json.decode"); e.Kind != EntryFunction || e.Owner() != "json" || e.Definition(0) != "json.decode(x: str, default: any = ...) -> any" {
		t.Errorf("got %+v", e)
	}
	if e := entry(t, "math.pi"); e.Kind != EntryAttribute || e.Type != "float" || e.Definition(0) != "math.pi" {
		t.Errorf("got %+v", e)
	}
	for name, kind := range map[string]EntryKind{
		"image": EntryFunction, "struct": EntryFunction, "re.match": EntryFunction, "Image": EntryType, "re": EntryModule, "json": EntryModule, "Path": EntryAlias, "len": EntryStarlark,
		"string.join": EntryStarlark, "load": EntryStarlark,
	} {
		if e := entry(t, name); e.Kind != kind {
			t.Errorf("%s is a %s", name, e.Kind)
		}
	}
}

// TestParseOwnAPI: an embedding program documents its names in the same form.
func TestParseOwnAPI(t *testing.T) {
	entries, err := ParseAPI("own.star", "def stamped(img, *, team = \"red\"):\n    \"\"\"Stamps it.\n\n    Args:\n      img (Image): an image.\n      team (str): the team.\n    \"\"\"\n    pass\n")
	must(t, err)
	if len(entries) != 1 || entries[0].Definition(80) != `stamped(img, *, team = "red")` || len(entries[0].Permissions) > 0 {
		t.Errorf("got %+v", entries)
	}
	if _, err := ParseAPI("own.star", "def f():\n    pass\n"); err == nil || !strings.Contains(err.Error(), "own.star:1:1: f: has no docstring") {
		t.Errorf("got %v", err)
	}
}

func TestSummary(t *testing.T) {
	for doc, want := range map[string]string{
		"One.":                              "One.",
		"One. Two.":                         "One.",
		"One,\nof two lines. Two.":          "One, of two lines.",
		"One.\n\nTwo.":                      "One.",
		"Version 1.2 is `a. b` here. More.": "Version 1.2 is `a. b` here.",
	} {
		e := Entry{Doc: doc}
		if got := e.Summary(); got != want {
			t.Errorf("%q: got %q, want %q", doc, got, want)
		}
	}
}

func TestDefinition(t *testing.T) {
	e := Entry{Kind: EntryFunction, Name: "f", Returns: "int", Params: []Param{{Name: "a", Required: true}, {Name: "b", Default: "None"}, {Name: "c", Default: "[]", KeywordOnly: true}}}
	const line = "f(a, b = None, *, c = []) -> int"
	for width, want := range map[int]string{0: line, len(line): line, len(line) - 1: "f(\n    a,\n    b = None,\n    *,\n    c = [],\n) -> int"} {
		if got := e.Definition(width); got != want {
			t.Errorf("%d: got %q, want %q", width, got, want)
		}
	}
	none := Entry{Kind: EntryFunction, Name: "a_function_of_a_long_name"}
	if got := none.Definition(1); got != "a_function_of_a_long_name()" {
		t.Errorf("got %q", got)
	}
}

// TestStarlarkURLs: what is not described here is described where the URL points to.
func TestStarlarkURLs(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "go.starlark.net").Output()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "doc", "spec.md"))
	must(t, err)
	anchors := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if _, heading, ok := strings.Cut(line, "# "); ok && line[0] == '#' {
			anchors[anchor(heading)] = true
		}
		if id, ok := strings.CutPrefix(line, "<a id='"); ok {
			anchors[strings.TrimSuffix(id, "'></a>")] = true
		}
	}
	entries, err := API()
	must(t, err)
	for _, e := range entries {
		if base, fragment, _ := strings.Cut(e.URL, "#"); e.Kind == EntryStarlark && (base != specification || !anchors[fragment]) {
			t.Errorf("%s: %s leads nowhere", e.Name, e.URL)
		}
	}
}
