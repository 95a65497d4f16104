package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBazel builds the example in Bazel's sandbox, twice in workspaces with other places and modes, and compares with a build without Bazel. It runs with
// IMGSCRIPT_NIGHTLY alone: Bazel takes its time and its memory.
func TestBazel(t *testing.T) {
	if os.Getenv("IMGSCRIPT_NIGHTLY") == "" {
		t.Skip("runs in .ci/nightly")
	}
	tools(t, "bazel")
	var saved []string
	for _, mode := range []os.FileMode{0o644, 0o600} {
		dir := bazelWorkspace(t, mode)
		output := t.TempDir()
		build := exec.Command("bazel", "--batch", "--output_user_root="+output, "build", "--spawn_strategy=sandboxed", "//app:image")
		build.Dir = dir
		build.Env = append(os.Environ(), "HOME="+output)
		if text, err := build.CombinedOutput(); err != nil {
			t.Fatalf("bazel: %v\n%s", err, text)
		}
		line, err := os.ReadFile(filepath.Join(dir, "bazel-bin/app/image.saved"))
		if err != nil {
			t.Fatal(err)
		}
		saved = append(saved, digestOf(string(line)))
	}
	dir := bazelWorkspace(t, 0o644)
	version := filepath.Join(dir, "app/files/version.txt")
	writeFile(t, version, "1.0\n")
	if err := os.Chmod(version, 0o755); err != nil { // as Bazel makes every file that it generates
		t.Fatal(err)
	}
	plain := exec.Command(program, "run", filepath.Join(dir, "app/image.star"), "--root", dir, "--no-cache", "--progress", "quiet", "--var", "out=out")
	line, err := plain.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := digestOf(string(line)); saved[0] != want || saved[1] != want {
		t.Errorf("Bazel made %q, without it %q is made", saved, want)
	}
}

// digestOf is what is behind the @ of a line that run prints.
func digestOf(line string) string {
	_, digest, _ := strings.Cut(strings.TrimSpace(line), "@")
	return digest
}

// bazelWorkspace copies the example and gives it the program and a base. mode is that of its files.
func bazelWorkspace(t *testing.T, mode os.FileMode) string {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples/bazel")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "app/image.star"), mode); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tools/imgscript"), binary, 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "base.star")
	writeFile(t, script, `
img = image("scratch", "oci:base/layout:v1")
img.add_files({"/etc/os-release": custom_file("ID=example\n")})
img.save()
`)
	if out, err := exec.Command(program, "run", script, "--root", filepath.Dir(script), "--no-cache", "--progress", "quiet").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.CopyFS(filepath.Join(dir, "base/layout"), os.DirFS(filepath.Join(filepath.Dir(script), "base/layout"))); err != nil {
		t.Fatal(err)
	}
	return dir
}
