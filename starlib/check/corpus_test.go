package check_test

import (
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

// TestPrograms checks whole programs, each with its modules. In those that run to their end only loads are found that nobody uses; and of those that fail for what can be
// seen, that is found.
func TestPrograms(t *testing.T) {
	want := map[string]check.Rule{
		"client_while_loading": check.RuleLoading, "save_while_loading": check.RuleLoading, "sync_while_loading": check.RuleLoading, "frozen_attribute": check.RuleAssignment,
		"frozen_dict_attribute": check.RuleAssignment, "frozen_method": check.RuleAssignment,
		"load_cycle": check.RuleLoad, "load_cycle_script": check.RuleLoad, "load_host_missing": check.RuleLoad, "load_missing": check.RuleLoad, "load_missing_name": check.RuleLoad,
		"load_outside": check.RuleLoad, "lost_attribute": check.RuleLostChange, "lost_env": check.RuleLostChange, "lost_files": check.RuleLostChange,
		"lost_fork": check.RuleLostChange, "load": check.RuleUnusedLoad,
	}
	for _, file := range globFiles(t, "../testdata/program/*.txtar") {
		files, output := programOf(t, file)
		names := slices.DeleteFunc(sortedNames(files), func(name string) bool { return path.Ext(name) != ".star" })
		problems, err := check.Files(t.Context(), files, names, hostOptions())
		if err != nil {
			t.Fatal(err)
		}
		checkSpans(t, files, problems)
		rule, found := want[strings.TrimSuffix(filepath.Base(file), ".txtar")], false
		for i := range problems {
			found = found || problems[i].Rule == rule
			if !strings.Contains(output, "error: ") && problems[i].Rule != check.RuleUnusedLoad {
				t.Errorf("%s: %s", file, problems[i].Detail())
			}
		}
		if rule != "" && !found {
			t.Errorf("%s: nothing is found by the rule %s", file, rule)
		}
	}
}

// runs matches what a script of the program's tests runs to its end.
var runs = regexp.MustCompile(`(?m)^exec imgscript run .*?([\w./-]+\.star)`)

// TestProgramScripts: nothing is found in scripts that the tests of the program run to their end, but loads that nobody uses.
func TestProgramScripts(t *testing.T) {
	checked := 0
	for _, file := range globFiles(t, "../../testdata/script/*.txtar") {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		files, _ := programOf(t, file)
		for _, m := range runs.FindAllStringSubmatch(string(archive.Comment), -1) {
			for name := range files {
				if name != m[1] && !strings.HasSuffix(name, "/"+m[1]) {
					continue
				}
				checked++
				problems, err := check.Files(t.Context(), files, []string{name}, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := range problems {
					if problems[i].Rule != check.RuleUnusedLoad {
						t.Errorf("%s: %s", file, problems[i].Detail())
					}
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d scripts", checked)
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
