package imgscript_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command runs a program and returns its stdout.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// runProgram builds a block that is a whole Go program and runs it.
func runProgram(t *testing.T, b block) {
	dir := t.TempDir()
	main, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(main, []byte(b.text), 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, ".", "go", "build", "-o", program, main)
	if out := command(t, directory(t), program); !t.Failed() && out != b.next {
		t.Errorf("got:\n%s\nwant:\n%s", out, b.next)
	}
	if formatted := command(t, ".", "gofmt", "-l", main); formatted != "" {
		t.Error("it is not formatted")
	}
}

// runCommands runs what is cheap and ours of a block's lines, by the program that was built, and checks the rest. What a text block behind it shows is what they print.
func runCommands(t *testing.T, b block, program string) {
	if b.next != "" {
		if got := printed(t, b.text, program); got != b.next {
			t.Errorf("got:\n%s\nwant:\n%s", got, b.next)
		}
		return
	}
	for line := range strings.Lines(b.text) {
		if _, piped, ok := strings.Cut(line, " | imgscript "); ok {
			line = "imgscript " + piped
		}
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "go run ./cmd/imgscript "):
			command(t, ".", words[0], words[1:]...)
		case words[0] == "crane" && b.file == comingFrom: // TestComingFromCrane runs it
		case words[0] == "imgscript": // --help checks the flags that stand before it
			command(t, ".", program, append(words[1:], "--help")...)
		case words[0] == "go":
			checkGo(t, words[1:])
		case words[0] == "bash":
			command(t, ".", "bash", "-n", words[1])
		case strings.TrimSpace(line) != "git clone https://"+module && strings.TrimSpace(line) != "cd imgscript":
			t.Errorf("nobody knows whether this works: %s", line)
		}
	}
}

// printed is what commands of the program print on a machine with the files of testdata/home.txtar. One with 2>&1 behind it fails, and prints its error.
func printed(t *testing.T, lines, program string) string {
	t.Helper()
	dir := t.TempDir()
	unpack(t, dir, archive(t, "testdata/home.txtar"), 0o700)
	installed := filepath.Join(dir, "bin", "imgscript")
	if err := os.Link(program, installed); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if words[0] != "imgscript" {
			t.Fatalf("nobody knows what this prints: %s", line)
		}
		last := len(words) - 1
		fails := words[last] == "2>&1"
		if fails {
			words = words[:last]
		}
		cmd := exec.Command(installed, words[1:]...)
		cmd.Dir, cmd.Stdout = dir, &out
		if fails {
			cmd.Stderr = &out
		}
		cmd.Env = []string{"HOME=" + dir + "/home/ann", "XDG_RUNTIME_DIR=" + dir + "/run/user/1000", "PATH=" + dir + "/bin:/usr/bin:/bin"}
		if err := cmd.Run(); (err != nil) != fails {
			t.Errorf("%s: %v", line, err)
		}
	}
	return strings.ReplaceAll(out.String(), dir, "")
}

// buildProgram builds the program of this project and returns its path.
func buildProgram(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "imgscript")
	command(t, ".", "go", "build", "-o", program, "./cmd/imgscript")
	return program
}

// checkGo checks that the packages of a go command exist.
func checkGo(t *testing.T, args []string) {
	t.Helper()
	for _, arg := range args {
		path, version, versioned := strings.Cut(arg, "@")
		switch {
		case args[0] == "get" && versioned && path == module: // the module, whose root has tests alone
		case versioned && version == "latest" || strings.HasPrefix(arg, "./"):
			command(t, ".", "go", "list", path)
		case versioned:
			t.Errorf("go %s %s: want @latest", args[0], arg)
		}
	}
}
