package layer

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// How many bytes of archives may be in memory at once, over all builds that share Workers: those that are being read or compressed, and
// those that wait for their turn to be hashed and written. Their compressed bytes are as many again, at most. More than some chunks for each processor is of no
// use, and hashing, which is done in order, is as fast as about five processors compress.
const (
	minInFlight = 3 * chunkMax
	maxInFlight = 8 * chunkMax
)

// Workers are the processors and the memory that builds share: give one to all builds of a process, by Options.Workers. They start nothing and hold nothing
// but memory, so there is nothing to close.
type Workers struct {
	cores  int
	cpu    *semaphore.Weighted
	size   int64 // of the memory
	memory *semaphore.Weighted

	mu       sync.Mutex
	buffers  []*buffer // that nobody uses, the smallest first
	room     int64     // of all buffers
	encoders map[coding][]encoder
}

// NewWorkers returns workers that use at most n processors at once; n below 1 stands for all that the process may use.
func NewWorkers(n int) *Workers {
	if n < 1 {
		n = runtime.GOMAXPROCS(0)
	}
	memory := min(max(minInFlight, int64(n+1)*2*chunkTarget), maxInFlight)
	return &Workers{
		cores: n, cpu: semaphore.NewWeighted(int64(n)), size: memory, memory: semaphore.NewWeighted(memory), encoders: map[coding][]encoder{},
	}
}

// do runs work, which must not wait for anything but the disk, on one of the processors.
func (w *Workers) do(ctx context.Context, work func()) error {
	if err := w.cpu.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	defer w.cpu.Release(1)
	work()
	return nil
}

// each calls f for parts of the numbers from 0 up to n, on all processors.
func (w *Workers) each(ctx context.Context, n int, f func(from, to int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	part := max(1, n/(4*w.cores))
	for from := 0; from < n; from += part {
		start(group, func() error {
			var err error
			if busy := w.do(ctx, func() { err = f(from, min(from+part, n)) }); busy != nil {
				return busy
			}
			return err
		})
	}
	return group.Wait()
}

// buffer holds a chunk, plain and compressed.
type buffer struct {
	room       int64 // for bytes of an archive, that it was made with
	weight     int64 // what it takes of the memory
	raw, spare []byte
}

// buffer waits for memory for a chunk of size bytes. A build asks in the order of its chunks: the first of them that is not written yet then always
// has its memory, and so each build goes on, however many there are. The caller gives the buffer back by put.
func (w *Workers) buffer(ctx context.Context, size int64) (*buffer, error) {
	weight := w.weight(size)
	if err := w.memory.Acquire(ctx, weight); err != nil {
		return nil, context.Cause(ctx)
	}
	b := w.fitting(weight)
	b.weight = weight
	return b, nil
}

// extra returns a buffer beyond the limit, for a chunk that is filled from a stream. What that waits for may itself wait for memory, such as another
// layer that is built; so the memory is waited for when it is filled, by count. A build has one such buffer at a time.
func (w *Workers) extra(size int64) *buffer { return w.fitting(w.weight(size)) }

func (w *Workers) count(ctx context.Context, b *buffer) error {
	if err := w.memory.Acquire(ctx, b.room); err != nil {
		return context.Cause(ctx)
	}
	b.weight = b.room
	return nil
}

// weight rounds the size of a chunk up, so that its buffer is of use to others.
func (w *Workers) weight(size int64) int64 {
	return min((size+blockSize+chunkMin-1)&^(chunkMin-1), w.size)
}

// fitting takes the smallest free buffer that has room for size bytes, or a new one. Small ones go for it when they are many: all buffers together have
// room for twice the bytes that are in use at most.
func (w *Workers) fitting(size int64) *buffer {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.buffers, func(b *buffer) bool { return b.room >= size })
	if i >= 0 {
		b := w.buffers[i]
		b.weight = 0
		w.buffers = slices.Delete(w.buffers, i, i+1)
		return b
	}
	w.room += size
	for w.room > 2*w.size && len(w.buffers) > 0 {
		w.room -= w.buffers[0].room
		w.buffers = slices.Delete(w.buffers, 0, 1)
	}
	return &buffer{room: size, raw: make([]byte, 0, size), spare: make([]byte, 0, size/2)}
}

// put takes a buffer back for other chunks, with its memory.
func (w *Workers) put(b *buffer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i, _ := slices.BinarySearchFunc(w.buffers, b.room, func(o *buffer, room int64) int { return cmp.Compare(o.room, room) })
	w.buffers = slices.Insert(w.buffers, i, b)
	w.memory.Release(b.weight)
}

// encoder takes an encoder that nobody uses, or makes one.
func (w *Workers) encoder(e coding) (encoder, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	free := w.encoders[e]
	if len(free) == 0 {
		return newEncoder(e)
	}
	w.encoders[e] = free[:len(free)-1]
	return free[len(free)-1], nil
}

func (w *Workers) putEncoder(e coding, enc encoder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.encoders[e] = append(w.encoders[e], enc)
}
