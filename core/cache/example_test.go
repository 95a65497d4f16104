package cache_test

import (
	"context"
	"fmt"
	"io"

	"github.com/imgscript/imgscript/core/cache"
	"github.com/imgscript/imgscript/core/content"
)

// A blob is read, here to be counted, while it is being written.
func ExampleCache_Begin() {
	ctx := context.Background()
	c, err := cache.Temp()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	layer := c.Begin(content.OCILayer)
	sent := make(chan int64)
	go func() {
		r, err := layer.Open(ctx)
		if err != nil {
			close(sent)
			return
		}
		defer r.Close()
		n, _ := io.Copy(io.Discard, r)
		sent <- n
	}()
	desc, err := layer.Ingest(ctx, "", func(w io.Writer) error {
		_, err := io.WriteString(w, "the bytes of a layer")
		return err
	})
	fmt.Println(desc.Size, err, <-sent)
	// Output: 20 <nil> 20
}
