package check_test

import (
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/tools/txtar"

	"github.com/imgscript/imgscript/starlib/check"
)

// checkQuiet wants nothing to be found in some files, but for lines that match except.
func checkQuiet(t *testing.T, files fstest.MapFS, names []string, except *regexp.Regexp) {
	t.Helper()
	problems, err := check.Files(t.Context(), files, names, hostOptions())
	if err != nil {
		t.Fatal(err)
	}
	checkSpans(t, files, problems)
	for i := range problems {
		line := strings.Split(string(files[problems[i].File].Data), "\n")[problems[i].Line-1]
		if except == nil || !except.MatchString(line) {
			t.Errorf("%s", problems[i].Detail())
		}
	}
}

// TestExamples: there is nothing wrong with the examples, neither all at once nor one by one.
func TestExamples(t *testing.T) {
	files := readTree(t, "../../examples", ".")
	names := sortedNames(files)
	checkQuiet(t, files, names, nil)
	for _, name := range names {
		checkQuiet(t, files, []string{name}, nil)
	}
}

func sortedNames(files fstest.MapFS) []string {
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// deliberate matches lines that are wrong on purpose.
var deliberate = regexp.MustCompile(`assert\.fails`)

// TestRuns: in scripts that run to their end nothing is found. In those that fail nothing is found before the line that fails, but changes that the failure keeps from being
// saved; how many of the failing lines are found is no less than it was.
func TestRuns(t *testing.T) {
	failing, found := 0, 0
	for _, file := range globFiles(t, "../testdata/run/*.star") {
		for _, part := range partsOf(t, file) {
			files := fstest.MapFS{"proj/build.star": {Data: []byte(part.text)}}
			before, mark, fails := strings.Cut(part.text, "###")
			if !fails {
				checkQuiet(t, files, []string{"proj/build.star"}, deliberate)
				continue
			}
			failing++
			line, message := 1+strings.Count(before, "\n"), regexp.MustCompile(marksOf(t, "###"+strings.SplitN(mark, "\n", 2)[0])[0])
			problems, err := check.Files(t.Context(), files, []string{"proj/build.star"}, hostOptions())
			if err != nil {
				t.Fatal(err)
			}
			for i := range problems {
				if p := &problems[i]; p.Line == line || message.MatchString(p.Message) {
					found++
					break
				} else if p.Line < line && p.Rule != check.RuleLostChange {
					t.Errorf("%s: %s", file, p.Detail())
				}
			}
		}
	}
	t.Logf("of %d scripts that fail, %d are found", failing, found)
	const atLeast = 93
	if found < atLeast {
		t.Errorf("of %d scripts that fail, %d are found, want %d", failing, found, atLeast)
	}
}

var update = flag.Bool("update", false, "write testdata/programs.txt anew")

// TestPrograms checks whole programs, each with its modules, and compares what is found with testdata/programs.txt. In those that run to their end only loads are found that
// nobody uses.
func TestPrograms(t *testing.T) {
	var b strings.Builder
	for _, file := range slices.Concat(globFiles(t, "../testdata/program/*.txtar"), globFiles(t, "../../testdata/script/*.txtar")) {
		files, want := programOf(t, file)
		names := slices.DeleteFunc(sortedNames(files), func(name string) bool { return path.Ext(name) != ".star" })
		problems, err := check.Files(t.Context(), files, names, hostOptions())
		if err != nil {
			t.Fatal(err)
		}
		checkSpans(t, files, problems)
		for _, p := range problems {
			fmt.Fprintf(&b, "%s: %s:%d:%d: %s: %s\n", filepath.Base(file), p.File, p.Line, p.Col, p.Rule, p.Message)
			if want != "" && !strings.Contains(want, "error: ") && p.Rule != check.RuleUnusedLoad {
				t.Errorf("%s: %s", file, p.Detail())
			}
		}
	}
	const golden = "testdata/programs.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

// programOf are the files of an archive, and what its program is to print if it says so.
func programOf(t *testing.T, file string) (files fstest.MapFS, want string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files = fstest.MapFS{}
	for _, f := range archive.Files {
		files[path.Clean(f.Name)] = &fstest.MapFile{Data: f.Data}
		if f.Name == "want" {
			want = string(f.Data)
		}
	}
	return files, want
}
