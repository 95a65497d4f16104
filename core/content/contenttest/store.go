package contenttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// Options says what a store can't do and how to reach below it. nil and the zero value ask everything that works from outside.
type Options struct {
	// SHA256Only leaves out content under sha512 digests, which many registries don't take.
	SHA256Only bool
	// Corrupt changes one byte of the stored content behind the store's back, its length unchanged. nil: the check is left out.
	Corrupt func(t *testing.T, s content.Store, desc content.Descriptor)
	// Truncate cuts the stored content to half its length behind the store's back. nil: the check is left out.
	Truncate func(t *testing.T, s content.Store, desc content.Descriptor)
	// Unread leaves out what only a store that reads what is pushed to it can promise: that Push refuses wrong bytes and tells of readers that fail. For a
	// content.View, whose reads find it.
	Unread bool
}

// patience bounds every wait of the suite: long enough for a busy machine, short enough to tell a hang.
const patience = 10 * time.Second

// storeCheck is one promise, tried on a new store.
type storeCheck struct {
	name string
	run  func(t *testing.T, s content.Store)
}

// readsPushes are the checks of what happens when pushed content is read.
var readsPushes = map[string]bool{
	"PushOfWrongBytes": true, "PushOfWrongSize": true, "PushOpensAnewAndCloses": true, "PushReportsTheOpener": true, "PushReportsTheReader": true,
	"PushStopsWithItsContext": true,
}

// TestStore tries every promise of content.Store on stores that open makes. opts may be nil.
func TestStore(t *testing.T, open func(t *testing.T) content.Store, opts *Options) {
	t.Helper()
	var o Options
	if opts != nil {
		o = *opts
	}
	checks := append(readChecks(), pushChecks()...)
	if o.Unread {
		checks = slices.DeleteFunc(checks, func(c storeCheck) bool { return readsPushes[c.name] })
	}
	if !o.SHA256Only && !o.Unread {
		checks = append(checks, storeCheck{"SHA512", checkSHA512})
	}
	if o.Corrupt != nil {
		checks = append(checks, damageCheck("Corrupted", o.Corrupt))
	}
	if o.Truncate != nil {
		checks = append(checks, damageCheck("Truncated", o.Truncate))
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func readChecks() []storeCheck {
	return []storeCheck{
		{"RoundTrip", checkRoundTrip},
		{"MissingIsErrNotFound", checkMissing},
		{"FetchOfUnknownSize", checkUnknownSize},
		{"FetchOfWrongSize", checkFetchWrongSize},
		{"ExistsNeedsTheSize", checkExists},
		{"MalformedDigest", checkMalformedDigest},
		{"CancelledContext", checkCancelled},
		{"CloseEarlyLeaksNothing", checkCloseEarly},
		{"ManyAtOnce", checkManyAtOnce},
	}
}

func checkRoundTrip(t *testing.T, s content.Store) {
	for _, size := range []int{0, 1, 511, 4096, 70_000, 3 << 20} {
		data := Bytes(size)
		desc := content.Of(content.OCILayerGzip, data)
		mustPush(t, s, desc, data)
		wantContent(t, s, desc, data)
		wantExists(t, s, desc, true)
		wantContent(t, s, desc, data) // a second read starts anew
	}
}

func checkMissing(t *testing.T, s content.Store) {
	desc := content.Of(content.OCILayerGzip, Bytes(100))
	if _, err := fetch(t, s, desc); !errors.Is(err, content.ErrNotFound) {
		t.Errorf("Fetch of missing content: got error %v, want ErrNotFound", err)
	}
	wantExists(t, s, desc, false)
}

func checkUnknownSize(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	mustPush(t, s, desc, data)
	desc.Size = -1
	wantContent(t, s, desc, data)
	wantExists(t, s, desc, true)
}

func checkFetchWrongSize(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	mustPush(t, s, desc, data)
	for _, size := range []int64{0, 4999, 5001} {
		wrong := desc
		wrong.Size = size
		_, err := fetch(t, s, wrong)
		if !errors.Is(err, content.ErrVerification) && !errors.Is(err, content.ErrNotFound) {
			t.Errorf("Fetch of 5000 bytes by a descriptor of %d: got error %v, want ErrVerification or ErrNotFound", size, err)
		}
	}
}

func checkExists(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	wantExists(t, s, desc, false)
	mustPush(t, s, desc, data)
	wantExists(t, s, desc, true)
	desc.Size++
	wantExists(t, s, desc, false)
}

func checkMalformedDigest(t *testing.T, s content.Store) {
	for _, dgst := range malformedDigests() {
		desc := content.Descriptor{MediaType: content.OCILayerGzip, Digest: dgst, Size: 3}
		if _, err := fetch(t, s, desc); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("Fetch of digest %q: got error %v, want ErrInvalid", dgst, err)
		}
		if err := s.Push(t.Context(), desc, content.FromBytes([]byte("abc"))); !errors.Is(err, content.ErrInvalid) {
			t.Errorf("Push of digest %q: got error %v, want ErrInvalid", dgst, err)
		}
		if there, err := s.Exists(t.Context(), desc); there {
			t.Errorf("Exists of digest %q: got true, %v", dgst, err)
		}
	}
}

func checkCancelled(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc, other := content.Of(content.OCILayerGzip, data), content.Of(content.OCILayerGzip, Bytes(5001))
	mustPush(t, s, desc, data)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if r, err := s.Fetch(ctx, desc); !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch with an ended context: got error %v, want context.Canceled", err)
		if err == nil {
			r.Close()
		}
	}
	if _, err := s.Exists(ctx, desc); !errors.Is(err, context.Canceled) {
		t.Errorf("Exists with an ended context: got error %v, want context.Canceled", err)
	}
	if err := s.Push(ctx, other, content.FromBytes(Bytes(5001))); !errors.Is(err, context.Canceled) {
		t.Errorf("Push with an ended context: got error %v, want context.Canceled", err)
	}
	wantExists(t, s, other, false)
}

// checkCloseEarly closes readers before their end, which a store must take for what it is: no error, nothing left open.
func checkCloseEarly(t *testing.T, s content.Store) {
	const rounds, slack = 200, 50
	data := Bytes(1 << 20)
	desc := content.Of(content.OCILayerGzip, data)
	mustPush(t, s, desc, data)
	before := openFiles()
	for i := range rounds {
		r, err := s.Fetch(t.Context(), desc)
		if err != nil {
			t.Fatalf("Fetch %d: %v", i, err)
		}
		if i%2 == 0 {
			if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
				t.Errorf("read %d: %v", i, err)
			}
		}
		r.Close()
	}
	if after := openFiles(); after > before+slack {
		t.Errorf("%d readers closed early: %d open files before, %d after", rounds, before, after)
	}
	wantContent(t, s, desc, data)
}

// openFiles counts the file descriptors of this process; 0 where the system does not show them.
func openFiles() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

// checkManyAtOnce reads and writes the same and different content from many goroutines.
func checkManyAtOnce(t *testing.T, s content.Store) {
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			data := Bytes(20_000 + i%6)
			desc := content.Of(content.OCILayerGzip, data)
			if err := s.Push(t.Context(), desc, content.FromBytes(data)); err != nil {
				t.Errorf("Push %d: %v", i, err)
				return
			}
			if got, err := fetch(t, s, desc); err != nil || !bytes.Equal(got, data) {
				t.Errorf("Fetch %d: %d bytes, error %v", i, len(got), err)
			}
			if there, err := s.Exists(t.Context(), desc); !there || err != nil {
				t.Errorf("Exists %d: %t, %v", i, there, err)
			}
		})
	}
	wg.Wait()
}

func checkSHA512(t *testing.T, s content.Store) {
	data := Bytes(5000)
	desc := content.Of(content.OCILayerGzip, data)
	desc.Digest = sha512Of(data)
	mustPush(t, s, desc, data)
	wantContent(t, s, desc, data)
	wantExists(t, s, desc, true)
	other := content.Of(content.OCILayerGzip, data)
	other.Digest = sha512Of(Bytes(5001))
	if err := s.Push(t.Context(), other, content.FromBytes(data)); !errors.Is(err, content.ErrVerification) {
		t.Errorf("Push under another sha512 digest: got error %v, want ErrVerification", err)
	}
}

// damageCheck damages stored content: a read must end with an error, ErrVerification or (of a store that noticed and dropped it)
// ErrNotFound.
func damageCheck(name string, damage func(*testing.T, content.Store, content.Descriptor)) storeCheck {
	return storeCheck{name, func(t *testing.T, s content.Store) {
		data := Bytes(100_000)
		desc := content.Of(content.OCILayerGzip, data)
		mustPush(t, s, desc, data)
		damage(t, s, desc)
		_, err := fetch(t, s, desc)
		if !errors.Is(err, content.ErrVerification) && !errors.Is(err, content.ErrNotFound) {
			t.Errorf("Fetch of damaged content: got error %v, want ErrVerification or ErrNotFound", err)
		}
	}}
}
