package registrytest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Class is what a request is about.
type Class string

// The classes of requests.
const (
	ClassPing      Class = "ping"      // /v2/
	ClassToken     Class = "token"     // the token server
	ClassManifest  Class = "manifest"  // …/manifests/REF
	ClassBlob      Class = "blob"      // …/blobs/DIGEST
	ClassUpload    Class = "upload"    // …/blobs/uploads/: opens a session, or mounts
	ClassSession   Class = "session"   // …/blobs/uploads/ID
	ClassTags      Class = "tags"      // …/tags/list
	ClassReferrers Class = "referrers" // …/referrers/DIGEST
	ClassOther     Class = "other"
)

// Request is one line of the log.
type Request struct {
	Method     string
	Path       string // as sent
	Query      string // as sent
	Header     http.Header
	Class      Class
	Repository string
	Reference  string    // the tag, digest or session
	Auth       string    // "none", "basic" or "bearer"
	User       string    // who it was, where that is known
	Status     int       // of the answer; 0: none was sent
	Received   int64     // bytes of the request's body
	Sent       int64     // bytes of the answer's body
	Start      time.Time // when it came
	End        time.Time // when the last of the answer was sent; zero if nothing was
}

// record is a line that is still being written.
type record struct {
	Request
	received, sent, status atomic.Int64
	user                   atomic.Value // string
	end                    atomic.Value // time.Time
}

// line returns it as it is now.
func (r *record) line() Request {
	line := r.Request
	line.Received, line.Sent, line.Status = r.received.Load(), r.sent.Load(), int(r.status.Load())
	line.User, _ = r.user.Load().(string)
	line.End, _ = r.end.Load().(time.Time)
	return line
}

// Rounds returns the length of the longest chain of requests of which each came after the one before it had been answered, in the logs of all
// servers together. With [Options.Latency], which token requests do not have and so are not counted here, it is the number of round trips that a
// client had to wait for, or more if the computer was too busy to send at once what could have been sent at once.
func Rounds(servers ...*Server) int {
	var all []Request
	for _, s := range servers {
		all = append(all, slices.DeleteFunc(s.Requests(), func(r Request) bool { return r.Class == ClassToken })...)
	}
	slices.SortFunc(all, func(a, b Request) int { return a.Start.Compare(b.Start) })
	longest, depths := 0, make([]int, len(all))
	for i, r := range all {
		depths[i] = 1
		for k, before := range all[:i] {
			if !before.End.IsZero() && !before.End.After(r.Start) {
				depths[i] = max(depths[i], depths[k]+1)
			}
		}
		longest = max(longest, depths[i])
	}
	return longest
}

// String is the request in short: "PUT app session digest=sha256:0123456 201". Sessions have no name, digests are cut to 7 digits,
// and only the parameters that belong to the protocol are shown.
func (r Request) String() string {
	parts := []string{r.Method, r.Repository, string(r.Class)}
	if r.Reference != "" && r.Class != ClassSession {
		parts = append(parts, short(r.Reference))
	}
	query, _ := url.ParseQuery(r.Query)
	for _, key := range []string{"mount", "from", "digest", "n", "last", "artifactType"} {
		if query.Has(key) {
			parts = append(parts, key+"="+short(query.Get(key)))
		}
	}
	return strings.Join(append(parts, fmt.Sprint(r.Status)), " ")
}

// short cuts a digest to what tells it from others.
func short(ref string) string {
	if algorithm, hex, ok := strings.Cut(ref, ":"); ok && len(hex) > 7 {
		return algorithm + ":" + hex[:7]
	}
	return ref
}

// begin puts a request into the log.
func (s *Server) begin(r *http.Request) (*record, func()) {
	entry := &record{Request: Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Auth: authKind(r), Start: time.Now(),
	}}
	entry.classify()
	moves := entry.Class == ClassSession && (r.Method == http.MethodPut || r.Method == http.MethodPatch) ||
		entry.Class == ClassBlob && r.Method == http.MethodGet
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, entry)
	if !moves {
		return entry, func() {}
	}
	s.now++
	s.max = max(s.max, s.now)
	return entry, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now--
	}
}

func (r *Request) classify() {
	r.Class = ClassOther
	switch {
	case r.Path == tokenPath:
		r.Class = ClassToken
	case r.Path == "/v2/" || r.Path == "/v2":
		r.Class = ClassPing
	}
	rest, ok := strings.CutPrefix(r.Path, "/v2/")
	if !ok {
		return
	}
	for _, p := range []struct {
		part  string
		class Class
	}{
		{"/manifests/", ClassManifest}, {"/blobs/uploads/", ClassSession}, {"/blobs/", ClassBlob},
		{"/tags/list", ClassTags}, {"/referrers/", ClassReferrers},
	} {
		i := strings.LastIndex(rest, p.part)
		if i < 0 {
			continue
		}
		r.Class, r.Repository, r.Reference = p.class, rest[:i], rest[i+len(p.part):]
		if r.Class == ClassSession && r.Reference == "" {
			r.Class = ClassUpload
		}
		return
	}
}

// countedBody counts what is read of a request's body, and tells when it breaks off.
type countedBody struct {
	io.ReadCloser
	n      *atomic.Int64
	broken func() // it broke off
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	if err != nil && err != io.EOF {
		b.broken()
	}
	return n, err
}

// answer notes what is answered, lets a quirk change the head of it, and breaks it off where a fault says so.
type answer struct {
	http.ResponseWriter
	entry  *record
	head   func(status int, h http.Header) int // nil: nothing to change
	cut    int64                               // bytes of the body before it breaks off; negative: never
	broken func()                              // what happens then

	corrupt int64       // the byte of the body that is changed, the first is 1
	change  http.Header // of the answer
	wrote   bool
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.wrote {
		return
	}
	a.wrote = true
	if a.head != nil {
		status = a.head(status, a.Header())
	}
	for key, values := range a.change {
		if a.Header().Del(key); len(values) > 0 {
			a.Header()[http.CanonicalHeaderKey(key)] = values
		}
	}
	a.entry.status.Store(int64(status))
	a.entry.end.Store(time.Now()) // before the client can see it
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	a.entry.end.Store(time.Now())
	if at := a.corrupt - 1 - a.entry.sent.Load(); a.corrupt > 0 && at >= 0 && at < int64(len(p)) {
		p = bytes.Clone(p)
		p[at] ^= 1
	}
	if a.broken == nil {
		n, err := a.ResponseWriter.Write(p)
		a.entry.sent.Add(int64(n))
		return n, err
	}
	p = p[:min(int64(len(p)), a.cut)]
	n, err := a.ResponseWriter.Write(p)
	a.entry.sent.Add(int64(n))
	if a.cut -= int64(n); a.cut <= 0 {
		http.NewResponseController(a.ResponseWriter).Flush()
		a.broken()
	}
	return n, err
}
