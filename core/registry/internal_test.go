package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/imgscript/imgscript/core/content"
)

func TestParseNextLink(t *testing.T) {
	for header, want := range map[string]string{
		`</v2/a/tags/list?n=2&last=b>; rel="next"`: "/v2/a/tags/list?n=2&last=b",
		`</v2/a/tags/list?last=b>;rel=next`:        "/v2/a/tags/list?last=b",
		`<https://x/y>; foo=bar; REL = "NEXT"`:     "https://x/y",
		`</prev>; rel="prev", </next>; rel="next"`: "/next",
		`</prev>;rel=prev,</next>;rel=next`:        "/next",
		`</a,b>; rel="next"`:                       "/a,b",
		`</x>; rel="prev"`:                         "",
		`</x>`:                                     "",
		`</x; rel="next"`:                          "",
		`<>; rel="next"`:                           "",
		``:                                         "",
		`/v2/a/tags/list; rel="next"`:              "",
		`< /v2/a/tags/list >; rel="next"`:          "/v2/a/tags/list",
		`</v2/a/tags/list?last=%3Cx%3E>; rel="next"; title="a,b"`: "/v2/a/tags/list?last=%3Cx%3E",
	} {
		if got, _ := parseNextLink(header); got != want {
			t.Errorf("%s: got %q, want %q", header, got, want)
		}
	}
}

func TestParseContentRange(t *testing.T) {
	for header, want := range map[string]int64{
		"bytes 5-9/10": 5, "bytes 0-0/*": 0, " bytes  7 - 9/10": 7,
		"bytes */10": -1, "5-9/10": -1, "bytes -5/10": -1, "bytes x-9/10": -1, "": -1, "bytes 99999999999999999999-1/2": -1,
	} {
		got, ok := parseContentRange(header)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %d, want %d", header, got, want)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, " 60 ": time.Minute, "0": 0, "-5": 0, "": 0, "soon": 0, "1.5": 0,
		"Fri, 02 Jan 2026 03:04:35 GMT":  30 * time.Second,
		"Friday, 02-Jan-26 03:04:35 GMT": 30 * time.Second,
		"Thu, 01 Jan 1970 00:00:00 GMT":  0,
		"9223372036854775807":            365 * 24 * time.Hour,
		"99999999999999999999":           0,
	} {
		if got := parseRetryAfter(header, now); got != want {
			t.Errorf("%q: got %s, want %s", header, got, want)
		}
	}
}

func TestFollow(t *testing.T) {
	for _, test := range []struct{ from, ref, want string }{
		{"https://r/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/1?_state=x%2By%3D&z", "https://r/v2/a/blobs/uploads/1?_state=x%2By%3D&z"},
		{"https://r/v2/a/blobs/uploads/", "https://cdn/x", "https://cdn/x"},
		{"https://r/v2/a/blobs/uploads/", "//cdn/x", "https://cdn/x"},
		{"https://r/v2/a/blobs/uploads/", "http://r/v2/x", "https://r/v2/x"},           // behind a TLS proxy
		{"https://r:8443/v2/a/blobs/uploads/", "http://r/v2/x", "https://r:8443/v2/x"}, // the same, port forgotten
		{"https://r/v2/", "http://r:5000/v2/x", ""},                                    // another service of the host
		{"https://r/v2/", "http://cdn/x", ""},                                          // downgrade
		{"http://127.0.0.1:1/v2/", "https://cdn/x", "https://cdn/x"},                   // upgrade
		{"http://127.0.0.1:1/v2/", "http://127.0.0.1:2/x", "http://127.0.0.1:2/x"},     //
		{"https://r/v2/", "https://user:pass@r/x", ""},                                 //
		{"https://r/v2/", "ftp://r/x", ""},                                             //
		{"https://r/v2/", "file:///etc/passwd", ""},                                    //
		{"https://r/v2/", "mailto:x@y", ""},                                            //
		{"https://r/v2/", "https:///x", ""},                                            //
		{"https://r/v2/", "://", ""},                                                   //
		{"https://r/v2/", "\x00", ""},                                                  //
		{"https://r/v2/a", "#f", "https://r/v2/a"},                                     //
		{"https://r/v2/a%2Fb/", "https://r/v2/a%2Fb/c#x", "https://r/v2/a%2Fb/c"},      // escapes stay
		{"https://r/v2/", "https://cdn/x?X-Amz-Signature=%2b", "https://cdn/x?X-Amz-Signature=%2b"},
	} {
		from, err := url.Parse(test.from)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if to, err := follow(from, test.ref, "upload"); err == nil {
			got = to.String()
		}
		if got != test.want {
			t.Errorf("%s → %q: got %q, want %q", test.from, test.ref, got, test.want)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"https://r/v2/a/blobs/uploads/0123?_state=secret&digest=sha256:x":    "https://r/v2/a/blobs/uploads/…?_state=…&digest=sha256:x",
		"https://r/v2/a/blobs/uploads/?mount=sha256:x&from=b":                "https://r/v2/a/blobs/uploads/?from=b&mount=sha256:x",
		"https://user:secret@cdn/x?X-Amz-Signature=secret&sig=secret#secret": "https://cdn/x?X-Amz-Signature=…&sig=…",
		"https://r/%1b[31m?%1b=1":                                            "https://r/%1b[31m?%1B=…",
		"https://r/v2/a/tags/list?n=1000&last=%1b%5b":                        `https://r/v2/a/tags/list?last=\x1b[&n=1000`,
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := redact(u); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// TestFlight asks once for all who wait, lets waiters leave, and asks again after a failure.
func TestFlight(t *testing.T) {
	var f flight[int]
	var asked atomic.Int32
	release := make(chan struct{})
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			v, err := f.do(t.Context(), func() (int, error) {
				if asked.Add(1) == 1 {
					<-release
					return 0, errors.New("first")
				}
				return 7, nil
			})
			if v != 7 && (err == nil || err.Error() != "first") {
				t.Errorf("got %d, %v", v, err)
			}
		})
	}
	for asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.do(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a waiter that left got %v", err)
	}
	close(release)
	group.Wait()
	if n := asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
	if f.get() != 7 {
		t.Errorf("get is %d", f.get())
	}
}

// TestSlotIsLent to others while our own side is waited for, and taken again afterwards.
func TestSlotIsLent(t *testing.T) {
	places := &places{semaphore.NewWeighted(1), 50 * time.Millisecond}
	s, err := takeSlot(t.Context(), places)
	if err != nil {
		t.Fatal(err)
	}
	s.wait()
	if err := s.move(t.Context()); err != nil || places.TryAcquire(1) {
		t.Fatalf("the place was lent after no time, error %v", err)
	}
	s.wait()
	other, err := takeSlot(t.Context(), places) // waits until it is lent
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.move(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("moved without a place: %v", err)
	}
	other.free()
	if err := s.move(t.Context()); err != nil || places.TryAcquire(1) {
		t.Errorf("the place was not taken again: %v", err)
	}
	s.free()
	s.free()
	if err := s.move(t.Context()); err != nil {
		t.Errorf("moving a freed slot: %v", err)
	}
	if !places.TryAcquire(1) || places.TryAcquire(1) {
		t.Error("not exactly one place is free")
	}
}

// TestWholeReader gives the last bytes away only if all are right.
func TestWholeReader(t *testing.T) {
	data := bytes.Repeat([]byte("abc"), 1000)
	desc := content.Of("x", data)
	for name, source := range map[string][]byte{
		"changed": bytes.Replace(data, []byte("abc"), []byte("abd"), 1), "short": data[:2999], "long": append(bytes.Clone(data), 'x'), "right": data,
	} {
		for with, reader := range map[string]io.Reader{"after": bytes.NewReader(source), "with": iotest.DataErrReader(bytes.NewReader(source))} {
			r, err := newWholeReader(io.NopCloser(reader), desc)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if right := name == "right"; right != (err == nil) || right != (len(got) == len(data)) {
				t.Errorf("%s, the end %s the last bytes: %d bytes, error %v", name, with, len(got), err)
			}
		}
	}
}

// TestDocuments keeps what was put last, within its bound.
func TestDocuments(t *testing.T) {
	var d documents
	var descs []content.Descriptor
	for i := range 6 {
		data := bytes.Repeat([]byte{byte(i)}, 4<<20)
		descs = append(descs, content.Of("x", data))
		d.put("r/a", descs[i], data)
	}
	for i, desc := range descs {
		if _, ok := d.get("r/a", desc.Digest); ok != (i >= 2) {
			t.Errorf("document %d: kept %t", i, ok)
		}
		if _, ok := d.get("r/b", desc.Digest); ok {
			t.Errorf("document %d is in another repository", i)
		}
	}
	d.drop("r/a", descs[5].Digest)
	if _, ok := d.get("r/a", descs[5].Digest); ok || d.size != 12<<20 {
		t.Errorf("dropped document: kept %t, %d bytes", ok, d.size)
	}
}

func FuzzParseNextLink(f *testing.F) {
	for _, s := range []string{`</v2/a/tags/list?n=2>; rel="next"`, `</a>;rel=prev,</b>;rel=next`, `<<>>;;rel=,<`, ``} {
		f.Add(s)
	}
	base := &url.URL{Scheme: "https", Host: "reg.example", Path: "/v2/a/tags/list"}
	f.Fuzz(func(t *testing.T, header string) {
		resp := &http.Response{Header: http.Header{"Link": {header}}, Request: &http.Request{URL: base}}
		next, err := nextPage(resp)
		if err == nil && next != nil && !sameOrigin(next, base) {
			t.Errorf("%q leads to %s", header, next)
		}
	})
}

func FuzzParseContentRange(f *testing.F) {
	for _, s := range []string{"bytes 5-9/10", "bytes */10", "bytes 0-0/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if start, ok := parseContentRange(header); ok && start < 0 {
			t.Errorf("%q: %d", header, start)
		}
	})
}

func FuzzFollow(f *testing.F) {
	for _, s := range []string{"/v2/a/blobs/uploads/1?_state=x", "http://reg.example/x", "//[::1]:1/x", "https://u:p@h/", "\\\\h\\x", "?", "%zz"} {
		f.Add(s)
	}
	base := &url.URL{Scheme: "https", Host: "reg.example", Path: "/v2/a/blobs/uploads/"}
	f.Fuzz(func(t *testing.T, ref string) {
		to, err := follow(base, ref, "upload")
		if err != nil {
			return
		}
		if to.Scheme != "https" || to.Host == "" || to.User != nil || to.Fragment != "" {
			t.Errorf("%q leads to %s", ref, to)
		}
		again, err := url.Parse(to.String())
		if err != nil || again.Host != to.Host {
			t.Errorf("%q leads to %s, which reads as %v, %v", ref, to, again, err)
		}
	})
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "-1", "Fri, 02 Jan 2026 03:04:35 GMT", "9999999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if d := parseRetryAfter(header, time.Unix(0, 0)); d < 0 || d > 366*24*time.Hour {
			t.Errorf("%q: %s", header, d)
		}
	})
}

func FuzzErrorBody(f *testing.F) {
	for _, s := range []string{`{"errors":[{"code":"DENIED","message":"x","detail":{"a":1}}]}`, "<html>\x1b", `{"errors":[{"code":1}]}`, `{"errors":null}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		e := &Error{Op: "push", Repository: "r/a", Method: "PUT", URL: "https://r/", Status: 400}
		e.read(&http.Response{Body: io.NopCloser(strings.NewReader(body))})
		text := e.Error()
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' }) || len(text) > 20000 {
			t.Errorf("%q becomes %q", body, text)
		}
	})
}

func FuzzReference(f *testing.F) {
	for _, s := range []string{"latest", "sha256:0", "a/b", "..", "sha256:" + strings.Repeat("0", 64)} {
		f.Add(s, s)
	}
	c := New(&Options{Transport: refusing{}})
	f.Fuzz(func(t *testing.T, name, ref string) {
		repo := c.Repository("reg.example", name)
		req, err := repo.manifestRequest("read", http.MethodGet, ref)
		if err != nil {
			return
		}
		if want := fmt.Sprintf("//reg.example/v2/%s/manifests/%s", name, ref); req.url.String() != want {
			t.Errorf("%q %q: %s", name, ref, req.url)
		}
	})
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network")
}
