package registry

import (
	"strings"
	"sync"
)

// Sizes of the parts of a chunked upload, in bytes.
const (
	firstChunk = 4<<20 - 64<<10 // GHCR takes no PATCH of 4 MiB, and its limit is the lowest that was seen
	mostChunk  = 64 << 20       // and the most that OCI-Chunk-Min-Length may ask for: it is a server's word
	leastChunk = 64 << 10       // a registry that refuses even this takes nothing
)

// way is how the body of an upload goes over the wire.
type way int

const (
	wayPut    way = iota // whole, in the PUT that ends the session
	wayPatch             // whole, in one PATCH before it
	wayChunks            // in several
)

// intake is what is learnt of the bodies that a host takes.
type intake struct {
	whole bool  // it takes no PATCH with a part of a blob, ever: Google's
	start int64 // bytes of the first part
	most  int64 // bytes of a part that the registry doesn't want to be bigger

	mu       sync.Mutex
	noPut    bool  // it refused a PUT with a body and then took a PATCH
	stuck    bool  // it lost parts that it had acknowledged (ECR)
	accepted int64 // bytes of the biggest part that it took
	refused  int64 // bytes of the smallest body that was too big for it; 0 is none
}

func newIntake(addr string, chunk int64) *intake {
	name := hostname(addr)
	google := name == "gcr.io" || strings.HasSuffix(name, ".gcr.io") || strings.HasSuffix(name, ".pkg.dev")
	if chunk <= 0 {
		return &intake{whole: google, start: firstChunk, most: mostChunk}
	}
	chunk = min(max(chunk, leastChunk), mostChunk)
	return &intake{whole: google, start: chunk, most: chunk}
}

// way says how to send a blob.
func (i *intake) way(size int64) way {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.whole:
		return wayPut
	case i.refused > 0 && size >= i.refused && !i.stuck:
		return wayChunks
	case i.noPut:
		return wayPatch
	}
	return wayPut
}

// chunk returns the size of the next part: what is known to work, and twice as much while nothing speaks against it.
func (i *intake) chunk(least int64) int64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := i.start
	if i.accepted > 0 {
		n = 2 * i.accepted
	}
	if i.refused > 0 && n >= i.refused {
		n = max(i.accepted, min(i.start, i.refused/2))
	}
	return min(max(min(n, i.most), least), mostChunk)
}

// took notes a part that was accepted.
func (i *intake) took(n int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.accepted = max(i.accepted, n)
}

// tooBig notes a body of n bytes that was refused for its size, and reports whether sending less at once may help. What was said of next to nothing is not
// remembered: it would have all others sent in crumbs.
func (i *intake) tooBig(n int64) bool {
	if n <= leastChunk {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.refused == 0 || n < i.refused {
		i.refused = n
	}
	if i.accepted >= i.refused {
		i.accepted = 0
	}
	return !i.whole && !i.stuck
}

// patched notes that a PATCH worked where a PUT with a body was refused.
func (i *intake) patched() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.noPut = true
}

// lostParts notes that acknowledged parts were not there at the end.
func (i *intake) lostParts() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stuck = true
}
