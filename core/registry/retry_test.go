package registry_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// sleeps is a clock that notes how long it was asked to wait.
type sleeps struct {
	mu   sync.Mutex
	list []time.Duration
}

func (s *sleeps) sleep(ctx context.Context, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, d)
	return context.Cause(ctx)
}

// job is something a user wants done; after it, wanted must hold.
type job struct {
	name string
	run  func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error
}

var huge = bytes.Repeat([]byte("0123456789abcdef"), 80<<10) // 1.25 MiB: more than is read whole

// jobs are everything that goes over the wire, with its outcome checked.
func jobs() []job { return jobsWith(huge) }

// jobsWith are the jobs with another blob that is not read whole.
func jobsWith(huge []byte) []job {
	hugeBlob := blob{content.Of(content.OctetStream, huge), huge}
	stored := func(reg *registrytest.Server, b blob) error {
		if data, ok := reg.Blob("app", b.desc.Digest); !ok || !bytes.Equal(data, b.data) {
			return errors.New("the registry does not have the blob")
		}
		return nil
	}
	return []job{
		{"manifest", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			_, _, err := repo.Manifest(ctx, "v1")
			return err
		}},
		{"head", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			_, err := repo.Resolve(ctx, "v1")
			return err
		}},
		{"small blob", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			_, err := content.ReadAll(ctx, repo, reg.PushBlob("app", small.data))
			return err
		}},
		{"big blob", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			_, err := content.ReadAll(ctx, repo, reg.PushBlob("app", huge))
			return err
		}},
		{"small push", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			if _, err := repo.Mount(ctx, small.desc, nil, small.open); err != nil {
				return err
			}
			return stored(reg, small)
		}},
		{"push", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			if _, err := repo.Mount(ctx, hugeBlob.desc, nil, hugeBlob.open); err != nil {
				return err
			}
			return stored(reg, hugeBlob)
		}},
		{"mount", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			reg.PushBlob("base", huge)
			if _, err := repo.Mount(ctx, hugeBlob.desc, []string{reg.Host + "/base"}, hugeBlob.open); err != nil {
				return err
			}
			return stored(reg, hugeBlob)
		}},
		{"stream", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			if _, err := repo.PushPending(ctx, content.OctetStream, pending{hugeBlob}); err != nil {
				return err
			}
			return stored(reg, hugeBlob)
		}},
		{"tag", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			desc, data, _ := reg.Manifest("app", "v1")
			if err := repo.PushTagged(ctx, desc, content.FromBytes(data), "v2"); err != nil {
				return err
			}
			if !slices.Contains(reg.Tags("app"), "v2") {
				return errors.New("no tag v2")
			}
			return nil
		}},
		{"tags", func(ctx context.Context, reg *registrytest.Server, repo *registry.Repository) error {
			tags, err := repo.Tags(ctx)
			if err == nil && !slices.Equal(tags, []string{"v1"}) {
				err = errors.New("wrong tags " + strings.Join(tags, " "))
			}
			return err
		}},
	}
}

// passingFaults are those after which the next try succeeds.
func passingFaults() map[string]registrytest.Fault {
	return map[string]registrytest.Fault{
		"dropped":         {Drop: true},
		"answer lost":     {Lost: true},
		"408":             {Status: 408},
		"429":             {Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: "slow down\n"},
		"500 with HTML":   {Status: 500, Body: "<html>oops</html>"},
		"502":             {Status: 502},
		"503":             {Status: 503},
		"504":             {Status: 504},
		"truncated":       {Truncate: 3},
		"stalled":         {Stall: true},
		"stalled midway":  {Stall: true, Truncate: 3},
		"truncated later": {Truncate: 20e3},
		"corrupted":       {Corrupt: 1},
		"corrupted later": {Corrupt: 200},
		"wrong length":    {Change: http.Header{"Content-Length": {"12345678"}}},
		"wrong digest":    {Change: http.Header{"Docker-Content-Digest": {small.desc.Digest.String()}}},
		"no digest":       {Change: http.Header{"Docker-Content-Digest": nil}},
	}
}

// TestSingleFault lets every kind of passing fault strike every request of every job, once: none may fail. Over HTTP/2, where an answer
// breaks off in another way, the kinds that differ are tried, on a real network.
func TestSingleFault(t *testing.T) {
	var cells atomic.Int64
	t.Cleanup(func() {
		t.Logf("%d cells", cells.Load())
		if n := cells.Load(); n < 500 {
			t.Errorf("%d cells, want 500 and more", n)
		}
	})
	for name, fault := range passingFaults() {
		for _, job := range jobsWith(noise(9, bigNoise).data) {
			if fault.Corrupt > 0 && (job.name == "tags" || job.name == "big blob") {
				continue // nothing says what tags should be; what was read of a big blob can't be taken back, see TestCopyOfCorrupted
			}
			t.Run(name+"/"+job.name, func(t *testing.T) {
				t.Parallel()
				sweep(t, registrytest.Options{}, fault, job, &cells)
			})
			if fault.Status == 0 && !fault.Stall && fault.Change == nil {
				t.Run(name+" on HTTP2/"+job.name, func(t *testing.T) {
					t.Parallel()
					sweep(t, registrytest.Options{TLS: true}, fault, job, &cells)
				})
			}
		}
	}
}

// TestRevokedAtAnyRequest lets all tokens die before any one request.
func TestRevokedAtAnyRequest(t *testing.T) {
	var cells atomic.Int64
	t.Cleanup(func() { t.Logf("%d cells", cells.Load()) })
	for _, job := range jobsWith(noise(9, bigNoise).data) {
		t.Run(job.name, func(t *testing.T) {
			t.Parallel()
			opts := registrytest.Options{Auth: registrytest.AuthBearer, Rights: []registrytest.Right{{}}}
			sweep(t, opts, registrytest.Fault{Revoke: true}, job, &cells)
		})
	}
}

// sweep moves a fault from request to request until the job needs no more.
func sweep(t *testing.T, opts registrytest.Options, fault registrytest.Fault, job job, cells *atomic.Int64) {
	for requests := 0; fault.Nth <= requests; cells.Add(1) {
		fault.Nth++
		opts.Faults = []registrytest.Fault{fault}
		once := func(t *testing.T, reg *registrytest.Server, c *registry.Client) {
			reg.PushImage("app", "v1", registrytest.Image{})
			if err := job.run(t.Context(), reg, c.WithSmall(smallNoise).Repository(reg.Host, "app")); err != nil {
				t.Errorf("fault at request %d: %v\n%s", fault.Nth, err, strings.Join(reg.Lines(), "\n"))
			}
			requests = len(reg.Requests())
		}
		if opts.TLS {
			reg := registrytest.New(t, &opts)
			once(t, reg, newClient(t, &registry.Options{Transport: reg.Client().Transport}))
			continue
		}
		inBubble(t, opts, once)
	}
}

// inBubble runs f with a registry and a client on a network in memory.
func inBubble(t *testing.T, opts registrytest.Options, f func(t *testing.T, reg *registrytest.Server, c *registry.Client)) {
	synctest.Test(t, func(t *testing.T) {
		var net pipes
		reg := net.server(t, "5001", opts)
		c, closed := net.client(registry.Options{})
		defer closed()
		f(t, reg, c)
	})
}

// TestCopyOfCorrupted reads a big blob again, and sends it again, when it came changed.
func TestCopyOfCorrupted(t *testing.T) {
	for _, at := range []int64{1, 200, 1 << 20} {
		from, to := registrytest.New(t, nil), registrytest.New(t, nil)
		desc := from.PushBlob("app", huge)
		from.SetFaults(registrytest.Fault{Method: "GET", Class: registrytest.ClassBlob, Corrupt: at})
		c := newClient(t, nil)
		check(t, content.Copy(t.Context(), c.Repository(to.Host, "app"), c.Repository(from.Host, "app"), desc, nil))
		if data, ok := to.Blob("app", desc.Digest); !ok || !bytes.Equal(data, huge) {
			t.Errorf("byte %d: the blob is not there", at)
		}
	}
}

// TestPermanentFault lets faults strike for ever: every job ends with an error of the right kind, soon.
func TestPermanentFault(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault registrytest.Fault
		is    error // what the error must be
		most  int   // requests that may be sent
	}{
		{"dropped", registrytest.Fault{Drop: true}, registry.ErrUnreachable, 30},
		{"503", registrytest.Fault{Status: 503}, nil, 30},
		{"403", registrytest.Fault{Status: 403}, registry.ErrDenied, 3},
		{"401 without a challenge", registrytest.Fault{Status: 401}, registry.ErrDenied, 9},
		{"400", registrytest.Fault{Status: 400}, nil, 3},
		{"404", registrytest.Fault{Status: 404}, content.ErrNotFound, 9},
	} {
		for _, job := range jobsWith(noise(9, bigNoise).data) {
			t.Run(test.name+"/"+job.name, func(t *testing.T) {
				t.Parallel()
				fault := test.fault
				fault.Times = -1
				inBubble(t, registrytest.Options{Faults: []registrytest.Fault{fault}}, func(t *testing.T, reg *registrytest.Server, c *registry.Client) {
					reg.PushImage("app", "v1", registrytest.Image{})
					err := job.run(t.Context(), reg, c.Repository(reg.Host, "app"))
					if err == nil || test.is != nil && !errors.Is(err, test.is) {
						t.Errorf("got error %v, want one that is %v", err, test.is)
					}
					if n := len(reg.Requests()); n > test.most {
						t.Errorf("%d requests, want at most %d:\n%s", n, test.most, strings.Join(reg.Lines(), "\n"))
					}
				})
			})
		}
	}
}

// TestRetryAfter obeys the registry in seconds and as a date, and refuses to wait for hours.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"7":                             7 * time.Second,
		"Fri, 02 Jan 2026 03:05:05 GMT": time.Minute,
		"120":                           2 * time.Minute,
	} {
		clock := &sleeps{}
		reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Status: 429, Header: http.Header{"Retry-After": {header}}}}})
		reg.PushImage("app", "v1", registrytest.Image{})
		c := newClient(t, &registry.Options{Sleep: clock.sleep, Now: func() time.Time { return now }})
		_, _, err := c.Repository(reg.Host, "app").Manifest(t.Context(), "v1")
		check(t, err)
		if len(clock.list) != 1 || clock.list[0] < want || clock.list[0] > want+want/8 {
			t.Errorf("Retry-After %q: waited %v, want %v and at most an eighth more", header, clock.list, want)
		}
	}
	clock := &sleeps{}
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Times: -1, Status: 429, Header: http.Header{"Retry-After": {"21600"}}}}})
	c := newClient(t, &registry.Options{Sleep: clock.sleep})
	_, _, err := c.Repository(reg.Host, "app").Manifest(t.Context(), "v1")
	if err == nil || !strings.Contains(err.Error(), "6h0m0s") || len(clock.list) > 0 {
		t.Errorf("got error %v after waits %v, want one that says 6h0m0s at once", err, clock.list)
	}
}

// TestBackoff waits longer and longer, never more than is set.
func TestBackoff(t *testing.T) {
	clock := &sleeps{}
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Times: -1, Status: 503}}})
	c := newClient(t, &registry.Options{Sleep: clock.sleep, Backoff: registry.Backoff{Tries: 7, First: time.Second, Most: 5 * time.Second}})
	_, _, err := c.Repository(reg.Host, "app").Manifest(t.Context(), "v1")
	if err == nil || !strings.Contains(err.Error(), ", 7 tries)") {
		t.Errorf("got error %v, want one after 7 tries", err)
	}
	if len(clock.list) != 6 {
		t.Fatalf("waits %v, want 6", clock.list)
	}
	for i, most := range []time.Duration{1, 2, 4, 5, 5, 5} {
		if clock.list[i] > most*time.Second {
			t.Errorf("wait %d was %s, want at most %s", i, clock.list[i], most*time.Second)
		}
	}
}

// TestResume reads on where a blob broke off, asking the registry for the rest alone.
func TestResume(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{
		{Class: registrytest.ClassBlob, Truncate: 400 << 10}, {Class: registrytest.ClassBlob, Nth: 2, Truncate: 400 << 10},
	}})
	desc := reg.PushBlob("app", huge)
	got, err := content.ReadAll(t.Context(), newClient(t, nil).Repository(reg.Host, "app"), desc)
	check(t, err)
	if !bytes.Equal(got, huge) {
		t.Error("the bytes differ")
	}
	var ranges []string
	for _, r := range reg.Requests() {
		ranges = append(ranges, r.Header.Get("Range"))
	}
	if want := []string{"", "bytes=409600-", "bytes=819200-"}; !slices.Equal(ranges, want) {
		t.Errorf("ranges %q, want %q", ranges, want)
	}
}

// TestManyCuts survives more breaks than there are tries, since each comes after some progress.
func TestManyCuts(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Times: -1, Class: registrytest.ClassBlob, Truncate: 100 << 10}}})
	desc := reg.PushBlob("app", huge)
	_, err := content.ReadAll(t.Context(), newClient(t, nil).Repository(reg.Host, "app"), desc)
	check(t, err)
	reg.SetFaults(registrytest.Fault{Times: -1, Class: registrytest.ClassBlob, Truncate: 10})
	if _, err := content.ReadAll(t.Context(), newClient(t, nil).Repository(reg.Host, "app"), desc); err == nil {
		t.Error("no error from a registry that sends 10 bytes at a time")
	}
}

// TestLostAnswer finds a blob that arrived although the answer did not, without sending it again.
func TestLostAnswer(t *testing.T) {
	reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Method: "PUT", Class: registrytest.ClassSession, Lost: true}}})
	repo := newClient(t, nil).Repository(reg.Host, "app")
	expectTransfer(t, repo, small, nil, content.Uploaded)
	if n := reg.Count("PUT", registrytest.ClassSession); n != 1 {
		t.Errorf("sent %d times, want once:\n%s", n, strings.Join(reg.Lines(), "\n"))
	}
}

// TestSourceErrors are not the registry's fault: they are reported as they are, at once, and nothing is stored.
func TestSourceErrors(t *testing.T) {
	broken := errors.New("the disk is on fire")
	for name, open := range map[string]content.Opener{
		"open fails": func(context.Context) (io.ReadCloser, error) { return nil, broken },
		"read fails": func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(big.data[:1<<20]), failingReader{broken})), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t, nil)
			repo := newClient(t, nil).Repository(reg.Host, "app")
			expectIs(t, repo.Push(t.Context(), big.desc, open), broken)
			if n := reg.Count("POST", ""); n != 1 {
				t.Errorf("%d sessions, want 1", n)
			}
			if _, ok := reg.Blob("app", big.desc.Digest); ok {
				t.Error("the blob is there")
			}
			if n := reg.Count("DELETE", registrytest.ClassSession); n != 1 {
				t.Errorf("%d sessions were cancelled, want 1", n)
			}
		})
	}
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// TestCancel comes back soon on a real network and a real clock too, whatever it is in the middle of.
func TestCancel(t *testing.T) {
	for _, job := range jobs() {
		t.Run(job.name, func(t *testing.T) {
			t.Parallel()
			for nth := 1; nth <= 3; nth++ {
				reg := registrytest.New(t, &registrytest.Options{Faults: []registrytest.Fault{{Nth: nth, Stall: true}}})
				reg.PushImage("app", "v1", registrytest.Image{})
				cause := errors.New("enough")
				ctx, cancel := context.WithCancelCause(t.Context())
				timer := time.AfterFunc(50*time.Millisecond, func() { cancel(cause) })
				start := time.Now()
				err := job.run(ctx, reg, newClient(t, nil).Repository(reg.Host, "app"))
				timer.Stop()
				cancel(nil)
				if len(reg.Requests()) < nth {
					break
				}
				expectIs(t, err, cause)
				if d := time.Since(start); d > 5*time.Second {
					t.Errorf("came back after %s", d)
				}
			}
		})
	}
}

// TestUnreachable are errors that a retry can or can't help, and none of which hangs.
func TestUnreachable(t *testing.T) {
	for _, test := range []struct {
		name, host string
		transport  http.RoundTripper
		waits      int
	}{
		{"nobody listens, yet", "127.0.0.1:1", nil, 4},
		{"no such host", "reg.invalid", failingTransport{&net.DNSError{Err: "no such host", Name: "reg.invalid", IsNotFound: true}}, 0},
		{"resolver down", "reg.invalid", failingTransport{&net.DNSError{Err: "server misbehaving", Name: "reg.invalid", IsTemporary: true}}, 4},
		{"certificate", "reg.invalid", failingTransport{&tls.CertificateVerificationError{Err: errors.New("unknown authority")}}, 0},
		{"certificate of a loopback host", "localhost:1", failingTransport{&tls.CertificateVerificationError{Err: errors.New("unknown authority")}}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			clock := &sleeps{}
			c := newClient(t, &registry.Options{Sleep: clock.sleep, Transport: test.transport})
			_, _, err := c.Repository(test.host, "app").Manifest(t.Context(), "v1")
			expectIs(t, err, registry.ErrUnreachable)
			if len(clock.list) != test.waits {
				t.Errorf("%d waits, want %d", len(clock.list), test.waits)
			}
		})
	}
}

type failingTransport struct{ err error }

func (f failingTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// TestSourceThatCannotBeOpened is asked once: a source that is a registry has tried again itself, and tries on tries take minutes.
func TestSourceThatCannotBeOpened(t *testing.T) {
	reg := registrytest.New(t, nil)
	opened := 0
	err := newClient(t, nil).Repository(reg.Host, "app").Push(t.Context(), content.Of(content.OctetStream, []byte("x")), func(context.Context) (io.ReadCloser, error) {
		opened++
		return nil, fmt.Errorf("forged: %w", content.ErrVerification)
	})
	expectIs(t, err, content.ErrVerification)
	if opened != 1 {
		t.Errorf("opened %d times, want once", opened)
	}
}
