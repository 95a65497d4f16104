package layout_test

import (
	"context"
	"fmt"
	"os"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layout"
)

// An image is copied into a layout and named there.
func Example() {
	ctx := context.Background()
	var source content.Memory
	config := []byte("{}")
	configDesc := content.Of(content.OCIConfig, config)
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[]}`,
		content.OCIManifest, configDesc.MediaType, configDesc.Digest)
	desc := content.Of(content.OCIManifest, manifest)
	must(source.Push(ctx, configDesc, content.FromBytes(config)))
	must(source.Push(ctx, desc, content.FromBytes(manifest)))

	dir, err := os.MkdirTemp("", "example")
	must(err)
	defer os.RemoveAll(dir)
	out, err := layout.Open(dir, nil)
	must(err)
	must(content.Copy(ctx, out, &source, desc, nil))
	must(out.Tag(ctx, desc, "v1"))

	found, err := out.Resolve(ctx, "v1")
	fmt.Println(found.Digest == desc.Digest, err)
	// Output: true <nil>
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
