//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// TestLooksOnATerminal: no line of a listing is wider than the terminal, files are written as they are, and archives not at all.
func TestLooksOnATerminal(t *testing.T) {
	home := t.TempDir()
	script := filepath.Join(home, "build.star")
	source := `img = image("scratch", "oci:out")
img.add_files({"/a/long/path/of/a/file/that/does/not/fit/by/any/means/at/all": custom_file("x"), "/größe/\x1b[31m": custom_file("ä\n")})
img.save()
`
	if err := os.WriteFile(script, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if code := newTerminal(t, home, "run", script, "--no-cache", "--progress", "quiet").end(); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	ref := "oci:" + filepath.Join(home, "out")
	c := newTerminal(t, home, "ls", "-R", ref, "--no-cache", "--progress", "quiet")
	c.wait(`/größe/\x1b[31m`)
	if code := c.end(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	cut := false
	for line := range strings.Lines(string(c.seen)) {
		line = strings.TrimRight(line, "\r\n")
		cut = cut || strings.HasSuffix(line, "…")
		if runewidth.StringWidth(line) > columns || strings.Contains(line, "\x1b[31m") {
			t.Errorf("wider than the terminal, or an escape sequence: %q", line)
		}
	}
	if !cut {
		t.Errorf("no line had to be cut:\n%s", c.seen)
	}
	c = newTerminal(t, home, "cat", ref+":/größe/\x1b[31m", "--no-cache")
	c.wait("ä\r\n")
	if code := c.end(); code != exitDone || string(c.seen) != "ä\r\n" {
		t.Errorf("exit code %d, shown: %q", code, c.seen)
	}
	c = newTerminal(t, home, "export", ref, "--no-cache")
	c.wait("error: imgscript export: the archive is not for a terminal")
	if code := c.end(); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
}
