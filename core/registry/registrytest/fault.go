package registrytest

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// Fault is something that goes wrong with requests that match. What it does is the first of Drop, CutBody, Lost, StallBody, Stall, Status, Redirect and
// Truncate that is set; Revoke, Corrupt and Change let the request pass, as does none of all, after the Delay.
type Fault struct {
	Method string // "" is any
	Class  Class  // "" is any but tokens
	Match  string // part of the path; "" is any
	Nth    int    // the first request that it strikes, counted among those that match; 0 and 1 are the first
	Times  int    // how many; 0 is one, negative all

	Delay     time.Duration // before anything else
	Drop      bool          // the connection breaks before the request is read
	CutBody   int64         // the connection breaks when as many bytes of the request's body have taken effect
	Lost      bool          // the request takes effect and the connection breaks in place of an answer
	Stall     bool          // no answer, or, with Truncate, no more of it, until the client leaves
	StallBody int64         // no more of the request's body is read after as many bytes, and no answer given, until the client leaves or the server ends
	Status    int           // the answer
	Header    http.Header   // with Status
	Body      string        // with Status
	// Redirect answers 307 to the same path at an origin ("http://10.0.0.1"), or, "localhost", at the other name of this server, where credentials are an
	// error as they are at the storage of real registries.
	Redirect string
	Truncate int64 // the answer's body breaks off after as many bytes

	// These go together with each other and with none of those above.

	Revoke  bool        // all tokens are revoked before the request is looked at
	Corrupt int64       // one byte of the answer's body is changed, the first is 1
	Change  http.Header // headers of the answer; one without a value is taken away
}

// armed is a fault and what it has seen.
type armed struct {
	Fault
	seen int
}

// SetFaults replaces the faults and counts anew.
func (s *Server) SetFaults(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
	for _, f := range faults {
		s.faults = append(s.faults, &armed{Fault: f})
	}
}

// strike returns the fault whose turn it is.
func (s *Server) strike(r *record) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *Fault
	for _, f := range s.faults {
		if !f.Strikes(r.Request) {
			continue
		}
		f.seen++
		first, times := max(f.Nth, 1), max(f.Times, 1)
		if f.seen >= first && (f.Times < 0 || f.seen < first+times) && found == nil {
			found = &f.Fault
		}
	}
	return found
}

// fail does what a fault does. It returns false when the request is to be served as usual.
func (s *Server) fail(f *Fault, w *answer, r *http.Request) bool {
	if !s.sleep(r, f.Delay) {
		return true
	}
	if f.Revoke {
		s.RevokeTokens()
	}
	w.corrupt, w.change = f.Corrupt, f.Change
	switch {
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.CutBody > 0:
		r.Body = &cutBody{r.Body, f.CutBody}
		s.backend.ServeHTTP(&nowhere{h: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case f.Lost:
		s.backend.ServeHTTP(&nowhere{h: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	case f.StallBody > 0:
		io.CopyN(io.Discard, r.Body, f.StallBody)
		s.stall(r)
	case f.Stall && f.Truncate == 0:
		s.stall(r)
	case f.Status != 0:
		for key, values := range f.Header {
			w.Header()[http.CanonicalHeaderKey(key)] = values
		}
		w.WriteHeader(f.Status)
		w.Write([]byte(f.Body))
		return true
	case f.Redirect != "":
		w.Header().Set("Location", s.redirect(f.Redirect)+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	case f.Truncate > 0:
		w.cut, w.broken = f.Truncate, func() {
			if f.Stall {
				s.stall(r)
			}
			panic(http.ErrAbortHandler)
		}
	}
	return false
}

// redirect returns the origin to which a fault sends a request.
func (s *Server) redirect(origin string) string {
	if origin != "localhost" {
		return origin
	}
	s.moved.Store(true)
	return s.elsewhere()
}

// stall waits until the client leaves or the server ends, and gives no answer even then.
func (s *Server) stall(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.done:
	}
	panic(http.ErrAbortHandler)
}

// cutBody is a request's body that breaks off.
type cutBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (c *cutBody) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// nowhere is an answer that nobody gets.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(int)             {}

// Strikes reports whether a request of the log is one that the fault counts.
func (f *Fault) Strikes(r Request) bool {
	class := f.Class == r.Class || f.Class == "" && r.Class != ClassToken
	return class && (f.Method == "" || f.Method == r.Method) && strings.Contains(r.Path, f.Match)
}
