package check_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/starlib/check"
)

// TestFilesErrors: a file that was asked for and cannot be read is an error, and so is the end of the context; what is found in files is not.
func TestFilesErrors(t *testing.T) {
	files := fstest.MapFS{"a.star": {Data: []byte("image()")}, "dir/b.star": {Data: []byte("x = 1")}, "pipe": {Mode: fs.ModeNamedPipe}}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		ctx  context.Context
		name string
		want string
		is   error
	}{
		{t.Context(), "none.star", "none.star: file does not exist", fs.ErrNotExist},
		{t.Context(), "dir", "dir: is a directory", nil},
		{t.Context(), "pipe", "pipe: is not a regular file", nil},
		{t.Context(), "../a.star", "../a.star: ", nil},
		{canceled, "a.star", "check: context canceled", context.Canceled},
	}
	for _, tt := range tests {
		problems, err := check.Files(tt.ctx, files, []string{tt.name}, nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || tt.is != nil && !errors.Is(err, tt.is) || problems != nil {
			t.Errorf("%s: %v, %v", tt.name, problems, err)
		}
	}
	if problems, err := check.Files(t.Context(), files, nil, nil); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if problems, err := check.Files(t.Context(), files, []string{"a.star", "a.star"}, &check.Options{Prefix: "x/"}); err != nil || len(problems) != 1 || problems[0].File != "x/a.star" ||
		!strings.Contains(problems[0].Detail(), "x/a.star:1:") {
		t.Errorf("%v, %v", problems, err)
	}
}

// TestOutsideTheRoot: a link that leads out of the root is not followed.
func TestOutsideTheRoot(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"out.star": "x = 1", "root/a.star": "load('link.star', 'x')\nprint(x)", "root/b.star": "load('/etc/passwd', 'y')\nprint(y)"} {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join("..", "out.star"), filepath.Join(dir, "root", "link.star")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(filepath.Join(dir, "root"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	problems, err := check.Files(t.Context(), root.FS(), []string{"a.star", "b.star"}, nil)
	if err != nil || len(problems) != 2 || problems[0].Rule != check.RuleLoad || problems[1].Rule != check.RuleLoad {
		t.Errorf("%v, %v", problems, err)
	}
}

// TestHost: names of the embedding program exist, take the place of those of the language, and are not known further.
func TestHost(t *testing.T) {
	script := `
load("@host/tools", "answer", "nothing")
print(answer.anything, nothing)
deploy(image("x", wrong = 1).anything, 1, 2, x = 3)
print(undefined)
`
	opts := &check.Options{
		Predeclared: starlark.StringDict{"deploy": starlark.None, "image": starlark.None},
		Modules:     map[string]starlark.StringDict{"host/tools": {"answer": starlark.MakeInt(42)}},
	}
	problems, err := check.Files(t.Context(), fstest.MapFS{"a.star": {Data: []byte(script)}}, []string{"a.star"}, opts)
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%d %s", p.Line, p.Rule))
	}
	if err != nil || strings.Join(got, ", ") != "2 load, 5 name" {
		t.Errorf("%v, %v", got, err)
	}
}
