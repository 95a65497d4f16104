package check_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/starlib"
	"github.com/imgscript/imgscript/starlib/check"
)

// FuzzAgainstRun makes scripts at random and runs them: in one that runs to its end nothing is found in the lines that were reached, and a lost change only if the run lost one.
func FuzzAgainstRun(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	engine, err := build.NewEngine(&build.EngineOptions{Keychain: auth.Chain()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { engine.Close() })
	f.Fuzz(func(t *testing.T, seed uint64) {
		text := randomScript(seed)
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "build.star"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		reached := map[int]bool{} // by the line behind what prints
		rt, err := starlib.New(&starlib.Options{Root: dir, Engine: engine, Print: func(pos syntax.Position, _ string) { reached[int(pos.Line)+1] = true }})
		if err != nil {
			t.Fatal(err)
		}
		_, failed := rt.ExecFile(t.Context(), "build.star", nil)
		var lost *build.LostChangeError
		if failed != nil && !errors.As(failed, &lost) {
			t.Skip(failed) // what stands behind is not reached
		}
		problems, err := check.Files(t.Context(), fstest.MapFS{"build.star": {Data: []byte(text)}}, []string{"build.star"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range problems {
			if reached[problems[i].Line] && (problems[i].Rule != check.RuleLostChange || lost == nil) {
				t.Errorf("%sthe run says %v of\n%s", problems[i].Detail(), failed, text)
			}
		}
	})
}

// writer writes a script at random.
type writer struct {
	*rand.Rand
	strings.Builder
	indent int
	names  int
	images []string // names of images that are surely bound here
	values []string // expressions of other things
}

func randomScript(seed uint64) string {
	w := &writer{Rand: rand.New(rand.NewPCG(seed, 0))}
	w.image()
	for range 3 + w.IntN(12) {
		w.statement()
	}
	return w.String()
}

// line writes a line, and one before it that says that it is reached.
func (w *writer) line(format string, args ...any) {
	indent := strings.Repeat("    ", w.indent)
	if !strings.HasPrefix(format, "else") {
		w.WriteString(indent + "print()\n")
	}
	w.WriteString(indent + fmt.Sprintf(format, args...) + "\n")
}

func (w *writer) name() string {
	w.names++
	return fmt.Sprintf("v%d", w.names)
}

func (w *writer) pick(list []string) string { return list[w.IntN(len(list))] }

func (w *writer) image() {
	name := w.name()
	w.line(`%s = image("scratch", "oci:out%d")`, name, w.names)
	w.images = append(w.images, name)
}

// statement writes one of the things that scripts do. Most of them work.
func (w *writer) statement() {
	img := w.pick(w.images)
	if w.indent < 3 && w.IntN(4) == 0 {
		w.block(img)
		return
	}
	name := w.name()
	simple := []string{
		img + `.cmd = ["x"]`, img + `.cmd = None`, img + `.env["A"] = "1"`, img + `.env.pop("A", None)`, img + `.env = {}`, img + `.env |= {"B": "2"}`, img + `.env.update(C = "3")`,
		img + `.user = "u"`, img + `.labels = {"a": "b"}`, img + `.add_files({"/a": b"x"})`, img + `.save()`, img + `.save(["t"])`, img + `.layers()`, img + `.get_env("A")`,
		img + `.sync()`, `print(` + img + `.env, ` + img + `.user)`, img + `.get_image_config()["User"] = "x"`, `print(len(` + img + `.layers()))`,
		`[` + img + `.save([t]) for t in ["a", "b"]]`, img + `.save() if ` + img + `.user else None`, `print((lambda: ` + img + `.save())().digest)`,
		`things.append(` + img + `)`, `things.append("x")`, `[t.save() for t in things if type(t) == "Image"]`,
	}
	bound := []string{
		img + `.fork("oci:out` + name + `")`, img, `image("scratch", "oci:out` + name + `")`, `[` + img + `][0]`, `struct(img = ` + img + `).img`, `{"a": ` + img + `}["a"]`,
		`(lambda x: x)(` + img + `)`, img + ` or None`,
	}
	other := []string{
		img + `.save()`, img + `.add_files({"/b": b"y"})`, img + `.env`, `[` + img + `, "x"]`, `struct(a = ` + img + `, b = [1])`, `"text"`, `{"a": 1}`, img + `.save`, img + `.layers()`,
	}
	switch w.IntN(6) {
	case 0:
		w.line("%s = %s", name, w.pick(bound))
		w.images = append(w.images, name)
	case 1:
		w.line("%s = %s", name, w.pick(other))
		w.values = append(w.values, name)
		if w.IntN(2) == 0 {
			w.line("print(%s)", name)
		}
	case 2:
		if len(w.values) > 0 {
			w.use(w.pick(w.values), img)
		}
	default:
		w.line("%s", strings.ReplaceAll(w.pick(simple), "things", "["+img+"]"))
	}
}

// use does something with a value, if it is of the type for that.
func (w *writer) use(value, img string) {
	w.line("%s", w.pick([]string{
		fmt.Sprintf(`%[1]s = %[2]s`, value, img),
		fmt.Sprintf(`print(%[1]s.digest if type(%[1]s) in ["Saved", "Layer"] else 0)`, value),
		fmt.Sprintf(`%[1]s.append(%[2]s) if type(%[1]s) == "list" else None`, value, img),
		fmt.Sprintf(`%[1]s[0].save() if type(%[1]s) == "list" and %[1]s and hasattr(%[1]s[0], "save") else None`, value),
		fmt.Sprintf(`%[1]s.a.save() if hasattr(%[1]s, "a") else None`, value),
		fmt.Sprintf(`print(str(%[1]s), getattr(%[1]s, "user", 1))`, value),
	}))
}

// block writes a statement with others in it. What they bind may not be bound behind it.
func (w *writer) block(img string) {
	images, values := w.images, w.values
	body := func() {
		w.indent++
		w.line("pass")
		for range 1 + w.IntN(4) {
			w.statement()
		}
		w.indent--
		w.images, w.values = images[:len(images):len(images)], values[:len(values):len(values)]
	}
	name := w.name()
	switch w.IntN(6) {
	case 0:
		w.line("if %s:", w.pick([]string{"True", "False", img + ".user", "len([])"}))
		body()
	case 1:
		w.line("if %s.user:", img)
		body()
		w.line("else:")
		body()
	case 2:
		w.line("for %s in range(%d):", name, w.IntN(3))
		body()
	case 3:
		w.line("for %s in [%s, %s]:", name, img, w.pick(w.images))
		w.images = append(w.images, name)
		body()
	default:
		w.function(name, img)
	}
}

// function writes one that is called with an image, or never.
func (w *writer) function(name, img string) {
	images, values := w.images, w.values
	w.line("def %s(a, b = None):", name)
	w.indent++
	w.images, w.values = append(images[:len(images):len(images)], "a"), nil
	for range 1 + w.IntN(4) {
		w.statement()
	}
	w.line("return %s", w.pick([]string{"a", w.pick(w.images), "[a]", "b"}))
	w.indent--
	w.images, w.values = images, values
	w.line("%s", w.pick([]string{
		fmt.Sprintf("%s(%s)", name, img), fmt.Sprintf("%s(a = %s, b = 1)", name, img), "pass", fmt.Sprintf("print(%s(%s))", name, img), fmt.Sprintf("print([%s][0](%s))", name, img),
	}))
}
