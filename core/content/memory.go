package content

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
)

// Memory is a Repository and an Ingester in memory: for tests and small documents. Its zero value is
// empty and ready.
type Memory struct {
	mu    sync.RWMutex
	blobs map[digest.Digest]memoryBlob
	names map[string]Descriptor
}

type memoryBlob struct {
	mediaType string
	data      []byte
}

// Fetch implements Fetcher.
func (m *Memory) Fetch(ctx context.Context, desc Descriptor) (io.ReadCloser, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if _, err := ParseDigest(desc.Digest.String()); err != nil {
		return nil, err
	}
	m.mu.RLock()
	blob, ok := m.blobs[desc.Digest]
	m.mu.RUnlock()
	if !ok {
		return nil, fmt.Errorf("%s: %w", desc.Digest, ErrNotFound)
	}
	return Verify(io.NopCloser(bytes.NewReader(blob.data)), desc)
}

// Exists implements Store. It is true only when the size is right too.
func (m *Memory) Exists(ctx context.Context, desc Descriptor) (bool, error) {
	if err := context.Cause(ctx); err != nil {
		return false, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	blob, ok := m.blobs[desc.Digest]
	return ok && (desc.Size < 0 || int64(len(blob.data)) == desc.Size), nil
}

// Push implements Pusher.
func (m *Memory) Push(ctx context.Context, desc Descriptor, open Opener) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := CheckPush(desc); err != nil {
		return err
	}
	r, err := open.Verified(ctx, desc)
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m.put(desc, data)
	return nil
}

func (m *Memory) put(desc Descriptor, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blobs == nil {
		m.blobs = map[digest.Digest]memoryBlob{}
	}
	if old, ok := m.blobs[desc.Digest]; ok && IsDocument(old.mediaType) {
		return // the same bytes pushed as a mere blob are still a manifest to those who resolve it
	}
	m.blobs[desc.Digest] = memoryBlob{desc.MediaType, data}
}

// Ingest implements Ingester.
func (m *Memory) Ingest(ctx context.Context, mediaType string, write func(io.Writer) error) (Descriptor, error) {
	if err := context.Cause(ctx); err != nil {
		return Descriptor{}, err
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return Descriptor{}, err
	}
	desc := Of(mediaType, b.Bytes())
	m.put(desc, b.Bytes())
	return desc, nil
}

// Resolve implements Resolver. A digest resolves to what was pushed under it.
func (m *Memory) Resolve(ctx context.Context, name string) (Descriptor, error) {
	if err := context.Cause(ctx); err != nil {
		return Descriptor{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if desc, ok := m.names[name]; ok {
		return desc, nil
	}
	if blob, ok := m.blobs[digest.Digest(name)]; ok {
		return Descriptor{MediaType: blob.mediaType, Digest: digest.Digest(name), Size: int64(len(blob.data))}, nil
	}
	return Descriptor{}, fmt.Errorf("%q: %w", short(name), ErrNotFound)
}

// Tag implements Tagger. The content must be there.
func (m *Memory) Tag(ctx context.Context, desc Descriptor, name string) error {
	there, err := m.Exists(ctx, desc)
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("tag %q: %s: %w", short(name), desc.Digest, ErrNotFound)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names == nil {
		m.names = map[string]Descriptor{}
	}
	m.names[name] = desc
	return nil
}
