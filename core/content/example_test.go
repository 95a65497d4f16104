package content_test

import (
	"context"
	"fmt"
	"log"

	"github.com/imgscript/imgscript/core/content"
)

// Everything is a store: a registry, a layout and a map in memory are copied among in the same way.
func ExampleCopy() {
	ctx := context.Background()
	from, to := new(content.Memory), new(content.Memory)
	put := func(mediaType, text string) content.Descriptor {
		desc := content.Of(mediaType, []byte(text))
		if err := from.Push(ctx, desc, content.FromBytes([]byte(text))); err != nil {
			log.Fatal(err)
		}
		return desc
	}
	config := put(content.OCIConfig, `{}`)
	manifest := put(content.OCIManifest, fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[]}`,
		config.MediaType, config.Digest))

	err := content.Copy(ctx, to, from, manifest, &content.CopyOptions{
		Done: func(desc content.Descriptor, how content.Transfer) { fmt.Println(how, desc.MediaType) },
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// uploaded application/vnd.oci.image.config.v1+json
	// uploaded application/vnd.oci.image.manifest.v1+json
}
