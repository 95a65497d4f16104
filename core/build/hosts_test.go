package build_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// exampleTB is as much of a test as an example has.
type exampleTB struct{}

func (exampleTB) Helper()                           {}
func (exampleTB) Cleanup(func())                    {}
func (exampleTB) Errorf(format string, args ...any) { log.Printf(format, args...) }
func (exampleTB) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }

// A base is read from a mirror of its registry, to which the image that is made of it goes.
func ExampleEngineOptions() {
	reg, mirror := registrytest.New(exampleTB{}, nil), registrytest.New(exampleTB{}, nil)
	defer reg.Close()
	defer mirror.Close()
	mirror.PushImage("hub/base", "v1", registrytest.Image{})
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)

	engine, err := build.NewEngine(&build.EngineOptions{
		Hosts: map[string]registry.HostOptions{reg.Host: {Mirrors: []string{mirror.Host + "/hub"}, RequestsPerSecond: 1000}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	report, err := engine.Do(context.Background(), &build.Options{Root: root}, func(run *build.Run) error {
		img, err := run.Image(build.Caller(), reg.Host+"/base:v1", &build.ImageOptions{Target: reg.Host + "/app:v1"})
		if err != nil {
			return err
		}
		img.Save(build.Caller(), nil)
		return nil
	})
	fmt.Println(len(report.Saved), "image;", reg.Tags("app"), mirror.Tags("app"), err)
	// Output: 1 image; [v1] [] <nil>
}
