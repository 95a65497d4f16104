package layer

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// goldenFile has a line for each tree: its name, the diff ID of its layer, and the digests of the gzip and the zstd of that. Above them stands the version of
// the compressor that made these two.
const goldenFile = "testdata/golden.txt"

// TestGolden holds the digests of ten layers. Diff IDs stay for ever: nothing writes others into the file. Compressed digests stay while the
// compressor does; when its version in go.mod changes and they with it, -update writes the new ones, and CHANGELOG.md has to say so.
func TestGolden(t *testing.T) {
	version := compressorInModule(t)
	data, err := os.ReadFile(goldenFile)
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	known := map[string][]string{}
	for _, line := range lines[1:] {
		words := strings.Fields(line)
		known[words[0]] = words
	}
	out := []string{version}
	for _, tree := range goldenTrees() {
		got := []string{tree.name, "", "", ""}
		for i, compression := range []string{Gzip, Zstd} {
			l, _, err := scanBuild(t, tree.files(t), &Options{Compression: compression, PreserveMode: true})
			must(t, err)
			got[1], got[2+i] = l.DiffID.String(), l.Descriptor.Digest.String()
		}
		want := known[tree.name]
		switch {
		case want == nil && !*update:
			t.Errorf("%s: not in %s", tree.name, goldenFile)
		case want != nil && got[1] != want[1]:
			t.Errorf("%s: the diff ID is %s, and has to stay %s", tree.name, got[1], want[1])
			got = want
		case want != nil && fmt.Sprint(got) != fmt.Sprint(want) && lines[0] == version && !*update:
			t.Errorf("%s: the compressed digests changed, and the compressor (%s) did not:\ngot  %s\nwant %s", tree.name, version, got[2:], want[2:])
		case want != nil && fmt.Sprint(got) != fmt.Sprint(want) && !*update:
			t.Errorf("%s: the compressed digests are of %s: run this test with -update for %s, and tell of it in CHANGELOG.md", tree.name, lines[0], version)
		}
		out = append(out, strings.Join(got, " "))
	}
	if *update {
		must(t, os.WriteFile(goldenFile, []byte(strings.Join(out, "\n")+"\n"), 0o644))
	} else if len(known) != len(out)-1 || lines[0] != version {
		t.Errorf("%s has %d trees of %s, want %d of %s", goldenFile, len(known), lines[0], len(out)-1, version)
	}
}

// compressorInModule is the version that go.mod names.
func compressorInModule(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	must(t, err)
	found := regexp.MustCompile(`(?m)^\s*(github.com/klauspost/compress v\S+)`).FindSubmatch(data)
	if found == nil {
		t.Fatal("go.mod does not name the compressor")
	}
	return string(found[1])
}

type goldenTree struct {
	name  string
	files func(t *testing.T) []File
}

// goldenTrees are made of the same bytes on every machine and in every version.
func goldenTrees() []goldenTree {
	random := func(seed uint64, n int) []byte { return randomText(rand.New(rand.NewPCG(seed, 1)), n) }
	inTree := func(fsys fstest.MapFS) func(*testing.T) []File {
		return func(*testing.T) []File { return []File{{Target: "/app", Tree: TreeFS(fsys), Local: "."}} }
	}
	custom := func(target string, c Custom) File { return File{Target: target, Custom: &c} }
	many := fstest.MapFS{}
	for i := range 3000 {
		many[fmt.Sprintf("node_modules/package-%d/lib/file-%d.js", i/20, i)] = &fstest.MapFile{Data: random(uint64(i), i%5000)}
	}
	modes := fstest.MapFS{}
	for _, mode := range []fs.FileMode{0, 0o400, 0o644, 0o755, 0o777, 0o644 | fs.ModeSetuid, 0o755 | fs.ModeSetgid, 0o777 | fs.ModeSticky} {
		modes[fmt.Sprintf("%o", uint32(mode))] = &fstest.MapFile{Data: []byte("x"), Mode: mode}
	}
	long, when := strings.Repeat("long-name/", 30), time.Unix(1_700_000_000, 123_456_789)
	return []goldenTree{
		{"empty", func(*testing.T) []File { return nil }},
		{"one", inTree(fstest.MapFS{"file": {Data: []byte("hello\n")}})},
		{"many", inTree(many)},
		{"large", inTree(fstest.MapFS{"a": {Data: random(1, 2*chunkMax+777)}, "b": {Data: random(2, chunkMax)}, "c": {Data: random(3, chunkMax+1)}})},
		{"zeros", func(*testing.T) []File {
			return []File{custom("/zeros", *customFile(10<<20, io.LimitReader(endless(0), 10<<20)))}
		}},
		{"modes", inTree(modes)},
		{"names", inTree(fstest.MapFS{"é/ü": {}, long + "x": {}, "a b": {}, "a-b": {}, "a/b": {}, "a.b": {}, strings.Repeat("n", 101): {}})},
		{"links", inTree(fstest.MapFS{"a": {Data: []byte("1")}, "b": {Data: []byte("a"), Mode: fs.ModeSymlink}, "c": {Data: []byte("missing"), Mode: fs.ModeSymlink}})},
		{"custom", func(*testing.T) []File {
			return []File{
				custom("/etc/app.conf", Custom{Size: 3, Data: content.FromBytes([]byte("abc")), Mode: new(uint32(0o600)), UID: new(1 << 22), GID: new(7), Uname: "jürgen"}),
				custom("/etc/times", Custom{ModTime: &when, AccessTime: &when, ChangeTime: &when}),
				custom("/bin/ping", Custom{Xattrs: map[string]string{"security.capability": "\x01\x00\x00\x02", "user.a": "b"}}),
				custom("/etc/hard", Custom{Type: TypeHardlink, LinkPath: "/etc/app.conf"}),
				custom("/etc/soft", Custom{Type: TypeSymlink, LinkPath: long}),
			}
		}},
		{"whiteouts", func(*testing.T) []File {
			return []File{{Target: "/etc/old", Custom: Whiteout()}, {Target: "/var/cache/app", Custom: Opaque()}, custom("/var/cache/app/new", Custom{Type: TypeDirectory})}
		}},
	}
}
