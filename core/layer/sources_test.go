package layer

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/opencontainers/go-digest"
)

// sourcesOf lists what goes into a plan, a line each.
func sourcesOf(t *testing.T, p *Plan) (files, ignores string) {
	t.Helper()
	f, i, err := p.Sources(t.Context())
	must(t, err)
	lines := func(list []Source) string {
		var b strings.Builder
		for _, s := range list {
			b.WriteString(s.Path + " " + s.Name + " " + short(s.Digest) + s.Link + "\n")
		}
		return b.String()
	}
	return lines(f), lines(i)
}

func short(d digest.Digest) string {
	if d == "" {
		return "-> "
	}
	return d.Encoded()[:8]
}

// TestSources: the local files of a layer, by the names that the call gives them, with their digests, links and ignore files; what is ignored is not among them.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{".gitignore": "*.log\n", "a.txt": "a", "b.log": "b", "sub/.gitignore": "c\n", "sub/c": "c", "sub/d": "d"} {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	must(t, os.Symlink("a.txt", filepath.Join(dir, "link")))
	files, ignores := sourcesOf(t, prepare(t, dir, &Options{IgnoreFiles: []string{".gitignore"}}))
	hash := func(text string) string { return short(digest.FromString(text)) }
	if want := ".//.gitignore .gitignore " + hash("*.log\n") + "\n.//a.txt a.txt " + hash("a") + "\n.//link link -> a.txt\n.//sub/.gitignore sub/.gitignore " + hash("c\n") + "\n.//sub/d sub/d " + hash("d") + "\n"; strings.ReplaceAll(want, ".//", "./") != files {
		t.Errorf("got\n%s\nwant\n%s", files, want)
	}
	if strings.Count(ignores, "\n") != 2 || !strings.Contains(ignores, "sub/.gitignore "+hash("c\n")) {
		t.Errorf("got the ignore files\n%s", ignores)
	}
}

// TestSourcesOfKnown: files whose digests are known are not read again, unless they look otherwise; what is damaged is not known.
func TestSourcesOfKnown(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
	}
	cache := &memoryCache{}
	time.Sleep(2 * racy) // then a later change must show
	first, _ := sourcesOf(t, prepare(t, dir, &Options{Cache: cache}))

	// A digest that is wrong shows that it is taken for what is known.
	key := ""
	for k := range cache.records {
		if strings.HasSuffix(k, sumsKey) {
			key = k
		}
	}
	sound := cache.records[key]
	sum := digest.FromString("a")
	cache.records[key] = bytes.Replace(sound, []byte(hexBytes(t, sum)), bytes.Repeat([]byte{0xab}, 32), 1)
	if again, _ := sourcesOf(t, prepare(t, dir, &Options{Cache: cache})); !strings.Contains(again, " abababab\n") {
		t.Errorf("it was read again: got\n%s", again)
	}

	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("c"), 0o644))
	again, _ := sourcesOf(t, prepare(t, dir, &Options{Cache: cache}))
	if !strings.Contains(again, "./a a "+short(digest.FromString("c"))) || !strings.Contains(again, "./b b "+short(digest.FromString("b"))) {
		t.Errorf("got\n%s", again)
	}

	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o644))
	for _, damaged := range [][]byte{nil, []byte("x"), sound[:len(sound)-1], append([]byte("other"), sound...)} {
		cache.records[key] = damaged
		if got, _ := sourcesOf(t, prepare(t, dir, &Options{Cache: cache})); got != first {
			t.Errorf("of a damaged record came\n%s", got)
		}
	}
}

func hexBytes(t *testing.T, d digest.Digest) string {
	t.Helper()
	h := d.Algorithm().Hash()
	h.Write([]byte("a"))
	return string(h.Sum(nil))
}

// TestSourcesOfYoung: the digest of a file that may change again without a sign is not kept.
func TestSourcesOfYoung(t *testing.T) {
	cache := &memoryCache{}
	p, err := Prepare(t.Context(), []File{{Target: "/", Tree: TreeFS(fstest.MapFS{"x": {Data: []byte("x")}}), Local: "."}}, &Options{Cache: cache})
	must(t, err)
	if got, _ := sourcesOf(t, p); got != "./x x "+short(digest.FromString("x"))+"\n" {
		t.Errorf("got %q", got)
	}
	for key := range cache.records {
		t.Errorf("%q was kept of files without an inode", key)
	}
}

// TestSourcesChanged: a file that is no more what Prepare found is an error.
func TestSourcesChanged(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o644))
	p := prepare(t, dir, nil)
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("bc"), 0o644))
	if _, _, err := p.Sources(t.Context()); !errors.Is(err, ErrChanged) || !strings.HasPrefix(err.Error(), "./a: ") {
		t.Errorf("got %v", err)
	}
}
