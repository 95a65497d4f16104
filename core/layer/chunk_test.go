package layer

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
)

func TestCombineCRC(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	data := randomBytes(random, 100_000)
	whole := crc32.ChecksumIEEE(data)
	for _, cut := range []int{0, 1, 7, 512, 65_536, 99_999, 100_000, random.IntN(100_000)} {
		if got := combineCRC(crc32.ChecksumIEEE(data[:cut]), crc32.ChecksumIEEE(data[cut:]), int64(len(data)-cut)); got != whole {
			t.Errorf("cut at %d: %08x, want %08x", cut, got, whole)
		}
	}
}

func randomBytes(random *rand.Rand, n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.Uint32())
	}
	return data
}

// someEntries are n entries of random sizes, with large ones among them.
func someEntries(random *rand.Rand, n int) []Entry {
	var entries []Entry
	for i := range n {
		size := random.ExpFloat64() * 20_000
		if random.IntN(50) == 0 {
			size *= 300
		}
		entries = append(entries, Entry{Path: fmt.Sprintf("dir/%06d", i), Size: int64(size)})
	}
	return entries
}

// cuts returns the places where a plan cuts entries, by path and offset, and the sizes of the chunks.
func cuts(entries []Entry) (map[string]bool, []int64) {
	plan, at, sizes := planner{entries: entryList(entries)}, map[string]bool{}, []int64{}
	for {
		c, ok := plan.next()
		if !ok {
			return at, sizes
		}
		sizes = append(sizes, c.planned)
		if c.from.entry < len(entries) {
			at[fmt.Sprintf("%s+%d", entries[c.from.entry].Path, c.from.offset)] = true
		}
	}
}

// TestPlanCoversAll has each entry in the chunks once, whole, and every chunk within its bounds.
func TestPlanCoversAll(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{0, 1, 10, 3000} {
		entries := someEntries(random, n)
		if n > 5 {
			entries[3].Size, entries[4].Size, entries[5].Size = chunkMax, chunkMax+1, 3*chunkMax
		}
		plan, last, total, chunks := planner{entries: entryList(entries)}, position{}, int64(0), 0
		for {
			c, ok := plan.next()
			if !ok {
				break
			}
			if c.from != last || c.planned > chunkMax+blockSize || c.planned == 0 && n > 0 {
				t.Fatalf("chunk %+v after %v", c, last)
			}
			last, total, chunks = c.to, total+c.planned, chunks+1
		}
		want := int64(0)
		for i := range entries {
			_, weight := entryList(entries).weight(i)
			want += weight
		}
		if (last != position{entry: n}) || total != want || chunks == 0 {
			t.Errorf("%d entries: ends at %v after %d bytes of %d", n, last, total, want)
		}
	}
}

// TestPlanAverage has chunks of the size that is aimed at, of small files and of larger ones.
func TestPlanAverage(t *testing.T) {
	for _, size := range []int64{0, 100, 5_000, 100_000} {
		var entries []Entry
		for i := range 400 << 20 / (size + 1024) {
			entries = append(entries, Entry{Path: fmt.Sprintf("dir/%06d", i), Size: size})
		}
		_, sizes := cuts(entries)
		total := int64(0)
		for _, n := range sizes {
			total += n
		}
		if mean := total / int64(len(sizes)); mean < chunkTarget*3/4 || mean > chunkTarget*4/3 {
			t.Errorf("files of %d bytes: chunks of %d on average", size, mean)
		}
	}
}

// TestPlanIsLocal adds, removes and changes an entry: all cuts but those beside it stay.
func TestPlanIsLocal(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	entries := someEntries(random, 5000)
	before, _ := cuts(entries)
	for range 50 {
		at := random.IntN(len(entries) - 1)
		added := append(append(append([]Entry{}, entries[:at+1]...), Entry{Path: entries[at].Path + "a", Size: random.Int64N(1 << 20)}), entries[at+1:]...)
		removed := append(append([]Entry{}, entries[:at]...), entries[at+1:]...)
		for _, changed := range [][]Entry{added, removed} {
			after, _ := cuts(changed)
			moved := 0
			for cut := range before {
				if !after[cut] {
					moved++
				}
			}
			if moved > 8 {
				t.Errorf("a change at entry %d moved %d of %d cuts", at, moved, len(before))
			}
		}
	}
}

// mixedTree has files of all sizes around the cuts, beside streams that span chunks.
func mixedTree(t *testing.T, seed uint64) []File {
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	for i := range 200 {
		name := filepath.Join(dir, fmt.Sprint(i%7), fmt.Sprint(i))
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, bytes.Repeat([]byte(fmt.Sprint(i)), random.IntN(20_000)), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(dir, "3", "large"), randomBytes(random, chunkMax+12345), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "4", "exact"), make([]byte, 2*chunkMax), 0o644))
	files := []File{{Target: "/app", Tree: openTree(t, dir), Local: "."}}
	for name, size := range map[string]int{"/app/1/stream": 1000, "/app/3/large-stream": 3 * chunkMax / 2, "/zz": 100_000} {
		files = append(files, File{Target: name, Custom: &Custom{Size: int64(size), Data: content.FromBytes(bytes.Repeat([]byte(name), size)[:size])}})
	}
	return files
}

// TestWorkersSameBytes builds with other numbers of workers, and with workers that were used before.
func TestWorkersSameBytes(t *testing.T) {
	files := mixedTree(t, 1)
	for _, compression := range []string{Gzip, Zstd, None} {
		var first Layer
		used := NewWorkers(3)
		for _, workers := range []*Workers{NewWorkers(1), NewWorkers(40), used, used} {
			l, m, err := scanBuild(t, files, &Options{Compression: compression, Workers: workers})
			must(t, err)
			if first.DiffID == "" {
				first = l
				_, err := FromTar(t.Context(), m, content.FromFetcher(m, l.Descriptor), &TarOptions{DiffID: l.DiffID})
				must(t, err)
			}
			if l.DiffID != first.DiffID || l.Descriptor.Digest != first.Descriptor.Digest {
				t.Errorf("%s: %v, want %v", compression, l, first)
			}
		}
	}
}

// TestWorkersGiveBack has builds that fail in every way give back what they took of shared workers.
func TestWorkersGiveBack(t *testing.T) {
	workers := NewWorkers(2)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a"), make([]byte, 3*chunkMax), 0o644))
	tree := openTree(t, dir)
	entries, err := Scan(t.Context(), []File{
		{Target: "a", Tree: tree, Local: "a"}, {Target: "b", Custom: customFile(30<<20, io.LimitReader(endless('z'), 20<<20))},
	}, nil)
	must(t, err)
	cancelled, cancel := context.WithCancel(t.Context())
	for i := range 20 {
		opts := &Options{Workers: workers, Compression: None}
		_, err := Build(t.Context(), &fullStore{i << 20}, entries, opts)
		if err == nil {
			t.Error("no error")
		}
	}
	cancel()
	if _, err := Build(cancelled, &content.Memory{}, entries, &Options{Workers: workers}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if !workers.memory.TryAcquire(workers.size) || !workers.cpu.TryAcquire(2) {
		t.Error("something was not given back")
	}
}

// TestWaitHoldsNoWorker has a stream that waits until another layer is built by the only worker.
func TestWaitHoldsNoWorker(t *testing.T) {
	workers, built := NewWorkers(1), make(chan struct{})
	waiting := Custom{Size: 1, Data: func(context.Context) (io.ReadCloser, error) {
		select {
		case <-built:
		case <-time.After(time.Minute):
			return nil, errors.New("the other layer waits for this one")
		}
		return io.NopCloser(strings.NewReader("1")), nil
	}}
	done := make(chan error)
	go func() {
		_, _, err := scanBuild(t, []File{{Target: "a", Custom: &waiting}}, &Options{Workers: workers})
		done <- err
	}()
	_, _, err := scanBuild(t, []File{{Target: "b", Custom: customFile(3<<20, io.LimitReader(endless(1), 3<<20))}}, &Options{Workers: workers})
	must(t, err)
	close(built)
	must(t, <-done)
}

// TestStreamsThatBuild has streams which build layers when they are opened, in more builds at once than there is memory for: none waits for ever.
func TestStreamsThatBuild(t *testing.T) {
	workers, group := NewWorkers(1), errgroup.Group{}
	build := func(data content.Opener) error {
		entries := []Entry{{Path: "x", Size: chunkMax, Data: data}}
		_, err := Build(t.Context(), &content.Memory{}, entries, &Options{Workers: workers, Compression: None})
		return err
	}
	plain := func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(endless(1), chunkMax)), nil
	}
	var started sync.WaitGroup
	started.Add(10)
	for range 10 {
		group.Go(func() error {
			return build(func(ctx context.Context) (io.ReadCloser, error) {
				started.Done()
				started.Wait()
				if err := build(plain); err != nil {
					return nil, err
				}
				return plain(ctx)
			})
		})
	}
	must(t, group.Wait())
}

// TestOthersRead has decoders of others read the joined streams.
func TestOthersRead(t *testing.T) {
	files := mixedTree(t, 2)
	plain, m, err := scanBuild(t, files, &Options{Compression: None})
	must(t, err)
	want, err := readAll(t, m, plain.Descriptor)
	must(t, err)
	for compression, tools := range map[string][]string{
		Gzip: {"gzip -dc", "pigz -dc", "bsdtar -tf -", "tar -tzf -"}, Zstd: {"zstd -dc", "bsdtar -tf -"},
	} {
		l, m, err := scanBuild(t, files, &Options{Compression: compression})
		must(t, err)
		packed, err := readAll(t, m, l.Descriptor)
		must(t, err)
		if got := decoded(t, compression, packed); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes read back, want %d", compression, len(got), len(want))
		}
		for _, tool := range tools {
			words := strings.Fields(tool)
			t.Run(compression+" "+words[0], func(t *testing.T) {
				if _, err := exec.LookPath(words[0]); err != nil {
					t.Skip("there is no", words[0], "here")
				}
				cmd := exec.Command(words[0], words[1:]...)
				var complaints bytes.Buffer
				cmd.Stdin, cmd.Stderr = bytes.NewReader(packed), &complaints
				got, err := cmd.Output()
				if err != nil || complaints.Len() > 0 {
					t.Fatalf("%v: %s", err, complaints.String())
				}
				if strings.HasSuffix(tool, "-dc") && !bytes.Equal(got, want) || bytes.Count(got, []byte("\n")) < 200 {
					t.Errorf("read %d bytes", len(got))
				}
			})
		}
	}
}

// decoded reads with Go's own gzip, and with the zstd that there is for Go.
func decoded(t *testing.T, compression string, packed []byte) []byte {
	t.Helper()
	var r io.Reader
	var err error
	if compression == Gzip {
		r, err = gzip.NewReader(bytes.NewReader(packed))
	} else {
		r, err = zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	}
	must(t, err)
	data, err := io.ReadAll(r)
	must(t, err)
	return data
}

func readAll(t *testing.T, src content.Fetcher, desc content.Descriptor) ([]byte, error) {
	t.Helper()
	r, err := src.Fetch(t.Context(), desc)
	must(t, err)
	defer r.Close()
	return io.ReadAll(r)
}
