package check_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/starlib/check"
)

// TestRules runs testdata/rules/*.star, a file for each rule with what it finds and what it must not find. A file has parts, divided by lines "---", each of which
// is checked as build.star beside the files of testdata/rules/lib. Comments `### "regexp" "regexp"` say what is found in their line, in order: the rule, the message and
// the hint; nothing else may be.
func TestRules(t *testing.T) {
	lib := readTree(t, "testdata/rules/lib", "lib")
	for _, file := range globFiles(t, "testdata/rules/*.star") {
		rule := check.Rule(strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), ".star"), "_", "-"))
		found := 0
		for _, part := range partsOf(t, file) {
			t.Run(fmt.Sprintf("%s:%d", filepath.Base(file), part.line), func(t *testing.T) {
				files := fstest.MapFS{"build.star": {Data: []byte(part.text)}}
				for name, data := range lib {
					files[name] = data
				}
				problems, err := check.Files(t.Context(), files, []string{"build.star"}, hostOptions())
				if err != nil {
					t.Fatal(err)
				}
				checkSpans(t, files, problems)
				for _, p := range problems {
					if p.Rule == rule {
						found++
					}
				}
				loaded := []string{"build.star"}
				if strings.Contains(part.text, "lib/saves.star") {
					loaded = append(loaded, "lib/saves.star")
				}
				compareProblems(t, files, loaded, problems)
			})
		}
		if found == 0 {
			t.Errorf("%s: nothing is found by the rule %q", file, rule)
		}
	}
}

// hostOptions are names of an embedding program.
func hostOptions() *check.Options {
	names := starlark.StringDict{}
	for _, name := range []string{
		"REG", "OTHER", "FILES", "assert", "remote_tags", "remote_bytes", "remote_manifest", "remote_config", "remote_blob", "entries", "names", "requests", "printed", "warnings",
		"built", "write",
	} {
		names[name] = starlark.None
	}
	return &check.Options{Predeclared: names, Modules: map[string]starlark.StringDict{"host/tools": {"answer": starlark.MakeInt(42)}}}
}

// part is a piece of a file of tests: a script of its own, in which lines have the numbers of the file.
type part struct {
	line int
	text string
}

func partsOf(t testing.TB, file string) []part {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var parts []part
	line := 0
	for text := range strings.SplitSeq(string(data), "\n---\n") {
		parts = append(parts, part{line + 1, strings.Repeat("\n", line) + text})
		line += strings.Count(text, "\n") + 2
	}
	return parts
}

func globFiles(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return files
}

// readTree reads the .star files in and below a directory, under another name.
func readTree(t *testing.T, dir, as string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".star" {
			return err
		}
		data, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		files[filepath.ToSlash(filepath.Join(as, rel))] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	mark   = regexp.MustCompile("###((?: +`[^`]*`| +\"(?:[^\"\\\\]|\\\\.)*\")+)\\s*$")
	quoted = regexp.MustCompile("`[^`]*`|\"(?:[^\"\\\\]|\\\\.)*\"")
)

// compareProblems holds what was found in some files against their marks.
func compareProblems(t *testing.T, files fstest.MapFS, names []string, problems []check.Problem) {
	t.Helper()
	got := map[string][]string{}
	for _, p := range problems {
		place := fmt.Sprintf("%s:%d", p.File, p.Line)
		text := fmt.Sprintf("%s: %s", p.Rule, p.Message)
		if p.Hint != "" {
			text += "; hint: " + p.Hint
		}
		got[place] = append(got[place], text)
	}
	for _, name := range names {
		for i, line := range strings.Split(string(files[name].Data), "\n") {
			place := fmt.Sprintf("%s:%d", name, i+1)
			comparePlace(t, place, got[place], marksOf(t, line))
			delete(got, place)
		}
	}
	for place, texts := range got {
		t.Errorf("%s: unexpected: %q", place, texts)
	}
}

func marksOf(t *testing.T, line string) []string {
	t.Helper()
	m := mark.FindStringSubmatch(line)
	if m == nil {
		if strings.Contains(line, "###") {
			t.Errorf("no mark: %s", line)
		}
		return nil
	}
	var marks []string
	for _, text := range quoted.FindAllString(m[1], -1) {
		unquoted, err := strconv.Unquote(text)
		if err != nil {
			t.Fatal(err)
		}
		marks = append(marks, unquoted)
	}
	return marks
}

func comparePlace(t *testing.T, place string, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			t.Errorf("%s: nothing matches %q", place, want[i])
		case i >= len(want):
			t.Errorf("%s: unexpected: %s", place, got[i])
		case !regexp.MustCompile(want[i]).MatchString(got[i]):
			t.Errorf("%s: %q does not match %q", place, got[i], want[i])
		}
	}
}

// checkSpans wants every problem to be at a place that exists, in order, and to be shown with its line.
func checkSpans(t *testing.T, files fstest.MapFS, problems []check.Problem) {
	t.Helper()
	for i, p := range problems {
		lines := regexp.MustCompile("\r\n|\r|\n").Split(string(files[p.File].Data), -1)
		ordered := p.EndLine > p.Line || p.EndLine == p.Line && p.EndCol > p.Col
		if p.Line < 1 || p.EndLine > len(lines)+1 || p.Col < 1 || p.Line <= len(lines) && p.Col > len([]rune(lines[p.Line-1]))+1 || !ordered {
			t.Errorf("%s: %d:%d-%d:%d is no span", p.Message, p.Line, p.Col, p.EndLine, p.EndCol)
		}
		detail := p.Detail()
		if !strings.HasPrefix(detail, "error: ") || !strings.HasSuffix(detail, "\n") || !strings.Contains(detail, fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)) {
			t.Errorf("got %q", detail)
		}
		if i > 0 && (problems[i-1].File > p.File || problems[i-1].File == p.File && problems[i-1].Line > p.Line) {
			t.Errorf("%s:%d stands behind %s:%d", p.File, p.Line, problems[i-1].File, problems[i-1].Line)
		}
	}
}

// TestOrder: problems come by file and place, whatever the order in which files were named.
func TestOrder(t *testing.T) {
	files := readTree(t, "testdata/rules/lib", "lib")
	var names []string
	for _, file := range globFiles(t, "testdata/rules/*.star") {
		for _, part := range partsOf(t, file) {
			name := fmt.Sprintf("%d-%s", part.line, filepath.Base(file))
			files[name] = &fstest.MapFile{Data: []byte(part.text)}
			names = append(names, name)
		}
	}
	text := func() string {
		problems, err := check.Files(t.Context(), files, names, hostOptions())
		if err != nil {
			t.Fatal(err)
		}
		checkSpans(t, files, problems)
		var b strings.Builder
		for i := range problems {
			b.WriteString(problems[i].Detail())
		}
		return b.String()
	}
	first := text()
	slices.Reverse(names)
	if second := text(); first != second {
		t.Errorf("got:\n%s\nthen:\n%s", first, second)
	}
}

// TestSpans: a problem is at the text that is to blame.
func TestSpans(t *testing.T) {
	const img = "img = image('scratch', 'oci:out'); "
	tests := []struct{ script, want string }{
		{"image('scratch', taget = 'x')", "taget"},
		{"image()", "image()"},
		{img + "img.save(['a'], ['b'])", "['b']"},
		{img + "img.save(['a', 1])", "1"},
		{img + "img.save(tags = ('a', 1))", "1"},
		{img + "img.add_files({}, mode = 644); img.save()", "644"},
		{img + "img.cmd = ['a', 3]; img.save()", "3"},
		{img + "img.env = {'A': 1}; img.save()", "1"},
		{img + "img.env['A'] = 1; img.save()", "1"},
		{img + "img.cmd = 'a b'; img.save()", "'a b'"},
		{img + "img.bse", "bse"},
		{img + "img.base = 'x'", "base"},
		{img + "img(1)", "img"},
		{img + "img.base('x', 2)", "base"},
		{img + "img.cmd = ['x']", "cmd"},
		{img + "img.env['A'] = 'x'", "env"},
		{img + "img.add_files({}, mode = 0o644)", "add_files({}, mode = 0o644)"},
		{"def f(a): return a\nf()", "f()"},
		{"load('nowhere.star', 'x')", "'nowhere.star'"},
		{"load('ok.star', 'yy')", "yy"},
		{"load('ok.star', 'y')", "y"},
		{"print(nothing)", "nothing"},
	}
	for _, tt := range tests {
		files := fstest.MapFS{"build.star": {Data: []byte(tt.script)}, "ok.star": {Data: []byte("y = 1")}}
		problems, err := check.Files(t.Context(), files, []string{"build.star"}, nil)
		if err != nil || len(problems) != 1 {
			t.Errorf("%s: %v, %d problems", tt.script, err, len(problems))
			continue
		}
		p := problems[0]
		line := []rune(strings.Split(tt.script, "\n")[p.Line-1])
		if got := string(line[p.Col-1 : p.EndCol-1]); p.EndLine != p.Line || got != tt.want {
			t.Errorf("%s: %s: got %q, want %q", tt.script, p.Message, got, tt.want)
		}
	}
}
