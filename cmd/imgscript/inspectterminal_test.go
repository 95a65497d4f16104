//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// TestInspectFitsTheTerminal: no line of what inspect and diff show is wider than the terminal, and what is cut says so.
func TestInspectFitsTheTerminal(t *testing.T) {
	home := t.TempDir()
	script := filepath.Join(home, "build.star")
	source := `for tag in ["one", "two"]:
    img = image("scratch", "oci:out:" + tag)
    img.add_files({"/a/long/path/of/a/file/that/does/not/fit/by/any/means/at/all/" + tag: custom_file(tag)})
    img.labels["org.opencontainers.image.description"] = "a text for people that does not fit either, " + tag
    img.labels["trick\x1b[31m"] = tag
    img.save()
`
	if err := os.WriteFile(script, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	if code := newTerminal(t, home, "run", script, "--no-cache", "--progress", "quiet").end(); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	ref := "oci:" + filepath.Join(home, "out")
	for last, args := range map[string][]string{
		"└─ two":      {"inspect", "--files", ref + ":two"},
		"└─ + ":       {"diff", ref + ":one", ref + ":two"},
		"same, byte ": {"diff", ref + ":one", ref + ":one"},
	} {
		c := newTerminal(t, home, append(args, "--no-cache", "--progress", "quiet")...)
		c.wait(last)
		if code := c.end(); code != exitDone {
			t.Errorf("%q: exit code %d", args, code)
		}
		for line := range strings.Lines(string(c.seen)) {
			if line = strings.TrimRight(line, "\r\n"); runewidth.StringWidth(line) > columns || strings.Contains(line, "\x1b[31m") {
				t.Errorf("%q: wider than the terminal, or an escape sequence: %q", args, line)
			}
		}
	}
}
