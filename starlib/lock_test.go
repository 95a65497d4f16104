package starlib

import (
	"errors"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/lock"
)

// TestLocked: image() keeps to the lock unless the script says otherwise, and what the lock forbids is an error of the kind policy with its line and a command.
func TestLocked(t *testing.T) {
	for text, ok := range map[string]bool{
		`image(REG + "/base:oci").layers()`:                                         false,
		`image(REG + "/base:oci", locked = True).layers()`:                          false,
		`image(REG + "/base:oci", locked = None).layers()`:                          false,
		`image(REG + "/base:oci", locked = False).layers()`:                         true,
		`client(REG + "/base").resolve("oci")`:                                      false,
		`image(REG + "/base@" + client(REG + "/base").resolve("oci")).layers()`:     false,
		`image("scratch", REG + "/new:v1").save(); image(REG + "/new:v1").layers()`: true,
	} {
		w := newWorld(t, text)
		w.opts.LockMode, w.opts.Script = lock.Locked, "sub/build.star:main"
		_, err := w.run(t.Context(), "proj/build.star", text)
		if ok != (err == nil) {
			t.Errorf("%s: got %v", text, err)
		}
		var e *Error
		if err == nil {
			continue
		}
		if !errors.As(err, &e) || e.Kind != KindPolicy || !errors.Is(err, build.ErrLocked) || len(e.Step) == 0 || e.Step[0].Line != 1 || !strings.Contains(e.Hint, " sub/build.star:main") {
			t.Errorf("%s: got %#v", text, e)
		}
	}
}

// TestLockedScript: without a name for hints, a script is its path.
func TestLockedScript(t *testing.T) {
	const text = `image(REG + "/base:oci").layers()`
	w := newWorld(t, text)
	w.opts.LockMode = lock.Locked
	_, err := w.run(t.Context(), "proj/build.star", text)
	var e *Error
	if !errors.As(err, &e) || e.Hint != "lock it with `imgscript update proj/build.star "+w.reg.Host+"/base:oci`" {
		t.Errorf("got %v", err)
	}
}

// TestOffline: what a run without a network can't do is of the kind policy.
func TestOffline(t *testing.T) {
	for _, text := range []string{`image("reg.example.com/base:v1").layers()`, `client("reg.example.com/app")`, `fetch("https://example.com/x", sha256 = "0" * 64)`, `image("scratch", "reg.example.com/app")`} {
		w := newWorld(t, text)
		w.opts.Offline = true
		_, err := w.run(t.Context(), "proj/build.star", text)
		var e *Error
		if !errors.As(err, &e) || e.Kind != KindPolicy || !errors.Is(err, build.ErrOffline) || e.Step[0].Line != 1 || !strings.Contains(e.Hint, "`imgscript ") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// TestDamagedLock: a program shows what is wrong with the file as it shows errors of scripts.
func TestDamagedLock(t *testing.T) {
	_, err := lock.Parse("imgscript.lock", []byte("<<<<<<< HEAD\n"))
	if e := Explain(err); e.Kind != KindPolicy || !strings.HasPrefix(e.Msg, "imgscript.lock:1: ") || e.Hint == "" {
		t.Errorf("got %#v", e)
	}
}
