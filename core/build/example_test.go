package build_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
)

// An image is built from local files and saved into an OCI layout, without a script.
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

	report, err := engine.Do(context.Background(), &build.Options{Root: root}, func(run *build.Run) error {
		base, err := run.Image(build.Caller(), "scratch", nil)
		if err != nil {
			return err
		}
		base.AddFiles(build.Caller(), []build.File{{Target: "/bin/app", Local: "app"}}, nil)
		for _, name := range []string{"one", "two"} { // both are built and saved at the same time
			img, err := base.Fork("oci:out:"+name, nil)
			if err != nil {
				return err
			}
			img.Configure(build.Caller(), "the command", image.Changes{Cmd: []string{"/bin/app", name}})
			img.Save(build.Caller(), nil)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, saved := range report.Saved {
		fmt.Println(saved.Target, saved.Tags, saved.Platforms, len(saved.Layers))
	}
	// Output:
	// oci:out [one] [linux/amd64] 1
	// oci:out [two] [linux/amd64] 1
}

// An image is copied from one place to another, byte for byte, with what refers to it: here from one layout to the next, but both may as well be
// "registry.example.com/app:v1".
func ExampleRun_Copy() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	engine, err := build.NewEngine(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()

	report, err := engine.Do(context.Background(), &build.Options{Root: root}, func(run *build.Run) error {
		img, err := run.Image(build.Caller(), "scratch", &build.ImageOptions{Target: "oci:built:v1"})
		if err != nil {
			return err
		}
		img.Save(build.Caller(), nil)
		run.Copy(build.Caller(), "oci:built:v1", "oci:released", &build.CopyOptions{Referrers: true}) // after the save
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, copied := range report.Copied {
		fmt.Println(copied.Target, copied.Tag, copied.Digest == report.Saved[0].Digest)
	}
	// Output: oci:released v1 true
}

// A plan says what a run would write, and writes nothing. What is read in it later is as if it had been written.
func ExamplePlan() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	engine, err := build.NewEngine(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()

	report, err := engine.Do(context.Background(), &build.Options{Root: root, Plan: true}, func(run *build.Run) error {
		base, err := run.Image(build.Caller(), "scratch", &build.ImageOptions{Target: "oci:base"})
		if err != nil {
			return err
		}
		base.Save(build.Caller(), nil)
		app, err := run.Image(build.Caller(), "oci:base", &build.ImageOptions{Target: "oci:app:v1"}) // which is only planned
		if err != nil {
			return err
		}
		app.Configure(build.Caller(), "the command", image.Changes{Cmd: []string{"/app"}})
		app.Save(build.Caller(), nil)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, w := range report.Plan.Writes {
		uploads, _ := w.Count(build.ActionUpload)
		fmt.Printf("%s %s: %d blobs, tag %s\n", w.Op, w.Target, uploads, w.Tags[0].Name)
	}
	_, err = os.Stat(filepath.Join(root, "app"))
	fmt.Println("written:", err == nil)
	// Output:
	// save oci:base: 1 blobs, tag latest
	// save oci:app: 1 blobs, tag v1
	// written: false
}

// The error of a run names the first step that failed, where it was asked for, and what needed it.
func ExampleStepError() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	engine, err := build.NewEngine(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()

	_, err = engine.Do(context.Background(), &build.Options{Root: root}, func(run *build.Run) error {
		img, err := run.Image(at("line 1"), "scratch", &build.ImageOptions{Target: "oci:out"})
		if err != nil {
			return err
		}
		img.AddFiles(at("line 2"), []build.File{{Target: "/bin/app", Local: "app"}}, nil)
		_, err = img.Save(at("line 3"), nil).Wait()
		return err
	})
	step := err.(*build.StepError)
	fmt.Println(step)
	fmt.Println("at", step.At, "needed by", step.NeededOp, "at", step.NeededBy)
	// Output:
	// add_files: app: no such file or directory
	// at line 2 needed by save at line 3
}
