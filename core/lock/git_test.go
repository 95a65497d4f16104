package lock_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/lock"
)

// repository is one of git, whose branches change its lock.
type repository struct {
	t   *testing.T
	dir string
}

func (r *repository) git(args ...string) error {
	cmd := exec.Command("git", args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "HOME="+r.dir,
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	r.t.Logf("git %s: %s", strings.Join(args, " "), out)
	return err
}

// branch makes a branch of the first commit that adds an entry.
func (r *repository) branch(name string, e lock.Entry) {
	r.t.Helper()
	if err := r.git("checkout", "-q", "-b", name, "main"); err != nil {
		r.t.Fatal(err)
	}
	if err := lock.Update(r.t.Context(), filepath.Join(r.dir, lock.Name), func(f *lock.File) (*lock.File, error) { return f.Set(e) }); err != nil {
		r.t.Fatal(err)
	}
	if err := errors.Join(r.git("add", "."), r.git("commit", "-q", "-m", name)); err != nil {
		r.t.Fatal(err)
	}
}

// TestGitMerge: two branches that each lock another image merge by themselves, wherever the entries stand, the first and the last place included. Where they come to stand side by
// side, the conflict says so with its line, and keeping the lines of both sides resolves it.
func TestGitMerge(t *testing.T) {
	here := func(name string) lock.Entry { return plain("reg.example.com/"+name+":v1", "linux/amd64", name) }
	for _, test := range []struct {
		name          string
		ours, theirs  lock.Entry
		conflictsLine int // 0 for none
	}{
		{"far apart", here("bb"), here("dd"), 0},
		{"the first and the last", here("a"), here("z"), 0},
		{"in the middle and the last", here("cc"), here("z"), 0},
		{"side by side", here("cc"), here("cd"), 4},
		{"both the last", here("y"), here("z"), 6},
		{"the same", here("cc"), here("cc"), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &repository{t, t.TempDir()}
			path := filepath.Join(r.dir, lock.Name)
			base := []lock.Entry{here("b"), here("c"), here("d"), here("e")}
			err := errors.Join(r.git("init", "-q", "-b", "main"), os.WriteFile(path, fileOf(t, base...).Bytes(), 0o644), r.git("add", "."), r.git("commit", "-q", "-m", "base"))
			if err != nil {
				t.Fatal(err)
			}
			r.branch("ours", test.ours)
			r.branch("theirs", test.theirs)
			merge := errors.Join(r.git("checkout", "-q", "ours"), r.git("merge", "-q", "theirs"))
			f, err := lock.Read(path)
			if test.conflictsLine > 0 {
				var e *lock.Error
				if merge == nil || !errors.As(err, &e) || e.Line != test.conflictsLine {
					t.Fatalf("the merge ended with %v, and the file is read with %v", merge, err)
				}
				resolve(t, path)
				f, err = lock.Read(path)
			} else if merge != nil {
				t.Fatal(merge)
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := fileOf(t, append(base, test.ours, test.theirs)...); !slices.Equal(f.Entries(), want.Entries()) {
				t.Errorf("got %s\nwant %s", f.Bytes(), want.Bytes())
			}
		})
	}
}

// resolve keeps the lines of both sides of a conflict.
func resolve(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "<<<<<<<") && !strings.HasPrefix(line, "=======") && !strings.HasPrefix(line, ">>>>>>>") {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(path, []byte(strings.Join(kept, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}
