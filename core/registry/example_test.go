package registry_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// An image is copied from one repository to another of the same registry, where its blobs are mounted.
func ExampleClient_Repository() {
	reg := exampleRegistry()
	defer reg.Close()
	c := registry.New(nil)
	defer c.Close()
	ctx := context.Background()

	from, to := c.Repository(reg.Host, "staging/app"), c.Repository(reg.Host, "production/app")
	desc, _, err := from.Manifest(ctx, "v1")
	if err != nil {
		fmt.Println(err)
		return
	}
	how := map[content.Transfer]int{}
	opts := &content.CopyOptions{WithoutRoot: true, Concurrency: 1, Done: func(_ content.Descriptor, t content.Transfer) { how[t]++ }}
	if err := content.Copy(ctx, to, from, desc, opts); err != nil {
		fmt.Println(err)
		return
	}
	if err := content.PushTagged(ctx, to, desc, content.FromFetcher(from, desc), []string{"v1", "latest"}); err != nil {
		fmt.Println(err)
		return
	}
	tags, err := to.Tags(ctx)
	fmt.Println(how[content.Mounted], "blobs mounted;", tags, err)
	// Output: 2 blobs mounted; [latest v1] <nil>
}

// What is missing, refused or unreachable is told apart by errors.Is; errors.As gives what the registry said.
func ExampleError() {
	reg := exampleRegistry()
	defer reg.Close()
	c := registry.New(nil)
	defer c.Close()

	_, err := c.Repository(reg.Host, "staging/app").Head(context.Background(), "v2")
	var e *registry.Error
	fmt.Println(errors.Is(err, content.ErrNotFound), errors.Is(err, registry.ErrDenied), errors.As(err, &e) && e.Status == 404)
	// Output: true false true
}

// exampleTB is as much of a test as an example has.
type exampleTB struct{}

func (exampleTB) Helper()                           {}
func (exampleTB) Cleanup(func())                    {}
func (exampleTB) Errorf(format string, args ...any) { fmt.Printf(format, args...) }
func (exampleTB) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func exampleRegistry() *registrytest.Server {
	reg := registrytest.New(exampleTB{}, nil)
	reg.PushImage("staging/app", "v1", registrytest.Image{Layers: []map[string]string{{"/app": "v1"}}})
	return reg
}
