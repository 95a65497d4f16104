package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"testing"
)

// TestLookUsage: command lines that make no sense end the program before anything is done.
func TestLookUsage(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", filepath.Join(dir, "cache"))
	for _, c := range []struct {
		args []string
		want string // all of stderr
	}{
		{[]string{"ls"}, `error: imgscript ls: an image's reference is missing\nhint: imgscript ls REF\[:/PATH\]\n`},
		{[]string{"ls", "one", "two"}, `error: imgscript ls: too many arguments: \["two"\]\nhint: .*\n`},
		{[]string{"cat"}, `error: imgscript cat: REF:/PATH is missing\nhint: imgscript cat REF:/PATH…\n`},
		{[]string{"cat", "app:v1"}, `error: imgscript cat: "app:v1" names no file\nhint: write its path behind the image: app:v1:/etc/passwd\n`},
		{[]string{"cat", "app:v1:/x", "oci:/abs/dir"}, `error: imgscript cat: "oci:/abs/dir" names no file\nhint: write its path behind the image: oci:/abs/dir:/etc/passwd\n`},
		{[]string{"export"}, `error: imgscript export: REF is missing\nhint: imgscript export REF \[FILE\]\n`},
		{[]string{"export", "a", "b", "c"}, `error: imgscript export: too many arguments: \["c"\]\nhint: imgscript export REF \[FILE\]\n`},
		{
			[]string{"export", "app:v1:/etc"},
			`error: imgscript export: "app:v1:/etc": it writes all files of app:v1\nhint: imgscript cat writes one file, tar takes some of an archive: imgscript export app:v1 \| tar x PATH\n`,
		},
		{[]string{"export", "app:v1", dir}, `error: imgscript export: /.*: is a directory\n`},
		{[]string{"export", "app:v1", dir + "/no/such.tar"}, `error: imgscript export: /.*/no/such.tar: no such file or directory\n`},
		{[]string{"ls", "app", "--platform", "linux"}, `error: --platform "linux": want OS/ARCHITECTURE or .*\n`},
		{[]string{"ls", "app", "--platform", ""}, `error: --platform "": want OS/ARCHITECTURE or .*\n`},
		{[]string{"cat", "app:/x", "--progress", "much"}, `error: --progress "much": want auto, tty, plain, json or quiet\n`},
		{[]string{"export", "app", "--error-format", "xml"}, `error: --error-format "xml": want text or json\n`},
		{[]string{"ls", "app", "--no-cache", "--cache-dir", "x"}, `error: --no-cache and --cache-dir contradict each other: give one\n`},
		{[]string{"ls", "app", "--insecure-registry", ""}, `error: --insecure-registry "": want a host, .*\n`},
		{[]string{"ls", "app", "--recursiv"}, `error: there is no flag --recursiv\nhint: did you mean --recursive\?\n`},
	} {
		var stdout, stderr bytes.Buffer
		code := execute(c.args, &stdout, &stderr)
		if code != exitUsage || stdout.Len() > 0 || !regexp.MustCompile("^"+c.want+"$").MatchString(stderr.String()) {
			t.Errorf("%q: exit code %d, stdout %q, stderr:\n%s", c.args, code, &stdout, &stderr)
		}
	}
}
