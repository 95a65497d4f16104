package rootfs

import (
	"context"
	"io"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/layer"
)

// WriteTar writes the tree to w as one archive, without whiteouts. It is the archive that Flatten makes a layer of, so its digest is the diff ID of that.
func (t *Tree) WriteTar(ctx context.Context, w io.Writer) error {
	_, err := t.Flatten(ctx, passedOn{w}, &layer.Options{Compression: layer.None})
	return err
}

// passedOn is a store that keeps nothing of what is written into it.
type passedOn struct{ to io.Writer }

// Ingest implements content.Ingester.
func (p passedOn) Ingest(_ context.Context, mediaType string, write func(io.Writer) error) (content.Descriptor, error) {
	return content.Descriptor{MediaType: mediaType}, write(p.to)
}
