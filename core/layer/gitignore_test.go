package layer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gitNames are the files that the tests ask git about; a name ending in "/" is a directory.
var gitNames = []string{
	"a", "b", "ab", "a b", "a ", "!a", "#a", "a*", "a?", "[a]", "a]", "a-b", "-", "a\\b", "é", "a.js", "a.test.js", ".a", "A", "{a,b}", "^", "5", "a\tb",
	"d/", "d/a", "d/b", "d/a.js", "d/e/", "d/e/a", "d/e/f/", "d/e/f/a", "d/e/f/a.js", "foo/", "foo/bar/", "foo/bar/a", "foo/d/", "foo/d/a", "e/", "e/f/", "e/f/a",
}

// gitTree lays the files out in a repository of its own.
func gitTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	git(t, dir, nil, "init", "-q")
	for _, name := range gitNames {
		full := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(full, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		must(t, os.WriteFile(full, nil, 0o644))
	}
	return dir
}

func git(t *testing.T, dir string, stdin []byte, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "core.excludesFile=/dev/null", "-c", "core.ignoreCase=false"}, args...)...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+dir, "LC_ALL=C")
	out, err := cmd.Output()
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 1 {
		err = nil // check-ignore's way to say that nothing is ignored
	}
	if err != nil {
		t.Fatalf("git %v: %v", args, err)
	}
	return string(out)
}

// gitIgnored asks git which of the names are ignored, each by itself or with a directory above it.
func gitIgnored(t *testing.T, dir string) []string {
	t.Helper()
	in := []byte(strings.ReplaceAll(strings.Join(gitNames, "\x00"), "/\x00", "\x00"))
	out := git(t, dir, in, "check-ignore", "--no-index", "-z", "--stdin")
	return slices.Sorted(strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00"))
}

// ourIgnored asks our rules the same.
func ourIgnored(files map[string]string) []string {
	var out []string
	gone := map[string]bool{}
	for _, name := range gitNames {
		name, isDir := strings.CutSuffix(name, "/")
		var chain *gitRules
		for dir := range above(name) {
			if text, ok := files[path.Join(dir, ".gitignore")]; ok {
				chain = &gitRules{above: chain, dir: dir, rules: parseGitignore(text)}
			}
		}
		ignored, _ := chain.match(name, isDir)
		if ignored || gone[path.Dir(name)] {
			gone[name] = true
			out = append(out, name)
		}
	}
	if out == nil {
		out = []string{""}
	}
	slices.Sort(out)
	return out
}

// above yields the directories above name from the root down.
func above(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i >= 0; {
			if !yield(strings.TrimSuffix(name[:i], "/")) {
				return
			}
			next := strings.IndexByte(name[i:], '/')
			if next < 0 {
				return
			}
			i += next + 1
		}
	}
}

func compareWithGit(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
		defer os.Remove(filepath.Join(dir, name))
	}
	want, got := gitIgnored(t, dir), ourIgnored(files)
	if !slices.Equal(got, want) {
		t.Errorf("ignore files %q:\ngit ignores %q\nwe ignore   %q", files, want, got)
	}
}

// TestGitCheckIgnore compares the rules of ignore files with git itself.
func TestGitCheckIgnore(t *testing.T) {
	dir := gitTree(t)
	for _, text := range []string{
		"a", "/a", "a/", "d/", "d/*", "d/**", "d/**/a", "**/a", "**/d", "*.js", "*.test.js", "!a", "*\n!a", "*\n!d/\n!d/a", "d\n!d/a", "/*\n!/foo\n/foo/*\n!/foo/bar",
		"#a", "\\#a", "\\!a", "a ", "a\\ ", "a \\ ", "a  \\  ", "a\\\\b", "a\\b", "a\\", "\\", "/", "//", "**", "***", "***/a", "d/****/a", "*", "?", "??", "d/?", "d?a", "d*a", "d**a", "a**", "**a", "**/", "/**", "/**/a", "d/**/**/a",
		"[a]", "[!a]", "[^a]", "[]a]", "[a-c]", "[c-a]", "[a", "[", "[]", "[!]", "[[]a]", "\\[a\\]", "[\\]a]", "[a\\-b]", "[-a]", "[a-]", "[[:alpha:]]", "[[:digit:]]", "[![:alpha:]]", "[[:nope:]]", "[[:alpha:", "[[:alpha:]", "[[:punct:]]",
		"[[:upper:][:digit:]]", "[[:xdigit:]]", "[[:space:]]", "d[/]a", "d[!x]a", "{a,b}", "é", "?é", "??", "\xc3?", "A", "a\r\nb\r\n", "\ufeffa", "a\t", "\ta", " a", "d/e", "e/f", "/e/f", "d/e/f/", "foo/**/a", "foo/**", "foo/*/a", "*/a", "*/", "*/*/",
		"**/e/f", "**/e/**", "d/**/f", "d/**f", "f/a", "/d/e/../a", "./a", "d//a", "a\x00b", "!", "!!a", "! a", "*\\", "[a-", "[a-\\", "[!", "[\\", "x[", "d/[", "[[:alpha:]-z]", "[a-[:alpha:]]", "[+--]", "[--0]",
	} {
		compareWithGit(t, dir, map[string]string{".gitignore": text})
	}
	compareWithGit(t, dir, map[string]string{".gitignore": "*.js\n", "d/.gitignore": "!a.js\n/e\n"})
	compareWithGit(t, dir, map[string]string{".gitignore": "a\n!d/e\n", "d/.gitignore": "/a\ne\n", "d/e/.gitignore": "!a\n"})
	compareWithGit(t, dir, map[string]string{".gitignore": "foo/\n", "foo/bar/.gitignore": "!a\n"})
}

// TestGitCheckIgnoreRandom does so with patterns made of the bytes that mean something.
func TestGitCheckIgnoreRandom(t *testing.T) {
	dir := gitTree(t)
	r := rand.New(rand.NewPCG(1, 2))
	parts := []string{"a", "b", "d", "e", "f", "foo", "bar", "*", "**", "?", "/", "/", "[", "]", "[ab]", "[!a]", "[a-e]", "\\", "!", "-", ".js", "[:alpha:]", " ", "^"}
	line := func() string {
		var b strings.Builder
		for range 1 + r.IntN(6) {
			b.WriteString(parts[r.IntN(len(parts))])
		}
		return b.String()
	}
	for range 60 {
		files := map[string]string{".gitignore": fmt.Sprintf("%s\n%s\n!%s\n", line(), line(), line())}
		if r.IntN(3) == 0 {
			files["d/.gitignore"] = fmt.Sprintf("%s\n!%s\n", line(), line())
		}
		compareWithGit(t, dir, files)
	}
}

func FuzzGitignore(f *testing.F) {
	for _, seed := range []string{"*.js\n!a.js\n", "**/a/**/b", "[[:alpha:]-z]", "\\", "a\\ ", "[!", "a*a*a*a*a*a*a*b"} {
		f.Add(seed, "d/e/a.js")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		g := &gitRules{rules: parseGitignore(text)}
		first, _ := g.match(name, false)
		if again, _ := g.match(name, false); again != first {
			t.Fatal("two answers to one question")
		}
	})
}

// TestWildmatchManyStars takes exponential time without a memory of what failed.
func TestWildmatchManyStars(t *testing.T) {
	if wildmatch(strings.Repeat("a*", 50)+"b", strings.Repeat("a", 2000)) {
		t.Error("matched")
	}
	if wildmatch(strings.Repeat("**/a*/", 30)+"b", strings.Repeat("aa/", 200)+"c") {
		t.Error("matched")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
