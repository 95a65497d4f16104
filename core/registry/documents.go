package registry

import (
	"bytes"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// maxDocuments bounds the bytes of the documents that a client keeps.
const maxDocuments = 16 << 20

// documents keeps the manifests that a client read or wrote last, so that copying what was just resolved, and giving it several
// tags, does not read it each time.
type documents struct {
	mu   sync.Mutex
	list []document // oldest first
	size int        // of all data
}

type document struct {
	location string
	digest   digest.Digest
	data     []byte
}

func (d *documents) put(location string, desc content.Descriptor, data []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.find(location, desc.Digest) >= 0 {
		return
	}
	d.list = append(d.list, document{location, desc.Digest, bytes.Clone(data)})
	d.size += len(data)
	for d.size > maxDocuments {
		d.size -= len(d.list[0].data)
		d.list = d.list[1:]
	}
}

// get returns the bytes, which nobody may change.
func (d *documents) get(location string, dgst digest.Digest) ([]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.find(location, dgst)
	if i < 0 {
		return nil, false
	}
	return d.list[i].data, true
}

// drop forgets one.
func (d *documents) drop(location string, dgst digest.Digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := d.find(location, dgst); i >= 0 {
		d.size -= len(d.list[i].data)
		d.list = slices.Delete(d.list, i, i+1)
	}
}

func (d *documents) find(location string, dgst digest.Digest) int {
	return slices.IndexFunc(d.list, func(one document) bool { return one.digest == dgst && one.location == location })
}
