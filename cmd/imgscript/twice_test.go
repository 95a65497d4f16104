package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestTwice: a run that makes the same twice is done; one in which something changes meanwhile writes nothing and says what, down to the entry of a layer. Each time a script fetches a file, which
// the second build does because it has no cache, something happens that its author did not think of.
func TestTwice(t *testing.T) {
	const script = `
reg, files = var("reg"), var("files")
digest(fetch(files + "/f", sha256 = "dc51b8c96c2d745df3bd5590d990230a482fd247123599548e0632fdbf97fc22"))
img = image("scratch", reg + "/app")
img.add_files({"/etc": "conf"})
img.add_files({"/srv": "data"}, preserve_mode = True)
img.labels["version"] = read_file("version")
img.save(tags = ["v1", "latest"])
`
	for name, c := range map[string]struct {
		change func(root string) error
		want   []string // lines of stderr; nil is a run that is done
	}{
		"nothing": {func(string) error { return nil }, nil},
		"contents": {
			func(root string) error { return os.WriteFile(filepath.Join(root, "data/a"), []byte("other"), 0o644) },
			[]string{`  REG/app: layer 2 add_files({"/srv": "//data"}): /srv/a: other contents: sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb (1 bytes), then sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa (5 bytes)`},
		},
		"mode":    {func(root string) error { return os.Chmod(filepath.Join(root, "data/b"), 0o600) }, []string{`  REG/app: layer 2 add_files({"/srv": "//data"}): /srv/b: mode 0644, then 0600`}},
		"removed": {func(root string) error { return os.Remove(filepath.Join(root, "data/b")) }, []string{`  REG/app: layer 2 add_files({"/srv": "//data"}): /srv/b: only the first has it`}},
		"added": {
			func(root string) error { return os.WriteFile(filepath.Join(root, "data/c"), nil, 0o644) },
			[]string{`  REG/app: layer 2 add_files({"/srv": "//data"}): /srv/c: only the second has it`},
		},
		"label": {
			func(root string) error { return os.WriteFile(filepath.Join(root, "version"), []byte("2"), 0o644) },
			[]string{`  REG/app: config: config.Labels.version: "1", then "2"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range map[string]string{"build.star": script, "data/a": "a", "data/b": "b", "conf/x": "x", "version": "1"} {
				noError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755))
				noError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
			}
			reg := registrytest.New(t, nil)
			var fetched atomic.Int32
			files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if fetched.Add(1) == 2 {
					noError(t, c.change(root))
				}
				fmt.Fprint(w, "ok\n")
			}))
			defer files.Close()
			var stdout, stderr bytes.Buffer
			code := execute([]string{
				"run", filepath.Join(root, "build.star"), "--root", root, "--twice", "--progress", "quiet", "--cache-dir", t.TempDir(), "--var", "reg=" + reg.Host, "--var", "files=" + files.URL,
			}, &stdout, &stderr)
			text := strings.ReplaceAll(stderr.String(), reg.Host, "REG")
			if n := fetched.Load(); n != 2 {
				t.Errorf("it was fetched %d times, want once for each build", n)
			}
			if c.want == nil {
				if code != 0 || text != "" || !strings.Contains(stdout.String(), "/app@sha256:") || len(reg.Tags("app")) != 2 {
					t.Errorf("exit code %d\n%s%s", code, text, stdout.String())
				}
				return
			}
			if want := "error: nothing was written: built twice, it is not the same\n" + strings.Join(c.want, "\n") + "\nhint: "; code != 1 || !strings.HasPrefix(text, want) || stdout.Len() > 0 {
				t.Errorf("exit code %d\n%s\nwant\n%s\n", code, text, want)
			}
			for _, line := range reg.Lines() {
				if method, _, _ := strings.Cut(line, " "); method != http.MethodGet && method != http.MethodHead {
					t.Errorf("it asked to %s", line)
				}
			}
		})
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOtherJobs(t *testing.T) {
	for jobs, want := range map[int]int{1: 4, 2: 1, 16: 1} {
		if got := otherJobs(jobs); got != want {
			t.Errorf("--jobs %d: the second build has %d, want %d", jobs, got, want)
		}
	}
	if got := otherJobs(0); (got == 1) == (runtime.GOMAXPROCS(0) == 1) {
		t.Errorf("on %d processors, the second build has %d", runtime.GOMAXPROCS(0), got)
	}
}
