package starlib

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/build"
)

// TestPathsOutside writes a path outside of the root into every argument that is one, in many ways: it is refused, and the hint is the flag that allows it.
func TestPathsOutside(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	for _, name := range []string{"root/proj/f", "outside/f", "outside/layout/x"} {
		must(t, writeTestFile(filepath.Join(top, name), []byte("x\n")))
	}
	must(t, os.Symlink("../../outside", filepath.Join(top, "root/proj/link")))
	ways := []string{"../../outside", "//../outside", "//proj/../../outside", "./../proj/../../outside", "TOP/outside", "TOP/root/../outside", "TOP/root/proj/link", "link", "//proj/link", "./link/."}
	if _, err := os.Stat("/proc/self/root"); err == nil {
		ways = append(ways, "/proc/self/rootTOP/outside")
	}
	for script, flag := range map[string]string{
		`read_file("OUTSIDE/f")`:                                                                          "--allow-read TOP/outside/f",
		`digest(file("OUTSIDE/f"))`:                                                                       "--allow-read TOP/outside/f",
		`layer_from_tar(file("OUTSIDE/f")).digest`:                                                        "--allow-read TOP/outside/f",
		`glob("OUTSIDE/*")`:                                                                               "--allow-read TOP/outside",
		`glob(["f", "OUTSIDE/f"])`:                                                                        "--allow-read TOP/outside",
		`image("scratch").add_files("OUTSIDE/f", "/f").digest`:                                            "--allow-read TOP/outside/f",
		`image("scratch").add_files({"/f": "OUTSIDE/f"}).digest`:                                          "--allow-read TOP/outside/f",
		`image("scratch").add_files({"/d": "OUTSIDE"}).digest`:                                            "--allow-read TOP/outside",
		`image("scratch").add_files({"/f": "f", "/d": file("OUTSIDE/f", mode = 0o600)}).digest`:           "--allow-read TOP/outside/f",
		`image("scratch").add_files({"/f": custom_file(file("OUTSIDE/f"))}).digest`:                       "--allow-read TOP/outside/f",
		`image("scratch").add_files({"/f": "OUTSIDE/f"}, symlinks = "keep").digest`:                       "--allow-read TOP/outside/f",
		`image("scratch").add_files({"/f": "OUTSIDE/f"}, symlinks = "follow").digest`:                     "--allow-read TOP/outside/f",
		`auth("gcr.io/app", options = {"gcr.io": {"keyFilename": "OUTSIDE/f"}})`:                          "--allow-read TOP/outside/f",
		`image("scratch", auth = {"gcr.io": {"keyFilename": "OUTSIDE/f"}})`:                               "--allow-read TOP/outside/f",
		`client("gcr.io/app", auth = {"gcr.io": {"keyFilename": "OUTSIDE/f"}})`:                           "--allow-read TOP/outside/f",
		`image("oci:OUTSIDE/layout").layers()`:                                                            "--allow-read TOP/outside/layout",
		`image("oci:OUTSIDE/layout:v1", "oci:out").save()`:                                                "--allow-read TOP/outside/layout",
		`image("scratch").add_layer("sha256:" + 64 * "0", from_repository = "oci:OUTSIDE/layout").digest`: "--allow-read TOP/outside/layout",
		`image("scratch", "oci:OUTSIDE/new").save()`:                                                      "--allow-out TOP/outside/new",
		`image("scratch").save(to = "oci:OUTSIDE/new:v1")`:                                                "--allow-out TOP/outside/new",
		`image("scratch").fork("oci:OUTSIDE/new").save()`:                                                 "--allow-out TOP/outside/new",
		`image("oci-archive:OUTSIDE/f").layers()`:                                                         "--allow-read TOP/outside/f",
		`image("docker-archive:OUTSIDE/f").layers()`:                                                      "--allow-read TOP/outside/f",
		`image("scratch", "oci-archive:OUTSIDE/new").save()`:                                              "--allow-out TOP/outside/new",
		`image("scratch", "docker-archive:OUTSIDE/new:app").save()`:                                       "--allow-out TOP/outside/new",
		`image("scratch", "oci:OUTSIDE/new").sync()`:                                                      "--allow-out TOP/outside/new",
	} {
		for _, way := range ways {
			fill := func(s string) string {
				return strings.ReplaceAll(strings.ReplaceAll(s, "OUTSIDE", way), "TOP", top)
			}
			w := newWorld(t, "")
			w.root, w.opts.Root = filepath.Join(top, "root"), filepath.Join(top, "root")
			_, err := w.run(t.Context(), "proj/build.star", fill(script))
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, build.ErrPolicy) || e.Kind != KindPolicy {
				t.Errorf("%s: got %v", fill(script), err)
				continue
			}
			if hint, _, _ := strings.Cut(e.Hint, ";"); hint != "run with "+fill(flag) {
				t.Errorf("%s: got the hint %q, want %s", fill(script), e.Hint, fill(flag))
			}
		}
	}
	if _, err := os.Stat(filepath.Join(top, "outside/new")); err == nil {
		t.Error("a layout was written outside")
	}
}

// TestIgnoreFilesOutside: an ignore file is a name in a directory, and no path; a link of that name leads no further than the root.
func TestIgnoreFilesOutside(t *testing.T) {
	w := newWorld(t, "write(")
	outside := filepath.Join(t.TempDir(), "rules")
	for _, name := range []string{outside, filepath.Join(w.root, "rules"), filepath.Join(w.root, "proj/src/f")} {
		must(t, writeTestFile(name, []byte("f\n")))
	}
	must(t, os.Symlink(outside, filepath.Join(w.root, "proj/src/.gitignore")))
	for name, want := range map[string]string{
		"../../rules": "want a file name", "//rules": "want a file name", filepath.Join(w.root, "rules"): "want a file name", "..": "want a file name", ".gitignore": "leaves the root",
	} {
		_, err := w.run(t.Context(), "proj/build.star", fmt.Sprintf(`image("scratch").add_files({"/src": "src"}, ignore_files = [%q]).digest`, name))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
