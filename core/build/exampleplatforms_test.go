package build_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
)

// An image of several platforms is changed as a whole, and one of them by a view; another image joins them in an index.
func ExampleImage_On() {
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
		img, err := run.Image(build.Caller(), "scratch", &build.ImageOptions{Target: "oci:out:v1", Platforms: []string{"linux/amd64", "linux/arm64"}})
		if err != nil {
			return err
		}
		img.Configure(build.Caller(), "the user", image.Changes{User: new("web")})
		arm, err := img.On(build.Caller(), "linux/arm64")
		if err != nil {
			return err
		}
		arm.Configure(build.Caller(), "the command", image.Changes{Cmd: []string{"/arm"}})
		img.Save(build.Caller(), nil)

		riscv, err := run.Image(build.Caller(), "scratch", &build.ImageOptions{Platform: "linux/riscv64"})
		if err != nil {
			return err
		}
		index, err := run.Index(build.Caller(), "oci:out:all", []build.IndexMember{{Image: riscv}, {Reference: "oci:out:v1"}}, nil)
		if err != nil {
			return err
		}
		index.Save(build.Caller(), nil)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, saved := range report.Saved {
		fmt.Println(saved.Tags, saved.Platforms)
	}
	// Output:
	// [v1] [linux/amd64 linux/arm64]
	// [all] [linux/riscv64 linux/amd64 linux/arm64]
}
