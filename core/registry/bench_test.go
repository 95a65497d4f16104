package registry_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// BenchmarkCopy copies an image of four layers of 8 MiB from one registry to another, which holds nothing of it. Both run in this process and hash what they take, so
// that half of the time is theirs.
func BenchmarkCopy(b *testing.B) {
	from, to := registrytest.New(b, nil), registrytest.New(b, nil)
	c := newClient(b, &registry.Options{})
	const layers, size = 4, 8 << 20
	var blobs []content.Descriptor
	source := new(content.Memory)
	for i := range layers {
		data := contenttest.Bytes(size)
		data[0] = byte(i)
		desc := content.Of(content.OCILayer, data)
		check(b, source.Push(b.Context(), desc, content.FromBytes(data)))
		blobs = append(blobs, desc)
	}
	root := manifestOf(b, source, blobs)
	src := c.Repository(from.Host, "app")
	check(b, content.Copy(b.Context(), src, source, root, nil))
	b.ReportAllocs()
	b.SetBytes(layers * size)
	n := 0
	for b.Loop() {
		n++
		check(b, content.Copy(b.Context(), c.Repository(to.Host, fmt.Sprint("copy", n)), src, root, nil))
	}
}

// manifestOf puts the manifest of an image with these layers into a store.
func manifestOf(b *testing.B, s content.Pusher, layers []content.Descriptor) content.Descriptor {
	config := content.Of(content.OCIConfig, []byte(`{}`))
	check(b, s.Push(b.Context(), config, content.FromBytes([]byte(`{}`))))
	data, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": content.OCIManifest, "config": config, "layers": layers})
	check(b, err)
	desc := content.Of(content.OCIManifest, data)
	check(b, s.Push(b.Context(), desc, content.FromBytes(data)))
	return desc
}
