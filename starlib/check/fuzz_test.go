package check_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/imgscript/imgscript/starlib/check"
)

// FuzzFiles: whatever a script says, checking it ends, without a panic, and reports places that exist. The script is loaded by another one too, and loads a third.
func FuzzFiles(f *testing.F) {
	for _, pattern := range []string{"testdata/rules/*.star", "testdata/rules/lib/*.star", "../../examples/*.star", "../testdata/run/*.star"} {
		for _, file := range globFiles(f, pattern) {
			for _, part := range partsOf(f, file) {
				f.Add(strings.TrimLeft(part.text, "\n"))
			}
		}
	}
	for _, file := range globFiles(f, "../testdata/errors/*.txtar") {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, member := range archive.Files {
			f.Add(string(member.Data))
		}
	}
	tools, err := os.ReadFile("testdata/rules/lib/tools.star")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		files := fstest.MapFS{
			"build.star": {Data: []byte(text)}, "lib/tools.star": {Data: tools},
			"main.star": {Data: []byte("load(\"build.star\", \"img\", \"f\", \"build\", \"main\")\nbuild(img, f(main))\n")},
		}
		problems, err := check.Files(t.Context(), files, []string{"main.star"}, hostOptions())
		if err != nil {
			t.Fatal(err)
		}
		checkSpans(t, files, problems)
	})
}

// right and wrong are pieces of a big script; the first has nothing wrong in it.
const (
	right = `
img%[1]d = image("scratch", "oci:out%[1]d")
img%[1]d.env["N"] = "%[1]d"
img%[1]d.add_files({"/a": "app"}, ignores = ["*.log"])
def build%[1]d(img, name = "x"):
    layers = [l.digest for l in img.layers()]
    return struct(saved = img.save([name]), layers = layers)
result%[1]d = build%[1]d(img%[1]d, name = "v%[1]d")
print(result%[1]d.saved.digest, len(result%[1]d.layers), img%[2]d.target)
`
	wrong = right + `
img%[1]d.sav()
img%[1]d.save(tag = "x")
img%[1]d.cmd = "x"
result%[1]d.saved.digst
img%[2]d.target = "x"
image()
build%[1]d()
img%[1]d.user = "x"
`
)

// bigScript is a script of so many lines.
func bigScript(piece string, lines int) fstest.MapFS {
	var b strings.Builder
	for i := range lines / strings.Count(piece, "\n") {
		fmt.Fprintf(&b, piece, i, i/2)
	}
	return fstest.MapFS{"build.star": {Data: []byte(b.String())}}
}

// TestBig: a big script takes a fraction of a second. The bound is for a busy machine and the race detector.
func TestBig(t *testing.T) {
	start := time.Now()
	problems, err := check.Files(t.Context(), bigScript(right, 10000), []string{"build.star"}, nil)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %d problems", err, len(problems))
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestManyProblems: all are found, however many there are.
func TestManyProblems(t *testing.T) {
	problems, err := check.Files(t.Context(), bigScript(wrong, 2000), []string{"build.star"}, nil)
	if err != nil || len(problems) < 600 {
		t.Errorf("%v, %d problems", err, len(problems))
	}
}

func BenchmarkBig(b *testing.B) {
	for name, piece := range map[string]string{"right": right, "wrong": wrong} {
		files := bigScript(piece, 10000)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := check.Files(b.Context(), files, []string{"build.star"}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
