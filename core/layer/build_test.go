package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// openTree opens dir for the time of the test.
func openTree(t testing.TB, dir string) *Tree {
	t.Helper()
	tree, err := OpenTree(dir)
	must(t, err)
	t.Cleanup(func() { tree.Close() })
	return tree
}

// scanBuild makes a layer of files.
func scanBuild(t testing.TB, files []File, opts *Options) (Layer, *content.Memory, error) {
	t.Helper()
	entries, err := Scan(t.Context(), files, opts)
	if err != nil {
		return Layer{}, nil, err
	}
	var m content.Memory
	l, err := Build(t.Context(), &m, entries, opts)
	return l, &m, err
}

// contents returns the files of an uncompressed layer by name.
func contents(t *testing.T, src content.Fetcher, desc content.Descriptor) map[string]string {
	t.Helper()
	r, err := src.Fetch(t.Context(), desc)
	must(t, err)
	defer r.Close()
	files := map[string]string{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return files
		}
		must(t, err)
		data, err := io.ReadAll(archive)
		must(t, err)
		files[h.Name] = string(data)
	}
}

func customFile(size int64, data io.Reader) *Custom {
	return &Custom{Size: size, Data: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(data), nil }}
}

// endless yields one byte for ever.
type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestCustomSizes(t *testing.T) {
	for _, size := range []int64{0, 1, 511, 512, 16_000, 17_000, chunkMax - 1, chunkMax, chunkMax + 1, 5_000_000} {
		l, m, err := scanBuild(t, []File{{Target: "x", Custom: customFile(size, io.LimitReader(endless('z'), size))}}, &Options{Compression: None})
		must(t, err)
		if got := contents(t, m, l.Descriptor)["x"]; got != strings.Repeat("z", int(size)) {
			t.Errorf("%d bytes became %d", size, len(got))
		}
	}
}

// TestCustomStreamOfWrongSize has streams that are too short and too long.
func TestCustomStreamOfWrongSize(t *testing.T) {
	for _, c := range []struct {
		promised int64
		stream   io.Reader
		want     string
	}{
		{10, strings.NewReader("123456789"), `custom_file: /x: ends after 9 of the promised 10 bytes`},
		{10, strings.NewReader("12345678901"), `custom_file: /x: has more than the promised 10 bytes`},
		{0, strings.NewReader("1"), `custom_file: /x: has more than the promised 0 bytes`},
		{5_000_000, io.LimitReader(endless(0), 4_999_999), `custom_file: /x: ends after 4999999 of the promised 5000000 bytes`},
		{5_000_000, endless(0), `custom_file: /x: has more than the promised 5000000 bytes`},
		{5, io.MultiReader(strings.NewReader("12"), failing{}), `custom_file: /x: broken`},
		{5, stuck{}, `custom_file: /x: multiple Read calls return no data or error`},
	} {
		_, _, err := scanBuild(t, []File{{Target: "x", Custom: customFile(c.promised, c.stream)}}, nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken") }

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestCustomTimes has times written as given; those of the call lose their fractions.
func TestCustomTimes(t *testing.T) {
	given := time.Unix(-5, 250_000_000)
	files := []File{
		{Target: "given", Custom: &Custom{ModTime: &given, AccessTime: &given}},
		{Target: "not", Custom: &Custom{}},
	}
	entries, err := Scan(t.Context(), files, &Options{ModTime: time.Unix(7, 9)})
	must(t, err)
	if e := entries[0]; !e.ModTime.Equal(given) || !e.AccessTime.Equal(given) || !e.ChangeTime.IsZero() {
		t.Errorf("given: %+v", e)
	}
	if e := entries[1]; !e.ModTime.Equal(time.Unix(7, 0)) || !e.AccessTime.IsZero() {
		t.Errorf("not given: %+v", e)
	}
}

func TestFileTimeOverride(t *testing.T) {
	given := time.Unix(3, 4)
	tree := TreeFS(fstest.MapFS{"a": {Data: []byte("1"), ModTime: time.Unix(99, 0)}})
	entries, err := Scan(t.Context(), []File{{Target: "a", Tree: tree, Local: "a", ModTime: &given}, {Target: "b", Tree: tree, Local: "a"}}, nil)
	must(t, err)
	if !entries[0].ModTime.Equal(given) || entries[1].ModTime.Unix() != 0 {
		t.Errorf("%v and %v", entries[0].ModTime, entries[1].ModTime)
	}
}

// TestCompressions holds the compressed bytes too. They may change when klauspost/compress does, and only then.
func TestCompressions(t *testing.T) {
	files := []File{{Target: "/app/data", Custom: customFile(5_000_000, io.LimitReader(endless('z'), 5_000_000))}}
	entries, err := Scan(t.Context(), files, nil)
	must(t, err)
	level := func(n int) *int { return &n }
	for _, c := range []struct {
		opts      Options
		mediaType string
		digest    string
	}{
		{Options{}, content.OCILayerGzip, "sha256:50c4720f22cb725d878bf8b57905c21bc87f7c03232023e7d952789277c56970"},
		{Options{Compression: Gzip, Level: level(9)}, content.OCILayerGzip, "sha256:099df08cfabbf642fce43106977876ee28196d3c465b80c173de84e90d85d795"},
		{Options{Compression: Zstd}, content.OCILayerZstd, "sha256:98f32a8c3e31a9e637a73e96848070dc22efa7979992e0bc18da7b76f480d2c3"},
		{Options{Compression: Zstd, Level: level(19)}, content.OCILayerZstd, "sha256:8a7689543078231d9b98c977b5c422683d5efec7f40ea8396116efd094bf3ed8"},
		{Options{Compression: None}, content.OCILayer, "sha256:c1310c2b20b1a5e4eb46444448acd0c90add536891b1ee6da1a8b021f36f1e24"},
	} {
		entries[1].Data = content.FromBytes(bytes.Repeat([]byte("z"), 5_000_000))
		var m content.Memory
		l, err := Build(t.Context(), &m, entries, &c.opts)
		must(t, err)
		if l.Descriptor.MediaType != c.mediaType || l.Descriptor.Digest.String() != c.digest {
			t.Errorf("%s: %s %s", c.opts.Compression, l.Descriptor.MediaType, l.Descriptor.Digest)
		}
		if l.DiffID != "sha256:c1310c2b20b1a5e4eb46444448acd0c90add536891b1ee6da1a8b021f36f1e24" {
			t.Errorf("%s: diff ID %s", c.opts.Compression, l.DiffID)
		}
		again, err := FromTar(t.Context(), &m, content.FromFetcher(&m, l.Descriptor), &TarOptions{DiffID: l.DiffID})
		must(t, err)
		if again.Descriptor.Digest != l.Descriptor.Digest || again.Descriptor.MediaType != l.Descriptor.MediaType {
			t.Errorf("%s: read back as %v", c.opts.Compression, again)
		}
	}
}

// TestGzipHeader has no name, no time and no operating system.
func TestGzipHeader(t *testing.T) {
	l, m, err := scanBuild(t, []File{{Target: "a", Custom: &Custom{}}}, nil)
	must(t, err)
	data, err := content.ReadAll(t.Context(), m, l.Descriptor)
	must(t, err)
	if want := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255}; !bytes.HasPrefix(data, want) {
		t.Errorf("% x, want % x", data[:10], want)
	}
}

// TestOneDigest packs one tree as made in other orders, with another umask, other times and other numbers of cores.
func TestOneDigest(t *testing.T) {
	names := []string{"a", "b/c", "b/d/e", "b-", "z/1", "z/2", "z/10", "x.sh"}
	make := func(umask int, reverse bool, when time.Time) string {
		defer syscall.Umask(syscall.Umask(umask))
		dir := t.TempDir()
		order := slices.Clone(names)
		if reverse {
			slices.Reverse(order)
		}
		for _, name := range order {
			full := filepath.Join(dir, name)
			must(t, os.MkdirAll(filepath.Dir(full), 0o777))
			mode := fs.FileMode(0o666)
			if strings.HasSuffix(name, ".sh") {
				mode = 0o777
			}
			must(t, os.WriteFile(full, []byte(name), mode))
			must(t, os.Chtimes(full, when, when))
		}
		return dir
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var first Layer
	for i, cores := range []int{1, 2, 16} {
		for _, dir := range []string{make(0o022, false, time.Unix(1, 0)), make(0o077, true, time.Now().Add(time.Hour))} {
			runtime.GOMAXPROCS(cores)
			l, _, err := scanBuild(t, []File{{Target: "/app", Tree: openTree(t, dir), Local: "."}}, nil)
			must(t, err)
			if i == 0 && first.DiffID == "" {
				first = l
			}
			if l.DiffID != first.DiffID || l.Descriptor.Digest != first.Descriptor.Digest {
				t.Errorf("%d cores: %v, want %v", cores, l, first)
			}
		}
	}
}

// TestOneTreeManyCalls packs one tree from many goroutines at once.
func TestOneTreeManyCalls(t *testing.T) {
	tree := openTree(t, "testdata")
	var group errgroup.Group
	ids := make([]digest.Digest, 8)
	for i := range ids {
		group.Go(func() error {
			l, _, err := scanBuild(t, []File{{Target: "/app", Tree: tree, Local: "."}}, nil)
			ids[i] = l.DiffID
			return err
		})
	}
	must(t, group.Wait())
	if slices.Sort(ids); ids[0] != ids[7] {
		t.Error(ids)
	}
}

// TestTreeFSHasSameBytes packs a tree from an fs.FS and from disk.
func TestTreeFSHasSameBytes(t *testing.T) {
	mem := fstest.MapFS{
		"src/a":      {Data: []byte("1"), Mode: 0o755},
		"src/d/b":    {Data: bytes.Repeat([]byte("2"), 100_000)},
		"src/link":   {Data: []byte("d/b"), Mode: fs.ModeSymlink | 0o777},
		"src/out":    {Data: []byte("../lib"), Mode: fs.ModeSymlink | 0o777},
		"lib/x":      {Data: []byte("3")},
		"src/.i":     {Data: []byte("*.o\n")},
		"src/d/no.o": {},
	}
	dir := t.TempDir()
	must(t, os.CopyFS(dir, mem))
	opts := &Options{IgnoreFiles: []string{".i"}, Compression: None}
	var listings []string
	for _, tree := range []*Tree{TreeFS(mem), openTree(t, dir), TreeFS(os.DirFS(dir))} {
		l, m, err := scanBuild(t, []File{{Target: "/app", Tree: tree, Local: "src"}}, opts)
		must(t, err)
		listings = append(listings, listing(t, m, l.Descriptor))
	}
	if listings[0] != listings[1] || listings[0] != listings[2] || !strings.Contains(listings[0], "app/out/x") {
		t.Errorf("fs.FS:\n%s\ndisk:\n%s\nos.DirFS:\n%s", listings[0], listings[1], listings[2])
	}
}

// TestLinkToOtherTree has a link to a file that, in the layer, is that of another tree with the same name.
func TestLinkToOtherTree(t *testing.T) {
	one := TreeFS(fstest.MapFS{"src/link": {Data: []byte("../lib/file"), Mode: fs.ModeSymlink | 0o777}, "lib/file": {Data: []byte("one")}})
	two := TreeFS(fstest.MapFS{"lib/file": {Data: []byte("two")}})
	l, m, err := scanBuild(t, []File{{Target: "/src", Tree: one, Local: "src"}, {Target: "/lib", Tree: two, Local: "lib"}}, &Options{Compression: None})
	must(t, err)
	if got := contents(t, m, l.Descriptor); got["src/link"] != "one" || got["lib/file"] != "two" {
		t.Errorf("%q", got)
	}
}

// TestBuildEndsWithContext cancels a build whose stream would go on for ever.
func TestBuildEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	entries := []Entry{{Path: "x", Size: 1 << 50, Data: func(context.Context) (io.ReadCloser, error) {
		time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
		return io.NopCloser(endless(0)), nil
	}}}
	if _, err := Build(ctx, &content.Memory{}, entries, nil); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if _, err := Scan(ctx, []File{{Target: "/", Tree: openTree(t, "."), Local: "."}}, nil); !errors.Is(err, why) {
		t.Errorf("scan: %v", err)
	}
}

// TestBuildMemory packs a GiB and counts all that is allocated meanwhile: what chunks in flight take, whatever the size of the file.
func TestBuildMemory(t *testing.T) {
	for _, compression := range []string{Gzip, Zstd, None} {
		const size = 1 << 30
		entries := []Entry{{Path: "x", Size: size, Data: func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.LimitReader(endless(0), size)), nil
		}}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Build(t.Context(), &fullStore{1 << 40}, entries, &Options{Compression: compression, Workers: NewWorkers(2)})
		must(t, err)
		runtime.ReadMemStats(&after)
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 5*minInFlight>>20 {
			t.Errorf("%s: allocated %d MiB", compression, used)
		}
	}
}

// TestCheckEntries has entries that Scan does not make.
func TestCheckEntries(t *testing.T) {
	for _, bad := range [][]Entry{
		{{Path: ""}}, {{Path: "."}}, {{Path: "/a"}}, {{Path: "a/"}}, {{Path: "a/../b"}}, {{Path: "../a"}}, {{Path: "a\x00"}},
		{{Path: "b"}, {Path: "a"}}, {{Path: "a"}, {Path: "a"}}, {{Path: "a", Type: TypeWhiteout}}, {{Path: "a", Size: -1}},
		{{Path: "a", Type: TypeSymlink, Link: "\x00"}}, {{Path: "a", Xattrs: map[string]string{"=": ""}}},
	} {
		if _, err := Build(t.Context(), &content.Memory{}, bad, nil); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}

func TestCheckOptions(t *testing.T) {
	mode, depth, level := uint32(0o644), 0, 10
	err := CheckOptions(&Options{
		Symlinks: "sometimes", Compression: "lz4", UID: -1, Mode: &mode, PreserveMode: true, MaxDepth: &depth, IgnoreFiles: []string{"a/b", ".."},
	})
	want := strings.Join([]string{
		`symlinks "sometimes": want "auto", "keep" or "follow"`,
		`compression "lz4": want "gzip", "zstd" or "none"`,
		`uid -1, gid 0: want no negative numbers`,
		`mode and preserve_mode: want one of them`,
		`max_depth 0: want 1, which is the direct children, or more`,
		`ignore file "a/b": want a file name without a directory`,
		`ignore file "..": want a file name without a directory`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	for _, o := range []*Options{{Level: &level}, {Compression: None, Level: &level}} {
		if err := CheckOptions(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if err := errors.Join(CheckOptions(nil), CheckOptions(&Options{Compression: Zstd, Level: &level})); err != nil {
		t.Error(err)
	}
}

// TestManyErrors shows the first twenty.
func TestManyErrors(t *testing.T) {
	var files []File
	for i := range 30 {
		files = append(files, File{Target: fmt.Sprintf("/../%02d", i), Custom: &Custom{}})
	}
	_, err := Scan(t.Context(), files, nil)
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 21 || lines[20] != "and 10 more" {
		t.Errorf("%d lines: %v", len(lines), err)
	}
	if !errors.Is(err, ErrOutside) {
		t.Error("not ErrOutside")
	}
}

// TestGNUTar has GNU tar read what this package wrote.
func TestGNUTar(t *testing.T) {
	bin, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("there is no tar here")
	}
	long := strings.Repeat("long/", 60) + "é"
	entries, err := Scan(t.Context(), []File{
		{Target: "/app/" + long, Custom: customFile(17_000, io.LimitReader(endless('z'), 17_000))},
		{Target: "/app/link", Custom: &Custom{Type: TypeSymlink, LinkPath: strings.Repeat("x", 200)}},
		{Target: "/app/mode", Custom: &Custom{Mode: new(uint32(0o4600)), UID: new(1 << 22), Uname: "joe"}},
	}, nil)
	must(t, err)
	var m content.Memory
	l, err := Build(t.Context(), &m, entries, nil)
	must(t, err)
	data, err := content.ReadAll(t.Context(), &m, l.Descriptor)
	must(t, err)
	cmd := exec.Command(bin, "--warning=all", "-tvzf", "-")
	cmd.Stdin, cmd.Env = bytes.NewReader(data), []string{"LC_ALL=C.UTF-8", "TZ=UTC", "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"17000 1970-01-01 00:00 app/" + long, "app/link -> " + strings.Repeat("x", 200), "-rwS------ joe/0"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
