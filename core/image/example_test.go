package image_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
)

// An image of one layer, made from nothing and copied to another store: a registry or a layout in place of the memory.
func Example() {
	ctx := context.Background()
	blobs := new(content.Memory)
	desc, err := blobs.Ingest(ctx, content.OCILayer, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1024)) // an empty tar archive
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	img := image.Scratch(image.Platform{OS: "linux", Architecture: "amd64"}, image.FormatOCI, time.Unix(0, 0))
	img, err = img.Append(blobs, image.Added{
		Layer: layer.Layer{Descriptor: desc, DiffID: digest.FromBytes(make([]byte, 1024))}, CreatedBy: "nothing at all", Created: time.Unix(0, 0),
	})
	if err != nil {
		log.Fatal(err)
	}
	img, err = img.With(&image.Changes{Entrypoint: []string{"/app"}, Env: []string{"LANG=C.UTF-8"}})
	if err != nil {
		log.Fatal(err)
	}
	target := new(content.Memory)
	if err := content.Copy(ctx, target, img, img.Descriptor(), nil); err != nil {
		log.Fatal(err)
	}
	fmt.Println(img.Platform(), len(img.Layers()))
	fmt.Println(string(img.Config()))
	// Output:
	// linux/amd64 1
	// {"created":"1970-01-01T00:00:00Z","architecture":"amd64","os":"linux","config":{"Env":["LANG=C.UTF-8"],"Entrypoint":["/app"]},"rootfs":{"type":"layers","diff_ids":["sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"]},"history":[{"created":"1970-01-01T00:00:00Z","created_by":"nothing at all"}]}
}

// A script's edit of a pretty-printed document: what it did not touch keeps its bytes.
func ExampleMerge() {
	original := []byte(`{ "limit": 12345678901234567890, "env": [ "A=1" ] }`)
	edited := []byte(`{"limit":12345678901234567890,"env":["A=1"],"user":"app"}`)
	merged, err := image.Merge(original, edited)
	fmt.Println(string(merged), err)
	// Output: {"limit":12345678901234567890,"env":[ "A=1" ],"user":"app"} <nil>
}
