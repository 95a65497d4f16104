package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// number is an environment variable's value, or what it is otherwise.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// victim is a program that is killed at random moments, and what must hold of all that it writes.
type victim struct {
	*world
	rng     *rand.Rand
	args    []string               // of the program; "ROUND" in them is the number of the round
	prepare func(round string)     // makes work for a round
	check   func(tags []string)    // must hold after every death
	done    func(tag string)       // must hold of a tag after a run that was not killed
	seen    map[string]os.FileInfo // blobs whose digest was checked
	rounds  []string               // so far
}

// TestKilled kills the program with SIGKILL at random moments. Whenever that is, no blob has a wrong name, no tag points to something incomplete, the
// same run done again completes, and what the killed process left behind is removed by later ones.
func TestKilled(t *testing.T) {
	kills, seed := int(number(t, "IMGSCRIPT_E2E_KILLS", 5)), number(t, "IMGSCRIPT_E2E_SEED", 1)
	for i, c := range []struct {
		name string
		make func(t *testing.T) *victim
	}{
		{"save to a layout", saveToLayout},
		{"save to docker-registry", func(t *testing.T) *victim { return saveToRegistry(t, kinds[0]) }},
		{"save to distribution v3", func(t *testing.T) *victim { return saveToRegistry(t, kinds[3]) }},
		{"copy from a registry to a layout", copyToLayout},
		{"build after a change", rebuilding},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := c.make(t)
			v.rng, v.seen = rand.New(rand.NewPCG(seed, uint64(i))), map[string]os.FileInfo{}
			t.Logf("IMGSCRIPT_E2E_SEED=%d IMGSCRIPT_E2E_KILLS=%d", seed, kills)
			v.kill(kills)
		})
	}
}

// kill kills n times and looks at what is left each time. The moments are spread over the time that a whole run takes.
func (v *victim) kill(n int) {
	v.t.Helper()
	var whole time.Duration
	for range 2 { // the second is about as warm as all that follow
		began := time.Now()
		v.complete(v.next())
		whole = time.Since(began)
	}
	killed, ended := 0, 0
	for killed < n {
		round := v.next()
		moment := time.Duration(v.rng.Float64() * float64(whole))
		began := time.Now()
		if v.dies(round, moment) {
			killed++
		} else if ended++; ended > 10*n+100 {
			v.t.Fatalf("%d runs were killed and %d ended before", killed, ended)
		} else {
			whole = (whole + time.Since(began)) / 2 // it takes less time than it seemed
		}
		v.check(v.rounds)
		v.checkCache()
		v.backdate()
		v.complete(round)
		if v.t.Failed() {
			v.t.Fatalf("kill %d, after %v", killed, moment)
		}
	}
	v.t.Logf("%d runs of about %v were killed, %d had ended before", killed, whole.Round(time.Millisecond), ended)
	v.complete(v.next())
	v.wantNoLeftovers()
}

// next makes work that was not done yet.
func (v *victim) next() string {
	round := fmt.Sprint(len(v.rounds))
	v.rounds = append(v.rounds, "round"+round)
	v.prepare(round)
	return round
}

func (v *victim) command(round string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(program)
	for _, arg := range v.args {
		cmd.Args = append(cmd.Args, strings.ReplaceAll(arg, "ROUND", round))
	}
	cmd.Dir, cmd.Env = v.home, v.environment()
	stderr := &bytes.Buffer{}
	cmd.Stderr = stderr
	return cmd, stderr
}

// complete is a run that nobody kills.
func (v *victim) complete(round string) {
	v.t.Helper()
	cmd, stderr := v.command(round)
	if err := cmd.Run(); err != nil {
		v.t.Fatalf("round %s: %v\n%s", round, err, stderr)
	}
	v.done("round" + round)
}

// dies reports whether the run was killed before it ended.
func (v *victim) dies(round string, after time.Duration) bool {
	v.t.Helper()
	cmd, stderr := v.command(round)
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer timer.Stop()
	_ = cmd.Wait() // looked at below
	if cmd.ProcessState.Success() {
		return false
	}
	if cmd.ProcessState.ExitCode() >= 0 {
		v.t.Errorf("it ended by itself: %v\n%s", cmd.ProcessState, stderr)
	}
	return true
}

// files calls f with every regular file below a directory, which need not exist. A registry goes on when the program is dead, so files may vanish.
func (v *victim) files(dir string, f func(path string, info os.FileInfo)) {
	v.t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			f(path, info)
		}
		if os.IsNotExist(err) {
			err = nil
		}
		return err
	})
	if err != nil {
		v.t.Fatal(err)
	}
}

// checkBlob holds a file to the digest that it is named by.
func (v *victim) checkBlob(path, hex string, info os.FileInfo) {
	v.t.Helper()
	if old, ok := v.seen[path]; ok && os.SameFile(old, info) && old.ModTime().Equal(info.ModTime()) && old.Size() == info.Size() {
		return
	}
	v.seen[path] = info
	if got := hashOf(v.t, path); got != hex {
		v.t.Errorf("%s has the digest %s", path, got)
	}
}

// checkCache holds every blob of the cache to its name.
func (v *victim) checkCache() {
	v.t.Helper()
	v.files(filepath.Join(v.home, "cache/blobs"), func(path string, info os.FileInfo) { v.checkBlob(path, filepath.Base(path), info) })
}

// leftovers are the temporary files and caches below the places where the program writes.
func (v *victim) leftovers() []string {
	v.t.Helper()
	var list []string
	for _, dir := range []string{v.home, v.path("out")} {
		v.files(dir, func(path string, _ os.FileInfo) {
			if name := filepath.Base(path); strings.HasPrefix(name, ".tmp-") || strings.HasSuffix(name, ".lock") {
				list = append(list, path)
			}
		})
	}
	caches, err := filepath.Glob(filepath.Join(v.home, "imgscript-*"))
	if err != nil {
		v.t.Fatal(err)
	}
	return append(list, caches...)
}

// backdate makes what the killed process left look as if that was hours ago: later runs leave alone what may be in use.
func (v *victim) backdate() {
	v.t.Helper()
	old := time.Now().Add(-3 * time.Hour)
	for _, path := range v.leftovers() {
		if err := os.Chtimes(path, old, old); err != nil {
			v.t.Fatal(err)
		}
	}
}

func (v *victim) wantNoLeftovers() {
	v.t.Helper()
	if list := v.leftovers(); len(list) > 0 {
		v.t.Errorf("left behind: %q", list)
	}
}

// change writes a file of a size that takes a while, and that no round had before.
func (v *victim) change(name string, size int64) {
	v.t.Helper()
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(v.rng.Uint32())
	}
	f, err := os.Create(v.path(name))
	if err != nil {
		v.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.NewChaCha8(seed), size); err != nil {
		v.t.Fatal(err)
	}
}
