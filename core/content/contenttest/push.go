package contenttest

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

func pushChecks() []storeCheck {
	return []storeCheck{
		{"PushOfWrongBytes", checkPushWrongBytes},
		{"PushOfWrongSize", checkPushWrongSize},
		{"PushOfUnknownSize", checkPushUnknownSize},
		{"PushTwice", checkPushTwice},
		{"PushOfWrongBytesOverGood", checkPushOverGood},
		{"PushOpensAnewAndCloses", checkPushOpens},
		{"PushReportsTheOpener", checkPushOpenError},
		{"PushReportsTheReader", checkPushReadError},
		{"PushStopsWithItsContext", checkPushCancelled},
		{"PushOfOneDigestAtOnce", checkPushAtOnce},
	}
}

func checkPushWrongBytes(t *testing.T, s content.Store) {
	for _, size := range []int{1, 5000, 300_000} {
		data := Bytes(size)
		desc := content.Of(content.OCILayerGzip, data)
		wrong := append([]byte(nil), data...)
		wrong[size/2] ^= 1
		wantRefused(t, s, desc, wrong)
		mustPush(t, s, desc, data) // the failure is not remembered
		wantContent(t, s, desc, data)
	}
}

func checkPushWrongSize(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	wantRefused(t, s, desc, data[:4999])
	wantRefused(t, s, desc, nil)
	wantRefused(t, s, desc, append(append([]byte(nil), data...), 'x'))
	for _, size := range []int64{0, 4999, 5001} {
		wrong := desc
		wrong.Size = size
		wantRefused(t, s, wrong, data)
		wantExists(t, s, desc, false)
	}
}

func checkPushUnknownSize(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	unknown := desc
	unknown.Size = -1
	if err := s.Push(t.Context(), unknown, content.FromBytes(data)); !errors.Is(err, content.ErrInvalid) {
		t.Errorf("Push of unknown size: got error %v, want ErrInvalid", err)
	}
	wantExists(t, s, desc, false)
}

func checkPushTwice(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	mustPush(t, s, desc, data)
	mustPush(t, s, desc, data)
	wantContent(t, s, desc, data)
}

// checkPushOverGood pushes wrong bytes under a digest that is there. A store may look at them or not; what is there stays.
func checkPushOverGood(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	mustPush(t, s, desc, data)
	err := s.Push(t.Context(), desc, content.FromBytes(make([]byte, 5000)))
	if err != nil && !errors.Is(err, content.ErrVerification) {
		t.Errorf("Push of wrong bytes over good ones: got error %v, want nil or ErrVerification", err)
	}
	wantContent(t, s, desc, data)
}

// checkPushOpens counts: each reader that the store opened is closed, and a second Push opens for itself.
func checkPushOpens(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	var bad, good counter
	if err := s.Push(t.Context(), desc, bad.opener(content.FromBytes(make([]byte, 5000)))); err == nil {
		t.Error("Push of wrong bytes: no error")
	}
	if err := s.Push(t.Context(), desc, good.opener(content.FromBytes(data))); err != nil {
		t.Errorf("Push after a failed one: %v", err)
	}
	bad.wantClosed(t)
	good.wantClosed(t)
	wantContent(t, s, desc, data)
}

func checkPushOpenError(t *testing.T, s content.Store) {
	desc := content.Of(content.OCILayerGzip, Bytes(5000))
	boom := errors.New("this file can't be opened")
	err := s.Push(t.Context(), desc, func(context.Context) (io.ReadCloser, error) { return nil, boom })
	if !errors.Is(err, boom) {
		t.Errorf("Push whose opener fails: got error %v, want the opener's", err)
	}
	wantExists(t, s, desc, false)
}

func checkPushReadError(t *testing.T, s content.Store) {
	data := Bytes(200_000)
	desc := content.Of(content.OCILayerGzip, data)
	boom := errors.New("this disk can't be read")
	var opened counter
	err := s.Push(t.Context(), desc, opened.opener(func(ctx context.Context) (io.ReadCloser, error) {
		return &broken{data: data[:100_000], err: boom}, nil
	}))
	if !errors.Is(err, boom) {
		t.Errorf("Push whose reader fails: got error %v, want the reader's", err)
	}
	opened.wantClosed(t)
	wantExists(t, s, desc, false)
	mustPush(t, s, desc, data)
	wantContent(t, s, desc, data)
}

// checkPushCancelled ends the context while the content is being read.
func checkPushCancelled(t *testing.T, s content.Store) {
	data := Bytes(200_000)
	desc := content.Of(content.OCILayerGzip, data)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var opened counter
	done := make(chan error, 1)
	go func() {
		done <- s.Push(ctx, desc, opened.opener(func(ctx context.Context) (io.ReadCloser, error) {
			return &stalled{ctx: ctx, data: data[:100_000], reached: cancel}, nil
		}))
	}()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Push whose context ends: got error %v, want context.Canceled", err)
		}
	case <-time.After(patience):
		t.Fatalf("Push did not return within %v of the end of its context", patience)
	}
	opened.wantClosed(t)
	wantExists(t, s, desc, false)
}

func checkPushAtOnce(t *testing.T, s content.Store) {
	data := Bytes(500_000)
	desc := content.Of(content.OCILayerGzip, data)
	var opened counter
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := s.Push(t.Context(), desc, opened.opener(content.FromBytes(data))); err != nil {
				t.Errorf("one of 8 Push: %v", err)
			}
			if there, err := s.Exists(t.Context(), desc); !there || err != nil {
				t.Errorf("Exists right after Push: %t, %v", there, err)
			}
		})
	}
	wg.Wait()
	opened.wantClosed(t)
	wantContent(t, s, desc, data)
}

// counter counts the readers of an opener that are open.
type counter struct{ open atomic.Int64 }

func (c *counter) opener(f content.Opener) content.Opener {
	return func(ctx context.Context) (io.ReadCloser, error) {
		r, err := f(ctx)
		if err != nil {
			return nil, err
		}
		c.open.Add(1)
		return &counted{ReadCloser: r, c: c}, nil
	}
}

// wantClosed waits a little: an HTTP transport closes a request's body soon after its answer.
func (c *counter) wantClosed(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience / 4); c.open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%d readers of the opener were not closed", c.open.Load())
			return
		}
	}
}

type counted struct {
	io.ReadCloser
	c    *counter
	once sync.Once
}

// Close counts once, however often it is called.
func (r *counted) Close() error {
	r.once.Do(func() { r.c.open.Add(-1) })
	return r.ReadCloser.Close()
}

// broken gives data, then err.
type broken struct {
	data []byte
	err  error
}

// Read implements io.Reader.
func (b *broken) Read(p []byte) (int, error) {
	if len(b.data) == 0 {
		return 0, b.err
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

// Close implements io.Closer.
func (b *broken) Close() error { return nil }

// stalled gives data, says that it has, and then nothing until its context ends.
type stalled struct {
	ctx     context.Context // of the opener that made it, as an http.Request keeps its own
	data    []byte
	reached func()
}

// Read implements io.Reader.
func (s *stalled) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		s.reached()
		<-s.ctx.Done()
		return 0, context.Cause(s.ctx)
	}
	n := copy(p, s.data)
	s.data = s.data[n:]
	return n, nil
}

// Close implements io.Closer.
func (s *stalled) Close() error { return nil }
