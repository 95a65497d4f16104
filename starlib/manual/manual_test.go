package manual_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"

	"github.com/imgscript/imgscript/starlib"
	"github.com/imgscript/imgscript/starlib/manual"
)

// language returns the entries of the language.
func language(t *testing.T) []starlib.Entry {
	t.Helper()
	entries, err := starlib.API()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func names(entries []starlib.Entry) string {
	var list []string
	for _, e := range entries {
		list = append(list, e.Name)
	}
	return strings.Join(list, " ")
}

func TestFind(t *testing.T) {
	entries := language(t)
	for name, want := range map[string]string{
		// As it is.
		"image": "image", "Image": "Image", "Image.add_files": "Image.add_files", "re": "re", "re.match": "re.match", "json.decode": "json.decode", "Saved.digest": "Saved.digest",
		"digest": "digest", "Digest": "Digest", "len": "len", "string.join": "string.join", "Path": "Path",
		// As people write it in a script.
		"img.add_files": "Image.add_files", "base.fork": "Image.fork", "img.save()": "Image.save", "image(\"scratch\")": "image", "saved.uploaded_bytes": "Saved.uploaded_bytes",
		"client.blob": "Client.blob", "c.blob_exists": "Client.blob_exists", "s.join": "string.join", "conf.setdefault": "dict.setdefault", " fetch ": "fetch",
		// Without what it belongs to.
		"add_files": "Image.add_files", "decode": "json.decode", "findall": "re.findall", "splitlines": "string.splitlines",
		// In other languages.
		"addFiles": "Image.add_files", "Image.addFiles": "Image.add_files", "image.WorkingDir": "Image.working_dir", "img.Cmd": "Image.cmd", "CustomFile": "custom_file", "getImageConfig()": "Image.get_image_config",
		"readFile": "read_file", "manifestUpload": "Client.manifest_upload", "blobExists": "Client.blob_exists",
		// Parameters.
		"ignore_files": "Image.add_files", "ignoreFiles": "Image.add_files", "sha256": "fetch", "linkPath": "custom_file",
		// Several.
		"IMAGE": "image Image", "saved.tags": "Saved.tags", "c.tags": "Client.tags", "lay.digest": "Layer.digest",
		// Nothing.
		"": "", ".": "", "nonsense": "", "Image.nonsense": "", "Image.digest": "", "img.nonsense": "", "add_files.x": "",
	} {
		if got := names(manual.Find(entries, name)); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// TestFindSeveral finds all that a name may stand for, but for what the name of a variable says.
func TestFindSeveral(t *testing.T) {
	entries, err := starlib.ParseAPI("own.star", `
Image = type("""An image.""")
Index = type("""An index.""")
def Image_save(self, tags = None):
    """Saves it.

    Args:
      tags (list[str]): tags.
    """
    pass
def Index_save(self, tags = None):
    """Saves it.

    Args:
      tags (list[str]): tags.
    """
    pass
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"save": "Image.save Index.save", "x.save": "Image.save Index.save", "i.save": "Image.save Index.save", "img.save": "Image.save", "idx.save": "Index.save",
		"image.save": "Image.save", "tags": "Image.save Index.save", "": "", "gmi.save": "Image.save Index.save",
	} {
		if got := names(manual.Find(entries, name)); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

// TestFindEvery finds every name by itself.
func TestFindEvery(t *testing.T) {
	entries := language(t)
	for _, e := range entries {
		if got := names(manual.Find(entries, e.Name)); got != e.Name {
			t.Errorf("%s: got %q", e.Name, got)
		}
	}
}

func TestNear(t *testing.T) {
	entries := language(t)
	for name, want := range map[string]string{
		"imgae": "image Image", "Image.add_fils": "Image.add_files", "img.add_fils": "Image.add_files", "add_fils": "Image.add_files", "clent": "client Image.client Client",
		"json.decod": "json.decode", "re.mach": "re.match", "Saved.digets": "Saved.digest", "img.sav()": "Image.save", "Image.nonsense": "", "nonsense": "",
	} {
		if got := strings.Join(manual.Near(entries, name), " "); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestBegin(t *testing.T) {
	entries := language(t)
	for begun, want := range map[string]string{
		"cl": "client", "Cl": "Client", "re.": "re.match re.search re.findall re.sub", "Match.g": "Match.group Match.groups", "nonsense": "", "img.add_f": "img.add_files",
		"xyz.": "", "img.nonsense": "", "Image.nonsense": "", "a.b.c": "",
	} {
		if got := names(manual.Begin(entries, begun)); got != want {
			t.Errorf("%q: got %q, want %q", begun, got, want)
		}
	}
}

// ownStub is a stub with one of each thing, and ownText what is shown of it in 40 columns.
const ownStub = `Path = alias("str", """A path.""")
re = module("""Expressions, of which there is more to say than fits into a line.

- one ` + "`thing with spaces`" + ` that is long
- two
""")
json = upstream("""JSON.""")
json_encode = upstream("(x: any) -> str", """Writes JSON.""")
T = type("""A thing.""")
T_size = attribute("int", """How many.""", read_only = True)
T_count = attribute("int", """How many, as it was set.""")
T_name = attribute("str | None", """What it is called.""", accepts = "str | int | None")
def T_do(self, path, *, count = 5, others = unset):
    """Does it, with some words that make this longer than a line.

    Args:
      path (Path): one.
      count (int): a count of many things that are counted.
      others (any): anything.

    Returns:
      T: the thing, for more.

    Errors:
      Sometimes.

    Example:
      t.do("a path that is longer than the page is wide")
    """
    pass
`

var ownText = map[string]string{
	"T.do": `T.do(
    path,
    *,
    count = 5,
    others = …,
) -> T

    Does it, with some words that make
    this longer than a line.

Parameters:
    path: Path, needed
        one.
    count: int, default 5, by name
        a count of many things that are
        counted.
    others: any, by name
        anything.

Returns T:
    the thing, for more.

Errors:
    Sometimes.

Example:
    t.do("a path that is longer than the page is wide")

See also:
    T, Path
`,
	"T": `type T

    A thing.

Attributes:
    size   How many.
    count  How many, as it was set.
    name   What it is called.

Methods:
    do  Does it, with some words that m…
`,
	"T.name": `T.name: str | None (can be set to str | int | None)

    What it is called.
`,
	"T.count": "T.count: int\n\n    How many, as it was set.\n\nSee also:\n    T.do\n",
	"T.size":  "T.size: int (read-only)\n\n    How many.\n",
	"re": `module re

    Expressions, of which there is more
    to say than fits into a line.

    - one ` + "`thing with spaces`" + ` that is
      long
    - two
`,
	"json":        "module json\n\n    JSON.\n\nFunctions:\n    encode  Writes JSON.\n",
	"json.encode": "json.encode(x: any) -> str\n\n    Writes JSON.\n",
	"Path":        "Path = str\n\n    A path.\n",
}

func TestText(t *testing.T) {
	entries, err := starlib.ParseAPI("own.star", ownStub)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range ownText {
		found := manual.Find(entries, name)
		if len(found) != 1 {
			t.Errorf("%s: found %s", name, names(found))
			continue
		}
		if got := manual.Text(entries, &found[0], 40); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// TestFits: no line of a description is wider than the terminal but code, and words that are. In lists none is.
func TestFits(t *testing.T) {
	entries := language(t)
	for _, width := range []int{40, 60, 100} {
		for i := range entries {
			e := &entries[i]
			text := manual.Text(entries, e, width)
			prose, _, _ := strings.Cut(text, "\nExample:\n")
			head, rest, _ := strings.Cut(prose, "\n\n")
			if e.Callable() && e.Signature == "" && !strings.Contains(head, "\n") && columns(head) > width && len(e.Params) > 0 {
				t.Errorf("%s: the definition is wider than %d: %s", e.Name, width, head)
			}
			for line := range strings.Lines(rest) {
				line = strings.TrimSuffix(line, "\n")
				if columns(line) > width && strings.Contains(strings.TrimSpace(line), " ") && !strings.HasPrefix(line, "Returns ") && !strings.Contains(line, ": ") {
					t.Errorf("%s: wider than %d: %q", e.Name, width, line)
				}
			}
		}
		for _, text := range []string{manual.List(entries, width), manual.Contents(entries, width)} {
			for line := range strings.Lines(text) {
				if columns(strings.TrimSuffix(line, "\n")) > width {
					t.Errorf("wider than %d: %q", width, line)
				}
			}
		}
	}
}

func columns(s string) int { return runewidth.StringWidth(s) }

// TestContents has a line for each name but those of every Starlark, below a heading that says what it is.
func TestContents(t *testing.T) {
	entries := language(t)
	text := manual.Contents(entries, 0)
	for _, e := range entries {
		line := regexp.MustCompile(`(?m)^    ` + regexp.QuoteMeta(e.Name) + ` +` + regexp.QuoteMeta(e.Summary()) + `$`)
		if e.Kind != starlib.EntryStarlark && !line.MatchString(text) {
			t.Errorf("%s is missing", e.Name)
		}
	}
	var headings []string
	for _, m := range regexp.MustCompile(`(?m)^(\S.*):$`).FindAllStringSubmatch(text, -1) {
		headings = append(headings, m[1])
	}
	want := []string{"Functions", "Types, and what they have", "Modules, and what they have", "What types are called here", "Starlark's own"}
	if !slices.Equal(headings, want) {
		t.Errorf("got the headings %q", headings)
	}
	if !strings.Contains(text, "enumerate, fail, float") {
		t.Errorf("Starlark's own names are missing:\n%s", text)
	}
	if got := manual.Contents(nil, 80); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestList(t *testing.T) {
	entries := language(t)
	found := slices.Concat(manual.Find(entries, "Layer.digest"), manual.Find(entries, "Saved.digest"), manual.Find(entries, "Blob.digest"))
	want := "Layer.digest  The digest …\nSaved.digest  The digest …\nBlob.digest   The digest …\n"
	if got := manual.List(found, 26); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
