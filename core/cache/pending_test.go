package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

// patience bounds what must happen at once: long enough for a busy machine, short enough to tell a hang.
const patience = 10 * time.Second

var errBoom = errors.New("the writer failed")

// follow reads p to its end in a goroutine.
func follow(t *testing.T, p *Pending) <-chan followed {
	t.Helper()
	r, err := p.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan followed, 1)
	go func() {
		defer r.Close()
		data, err := io.ReadAll(r)
		out <- followed{data, err}
	}()
	return out
}

type followed struct {
	data []byte
	err  error
}

func wait(t *testing.T, c <-chan followed) followed {
	t.Helper()
	select {
	case f := <-c:
		return f
	case <-time.After(patience):
		t.Fatal("a follower does not end")
		return followed{}
	}
}

func TestPendingFollowers(t *testing.T) {
	c := open(t, t.TempDir())
	data := contenttest.Bytes(1 << 20)
	p := c.Begin(content.OCILayerGzip)
	early := follow(t, p)
	var middle <-chan followed
	desc, err := p.Ingest(t.Context(), "", func(w io.Writer) error {
		for i := 0; i < len(data); i += 1999 {
			if i > len(data)/2 && middle == nil {
				middle = follow(t, p)
			}
			if _, err := w.Write(data[i:min(i+1999, len(data))]); err != nil {
				return err
			}
		}
		return nil
	})
	want := content.Of(content.OCILayerGzip, data)
	if err != nil || desc.Digest != want.Digest || desc.Size != want.Size || desc.MediaType != want.MediaType {
		t.Fatalf("Ingest: %v, %v; want %v", desc, err, want)
	}
	late := follow(t, p)
	for name, f := range map[string]<-chan followed{"early": early, "middle": middle, "late": late} {
		if got := wait(t, f); got.err != nil || !bytes.Equal(got.data, data) {
			t.Errorf("%s follower: %d bytes, %v; want %d", name, len(got.data), got.err, len(data))
		}
	}
	if got, err := p.Wait(t.Context()); err != nil || got.Digest != want.Digest {
		t.Errorf("Wait: %v, %v", got, err)
	}
	wantBlob(t, c, desc, data)
}

// Each piece reaches the followers before the next is written, and both, the quick and the one that reads a byte at a time, get all.
func TestPendingBytesComeAtOnce(t *testing.T) {
	c := open(t, t.TempDir())
	p := c.Begin(content.OCILayerGzip)
	r, err := p.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	slow, err := p.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	_, err = p.Ingest(t.Context(), "", func(w io.Writer) error {
		for _, piece := range []string{"a", "bcd", "efghi"} {
			io.WriteString(w, piece)
			got := make([]byte, len(piece))
			if _, err := io.ReadFull(r, got); err != nil || string(got) != piece {
				t.Errorf("got %q, %v, want %q while it is written", got, err, piece)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if got, err := io.ReadAll(iotest.OneByteReader(slow)); string(got) != "abcdefghi" || err != nil {
		t.Errorf("slow follower: %q, %v", got, err)
	}
}

func TestPendingEmpty(t *testing.T) {
	p := open(t, t.TempDir()).Begin(content.OCILayer)
	f := follow(t, p)
	if _, err := p.Ingest(t.Context(), "", func(io.Writer) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, f); got.err != nil || len(got.data) != 0 {
		t.Errorf("follower of an empty blob: %v", got)
	}
}

func TestPendingWriterFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		write func(io.Writer) error
		want  error
	}{
		{"at once", func(io.Writer) error { return errBoom }, errBoom},
		{"after some bytes", func(w io.Writer) error { w.Write(make([]byte, 5000)); return errBoom }, errBoom},
		{"by a panic", func(w io.Writer) error { w.Write(make([]byte, 5000)); panic("boom") }, ErrAborted},
	} {
		t.Run(c.name, func(t *testing.T) {
			cache := open(t, t.TempDir())
			p := cache.Begin(content.OCILayer)
			f := follow(t, p)
			func() {
				defer func() { recover() }()
				if _, err := p.Ingest(t.Context(), "", c.write); !errors.Is(err, c.want) {
					t.Errorf("Ingest: %v, want %v", err, c.want)
				}
			}()
			if got := wait(t, f); !errors.Is(got.err, c.want) {
				t.Errorf("follower: %v, want %v", got.err, c.want)
			}
			if got := wait(t, follow(t, p)); !errors.Is(got.err, c.want) {
				t.Errorf("late follower: %v, want %v", got.err, c.want)
			}
			if _, err := p.Wait(t.Context()); !errors.Is(err, c.want) {
				t.Errorf("Wait: %v, want %v", err, c.want)
			}
			if _, err := p.Ingest(t.Context(), "", func(io.Writer) error { return nil }); err == nil {
				t.Error("a second Ingest: no error")
			}
			if left := files(t, cache.Dir()); len(left) != 1 {
				t.Errorf("left on the disk: %q", left)
			}
		})
	}
}

func TestPendingAbort(t *testing.T) {
	c := open(t, t.TempDir())
	never := c.Begin(content.OCILayer)
	f := follow(t, never)
	never.Abort(errBoom)
	never.Abort(errors.New("too late"))
	if got := wait(t, f); !errors.Is(got.err, errBoom) {
		t.Errorf("follower: %v", got.err)
	}
	if _, err := never.Ingest(t.Context(), "", func(io.Writer) error { return nil }); !errors.Is(err, errBoom) {
		t.Errorf("Ingest after Abort: %v", err)
	}

	running := c.Begin(content.OCILayer)
	_, err := running.Ingest(t.Context(), "", func(w io.Writer) error {
		running.Abort(nil)
		_, err := w.Write([]byte("x"))
		return err
	})
	if !errors.Is(err, ErrAborted) {
		t.Errorf("Ingest that was aborted: %v", err)
	}

	last := c.Begin(content.OCILayer)
	if _, err := last.Ingest(t.Context(), "", func(io.Writer) error { last.Abort(errBoom); return nil }); !errors.Is(err, errBoom) {
		t.Errorf("Ingest that was aborted after its last byte: %v", err)
	}

	done := c.Begin(content.OCILayer)
	desc, err := done.Ingest(t.Context(), "", func(io.Writer) error { return nil })
	done.Abort(errBoom)
	if got, waitErr := done.Wait(t.Context()); err != nil || waitErr != nil || got.Digest != desc.Digest {
		t.Errorf("Abort of a finished blob: %v, %v, %v", got, waitErr, err)
	}
	wantNoTemp(t, c)
}

func TestPendingIngestOnce(t *testing.T) {
	p := open(t, t.TempDir()).Begin(content.OCILayer)
	_, err := p.Ingest(t.Context(), content.OCILayerZstd, func(w io.Writer) error {
		if _, err := p.Ingest(t.Context(), "", func(io.Writer) error { return nil }); err == nil {
			t.Error("Ingest within Ingest: no error")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if desc, err := p.Wait(t.Context()); err != nil || desc.MediaType != content.OCILayerZstd {
		t.Errorf("Wait: %v, %v; want the media type of Ingest", desc, err)
	}
}

// A follower ends with its own context, or when it is closed, without the writer noticing.
func TestPendingFollowerLeaves(t *testing.T) {
	c := open(t, t.TempDir())
	p := c.Begin(content.OCILayer)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancelled, err := p.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := p.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	_, err = p.Ingest(t.Context(), "", func(w io.Writer) error {
		io.WriteString(w, "abc")
		for _, r := range []io.Reader{cancelled, closed} {
			if _, err := io.ReadFull(r, make([]byte, 3)); err != nil {
				t.Error(err)
			}
		}
		wg.Go(func() {
			if _, err := cancelled.Read(make([]byte, 1)); !errors.Is(err, errBoom) {
				t.Errorf("cancelled follower: %v, want the cause", err)
			}
		})
		wg.Go(func() {
			if _, err := closed.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("closed follower: %v, want ErrClosed", err)
			}
		})
		time.Sleep(10 * time.Millisecond) // they wait now, or will; both must end
		cancel(errBoom)
		closed.Close()
		wg.Wait()
		if _, err := p.Wait(ctx); !errors.Is(err, errBoom) {
			t.Errorf("cancelled Wait: %v, want the cause", err)
		}
		_, err := io.WriteString(w, "def")
		return err
	})
	if err != nil {
		t.Errorf("the writer whose followers left: %v", err)
	}
	for range 2 {
		if err := cancelled.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := p.Open(ctx); !errors.Is(err, errBoom) {
		t.Errorf("Open with an ended context: %v", err)
	}
}

func TestPendingWriterCancelled(t *testing.T) {
	c := open(t, t.TempDir())
	p := c.Begin(content.OCILayer)
	f := follow(t, p)
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := p.Ingest(ctx, "", func(w io.Writer) error {
		cancel(errBoom)
		_, err := w.Write([]byte("x"))
		return err
	})
	if !errors.Is(err, errBoom) {
		t.Errorf("Ingest whose context ends: %v", err)
	}
	if got := wait(t, f); !errors.Is(got.err, errBoom) {
		t.Errorf("follower: %v", got.err)
	}
	// The writer that does not look at the error of Write must not store half a blob.
	ctx, cancel = context.WithCancelCause(t.Context())
	_, err = c.Ingest(ctx, content.OCILayer, func(w io.Writer) error { cancel(errBoom); w.Write([]byte("x")); return nil })
	if !errors.Is(err, errBoom) {
		t.Errorf("Ingest whose writer swallows the end: %v", err)
	}
	wantNoTemp(t, c)
}

// A blob whose file cannot get its name fails for everybody.
func TestPendingFileGoesAway(t *testing.T) {
	c := open(t, t.TempDir())
	p := c.Begin(content.OCILayer)
	var f <-chan followed
	_, err := p.Ingest(t.Context(), "", func(w io.Writer) error {
		f = follow(t, p)
		tmp := filepath.Join(c.Dir(), tmpDir)
		w.Write([]byte("first"))
		for _, name := range files(t, tmp) {
			if err := os.Remove(filepath.Join(tmp, name)); err != nil {
				t.Error(err)
			}
		}
		_, err := w.Write([]byte("second"))
		return err
	})
	if err == nil {
		t.Error("Ingest whose file went away: no error")
	}
	if got := wait(t, f); got.err == nil {
		t.Error("its follower: no error")
	}
	wantNoTemp(t, c)
}

// Many followers of a large blob must not need memory for it.
func TestPendingMemory(t *testing.T) {
	const size, followers = 64 << 20, 8
	c := open(t, t.TempDir())
	p := c.Begin(content.OCILayer)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for range followers {
		wg.Go(func() {
			r, err := p.Open(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 64<<10)); n != size || err != nil {
				t.Errorf("follower: %d bytes, %v", n, err)
			}
		})
	}
	piece := make([]byte, 256<<10)
	_, err := p.Ingest(t.Context(), "", func(w io.Writer) error {
		for range size / len(piece) {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes were allocated for %d followers of %d bytes", used, followers, size)
	}
}
