package contenttest

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/imgscript/imgscript/core/content"
)

// TestIngester tries content.Ingester on what open makes. Where that is a content.Store too, what was written is read again.
func TestIngester(t *testing.T, open func(t *testing.T) content.Ingester) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, in content.Ingester)
	}{
		{"RoundTrip", checkIngest},
		{"WriterFails", checkIngestFails},
		{"CancelledContext", checkIngestCancelled},
		{"SameAtOnce", checkIngestAtOnce},
	} {
		t.Run("Ingester/"+c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// writeIn writes data in pieces, whose sizes are no powers of two.
func writeIn(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		for len(data) > 0 {
			n, err := w.Write(data[:min(len(data), 1999)])
			if err != nil {
				return err
			}
			data = data[n:]
		}
		return nil
	}
}

func checkIngest(t *testing.T, in content.Ingester) {
	for _, size := range []int{0, 1, 5000, 1 << 20} {
		data := Bytes(size)
		want := content.Of(content.OCILayerGzip, data)
		desc, err := in.Ingest(t.Context(), want.MediaType, writeIn(data))
		if err != nil || desc.Digest != want.Digest || desc.Size != want.Size || desc.MediaType != want.MediaType {
			t.Errorf("Ingest of %d bytes: got %v, %v; want %v", size, desc, err, want)
		}
		if s, ok := in.(content.Store); ok {
			wantContent(t, s, want, data)
			wantExists(t, s, want, true)
			mustPush(t, s, want, data)
		}
	}
}

func checkIngestFails(t *testing.T, in content.Ingester) {
	data, boom := Bytes(5000), errors.New("the writer failed")
	_, err := in.Ingest(t.Context(), content.OCILayerGzip, func(w io.Writer) error {
		if _, err := w.Write(data); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("Ingest whose writer fails: got error %v, want the writer's", err)
	}
	if s, ok := in.(content.Store); ok {
		wantExists(t, s, content.Of(content.OCILayerGzip, data), false)
	}
}

func checkIngestCancelled(t *testing.T, in content.Ingester) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := in.Ingest(ctx, content.OCILayerGzip, writeIn(Bytes(5000))); !errors.Is(err, context.Canceled) {
		t.Errorf("Ingest with an ended context: got error %v, want context.Canceled", err)
	}
	if s, ok := in.(content.Store); ok {
		wantExists(t, s, content.Of(content.OCILayerGzip, Bytes(5000)), false)
	}
}

func checkIngestAtOnce(t *testing.T, in content.Ingester) {
	data := Bytes(100_000)
	want := content.Of(content.OCILayerGzip, data)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			desc, err := in.Ingest(t.Context(), want.MediaType, writeIn(data))
			if err != nil || desc.Digest != want.Digest {
				t.Errorf("one of 8 Ingest: got %v, %v", desc, err)
			}
		})
	}
	wg.Wait()
	if s, ok := in.(content.Store); ok {
		wantContent(t, s, want, data)
	}
}
