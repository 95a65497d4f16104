//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/mattn/go-runewidth"
	"golang.org/x/sys/unix"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// terminal runs imgscript on a terminal of its own.
type terminal struct {
	t     *testing.T
	cmd   *exec.Cmd
	user  *os.File // the user's side
	other *os.File // the program's, to look at its settings
	seen  []byte   // what the terminal has shown
	got   chan []byte
}

// columns is the width of terminals.
const columns = 60

func newTerminal(t *testing.T, home string, args ...string) *terminal {
	t.Helper()
	user, other, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := pty.Setsize(user, &pty.Winsize{Rows: 24, Cols: columns}); err != nil {
		t.Fatal(err)
	}
	self, err := exec.LookPath("imgscript")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "DOCKER_CONFIG=", "PATH=/nonexistent")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = other, other, other
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &terminal{t: t, cmd: cmd, user: user, other: other, got: make(chan []byte)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(c.got)
		for {
			buf := make([]byte, 1024)
			n, err := user.Read(buf)
			if n > 0 {
				c.got <- buf[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		other.Close()
		user.Close()
		for range c.got {
		}
		<-read
	})
	return c
}

// wait waits until the terminal shows a text.
func (c *terminal) wait(text string) {
	c.t.Helper()
	late := time.After(30 * time.Second)
	for !bytes.Contains(c.seen, []byte(text)) {
		select {
		case data, ok := <-c.got:
			if !ok {
				c.t.Fatalf("the terminal ended without %q:\n%s", text, c.seen)
			}
			c.seen = append(c.seen, data...)
		case <-late:
			c.t.Fatalf("no %q:\n%s", text, c.seen)
		}
	}
}

// write types a text.
func (c *terminal) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.user, text); err != nil {
		c.t.Fatal(err)
	}
}

// echoes reports whether the terminal shows what is typed.
func (c *terminal) echoes() bool {
	c.t.Helper()
	settings, err := unix.IoctlGetTermios(int(c.other.Fd()), unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	return settings.Lflag&unix.ECHO != 0
}

// waitUntil waits until the terminal shows, or hides, what is typed.
func (c *terminal) waitUntil(echoes bool) {
	c.t.Helper()
	for start := time.Now(); c.echoes() != echoes; time.Sleep(time.Millisecond) {
		if time.Since(start) > 30*time.Second {
			c.t.Fatalf("the terminal echoes: %v\n%s", !echoes, c.seen)
		}
	}
}

// end waits for the end of the program and returns its exit code.
func (c *terminal) end() int {
	c.t.Helper()
	err := c.cmd.Wait()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		c.t.Fatal(err)
	}
	return c.cmd.ProcessState.ExitCode()
}

func TestLoginOnATerminal(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBasic, Users: map[string]string{"ann": "s3cret-word"}})
	home := t.TempDir()
	c := newTerminal(t, home, "login", reg.Host)
	c.wait("User for " + reg.Host + ": ")
	if !c.echoes() {
		t.Error("the user's name is not shown")
	}
	c.write("ann\n")
	c.wait("Password: ")
	c.waitUntil(false)
	c.write("s3cret-word\n")
	c.wait("kept in docker config " + filepath.Join(home, ".docker/config.json"))
	if code := c.end(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	if strings.Contains(string(c.seen), "s3cret") || !c.echoes() {
		t.Errorf("echoes %v, shown:\n%s", c.echoes(), c.seen)
	}
}

// TestLoginInterrupted gives the terminal back as it was, whoever ends the program while it asks.
func TestLoginInterrupted(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBasic, Users: map[string]string{"ann": "secret"}})
	for name, interrupt := range map[string]func(c *terminal){
		"Ctrl-C":  func(c *terminal) { c.write("\x03") },
		"SIGTERM": func(c *terminal) { c.cmd.Process.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			c := newTerminal(t, home, "login", reg.Host, "-u", "ann")
			c.wait("Password: ")
			c.waitUntil(false)
			interrupt(c)
			c.wait("error: interrupted")
			if code := c.end(); code != exitInterrupted || !c.echoes() {
				t.Errorf("exit code %d, echoes %v", code, c.echoes())
			}
			if _, err := os.Stat(filepath.Join(home, ".docker")); err == nil {
				t.Error("something was kept")
			}
		})
	}
}

// TestPlanFitsTheTerminal: no line of the tree is wider than the terminal.
func TestPlanFitsTheTerminal(t *testing.T) {
	home := t.TempDir()
	script := filepath.Join(home, "build.star")
	source := `img = image("scratch", "oci:out")
img.add_files({"/a/long/path/of/a/layer/that/does/not/fit": custom_file("x")})
img.save()
`
	if err := os.WriteFile(script, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	c := newTerminal(t, home, "plan", script, "--no-cache", "--progress", "quiet")
	c.wait("└─ tag     latest")
	if code := c.end(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	cut := false
	for line := range strings.Lines(string(c.seen)) {
		line = strings.TrimRight(line, "\r\n")
		cut = cut || strings.HasSuffix(line, "…")
		if runewidth.StringWidth(line) > columns {
			t.Errorf("wider than the terminal: %q", line)
		}
	}
	if !cut {
		t.Errorf("no line had to be cut:\n%s", c.seen)
	}
}

// progressScript is in home a script that saves an image with one layer.
func progressScript(t *testing.T, home string, reg *registrytest.Server) string {
	t.Helper()
	script := filepath.Join(home, "build.star")
	source := fmt.Sprintf("print('begins')\nimg = image('scratch', '%s/app')\nimg.add_files({'/a': custom_file('x')})\nimg.save()\n", reg.Host)
	if err := os.WriteFile(script, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	return script
}

// TestRunInterruptedOnATerminal: Ctrl-C ends a run that shows bars, and leaves no row of theirs, and the terminal as it was.
func TestRunInterruptedOnATerminal(t *testing.T) {
	t.Setenv("CI", "")
	t.Setenv("TERM", "xterm")
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Class: registrytest.ClassUpload, Stall: true, Times: -1}}})
	home := t.TempDir()
	c := newTerminal(t, home, "run", progressScript(t, home, reg), "--no-cache")
	c.wait("begins")
	c.wait("waiting") // the row of the layer that is stuck
	c.write("\x03")
	c.wait("error: interrupted")
	if code := c.end(); code != exitInterrupted || !c.echoes() {
		t.Errorf("exit code %d, echoes %v", code, c.echoes())
	}
	text := string(c.seen)
	if strings.Contains(text, "\x1b[?") {
		t.Errorf("a mode of the terminal was changed: %q", text)
	}
	notice := strings.LastIndex(text, "interrupted: stopping")
	if row := strings.LastIndex(text, "push "); row < 0 || notice < 0 || !strings.Contains(text[row:], "\x1b[J") {
		t.Errorf("the row of the layer is not erased: %q", text)
	}
}

// TestNoBars where nobody watches, or the terminal cannot show them.
func TestNoBars(t *testing.T) {
	for name, value := range map[string]string{"CI": "1", "TERM": "dumb"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CI", "")
			t.Setenv("TERM", "xterm")
			t.Setenv(name, value)
			home := t.TempDir()
			c := newTerminal(t, home, "run", progressScript(t, home, registrytest.New(t, nil)), "--no-cache")
			c.wait("saved 1 image in")
			if code := c.end(); code != exitDone {
				t.Errorf("exit code %d", code)
			}
			if strings.Contains(string(c.seen), "\x1b") || !strings.Contains(string(c.seen), "layer /a: built") {
				t.Errorf("shown: %q", c.seen)
			}
		})
	}
}
