package registrytest

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// refusal is the status with which a request is refused before the registry sees it, or 0.
func (q *Quirks) refusal(r *http.Request, entry *record) int {
	switch {
	case entry.Class == ClassUpload:
		return q.mountRefusal(r.URL.Query(), entry)
	case entry.Class == ClassSession:
		return q.sessionRefusal(r)
	case r.Method == http.MethodHead && entry.Class == ClassBlob:
		return q.BlobHead
	case r.Method == http.MethodHead && entry.Class == ClassManifest && q.ManifestHead != 0:
		return q.ManifestHead
	case r.Header.Get("Range") != "" && q.RangeStatus > 299:
		return q.RangeStatus
	case entry.Class == ClassReferrers && q.NoReferrers:
		return http.StatusNotFound
	case q.StrictAccept && entry.Class != ClassManifest && strings.Contains(r.Header.Get("Accept"), "manifest"):
		return http.StatusNotAcceptable
	case q.NeedAccept && entry.Class == ClassManifest && !strings.Contains(r.Header.Get("Accept"), "manifest") && r.Method != http.MethodPut && r.Method != http.MethodDelete:
		return http.StatusNotFound
	case r.Method == http.MethodDelete && q.RefuseDelete:
		return http.StatusMethodNotAllowed
	}
	return 0
}

// sessionRefusal is refusal for requests of upload sessions.
func (q *Quirks) sessionRefusal(r *http.Request) int {
	switch {
	case r.Method == http.MethodPatch:
		return q.RefusePatch
	case r.Method == http.MethodPut && r.ContentLength != 0:
		return q.RefusePut
	case r.Method == http.MethodGet:
		return q.RefuseStatus
	case r.Method == http.MethodDelete && q.RefuseCancel:
		return http.StatusMethodNotAllowed
	}
	return 0
}

// mountRefusal is refusal for requests that open a session or mount a blob.
func (q *Quirks) mountRefusal(query url.Values, entry *record) int {
	from := query.Get("from")
	switch {
	case !query.Has("mount"):
		return 0
	case q.MountNeedsFrom && from == "", q.RefuseOrigin && query.Has("origin"), q.MountNeedsSlash && from != "" && !strings.Contains(from, "/"):
		return http.StatusBadRequest
	case q.SelfMount != 0 && from == entry.Repository:
		return q.SelfMount
	}
	return q.MountStatus
}

// drain reads a body that is refused, so that the answer is seen by the client before the connection ends: that it may not be is the
// business of faults.
func drain(r *http.Request) { io.Copy(io.Discard, r.Body) }

// before changes a request.
func (q *Quirks) before(s *Server, r *http.Request, entry *record) {
	query := r.URL.Query()
	if entry.Class == ClassUpload && (q.RefuseMount || q.MountReferenced && !s.references(query.Get("from"), query.Get("mount"))) {
		query.Del("mount")
		query.Del("from")
	}
	if n, err := strconv.Atoi(query.Get("n")); entry.Class == ClassTags && q.TagPage > 0 && (err != nil || n > q.TagPage) {
		query.Set("n", strconv.Itoa(q.TagPage))
	}
	if q.IgnoreTagPage && entry.Class == ClassTags {
		query.Del("n")
	}
	if q.LocationState && entry.Class == ClassSession && !slices.Contains(query["_state"], stateValue) {
		query.Del("state") // the registry then refuses it
	}
	if q.RangeStatus != 0 {
		r.Header.Del("Range")
	}
	if q.Appends && entry.Class == ClassSession {
		r.Header.Del("Content-Range")
	}
	if q.LocationState { // else it is that of a Backend
		query.Del("_state")
	}
	r.URL.RawQuery = query.Encode()
}

// stateValue is hard on clients that take a query apart and put it together again.
const stateValue = "a+b/c=="

// head changes the status and the headers of an answer.
func (q *Quirks) head(s *Server, r *http.Request, entry *record, status int, h http.Header) int {
	if location := h.Get("Location"); location != "" {
		if q.LocationState && entry.Class != ClassManifest && status == http.StatusAccepted {
			location += "&_state=a%2Bb%2Fc%3D%3D"
		}
		switch relative := strings.HasPrefix(location, "/"); {
		case relative && q.HTTPLocation:
			location = "http://" + s.Host + location
		case relative && !q.RelativeLocation:
			location = s.URL + location
		}
		h.Set("Location", location)
	}
	if q.TagLoop && entry.Class == ClassTags {
		h.Set("Link", "<"+entry.Path+"?"+entry.Query+`>; rel="next"`)
	}
	if q.PlainLink {
		h.Set("Link", strings.NewReplacer(`; rel="next"`, ";rel=next").Replace(h.Get("Link")))
	}
	if q.NoContentDigest {
		h.Del("Docker-Content-Digest")
	}
	if r.Method == http.MethodHead && entry.Class == ClassManifest && q.HeadLength != 0 {
		n, _ := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
		h.Set("Content-Length", strconv.FormatInt(n+q.HeadLength, 10))
	}
	return q.uploadHead(s, r, entry, status, h)
}

// rewrites reports whether answers of a class get another body.
func (q *Quirks) rewrites(class Class) bool {
	switch class {
	case ClassManifest, ClassBlob:
		return q.Forge != nil || q.Gzip
	case ClassTags:
		return q.TagNulls || q.TagExtras || q.TagDigests
	}
	return false
}

// rewrite answers with another body than the registry's.
func (q *Quirks) rewrite(s *Server, w *answer, r *http.Request, entry *record) {
	record := httptest.NewRecorder()
	s.backend.ServeHTTP(record, r)
	body := record.Body.Bytes()
	if q.Forge != nil && entry.Class != ClassTags && record.Code < 300 {
		body = q.Forge(entry.Class, entry.Reference, body)
	}
	if entry.Class == ClassTags {
		body = q.changeTags(body)
	}
	for key, values := range record.Header() {
		w.Header()[key] = values
	}
	if q.Gzip && !strings.Contains(r.Header.Get("Accept-Encoding"), "identity") {
		body = compressed(body)
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(record.Code)
	w.Write(body)
}

// changeTags changes a list of tags.
func (q *Quirks) changeTags(body []byte) []byte {
	first := `"tags":[`
	if q.TagNulls {
		first += "null,"
	}
	if q.TagDigests {
		first += `"sha256:` + strings.Repeat("0", 64) + `",`
	}
	if q.TagExtras {
		first = `"child":[],"manifest":{"sha256:x":{"imageSizeBytes":"1","tag":["x"]}},` + first
	}
	return []byte(strings.Replace(string(body), `"tags":[`, first, 1))
}

// answers gives the answers that have a text of their own. It returns false where there is none.
func (q *Quirks) answers(s *Server, w *answer, r *http.Request, entry *record) bool {
	n, _ := strconv.Atoi(r.URL.Query().Get("n"))
	put := r.Method == http.MethodPut && entry.Class == ClassManifest
	switch {
	case q.CreateFirst && (entry.Class == ClassUpload || put) && !s.exists(entry.Repository):
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "The repository with name '"+entry.Repository+"' does not exist in the registry with id '123456789012'")
	case q.ImmutableTags && put && s.has("/v2/"+entry.Repository+"/manifests/"+entry.Reference) && !strings.Contains(entry.Reference, ":"):
		refuse(w, http.StatusBadRequest, "TAG_INVALID", "The image tag '"+entry.Reference+"' already exists in the '"+entry.Repository+
			"' repository and cannot be overwritten because the repository is immutable.")
	case q.UnknownCode && (entry.Class == ClassManifest && !put || entry.Class == ClassBlob) && !s.has(r.URL.Path):
		refuse(w, http.StatusNotFound, "UNKNOWN", "unknown error")
	case q.MaxTags > 0 && entry.Class == ClassTags && n > q.MaxTags:
		refuse(w, http.StatusBadRequest, "UNSUPPORTED", "Invalid parameter at 'maxResults' failed to satisfy constraint")
	case s.atStorage(r) && r.Header.Get("Authorization") != "":
		http.Error(w, "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>", http.StatusBadRequest)
	case s.atStorage(r) && r.URL.Query().Has(signature) && !s.sign(r.URL.Query().Get(signature)):
		http.Error(w, "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>", http.StatusBadRequest)
	case q.BlobRedirect && entry.Class == ClassBlob && r.Method == http.MethodGet && !s.atStorage(r):
		w.Header().Set("Location", s.elsewhere()+r.URL.Path+"?"+signature+"="+rand.Text()+"%2Fd%3D")
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		return false
	}
	return true
}

// tooMany counts a request and reports whether it is one of those that are refused.
func (s *Server) tooMany(every int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted++
	return s.counted%every == 0
}

// limit answers as the abuse limiter of Docker Hub does (hub-feedback#1907).
func limit(w *answer) {
	conn, out, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil { // HTTP/2 has no lines
		w.Header().Set("Retry-After", "60")
		http.Error(w, "Too Many Requests (HAP429).", http.StatusTooManyRequests)
		return
	}
	defer conn.Close()
	w.entry.status.Store(http.StatusTooManyRequests)
	w.entry.end.Store(time.Now())
	out.WriteString("HTTP/1.1 429 Too Many Requests\nRetry-After: 60\nContent-Type: text/plain\nConnection: close\n\nToo Many Requests (HAP429).\n")
	out.Flush()
}

// signature is a parameter of URLs that lead to storage. Each is good for one request.
const signature = "X-Amz-Signature"

// sign reports whether a signature was not used before.
func (s *Server) sign(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signatures == nil {
		s.signatures = map[string]bool{}
	}
	used := s.signatures[text]
	s.signatures[text] = true
	return !used
}

// elsewhere is another name of this server, and so another origin.
func (s *Server) elsewhere() string {
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

// compressed is body with gzip.
func compressed(body []byte) []byte {
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	zw.Write(body) // a buffer takes everything
	zw.Close()
	return out.Bytes()
}

// has reports whether the registry answers 200 for a path.
func (s *Server) has(path string) bool {
	return s.direct(http.MethodGet, path, "", nil, 0).Code == http.StatusOK
}

// exists reports whether a repository has a tag.
func (s *Server) exists(repository string) bool { return len(s.Tags(repository)) > 0 }

// references reports whether a tagged manifest of a repository names a blob.
func (s *Server) references(repository, dgst string) bool {
	for _, tag := range s.Tags(repository) {
		if _, data, ok := s.Manifest(repository, tag); ok && bytes.Contains(data, []byte(dgst)) {
			return true
		}
	}
	return false
}
