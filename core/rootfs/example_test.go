package rootfs_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
	"github.com/imgscript/imgscript/core/rootfs"
)

// The files of two layers: what they are together, and one of them, for which the lower layer need not be read.
func Example() {
	ctx := context.Background()
	store := new(content.Memory)
	text := func(target, data string) layer.File {
		return layer.File{Target: target, Custom: &layer.Custom{Data: content.FromBytes([]byte(data)), Size: int64(len(data))}}
	}
	var layers []content.Descriptor
	for _, files := range [][]layer.File{
		{text("/etc/motd", "hello\n"), text("/etc/old", "")},
		{text("/etc/motd", "hello again\n"), {Target: "/etc/old", Custom: layer.Whiteout()}},
	} {
		entries, err := layer.Scan(ctx, files, nil)
		if err != nil {
			log.Fatal(err)
		}
		built, err := layer.Build(ctx, store, entries, nil)
		if err != nil {
			log.Fatal(err)
		}
		layers = append(layers, built.Descriptor)
	}

	files := rootfs.NewReader(store, layers, nil)
	f, motd, err := files.Open(ctx, "/etc/motd")
	if err != nil {
		log.Fatal(err)
	}
	defer motd.Close()
	data, err := io.ReadAll(motd)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s of layer %d: %s", f.Path, f.Layer, data)
	tree, err := files.Tree(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for f := range tree.Files("/") {
		fmt.Printf("%04o %s %s\n", f.Mode, f.Type, f.Path)
	}
	// Output:
	// /etc/motd of layer 1: hello again
	// 0755 directory /
	// 0755 directory /etc
	// 0644 file /etc/motd
}
