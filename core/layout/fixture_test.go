package layout

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/imgscript/imgscript/core/content"
)

// fixture is a layout from a txtar file. Its sections are
//
//	index.json   as another tool wrote it; without it there is no layout yet
//	resolve      lines "NAME BLOB" or "NAME error: TEXT", asked before do; "" is the empty name
//	do           lines "tag BLOB NAME", "push BLOB", "pushtagged BLOB NAME"
//	want         index.json after do
//	then         as resolve, asked after do
//
// Every other section is a blob of that name. In all of them $BLOB.digest and $BLOB.size stand for those of a blob further up.
type fixture struct {
	layout *Layout
	text   map[string]string
	blobs  map[string]content.Descriptor
	vars   []string
}

func readFixture(t *testing.T, file string) *fixture {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{layout: fresh(t), text: map[string]string{}, blobs: map[string]content.Descriptor{}}
	for _, section := range archive.Files {
		text := strings.NewReplacer(f.vars...).Replace(strings.TrimSuffix(string(section.Data), "\n"))
		f.text[section.Name] = text
		switch section.Name {
		case "index.json":
			writeFile(t, filepath.Join(f.layout.Dir(), indexFile), text)
			writeFile(t, filepath.Join(f.layout.Dir(), layoutFile), `{"imageLayoutVersion": "1.0.0"}`)
		case "resolve", "do", "want", "then":
		default:
			f.addBlob(section.Name, text)
		}
	}
	if f.text["index.json"] != "" {
		for name, desc := range f.blobs {
			writeFile(t, blobFile(t, f.layout, desc.Digest), f.text[name])
		}
	}
	return f
}

func (f *fixture) addBlob(name, text string) {
	desc := content.Of("", []byte(text))
	if doc, err := content.ParseDocument("", []byte(text)); err == nil {
		desc.MediaType = doc.MediaType
	}
	f.blobs[name] = desc
	f.vars = append(f.vars, "$"+name+".digest", desc.Digest.String(), "$"+name+".size", fmt.Sprint(desc.Size))
}

func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			f := readFixture(t, file)
			f.resolve(t, f.text["resolve"])
			f.do(t, f.text["do"])
			f.resolve(t, f.text["then"])
			if want := f.text["want"]; want != "" {
				got, err := os.ReadFile(filepath.Join(f.layout.Dir(), indexFile))
				if err != nil || string(got) != want {
					t.Errorf("index.json: %v\n got %s\nwant %s", err, got, want)
				}
				wantOnlyLayout(t, f.layout.Dir())
			}
		})
	}
}

func (f *fixture) resolve(t *testing.T, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), " ")
		name = strings.Trim(name, `"`)
		text, isError := strings.CutPrefix(want, "error: ")
		if !isError {
			wantResolves(t, f.layout, name, f.blobs[want])
			continue
		}
		if desc, err := f.layout.Resolve(t.Context(), name); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("Resolve %q: got %v, %v; want an error with %q", name, desc, err, text)
		}
	}
}

func (f *fixture) do(t *testing.T, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		desc, open := f.blobs[words[1]], content.FromBytes([]byte(f.text[words[1]]))
		var err error
		switch words[0] {
		case "tag":
			err = f.layout.Tag(t.Context(), desc, words[2])
		case "push":
			err = f.layout.Push(t.Context(), desc, open)
		case "pushtagged":
			err = f.layout.PushTagged(t.Context(), desc, open, words[2])
		default:
			t.Fatalf("unknown step %q", line)
		}
		if err != nil {
			t.Errorf("%s: %v", strings.TrimSpace(line), err)
		}
	}
}
