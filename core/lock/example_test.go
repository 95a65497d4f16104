package lock_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/lock"
)

// A program adds to the lock of a project what a run found, and looks up what a tag stands for.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, lock.Name)

	found := lock.Entry{
		Reference: "docker.io/library/alpine:3", Platform: "linux/amd64",
		Index: d("the index"), Manifest: d("the manifest"), MediaType: content.OCIIndex,
	}
	err = lock.Update(context.Background(), path, func(there *lock.File) (*lock.File, error) {
		next, _, err := there.Add(found) // what is there stays
		return next, err
	})
	if err != nil {
		log.Fatal(err)
	}

	file, err := lock.Read(path)
	if err != nil {
		log.Fatal(err)
	}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		e, ok := file.Find("docker.io/library/alpine:3", platform)
		fmt.Println(platform, ok, e.Manifest == d("the manifest"))
	}
	// Output:
	// linux/amd64 true true
	// linux/arm64 false false
}

// A damaged file is an error with the line and what to do.
func ExampleError() {
	text := "{\n<<<<<<< HEAD\n=======\n>>>>>>> feature\n  \"version\": 1\n}\n"
	_, err := lock.Parse("imgscript.lock", []byte(text))
	fmt.Println(err)
	advice, _, _ := strings.Cut(err.(*lock.Error).Hint(), ",")
	fmt.Println(advice)
	// Output:
	// imgscript.lock:2: a merge conflict that is not resolved
	// keep the lines of both sides
}
