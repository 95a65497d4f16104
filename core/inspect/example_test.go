package inspect_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/inspect"
)

// Two images are built, looked at and compared: here in layouts, but they may as well be "registry.example.com/app:v1".
func Example() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	if err := os.WriteFile(filepath.Join(root, "app"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		log.Fatal(err)
	}
	engine, err := build.NewEngine(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()

	_, err = engine.Do(context.Background(), &build.Options{Root: root}, func(run *build.Run) error {
		for _, version := range []string{"1", "2"} {
			img, err := run.Image(build.Caller(), "scratch", &build.ImageOptions{Target: "oci:out:v" + version})
			if err != nil {
				return err
			}
			img.AddFiles(build.Caller(), []build.File{{Target: "/bin/app-" + version, Local: "app"}}, nil)
			img.Configure(build.Caller(), "the command", image.Changes{Cmd: []string{"/bin/app-" + version}})
			img.Save(build.Caller(), nil)
		}
		old, err := run.Look(build.Caller(), "inspect", "oci:out:v1", nil).Wait()
		if err != nil {
			return err
		}
		new, err := run.Look(build.Caller(), "inspect", "oci:out:v2", nil).Wait()
		if err != nil {
			return err
		}
		object, err := inspect.Read(run.Context(), old, old.Descriptor, nil)
		if err != nil {
			return err
		}
		fmt.Println(object.Kind, object.Platform, len(object.Layers))

		diff, err := inspect.Compare(run.Context(),
			inspect.Named{Reference: old.Reference, Source: old, Descriptor: old.Descriptor},
			inspect.Named{Reference: new.Reference, Source: new, Descriptor: new.Descriptor}, &inspect.CompareOptions{Files: true})
		if err != nil {
			return err
		}
		for _, change := range diff.Images[0].Config {
			before, after := change.Text()
			fmt.Println(change.Name, before, "→", after)
		}
		for _, file := range diff.Images[0].Files.Changes {
			fmt.Println(file.Change, file.Path)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// image linux/amd64 1
	// cmd ["/bin/app-1"] → ["/bin/app-2"]
	// removed /bin/app-1
	// added /bin/app-2
}
