package starlib_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/starlib"
)

// exampleRoot is a directory with a script's files.
func exampleRoot() (root string, remove func()) {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "hello.txt"), []byte("hello\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	return root, func() { os.RemoveAll(root) }
}

// A script is run; what it prints and saves is told to the program.
func ExampleRuntime_ExecFile() {
	root, remove := exampleRoot()
	defer remove()
	rt, err := starlib.New(&starlib.Options{
		Root:  root,
		Vars:  map[string]string{"version": "1.2"},
		Print: func(pos syntax.Position, line string) { fmt.Printf("%s: %s\n", pos, line) },
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := rt.ExecFile(context.Background(), "build.star", `
img = image("scratch", "oci:out")
img.add_files({"/hello.txt": "hello.txt"})
img.cmd = ["/hello"]
saved = img.save([var("version")])
print(saved.tags, len(saved.layers))
`)
	if err != nil {
		log.Fatal(err)
	}
	for _, saved := range result.Report.Saved {
		fmt.Println(saved.Target, saved.Digest.Algorithm(), saved.Tags)
	}
	// Output:
	// build.star:6:6: ["1.2"] 1
	// oci:out sha256 [1.2]
}

// An error says where, why, and what to do.
func ExampleError_Detail() {
	root, remove := exampleRoot()
	defer remove()
	rt, err := starlib.New(&starlib.Options{Root: root})
	if err != nil {
		log.Fatal(err)
	}
	_, err = rt.ExecFile(context.Background(), "build.star", `
img = image("scratch", "oci:out")
img.add_files({"/hello.txt": "./helo.txt"})
img.save()
`)
	fmt.Print(err.(*starlib.Error).Detail())
	// Output:
	// error: add_files: ./helo.txt: no such file or directory
	//   build.star:3:30
	//     3 | img.add_files({"/hello.txt": "./helo.txt"})
	//       |                              ^^^^^^^^^^^^
	//   needed by save() at build.star:4:9
	// hint: paths are relative to the directory of build.star; did you mean "./hello.txt"?
}

// A function of a script is called with values of the program.
func ExampleRuntime_Call() {
	root, remove := exampleRoot()
	defer remove()
	script := "def release(name):\n    return image(\"scratch\", \"oci:\" + name).save().reference.split(\"@\")[0]\n"
	if err := os.WriteFile(filepath.Join(root, "build.star"), []byte(script), 0o644); err != nil {
		log.Fatal(err)
	}
	rt, err := starlib.New(&starlib.Options{Root: root})
	if err != nil {
		log.Fatal(err)
	}
	result, err := rt.Call(context.Background(), "build.star", "release", starlark.Tuple{starlark.String("out")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Value)
	// Output: "oci:out"
}

// withMotd is a built-in of the program's own: it takes an image and returns another one.
func withMotd(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var value starlark.Value
	var text string
	if err := starlark.UnpackArgs(b.Name(), args, kwargs, "image", &value, "text", &text); err != nil {
		return nil, err
	}
	img, ok := starlib.AsImage(value)
	if !ok {
		return nil, fmt.Errorf("%s: want an Image, got %s", b.Name(), value.Type())
	}
	fork, err := img.Fork("", nil)
	if err != nil {
		return nil, err
	}
	file := build.File{Target: "/etc/motd", Custom: &layer.Custom{}, Data: build.BytesBlob("text", []byte(text))}
	fork.AddFiles(starlib.Here(thread), []build.File{file}, nil)
	return starlib.FromImage(thread, fork)
}

// A program adds a built-in that takes and returns images.
func ExampleAsImage() {
	root, remove := exampleRoot()
	defer remove()
	rt, err := starlib.New(&starlib.Options{
		Root:        root,
		Predeclared: starlark.StringDict{"with_motd": starlark.NewBuiltin("with_motd", withMotd)},
		Print:       func(_ syntax.Position, line string) { fmt.Println(line) },
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = rt.ExecFile(context.Background(), "build.star", `
base = image("scratch", "oci:out")
base.env["LANG"] = "C"
img = with_motd(base, "welcome\n")
img.user = "nobody"
img.save()
print([l.created_by for l in img.layers()], img.get_env("LANG"))
`)
	if err != nil {
		log.Fatal(err)
	}
	// Output: ["add_files({\"/etc/motd\": \"custom_file\"})"] C
}

// A script that does too much is stopped. The error names the limit, and the place where the script was.
func ExampleLimits() {
	rt, err := starlib.New(&starlib.Options{Root: os.TempDir(), Limits: starlib.Limits{Steps: 10_000, Time: time.Minute}})
	if err != nil {
		log.Fatal(err)
	}
	_, err = rt.ExecFile(context.Background(), "build.star", "x = json.encode([i for i in range(100)] * 1000)")
	fmt.Println(err)
	fmt.Println(errors.Is(err, build.ErrLimit))
	// Output:
	// build.star:1:10: json.encode: the script takes more than 10000 steps, which is the limit
	// true
}
