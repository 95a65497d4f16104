package registrytest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
)

// Quirks are what real registries do all the time. The zero value is a conformant registry that answers with absolute Locations.
type Quirks struct {
	RelativeLocation bool // Location is a path (GHCR)
	LocationState    bool // Location has a query that must come back as it was (distribution's _state)
	NoContentDigest  bool // Docker-Content-Digest is missing everywhere (ECR Public, old GitLab and Nexus)
	PatchStatus      int  // of a PATCH that worked: 200, 201 (ECR), 204 (Pulp)
	RefuseMount      bool // a mount opens a session, always (Artifactory, ECR)
	SelfMount        int  // status of a mount from the repository itself
	RefusePatch      int  // status of every PATCH: 404, 405, 411, 413, 416, 501 …
	BlobHead         int  // status of every HEAD of a blob: 403, 405, 412, 500 …
	ManifestHead     int  // status of every HEAD of a manifest
	RangeStatus      int  // of a GET with a Range: 200 ignores it, 416 refuses it (go-containerregistry's registry)
	NoReferrers      bool // 404 to /referrers/ (distribution, GHCR)
	TagPage          int  // the most tags in one answer, whatever was asked
	TagNulls         bool // null among the tags (Nexus)
	RefuseDelete     bool // 405
	// Forge changes the body of manifests and blobs that are read; it gets the tag or digest that was asked for. The headers stay,
	// but for the length.
	Forge func(class Class, ref string, body []byte) []byte
}

// serve passes a request to the registry and its answer to the client, changed by the quirks.
func (q *Quirks) serve(s *Server, w *answer, r *http.Request, entry *record) {
	if status := q.refusal(r, entry); status != 0 {
		refuse(w, status, "UNSUPPORTED", "the operation is unsupported")
		return
	}
	q.before(r, entry)
	w.head = func(status int, h http.Header) int { return q.head(s, r, entry, status, h) }
	if r.Method == http.MethodGet && q.rewrites(entry.Class) {
		q.rewrite(s, w, r, entry)
		return
	}
	s.backend.ServeHTTP(w, r)
}

// refusal is the status with which a request is refused before the registry sees it, or 0.
func (q *Quirks) refusal(r *http.Request, entry *record) int {
	switch {
	case r.Method == http.MethodPatch && entry.Class == ClassSession:
		return q.RefusePatch
	case entry.Class == ClassUpload && r.URL.Query().Get("from") == entry.Repository:
		return q.SelfMount
	case r.Method == http.MethodHead && entry.Class == ClassBlob:
		return q.BlobHead
	case r.Method == http.MethodHead && entry.Class == ClassManifest:
		return q.ManifestHead
	case r.Header.Get("Range") != "" && q.RangeStatus > 299:
		return q.RangeStatus
	case entry.Class == ClassReferrers && q.NoReferrers:
		return http.StatusNotFound
	case r.Method == http.MethodDelete && q.RefuseDelete && entry.Class != ClassSession:
		return http.StatusMethodNotAllowed
	}
	return 0
}

// before changes a request.
func (q *Quirks) before(r *http.Request, entry *record) {
	query := r.URL.Query()
	if q.RefuseMount && entry.Class == ClassUpload {
		query.Del("mount")
		query.Del("from")
	}
	if n, err := strconv.Atoi(query.Get("n")); entry.Class == ClassTags && q.TagPage > 0 && (err != nil || n > q.TagPage) {
		query.Set("n", strconv.Itoa(q.TagPage))
	}
	if q.LocationState && entry.Class == ClassSession && !slices.Contains(query["_state"], stateValue) {
		query.Del("state") // the registry then refuses it
	}
	if q.RangeStatus != 0 {
		r.Header.Del("Range")
	}
	query.Del("_state")
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
		if !q.RelativeLocation && strings.HasPrefix(location, "/") {
			location = s.URL + location
		}
		h.Set("Location", location)
	}
	if q.NoContentDigest {
		h.Del("Docker-Content-Digest")
	}
	if r.Method == http.MethodPatch && status == http.StatusAccepted && q.PatchStatus != 0 {
		status = q.PatchStatus
	}
	return status
}

// rewrites reports whether answers of a class get another body.
func (q *Quirks) rewrites(class Class) bool {
	switch class {
	case ClassManifest, ClassBlob:
		return q.Forge != nil
	case ClassTags:
		return q.TagNulls
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
	if q.TagNulls && entry.Class == ClassTags {
		body = []byte(strings.Replace(string(body), `"tags":[`, `"tags":[null,`, 1))
	}
	for key, values := range record.Header() {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(record.Code)
	w.Write(body)
}
