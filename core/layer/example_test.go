package layer_test

import (
	"context"
	"fmt"
	"log"
	"testing/fstest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

func Example() {
	ctx := context.Background()
	// Any fs.FS is a tree; a directory on disk is opened by OpenTree.
	tree := layer.TreeFS(fstest.MapFS{
		"dist/index.html":  {Data: []byte("<p>Hello")},
		"dist/index.map":   {Data: []byte("{}")},
		"dist/css/app.css": {Data: []byte("p {}")},
	})
	entries, err := layer.Scan(ctx, []layer.File{
		{Target: "/srv/www", Tree: tree, Local: "dist"},
		{Target: "/srv/www/version", Custom: &layer.Custom{Data: content.FromBytes([]byte("1.0\n")), Size: 4}},
		{Target: "/etc/motd", Custom: layer.Whiteout()},
	}, &layer.Options{Ignores: []string{"*.map"}})
	if err != nil {
		log.Fatal(err)
	}
	for _, e := range entries {
		fmt.Printf("%04o %v %s\n", e.Mode, e.Type, e.Path)
	}
	var store content.Memory
	built, err := layer.Build(ctx, &store, entries, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(built.DiffID)
	// Output:
	// 0644 file etc/.wh.motd
	// 0755 directory srv/www
	// 0755 directory srv/www/css
	// 0644 file srv/www/css/app.css
	// 0644 file srv/www/index.html
	// 0644 file srv/www/version
	// sha256:ca65816d9bdd72dbf7ad1b1f76d8bf810e11517295213397b33f3dafce100885
}
