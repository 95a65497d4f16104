package nearest_test

import (
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/nearest"
)

func TestNames(t *testing.T) {
	names := []string{"tags", "cmd", "env", "working_dir", "copy_remote_layers", "ignore_exists", "ignores", "ignore_files", "to", "uid", "gid"}
	tests := []struct{ name, want string }{
		{"copyRemoteLayers", "copy_remote_layers"},
		{"WorkingDir", "working_dir"},
		{"Cmd", "cmd"},
		{"evn", "env"},
		{"tag", "tags"},
		{"ignore", "ignores"},
		{"ignorefile", "ignore_files"},
		{"id", "uid gid"},
		{"copy", "copy_remote_layers"},
		{"platform", ""},
		{"x", ""},
		{"", ""},
	}
	for _, tt := range tests {
		if got := strings.Join(nearest.Names(tt.name, names), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestSwapped counts two letters in the wrong order as one mistake.
func TestSwapped(t *testing.T) {
	if got := nearest.Name("vresion", []string{"run", "version"}); got != "version" {
		t.Errorf("got %q", got)
	}
	if got := nearest.Name("rnu", []string{"run"}); got != "run" {
		t.Errorf("got %q", got)
	}
	if got := nearest.Name("abcdef", []string{"fedcba"}); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestFile: an extension that two names share makes them no more alike.
func TestFile(t *testing.T) {
	files := []string{"build.star", "other.star", "conf.json", "Makefile", "x"}
	for name, want := range map[string]string{
		"biuld.star": "build.star", "nowhere.star": "", "build.str": "build.star", "conf.jsn": "conf.json", "makefile": "Makefile", "b.star": "", "y.star": "", "": "",
	} {
		if got := nearest.File(name, files); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
