package registrytest

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// session is what the quirks remember of an upload.
type session struct {
	parts      int    // PATCHes that were taken
	size       int64  // bytes of them
	first      string // Range after the first of them
	short      bool   // the last one was shorter than ChunkMin or PartMin
	broken     bool   // a request broke off
	redirected bool
}

// session returns what is remembered of an upload, which is locked by s.mu.
func (s *Server) session(id string) *session {
	if s.sessions == nil {
		s.sessions = map[string]*session{}
	}
	one, ok := s.sessions[id]
	if !ok {
		one = &session{}
		s.sessions[id] = one
	}
	return one
}

// answersUpload gives the answers of upload sessions that the registry does not give. It returns false where there is none.
func (q *Quirks) answersUpload(s *Server, w *answer, r *http.Request, entry *record) bool {
	if entry.Class != ClassSession {
		return false
	}
	s.mu.Lock()
	one := *s.session(entry.Reference)
	s.mu.Unlock()
	body := isTransfer(r, entry)
	switch {
	case q.Fragile && one.broken:
		refuse(w, cmp.Or(q.BrokenStatus, http.StatusNotFound), "BLOB_UPLOAD_INVALID", "blob upload invalid")
	case body && q.MaxBody > 0 && r.ContentLength > q.MaxBody:
		drain(r)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, "<html><head><title>413 Request Entity Too Large</title></head></html>")
	case r.Method == http.MethodPatch && q.MaxPatch > 0 && (r.ContentLength < 0 || r.ContentLength >= q.MaxPatch):
		drain(r)
		http.Error(w, fmt.Sprintf("request body is too large, the limit is %.2fMiB", float64(q.MaxPatch)/(1<<20)), http.StatusRequestedRangeNotSatisfiable)
	case r.Method == http.MethodPut && q.Quota > 0 && one.size+max(r.ContentLength, 0) > q.Quota:
		drain(r)
		refuse(w, http.StatusForbidden, "DENIED", "adding "+strconv.FormatInt(one.size+max(r.ContentLength, 0), 10)+
			" bytes of storage resource, which when updated to current usage will exceed the configured upper limit")
	case r.Method == http.MethodPatch && one.short:
		refuse(w, http.StatusBadRequest, "SIZE_INVALID", "only the last part may be short")
	case body && q.UploadRedirect && !one.redirected:
		s.note(entry, func(one *session) { one.redirected = true })
		w.Header().Set("Location", s.elsewhere()+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
	case r.Method == http.MethodPatch && q.DropParts && one.parts > 0:
		io.Copy(io.Discard, r.Body)
		w.head = nil
		w.Header().Set("Location", s.URL+r.URL.RequestURI())
		w.Header().Set("Range", one.first)
		w.WriteHeader(cmp.Or(q.PatchStatus, http.StatusAccepted))
	default:
		return false
	}
	return true
}

// note changes what is remembered of the upload of a request.
func (s *Server) note(entry *record, change func(one *session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.session(entry.Reference))
}

// uploadHead changes the head of an answer about an upload.
func (q *Quirks) uploadHead(s *Server, r *http.Request, entry *record, status int, h http.Header) int {
	if entry.Class == ClassUpload && q.ChunkMin > 0 {
		h.Set("OCI-Chunk-Min-Length", strconv.FormatInt(q.ChunkMin, 10))
	}
	if entry.Class == ClassUpload && q.ZeroRange && status == http.StatusAccepted {
		h.Set("Range", "0-0")
	}
	if entry.Class != ClassSession {
		return status
	}
	switch {
	case r.Method == http.MethodPatch && status == http.StatusAccepted:
		s.note(entry, func(one *session) { q.patched(one, r, h) })
		if q.NoRange {
			h.Del("Range")
		}
		if q.PatchStatus != 0 {
			status = q.PatchStatus
		}
	case r.Method == http.MethodGet && status == http.StatusNoContent:
		if q.ZeroRange && rangeEnd(h) < 0 {
			h.Set("Range", "0-0")
		}
		s.note(entry, func(one *session) { q.changeRange(one, h) })
	case r.Method == http.MethodPut && status == http.StatusCreated && q.PutStatus != 0:
		status = q.PutStatus
	}
	return status
}

// patched remembers a PATCH that was taken.
func (q *Quirks) patched(one *session, r *http.Request, h http.Header) {
	if one.parts++; one.parts == 1 {
		one.first = h.Get("Range")
	}
	one.size = rangeEnd(h) + 1
	one.short = r.ContentLength < max(q.ChunkMin, q.PartMin)
	q.changeRange(one, h)
}

func (q *Quirks) changeRange(one *session, h http.Header) {
	if (q.StuckRange || q.DropParts) && one.parts > 0 {
		h.Set("Range", one.first)
	}
	if q.RangeOff != 0 && h.Get("Range") != "" {
		h.Set("Range", fmt.Sprintf("0-%d", rangeEnd(h)+q.RangeOff))
	}
}

// rangeEnd is the last byte of a session's Range; -1 where there is none.
func rangeEnd(h http.Header) int64 {
	_, last, _ := strings.Cut(h.Get("Range"), "-")
	end, err := strconv.ParseInt(last, 10, 64)
	if err != nil {
		return -1
	}
	return end
}

// isTransfer reports whether a request brings the body of a blob.
func isTransfer(r *http.Request, entry *record) bool {
	return entry.Class == ClassSession && r.ContentLength != 0 && (r.Method == http.MethodPut || r.Method == http.MethodPatch)
}

// enter counts a body that is being sent, and ends the connection where it is one too many. The result is to be called when it has come.
func (s *Server) enter(most int) (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uploading >= most {
		panic(http.ErrAbortHandler)
	}
	s.uploading++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.uploading--
	}
}
