//go:build linux

package main

import (
	"strings"
	"testing"

	"github.com/mattn/go-runewidth"
)

// TestDocFitsTheTerminal: what doc shows is as wide as the terminal, and what is listed is cut.
func TestDocFitsTheTerminal(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		last string // what is shown at the end
		cut  bool
	}{
		"list":     {[]string{"doc"}, "zip", true},
		"function": {[]string{"doc", "image"}, "See also:", false},
		"type":     {[]string{"doc", "Saved"}, "skipped ", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTerminal(t, t.TempDir(), test.args...)
			c.wait(test.last)
			if code := c.end(); code != exitDone {
				t.Errorf("exit code %d", code)
			}
			prose, _, _ := strings.Cut(string(c.seen), "Example:") // what stands in a script is not broken
			for line := range strings.Lines(prose) {
				line = strings.TrimRight(line, "\r\n")
				if runewidth.StringWidth(line) > columns && strings.Contains(strings.TrimSpace(line), " ") {
					t.Errorf("wider than the terminal: %q", line)
				}
			}
			if cut := strings.Contains(prose, "…\r\n"); cut != test.cut {
				t.Errorf("cut: %v, want %v\n%s", cut, test.cut, prose)
			}
		})
	}
}
