package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// checkStub is a program in Python that parses a stub and says what it defines, with what each name is documented by.
const checkStub = `
import ast, sys

def show(prefix, body):
    for i, node in enumerate(body):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            kind = type(node).__name__ + ("".join("@" + ast.unparse(d) for d in node.decorator_list) if node.decorator_list else "")
            doc = ast.get_docstring(node) or ""
            print(prefix + node.name, kind, "documented" if doc else "bare")
            if isinstance(node, ast.ClassDef):
                show(prefix + node.name + ".", node.body)
        elif isinstance(node, ast.AnnAssign):
            print(prefix + node.target.id, "AnnAssign", "")

show("", ast.parse(open(sys.argv[1]).read()).body)
`

// stubOf writes the stub of the language and returns its name.
func stubOf(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command(program, "stubs", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestStubsArePython: Python parses the stubs, and finds what the reference has.
func TestStubsArePython(t *testing.T) {
	tools(t, "python3")
	out, err := exec.Command("python3", "-c", checkStub, stubOf(t, t.TempDir())).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"image FunctionDef documented", "load FunctionDef documented", "Path AnnAssign ", "Image ClassDef documented", "Image.add_files FunctionDef documented",
		"Image.env FunctionDef@property documented", "Image.env FunctionDef@env.setter bare", "Image.base FunctionDef@property documented", "re ClassDef documented",
		"re.match FunctionDef@staticmethod documented", "json.decode FunctionDef@staticmethod documented", "math.pi AnnAssign ",
	} {
		if !strings.Contains("\n"+string(out), "\n"+want+"\n") {
			t.Errorf("Python does not find %q in\n%s", want, out)
		}
	}
	listed, err := exec.Command(program, "doc").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^    ([\w.]+)  `).FindAllStringSubmatch(string(listed), -1) {
		if !strings.Contains("\n"+string(out), "\n"+m[1]+" ") {
			t.Errorf("imgscript doc has %s, Python does not find it", m[1])
		}
	}
}

// TestStubsCheckScripts: by the stubs, a checker of Python finds nothing wrong with the examples, which are Python as far as it goes, and finds what is wrong with others.
func TestStubsCheckScripts(t *testing.T) {
	tools(t, "mypy")
	dir := t.TempDir()
	stub := stubOf(t, dir)
	if err := os.Rename(stub, filepath.Join(dir, "imgscript.pyi")); err != nil { // mypy knows no built-ins but Python's
		t.Fatal(err)
	}
	var scripts []string
	for _, name := range []string{"add_layer", "copy", "env", "hello", "node", "promote", "two_projects", "whiteout"} {
		text, err := os.ReadFile("../examples/" + name + ".star")
		if err != nil {
			t.Fatal(err)
		}
		scripts = append(scripts, importing(t, dir, name+".py", string(text)))
	}
	if out, err := mypy(dir, scripts...); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	wrong := []struct{ script, want string }{
		{`image("scratch").add_fils({})`, `"Image" has no attribute "add_fils"`},
		{`image("scratch").add_files({}, ignore = [])`, `Unexpected keyword argument "ignore"`},
		{`image("scratch").base = "x"`, `is read-only`},
		{`image("scratch").add_files({"/a": "b"}, uid = "0")`, `incompatible type "str"; expected "int"`},
		{`fetch("https://example.com/")`, `Missing named argument "sha256"`},
		{`image("scratch", "oci:out").save().digest.x`, `"str" has no attribute "x"`},
	}
	text := ""
	for _, w := range wrong {
		text += w.script + "\n"
	}
	out, err := mypy(dir, importing(t, dir, "wrong.py", text))
	if err == nil {
		t.Error("nothing is wrong")
	}
	for i, w := range wrong {
		const imports = 1
		line := regexp.MustCompile(fmt.Sprintf(`(?m)^wrong.py:%d: error: .*%s`, i+1+imports, regexp.QuoteMeta(w.want)))
		if !line.Match(out) {
			t.Errorf("%s: want %s in\n%s", w.script, w.want, out)
		}
	}
}

// importing writes a script that gets the names of the language from the stub imgscript, and returns its name.
func importing(t *testing.T, dir, name, script string) string {
	t.Helper()
	writeFile(t, filepath.Join(dir, name), "from imgscript import *\n"+script)
	return name
}

// mypy checks scripts. What a script may be given None by, such as get_env without a default, is its own affair.
func mypy(dir string, scripts ...string) ([]byte, error) {
	cmd := exec.Command("mypy", append([]string{"--no-strict-optional", "--no-error-summary", "--no-incremental"}, scripts...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	return cmd.CombinedOutput()
}
