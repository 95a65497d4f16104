package layout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

func TestMain(m *testing.M) {
	if run, ok := children[os.Getenv("LAYOUT_TEST_CHILD")]; ok {
		run(os.Args[len(os.Args)-1])
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, dir string) *Layout {
	t.Helper()
	l, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// fresh is a layout that does not exist yet.
func fresh(t testing.TB) *Layout { return open(t, filepath.Join(t.TempDir(), "out")) }

func TestConformance(t *testing.T) {
	damage := &contenttest.Options{
		Corrupt: func(t *testing.T, s content.Store, desc content.Descriptor) {
			rewrite(t, s.(*Layout), desc, func(data []byte) []byte { data[len(data)/2] ^= 1; return data })
		},
		Truncate: func(t *testing.T, s content.Store, desc content.Descriptor) {
			rewrite(t, s.(*Layout), desc, func(data []byte) []byte { return data[:len(data)/2] })
		},
	}
	contenttest.TestStore(t, func(t *testing.T) content.Store { return fresh(t) }, damage)
	contenttest.TestRepository(t, func(t *testing.T) content.Repository { return fresh(t) }, damage)
}

func blobFile(t testing.TB, l *Layout, d digest.Digest) string {
	t.Helper()
	name, err := blobName(d)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(l.Dir(), name)
}

// rewrite changes the file of a blob behind the layout's back.
func rewrite(t *testing.T, l *Layout, desc content.Descriptor, change func([]byte) []byte) {
	t.Helper()
	file := blobFile(t, l, desc.Digest)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, string(change(data)))
}

func writeFile(t testing.TB, name, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readIndex(t testing.TB, dir string) *index {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, indexFile))
	if err != nil {
		t.Fatal(err)
	}
	x, err := parseIndex(data)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// wantOnlyLayout checks that the directory holds what the specification names and nothing else.
func wantOnlyLayout(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got := strings.Join(names, " "); got != "blobs index.json oci-layout" {
		t.Errorf("the directory holds %q", got)
	}
}

func wantResolves(t *testing.T, l *Layout, name string, want content.Descriptor) {
	t.Helper()
	got, err := l.Resolve(t.Context(), name)
	if err != nil || got.Digest != want.Digest || got.MediaType != want.MediaType || got.Size != want.Size {
		t.Errorf("Resolve %q: got %v, %v; want %v", name, got, err, want)
	}
}

func wantError(t *testing.T, what string, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: got error %v, want one that is %q and says %q", what, err, want, text)
	}
}

// What we write is what the specification shows, to the byte.
func TestGolden(t *testing.T) {
	l := fresh(t)
	desc, data := manifest(1)
	if _, err := os.Stat(l.Dir()); err == nil {
		t.Error("Open made the directory")
	}
	if err := l.PushTagged(t.Context(), desc, content.FromBytes(data), "v1"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"oci-layout": `{"imageLayoutVersion":"1.0.0"}`,
		"index.json": `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` +
			`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + desc.Digest.String() + `","size":270,` +
			`"annotations":{"org.opencontainers.image.ref.name":"v1"}}]}`,
		"blobs/sha256/" + desc.Digest.Encoded(): string(data),
	} {
		got, err := os.ReadFile(filepath.Join(l.Dir(), name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, want)
		}
	}
	wantOnlyLayout(t, l.Dir())
	for _, name := range []string{"", "blobs", "blobs/sha256"} {
		if info, err := os.Stat(filepath.Join(l.Dir(), name)); err != nil || info.Mode().Perm()&0o777&^0o022 != 0o755 {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestNotALayout(t *testing.T) {
	desc, data := manifest(1)
	read := func(dir string) error { _, err := open(t, dir).Resolve(t.Context(), "v1"); return err }
	push := func(dir string) error { return open(t, dir).Push(t.Context(), desc, content.FromBytes(data)) }

	dir := t.TempDir()
	wantError(t, "reading what is missing", read(filepath.Join(dir, "x")), content.ErrNotFound, "no such directory")
	wantError(t, "reading an empty directory", read(dir), content.ErrNotFound, "no image layout, it has no file oci-layout")
	if there, err := open(t, dir).Exists(t.Context(), desc); there || err != nil {
		t.Errorf("Exists in an empty directory: %t, %v", there, err)
	}
	writeFile(t, filepath.Join(dir, "main.go"), "")
	wantError(t, "writing among somebody's files", push(dir), content.ErrInvalid, `holds other files, such as "main.go"`)
	if err := os.Remove(filepath.Join(dir, "main.go")); err != nil {
		t.Fatal(err)
	}
	if err := push(dir); err != nil {
		t.Errorf("writing into an empty directory: %v", err)
	}

	file := filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "")
	_, err := Open(file, nil)
	wantError(t, "Open of a file", err, content.ErrInvalid, "it is a file")
	_, err = Open("", nil)
	wantError(t, "Open of nothing", err, content.ErrInvalid, "empty")
	if _, err := Open(filepath.Join(file, "below"), nil); err == nil {
		t.Error("Open below a file: no error")
	}
	for text, want := range map[string]string{
		`{"imageLayoutVersion":"2.0.0"}`: `version "2.0.0"`,
		`{}`:                             `version ""`,
		`nonsense`:                       "oci-layout",
	} {
		writeFile(t, filepath.Join(dir, layoutFile), text)
		wantError(t, "reading with oci-layout "+text, read(dir), content.ErrInvalid, want)
		wantError(t, "writing with oci-layout "+text, push(dir), content.ErrInvalid, want)
	}
}

func TestReadOnly(t *testing.T) {
	l := fresh(t)
	desc, data := manifest(1)
	reader, err := Open(l.Dir(), &Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantError(t, "Push", reader.Push(t.Context(), desc, content.FromBytes(data)), content.ErrUnsupported, "reading alone")
		wantError(t, "PushTagged", reader.PushTagged(t.Context(), desc, content.FromBytes(data), "v1"), content.ErrUnsupported, "reading alone")
		if err := l.PushTagged(t.Context(), desc, content.FromBytes(data), "v1"); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, "Tag", reader.Tag(t.Context(), desc, "v2"), content.ErrUnsupported, "reading alone")
	wantResolves(t, reader, "v1", desc)
}

// A link inside the layout may be followed, one that leaves it never: neither to read, nor to write, nor to lock.
func TestLinksStayInside(t *testing.T) {
	outside := t.TempDir()
	desc, data := manifest(1)
	writeFile(t, filepath.Join(outside, "secret"), string(data))

	l := fresh(t)
	other, otherData := manifest(2)
	if err := l.PushTagged(t.Context(), other, content.FromBytes(otherData), "v1"); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"absolute": filepath.Join(outside, "secret"), "relative": "../../../../" + filepath.Base(outside) + "/secret"} {
		os.Remove(blobFile(t, l, desc.Digest))
		if err := os.Symlink(target, blobFile(t, l, desc.Digest)); err != nil {
			t.Fatal(err)
		}
		if _, err := content.ReadAll(t.Context(), l, desc); err == nil {
			t.Errorf("a blob that is an %s link out of the layout was read", name)
		}
		if there, _ := l.Exists(t.Context(), desc); there {
			t.Errorf("a blob that is an %s link out of the layout exists", name)
		}
	}
	os.Remove(blobFile(t, l, desc.Digest))
	if err := os.Rename(blobFile(t, l, other.Digest), filepath.Join(l.Dir(), "moved")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../moved", blobFile(t, l, other.Digest)); err != nil {
		t.Fatal(err)
	}
	if _, err := content.ReadAll(t.Context(), l, other); err != nil {
		t.Errorf("a link inside the layout: %v", err)
	}

	for _, name := range []string{"blobs", "blobs/sha256", "index.json", "index.json.lock", "oci-layout"} {
		planted := fresh(t)
		link := filepath.Join(planted.Dir(), name)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, link); err != nil {
			t.Fatal(err)
		}
		planted.PushTagged(t.Context(), desc, content.FromBytes(data), "v1") // may fail, may replace the link
		if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
			t.Fatalf("with %s as a link, a write left the layout: %v, %v", name, entries, err)
		}
	}
}

// A FIFO or a directory where a file should be must neither hang nor confuse.
func TestOddFiles(t *testing.T) {
	desc, data := manifest(1)
	for _, name := range []string{"oci-layout", "index.json", "index.json.lock", "blobs/sha256/" + desc.Digest.Encoded()} {
		for _, kind := range []string{"fifo", "directory"} {
			l := fresh(t)
			if err := l.PushTagged(t.Context(), desc, content.FromBytes(data), "v1"); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(l.Dir(), name)
			os.Remove(file)
			var err error
			if kind == "fifo" {
				err = syscall.Mkfifo(file, 0o644)
			} else {
				err = os.Mkdir(file, 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan bool)
			go func() {
				defer close(done)
				l.Resolve(t.Context(), "v1")
				content.ReadAll(t.Context(), l, desc)
				l.PushTagged(t.Context(), desc, content.FromBytes(data), "v2")
			}()
			select {
			case <-done:
			case <-time.After(10 * time.Second):
				t.Fatalf("%s as a %s: hangs", name, kind)
			}
		}
	}
}

func TestLockIsWaitedForUntilTheContextEnds(t *testing.T) {
	l, other := fresh(t), (*Layout)(nil)
	desc, data := manifest(1)
	if err := l.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
		t.Fatal(err)
	}
	other = open(t, l.Dir())
	root, err := os.OpenRoot(l.Dir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	err = l.update(t.Context(), root, func(*index) error {
		for _, waiting := range []*Layout{l, other} { // one waits for its turn, the other for the lock
			ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("enough"))
			defer cancel()
			if err := waiting.Tag(ctx, desc, "v1"); err == nil || !strings.Contains(err.Error(), "enough") {
				t.Errorf("Tag while another writes: %v", err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := other.Tag(t.Context(), desc, "v1"); err != nil {
		t.Errorf("Tag afterwards: %v", err)
	}
}

// TestWritable: what a plan is told of a directory is what the first write then finds, and looking changes nothing.
func TestWritable(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		ok    bool
	}{
		"missing":            {nil, true},
		"empty":              {map[string]string{}, true},
		"a layout":           {map[string]string{"oci-layout": `{"imageLayoutVersion":"1.0.0"}`, "index.json": `{"manifests":[]}`}, true},
		"somebody's sources": {map[string]string{"main.go": "package main"}, false},
		"a newer layout":     {map[string]string{"oci-layout": `{"imageLayoutVersion":"2.0.0"}`}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			if test.files != nil {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for file, text := range test.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			l, err := Open(dir, &Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			said := l.Writable(t.Context())
			if entries, err := os.ReadDir(dir); len(entries) != len(test.files) || test.files != nil && err != nil {
				t.Errorf("the directory has %v now, %v", entries, err)
			}
			writer, err := Open(dir, nil)
			if err != nil {
				t.Fatal(err)
			}
			data := contenttest.Bytes(10)
			did := writer.Push(t.Context(), content.Of(content.OCILayerGzip, data), content.FromBytes(data))
			if (said == nil) != test.ok || fmt.Sprint(said) != fmt.Sprint(did) {
				t.Errorf("Writable: %v, Push: %v", said, did)
			}
		})
	}
}

// TestOpenDir: a layout uses the directory that it is given, each time, and asks for one to be made before it writes.
func TestOpenDir(t *testing.T) {
	base, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	refused := errors.New("not there")
	var asked []bool
	open := func(create bool) (*os.Root, error) {
		asked = append(asked, create)
		if create {
			if err := base.MkdirAll("a/b", 0o755); err != nil {
				return nil, err
			}
		}
		return base.OpenRoot("a/b")
	}
	l, err := Open("for messages", &Options{OpenDir: open})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Resolve(t.Context(), "v1"); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("Resolve without a directory: got error %v", err)
	}
	if slices.Contains(asked, true) {
		t.Error("a directory was made before anything was written")
	}
	desc := contenttest.Image(t, l, content.OCIManifest, 1)
	if err := l.Tag(t.Context(), desc, "v1"); err != nil {
		t.Fatal(err)
	}
	if got, err := l.Resolve(t.Context(), "v1"); err != nil || got.Digest != desc.Digest {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := base.Stat("a/b/index.json"); err != nil {
		t.Error(err)
	}
	if _, err := Open("for messages", &Options{OpenDir: func(bool) (*os.Root, error) { return nil, refused }}); !errors.Is(err, refused) {
		t.Errorf("got error %v", err)
	}
}
