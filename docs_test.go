package imgscript_test

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/docs/doctest"
)

// block is a fenced block of code of a document.
type block struct {
	file string
	line int
	lang string
	text string
	next string // the text block right behind it: what it prints, or its error
}

// documents are all that have blocks.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(files, "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// blocks lists the blocks of a document.
func blocks(t *testing.T, file string) []block {
	t.Helper()
	var list []block
	for _, b := range doctest.Blocks(read(t, file)) {
		list = append(list, block{file: file, line: b.Line, lang: b.Lang, text: b.Text, next: b.Next})
	}
	return list
}

// TestDocuments runs every block of code in the documents: scripts (python) against a registry, programs (go), and those commands (sh) that are cheap
// and ours; of the others it checks that what they name exists. Those in YAML are registry configurations. A block is compared with the text block right behind it.
func TestDocuments(t *testing.T) {
	program := buildProgram(t)
	kinds := map[string]func(*testing.T, block){
		"python": runScript, "go": runProgram, "sh": func(t *testing.T, b block) { runCommands(t, b, program) }, "yaml": parseConfig, "text": func(*testing.T, block) {},
	}
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			t.Run(fmt.Sprintf("%s:%d", b.file, b.line), func(t *testing.T) {
				t.Parallel()
				run, ok := kinds[b.lang]
				switch {
				case ok:
					run(t, b)
				case file != "ARCHITECTURE.md": // which has a picture
					t.Errorf("a block of code is python, go, sh, yaml or text, not %q", b.lang)
				}
			})
		}
	}
}

var (
	link     = regexp.MustCompile(`\]\(([^):]*?)(?:#([^)]*))?\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	testName = regexp.MustCompile("(?:`|-run )(Test[A-Z]\\w+)")
	fileName = regexp.MustCompile("`([\\w/]+\\.go)`")
)

// TestDocumentsNameWhatExists checks links within the project, and the tests and Go files that are named.
func TestDocumentsNameWhatExists(t *testing.T) {
	var tests, files []string
	for _, s := range sources(t) {
		for _, name := range slices.Concat(s.GoFiles, s.TestGoFiles, s.XTestGoFiles) {
			files = append(files, "/"+s.name()+"/"+name)
		}
		for _, f := range s.tests {
			for _, decl := range f.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok {
					tests = append(tests, fn.Name.Name)
				}
			}
		}
	}
	for _, file := range documents(t) {
		text := read(t, file)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			checkLink(t, file, m[1], m[2])
		}
		for _, m := range testName.FindAllStringSubmatch(text, -1) {
			if !slices.Contains(tests, m[1]) {
				t.Errorf("%s: there is no test %s", file, m[1])
			}
		}
		for _, m := range fileName.FindAllStringSubmatch(text, -1) {
			if !slices.ContainsFunc(files, func(name string) bool { return strings.HasSuffix(name, "/"+m[1]) }) {
				t.Errorf("%s: there is no file %s", file, m[1])
			}
		}
	}
}

// TestReadmeLinksEveryDocument: a document that no list of documents has is found by chance.
func TestReadmeLinksEveryDocument(t *testing.T) {
	text := read(t, "README.md")
	for _, file := range documents(t) {
		if file != "README.md" && !strings.Contains(text, "]("+file+")") {
			t.Errorf("the README has no link to %s", file)
		}
	}
}

// checkLink checks that a document has a file to link to, and that file the heading, as GitHub names it.
func checkLink(t *testing.T, file, path, fragment string) {
	t.Helper()
	target := file
	if path != "" {
		target = filepath.Join(filepath.Dir(file), path)
	}
	if _, err := os.Stat(target); err != nil {
		t.Errorf("%s: %v", file, err)
		return
	}
	if fragment == "" {
		return
	}
	for _, m := range heading.FindAllStringSubmatch(read(t, target), -1) {
		if slug.ReplaceAllString(strings.ReplaceAll(strings.ToLower(m[1]), " ", "-"), "") == fragment {
			return
		}
	}
	t.Errorf("%s: %s has no heading #%s", file, target, fragment)
}

// slug matches what the fragment of a heading leaves out.
var slug = regexp.MustCompile(`[^\w-]`)
