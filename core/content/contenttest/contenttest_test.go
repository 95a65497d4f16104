package contenttest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

// faulty is a Memory that breaks one promise.
type faulty struct {
	content.Memory
	fault string

	mu   sync.Mutex
	seen map[string][]byte
	kept []io.ReadCloser
}

// faults names each fault and a check of the suite that must find it.
func faults() map[string]string {
	return map[string]string{
		"stores what it is given":               "PushOfWrongBytes",
		"stores and then complains":             "PushOfWrongBytes",
		"takes any size":                        "PushOfWrongSize",
		"takes no size":                         "PushOfUnknownSize",
		"missing is another error":              "MissingIsErrNotFound",
		"exists by digest alone":                "ExistsNeedsTheSize",
		"does not look at the context":          "CancelledContext",
		"refuses what is there":                 "PushTwice",
		"swallows the opener's error":           "PushReportsTheOpener",
		"leaves readers open":                   "PushOpensAnewAndCloses",
		"malformed digests are only missing":    "MalformedDigest",
		"the first push decides":                "PushOpensAnewAndCloses",
		"fetch is not verified":                 "Corrupted",
		"resolves tags it was not given":        "Repository/MissingNameIsErrNotFound",
		"tags don't move":                       "Repository/TagMoves",
		"tags what is not there":                "Repository/TagOfMissingContent",
		"ingests although the writer fails":     "Ingester/WriterFails",
		"an empty blob is never there":          "RoundTrip",
		"readers leak a file each":              "CloseEarlyLeaksNothing",
		"resolves digests without a media type": "Repository/ResolveDigest",
	}
}

// TestSuiteFindsFaults runs the suite on each faulty store in a process of its own, since a failing test can't be undone.
func TestSuiteFindsFaults(t *testing.T) {
	for fault, check := range faults() {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFaulty$/^"+strings.ReplaceAll(check, "/", "$/^")+"$", "-test.v")
			cmd.Env = append(os.Environ(), "CONTENTTEST_FAULT="+fault)
			out, err := cmd.CombinedOutput()
			if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
				t.Fatalf("the suite passed: %v\n%s", err, out)
			}
			if !strings.Contains(string(out), "--- FAIL: TestFaulty/"+check+" ") {
				t.Errorf("%s did not fail:\n%s", check, out)
			}
		})
	}
}

func TestFaulty(t *testing.T) {
	fault := os.Getenv("CONTENTTEST_FAULT") // empty: the suite on a store without fault
	open := func(*testing.T) *faulty { return &faulty{fault: fault, seen: map[string][]byte{}} }
	opts := &contenttest.Options{Corrupt: func(_ *testing.T, s content.Store, desc content.Descriptor) { s.(*faulty).corrupt(desc) }}
	contenttest.TestStore(t, func(t *testing.T) content.Store { return open(t) }, opts)
	contenttest.TestRepository(t, func(t *testing.T) content.Repository { return open(t) }, nil)
	contenttest.TestIngester(t, func(t *testing.T) content.Ingester { return open(t) })
}

func (f *faulty) corrupt(desc content.Descriptor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	data, _ := content.ReadAll(context.Background(), &f.Memory, desc)
	data = slices.Clone(data)
	data[0] ^= 1
	f.seen[desc.Digest.String()] = data
}

// Push implements content.Pusher.
func (f *faulty) Push(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	switch f.fault {
	case "stores what it is given", "stores and then complains":
		return f.store(ctx, desc, open)
	case "takes any size":
		desc.Size = -1
		data, err := content.ReadOpener(ctx, open, desc)
		if err != nil {
			return err
		}
		return f.Memory.Push(ctx, content.Of(desc.MediaType, data), content.FromBytes(data))
	case "takes no size":
		if desc.Size < 0 {
			data, err := content.ReadOpener(ctx, open, desc)
			if err != nil {
				return err
			}
			desc.Size = int64(len(data))
		}
	case "refuses what is there":
		if there, _ := f.Memory.Exists(ctx, desc); there {
			return fmt.Errorf("%s is there already", desc.Digest)
		}
	case "swallows the opener's error":
		if err := f.Memory.Push(ctx, desc, open); err != nil && !errors.Is(err, content.ErrVerification) && ctx.Err() == nil {
			return errors.New("something went wrong")
		} else if err != nil {
			return err
		}
	case "leaves readers open":
		return f.Memory.Push(ctx, desc, func(ctx context.Context) (io.ReadCloser, error) {
			r, err := open(ctx)
			return struct {
				io.Reader
				io.Closer
			}{r, io.NopCloser(nil)}, err
		})
	case "the first push decides":
		f.mu.Lock()
		first, ok := f.seen["push "+desc.Digest.String()]
		f.mu.Unlock()
		if ok {
			return errors.New(string(first))
		}
		if err := f.Memory.Push(ctx, desc, open); err != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.seen["push "+desc.Digest.String()] = []byte(err.Error())
			return err
		}
		return nil
	case "does not look at the context":
		ctx = context.WithoutCancel(ctx)
	}
	return f.Memory.Push(ctx, desc, open)
}

// store keeps whatever bytes it is given.
func (f *faulty) store(ctx context.Context, desc content.Descriptor, open content.Opener) error {
	r, err := open(ctx)
	if err != nil {
		return err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen[desc.Digest.String()] = data
	if err := content.CheckBytes(desc, data); f.fault == "stores and then complains" {
		return err
	}
	return nil
}

// Fetch implements content.Fetcher.
func (f *faulty) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	f.mu.Lock()
	data, ok := f.seen[desc.Digest.String()]
	f.mu.Unlock()
	if ok && (f.fault == "fetch is not verified" || strings.HasPrefix(f.fault, "stores ")) {
		return io.NopCloser(bytes.NewReader(data)), nil
	} else if ok {
		return content.Verify(io.NopCloser(bytes.NewReader(data)), desc)
	}
	switch f.fault {
	case "does not look at the context":
		ctx = context.WithoutCancel(ctx)
	case "missing is another error":
		r, err := f.Memory.Fetch(ctx, desc)
		if errors.Is(err, content.ErrNotFound) {
			return nil, errors.New("no such file")
		}
		return r, err
	case "malformed digests are only missing":
		r, err := f.Memory.Fetch(ctx, desc)
		if errors.Is(err, content.ErrInvalid) {
			return nil, content.ErrNotFound
		}
		return r, err
	case "readers leak a file each":
		if file, err := os.Open(os.Args[0]); err == nil {
			f.mu.Lock()
			f.kept = append(f.kept, file)
			f.mu.Unlock()
		}
	}
	return f.Memory.Fetch(ctx, desc)
}

// Exists implements content.Store.
func (f *faulty) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	f.mu.Lock()
	_, ok := f.seen[desc.Digest.String()]
	f.mu.Unlock()
	if ok && strings.HasPrefix(f.fault, "stores ") {
		return true, nil
	}
	switch f.fault {
	case "exists by digest alone":
		desc.Size = -1
	case "an empty blob is never there":
		if desc.Size == 0 {
			return false, ctx.Err()
		}
	case "does not look at the context":
		ctx = context.WithoutCancel(ctx)
	}
	return f.Memory.Exists(ctx, desc)
}

// Resolve implements content.Resolver.
func (f *faulty) Resolve(ctx context.Context, name string) (content.Descriptor, error) {
	desc, err := f.Memory.Resolve(ctx, name)
	switch {
	case f.fault == "resolves tags it was not given" && errors.Is(err, content.ErrNotFound):
		return content.Of(content.OCIManifest, []byte("{}")), nil
	case f.fault == "resolves digests without a media type" && strings.HasPrefix(name, "sha256:"):
		desc.MediaType = ""
	}
	return desc, err
}

// Tag implements content.Tagger.
func (f *faulty) Tag(ctx context.Context, desc content.Descriptor, name string) error {
	switch f.fault {
	case "tags don't move":
		if _, err := f.Memory.Resolve(ctx, name); err == nil {
			return nil
		}
	case "tags what is not there":
		if err := f.Memory.Tag(ctx, desc, name); !errors.Is(err, content.ErrNotFound) {
			return err
		}
		return nil
	}
	return f.Memory.Tag(ctx, desc, name)
}

// Ingest implements content.Ingester.
func (f *faulty) Ingest(ctx context.Context, mediaType string, write func(io.Writer) error) (content.Descriptor, error) {
	if f.fault != "ingests although the writer fails" {
		return f.Memory.Ingest(ctx, mediaType, write)
	}
	var failure error
	desc, err := f.Memory.Ingest(ctx, mediaType, func(w io.Writer) error {
		failure = write(w)
		return nil
	})
	return desc, errors.Join(err, failure)
}
