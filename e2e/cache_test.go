package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// project is a directory that is built again and again with one cache, into layouts.
type project struct {
	*world
	rng   *rand.Rand
	cache string
	names []string // of its files
	built int      // images so far
}

// newProject makes one of files of sizes around those of the parts that a layer is cut into, 12 MB in all.
func newProject(t *testing.T, seed uint64) *project {
	p := &project{world: newWorld(t, nil), rng: rand.New(rand.NewPCG(seed, 7))}
	p.cache = filepath.Join(p.home, "cache")
	for i := range 60 {
		p.names = append(p.names, fmt.Sprintf("data/%d/%d", i%5, i))
		p.fill(p.names[i], []int{0, 10, 4096, 100_000, 300_000, 1_000_000}[i%6])
	}
	p.write("build.star", `
img = image("scratch", var("to"))
img.add_files({"/data": "data"})
img.add_files({"/etc/name": custom_file("name")})
img.save()
`)
	return p
}

// fill writes a file whose bytes hardly compress. Its time is before now, as if it had been written before the program started.
func (p *project) fill(name string, size int) {
	p.t.Helper()
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(p.rng.Uint32())
	}
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(data) // it never fails
	p.write(name, string(data))
	when := time.Now().Add(-time.Duration(1+p.rng.IntN(1000)) * time.Second)
	if err := os.Chtimes(p.path(name), when, when); err != nil {
		p.t.Fatal(err)
	}
}

// edit changes one file.
func (p *project) edit() { p.fill(p.names[p.rng.IntN(len(p.names))], p.rng.IntN(400_000)) }

// build runs the script, with the cache unless other flags are given. Each image goes to a place of its own, so that its blobs are needed.
func (p *project) build(flags ...string) outcome {
	p.t.Helper()
	p.built++
	if len(flags) == 0 {
		flags = []string{"--cache-dir", p.cache}
	}
	to := fmt.Sprintf("oci:out%d", p.built)
	out := p.program(append([]string{"run", p.path("build.star"), "--var", "to=" + to, "--progress", "quiet"}, flags...)...)
	if out.code == 0 {
		p.wantBlobs(p.path(strings.TrimPrefix(to, "oci:")))
	}
	return out
}

// mustBuild returns the digest of the image.
func (p *project) mustBuild(flags ...string) string {
	p.t.Helper()
	out := p.build(flags...)
	if out.code != 0 || len(out.saved) != 1 {
		p.t.Fatalf("exit code %d\n%s", out.code, out.stderr)
	}
	return out.saved[0].Digest
}

// wantBlobs holds every blob of a layout to its name, and removes the layout.
func (p *project) wantBlobs(dir string) {
	p.t.Helper()
	blobs, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil || len(blobs) == 0 {
		p.t.Fatalf("%s: %q, %v", dir, blobs, err)
	}
	for _, name := range blobs {
		if got := hashOf(p.t, name); got != filepath.Base(name) {
			p.t.Errorf("%s has the digest %s", name, got)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		p.t.Fatal(err)
	}
}

// cached lists the files of the cache.
func (p *project) cached() (names []string) {
	p.t.Helper()
	err := filepath.Walk(p.cache, func(name string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return names
}

// isCleanError reports whether the program ended by itself and said why.
func isCleanError(out outcome) bool {
	return out.code == 1 && strings.HasPrefix(out.stderr, "error: ") && !strings.Contains(out.stderr, "panic") && !strings.Contains(out.stderr, "internal error")
}

// damages are what may happen to a file of the cache.
var damages = []struct {
	name string
	do   func(data []byte, at int) []byte
}{
	{"a bit", func(data []byte, at int) []byte { data[at] ^= 1 << (at % 8); return data }},
	{"zeros", func(data []byte, at int) []byte { clear(data[at:min(len(data), at+4096)]); return data }},
	{"cut", func(data []byte, at int) []byte { return data[:at] }},
	{"longer", func(data []byte, _ int) []byte { return append(data, data...) }},
}

// TestDamagedCache damages every file of a cache in turn, at several places, and builds: unchanged, and after a change. The image is always that of an empty
// cache. IMGSCRIPT_E2E_FLIPS is the number of places in each file.
func TestDamagedCache(t *testing.T) {
	seed := number(t, "IMGSCRIPT_E2E_SEED", 1)
	t.Logf("IMGSCRIPT_E2E_SEED=%d", seed)
	p := newProject(t, seed)
	want := p.mustBuild("--no-cache")
	equal(t, "with an empty cache", p.mustBuild(), want)
	var kinds []string
	for _, name := range p.cached() {
		rel, err := filepath.Rel(p.cache, name)
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, strings.Split(filepath.ToSlash(rel), "/")[0])
	}
	for _, kind := range []string{"blobs", "records", "size", "CACHEDIR.TAG"} {
		if !slices.Contains(kinds, kind) {
			t.Errorf("the cache has no %s: %q", kind, kinds)
		}
	}
	whole := filepath.Join(p.home, "whole")
	if err := os.CopyFS(whole, os.DirFS(p.cache)); err != nil {
		t.Fatal(err)
	}
	for _, name := range p.cached() {
		rel, err := filepath.Rel(p.cache, name)
		if err != nil {
			t.Fatal(err)
		}
		for range number(t, "IMGSCRIPT_E2E_FLIPS", 2) {
			p.restore(whole)
			what := p.damage(name)
			equal(t, rel+", "+what, p.mustBuild(), want)
		}
		// One file changed.
		p.restore(whole)
		what := p.damage(name)
		p.edit()
		changed := p.mustBuild()
		if want = p.mustBuild("--no-cache"); changed != want {
			t.Errorf("%s, %s: after a change the image is %s, want %s", rel, what, changed, want)
		}
		p.restore(whole)
		equal(t, rel+": from the older cache", p.mustBuild(), want)
	}
}

// restore puts the cache back.
func (p *project) restore(whole string) {
	p.t.Helper()
	if err := os.RemoveAll(p.cache); err != nil {
		p.t.Fatal(err)
	}
	if err := os.CopyFS(p.cache, os.DirFS(whole)); err != nil {
		p.t.Fatal(err)
	}
}

// damage damages a file somewhere and says how.
func (p *project) damage(name string) string {
	p.t.Helper()
	data := []byte(readFile(p.t, name))
	at, how := p.rng.IntN(len(data)), damages[p.rng.IntN(len(damages))]
	if err := os.WriteFile(name, how.do(data, at), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprintf("%s at %d of %d", how.name, at, len(data))
}

// TestBuildsAtOnce has processes build the same at once, unchanged and changed, with the cache pruned under their hands.
func TestBuildsAtOnce(t *testing.T) {
	p := newProject(t, number(t, "IMGSCRIPT_E2E_SEED", 1))
	for round := range 4 {
		want := p.mustBuild("--no-cache")
		var wg sync.WaitGroup
		outs := make([]outcome, 4)
		for i := range outs {
			p.built++
			to := fmt.Sprintf("to=oci:out%d", p.built)
			flags := []string{"--cache-dir", p.cache}
			if i%2 == 1 {
				flags = append(flags, "--cache-size", "1MB")
			}
			wg.Go(func() {
				outs[i] = p.program(append([]string{"run", p.path("build.star"), "--var", to, "--progress", "quiet"}, flags...)...)
			})
		}
		wg.Wait()
		for i, out := range outs {
			if out.code != 0 {
				t.Fatalf("round %d, process %d: exit code %d\n%s", round, i, out.code, out.stderr)
			}
			equal(t, fmt.Sprintf("round %d, process %d", round, i), out.saved[0].Digest, want)
		}
		equal(t, "the next one", p.mustBuild(), want)
		p.edit()
	}
	if out := p.sh(program, "cache", "verify", "--cache-dir", p.cache); strings.Contains(out, "damaged") {
		t.Errorf("cache verify:\n%s", out)
	}
}

// TestFullDisk builds with caches on disks that are too small, of many sizes: what is saved is right, or there is an error that says what to do, and nothing under the tag.
func TestFullDisk(t *testing.T) {
	asRoot(t, "mounting a disk")
	tools(t, anyKind.command)
	s := start(t, anyKind)
	p := newProject(t, number(t, "IMGSCRIPT_E2E_SEED", 1))
	p.hosts["REG"] = s.host
	p.cache = filepath.Join(p.home, "small")
	want := p.mustBuild("--no-cache")
	full, built := 0, 0
	for round, size := range []int{16, 64, 300, 1000, 4000, 8000, 11000, 13000, 14000, 30000} { // the blobs have 12 MB
		p.mount(size << 10)
		tag := fmt.Sprint("round", round)
		to := s.host + "/app:" + tag
		run := func() outcome {
			return p.program("run", p.path("build.star"), "--var", "to="+to, "--progress", "quiet", "--cache-dir", p.cache)
		}
		out := run()
		if out.code == 0 {
			built++
			equal(t, fmt.Sprintf("%d KiB", size), out.saved[0].Digest, want)
		} else {
			full++
			said := fmt.Sprintf("there is no room for the cache in %q", p.cache)
			if !isCleanError(out) || !strings.Contains(out.stderr, said) || !strings.Contains(out.stderr, "\nhint: free some space") {
				t.Errorf("%d KiB: exit code %d\n%s", size, out.code, out.stderr)
			}
			if _, there := get(t, s, "manifests/"+tag); there {
				t.Errorf("%d KiB: the tag is there", size)
			}
		}
		p.unmount()
	}
	if full == 0 || built == 0 {
		t.Errorf("%d disks were too small and %d were not", full, built)
	}
	p.afterwards(s)
}

// afterwards fills a disk, makes room as the hint says, and builds.
func (p *project) afterwards(s *server) {
	p.t.Helper()
	p.mount(14_000 << 10)
	defer p.unmount()
	all := []string{"--cache-dir", p.cache, "--cache-size", "unlimited"} // by itself it would keep a tenth of the disk
	p.mustBuild(all...)
	for i := 5; i < len(p.names); i += 6 { // other bytes, as many: the layer does not fit beside the old one, and fits alone
		p.fill(p.names[i], 1_000_000)
	}
	out := p.build(all...)
	if !isCleanError(out) {
		p.t.Fatalf("the second layer: exit code %d\n%s", out.code, out.stderr)
	}
	p.sh(program, "cache", "prune", "--all", "--cache-dir", p.cache)
	want := p.mustBuild("--no-cache")
	equal(p.t, "after cache prune", p.mustBuild(all...), want)
}

func (p *project) mount(size int) {
	p.t.Helper()
	if err := os.MkdirAll(p.cache, 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", p.cache, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		p.t.Fatalf("mount: %v", err)
	}
}

func (p *project) unmount() {
	p.t.Helper()
	if err := unix.Unmount(p.cache, 0); err != nil {
		p.t.Errorf("unmount: %v", err)
	}
}

// rebuilding makes a victim that changes a file of a large layer in each round, so that most of the layer is taken from an earlier one.
func rebuilding(t *testing.T) *victim {
	p := newProject(t, number(t, "IMGSCRIPT_E2E_SEED", 1))
	v := &victim{world: p.world}
	v.args = []string{"run", v.path("build.star"), "--var", "to=oci:out:roundROUND", "--progress", "quiet", "--cache-dir", p.cache}
	v.prepare = func(string) { p.edit() }
	v.check = func([]string) { v.checkLayout("out") }
	v.done = func(tag string) {
		v.wantTags("out", tag)
		want := p.mustBuild("--no-cache")
		if text := readFile(t, v.path("out/index.json")); !strings.Contains(text, want) {
			t.Errorf("%s: no image in the layout is %s, which is that of an empty cache\n%s", tag, want, text)
		}
	}
	return v
}
