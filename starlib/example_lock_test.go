package starlib_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"go.starlark.net/syntax"

	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/core/registry/registrytest"
	"github.com/imgscript/imgscript/starlib"
)

// exampleTB is as much of a test as an example has.
type exampleTB struct{}

func (exampleTB) Helper()                           {}
func (exampleTB) Cleanup(func())                    {}
func (exampleTB) Errorf(format string, args ...any) { log.Printf(format, args...) }
func (exampleTB) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

// Scripts start from what a lock says that tags stand for. A program that keeps it in a file reads that with lock.Read, and adds to it with lock.Update.
func ExampleOptions_lock() {
	reg := registrytest.New(exampleTB{}, nil)
	defer reg.Close()
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)

	run := func(locked *lock.File, mode lock.Mode) *starlib.Result {
		rt, err := starlib.New(&starlib.Options{
			Root: root, Lock: locked, LockMode: mode,
			Print: func(_ syntax.Position, line string) { fmt.Println(line) },
		})
		if err != nil {
			log.Fatal(err)
		}
		result, err := rt.ExecFile(context.Background(), "build.star", fmt.Sprintf(`
img = image("%s/base:v1", "oci:out")
img.user = "nobody"
img.save()
print("the base is", img.get_env("VERSION"))
`, reg.Host))
		if err != nil {
			log.Fatal(err)
		}
		return result
	}
	release := func(version string) {
		reg.PushImage("base", "v1", registrytest.Image{Config: map[string]any{"Env": []string{"VERSION=" + version}}})
	}

	release("1.0")
	file := &lock.File{}
	file, _, err = file.Add(run(file, lock.Add).Report.Lock.Added...)
	if err != nil {
		log.Fatal(err)
	}
	release("1.1")
	result := run(file, lock.Locked) // what the lock lacks would be an error
	fmt.Println(len(result.Report.Lock.Used), "locked image for", file.Entries()[0].Platform)
	run(nil, lock.Add)
	// Output:
	// the base is 1.0
	// the base is 1.0
	// 1 locked image for linux/amd64
	// the base is 1.1
}
