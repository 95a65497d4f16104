package registrytest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
)

// Quirks are what real registries do all the time. The zero value is a conformant registry that answers with absolute Locations. [Profile]
// puts them together as registries have them.
type Quirks struct {
	// Of upload sessions.

	RelativeLocation bool  // Location is a path (GHCR)
	LocationState    bool  // Location has a query that must come back as it was (distribution's _state)
	HTTPLocation     bool  // Location says http: although the registry was asked by HTTPS (a proxy ends TLS before it)
	PatchStatus      int   // of a PATCH that worked: 200, 201 (ECR), 204 (Pulp)
	PutStatus        int   // of a PUT that ended a session: 200, 202, 204
	RefusePatch      int   // status of every PATCH: 404, 405, 411, 413, 416, 501 …
	RefusePut        int   // status of every PUT with the body of a blob: 404 (Artifactory), 405, 411, 501
	RefuseCancel     bool  // 405 to the DELETE of a session (GHCR)
	RefuseStatus     int   // status of the GET of a session: 404 (docker-registry 2.8, ACR), 400 (go-containerregistry's registry)
	MaxBody          int64 // 413 with HTML to longer bodies of blobs (Cloudflare: 100 MB)
	MaxPatch         int64 // 416 with a text to PATCHes of at least as many bytes (GHCR: 4 MiB)
	ChunkMin         int64 // OCI-Chunk-Min-Length, and 400 to a PATCH that follows a shorter one
	RangeOff         int64 // added to the end of every Range of a session (zot)
	NoRange          bool  // no Range in answers to PATCH
	StuckRange       bool  // Range stays that of a session's first PATCH, although all arrives (ECR)
	DropParts        bool  // bodies of further PATCHes are dropped, and Range stays (ECR)
	Fragile          bool  // a session is gone when a request of it broke off (ACR, docker-registry 2.8)
	UploadRedirect   bool  // 307 from bodies of blobs, once each, to the name "localhost" (ACR)

	// Of mounts and blobs.

	RefuseMount     bool // a mount opens a session, always (Artifactory)
	MountNeedsFrom  bool // 400 to a mount that does not say from where (Quay)
	MountStatus     int  // status of every mount: 404, 405 …
	SelfMount       int  // status of a mount from the repository itself
	MountReferenced bool // only blobs that a manifest of the source names are mounted (ECR)
	BlobHead        int  // status of every HEAD of a blob: 403, 405, 412, 500 …
	BlobRedirect    bool // 307 from blobs that are read, to the name "localhost", where credentials answer 400 (S3)
	RangeStatus     int  // of a GET with a Range: 200 ignores it, 416 refuses it (go-containerregistry's registry)

	// Of manifests and tags.

	ManifestHead    int   // status of every HEAD of a manifest
	HeadLength      int64 // added to Content-Length in answers to HEAD of manifests (Harbor)
	NoContentDigest bool  // Docker-Content-Digest is missing everywhere (ECR Public, old GitLab and Nexus)
	ImmutableTags   bool  // 400 TAG_INVALID to a PUT of a tag that exists, whatever is sent (ECR)
	TagPage         int   // the most tags in one answer, whatever was asked
	MaxTags         int   // 400 to a longer page (ECR: 1000)
	IgnoreTagPage   bool  // all tags at once, whatever was asked (docker-registry 2.8)
	TagNulls        bool  // null among the tags (Nexus)
	PlainLink       bool  // Link has no quotes and no space (olareg, cue)

	// Of everything.

	CreateFirst   bool // 404 NAME_UNKNOWN to uploads into repositories without a tag (ECR)
	ExpiredStatus int  // to a token that is not known: 403 (ECR), 400 (ECR Public), with a text and no challenge; tokens of Basic users likewise
	CloseOn401    bool // Connection: close with a challenge (Docker Hub)
	Gzip          bool // manifests and blobs are compressed unless that is refused (registry.access.redhat.com)
	NoReferrers   bool // 404 to /referrers/ (distribution, GHCR)
	RefuseDelete  bool // 405
	// Realm changes the realm of challenges: Nexus is known to double the port, and to have a scheme "null".
	Realm func(realm string) string
	// Headers are added to every answer: rate limits, warnings.
	Headers http.Header
	// Forge changes the body of manifests and blobs that are read; it gets the tag or digest that was asked for. The headers stay,
	// but for the length.
	Forge func(class Class, ref string, body []byte) []byte
}

// serve passes a request to the registry and its answer to the client, changed by the quirks.
func (q *Quirks) serve(s *Server, w *answer, r *http.Request, entry *record) {
	for key, values := range q.Headers {
		w.Header()[http.CanonicalHeaderKey(key)] = values
	}
	if status := q.refusal(r, entry); status != 0 {
		drain(r)
		refuse(w, status, "UNSUPPORTED", "the operation is unsupported")
		return
	}
	if q.answers(s, w, r, entry) || q.answersUpload(s, w, r, entry) {
		return
	}
	q.before(s, r, entry)
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
	case r.Method == http.MethodPut && entry.Class == ClassSession && r.ContentLength != 0:
		return q.RefusePut
	case r.Method == http.MethodGet && entry.Class == ClassSession:
		return q.RefuseStatus
	case r.Method == http.MethodDelete && entry.Class == ClassSession && q.RefuseCancel:
		return http.StatusMethodNotAllowed
	case entry.Class == ClassUpload && q.MountNeedsFrom && r.URL.Query().Has("mount") && !r.URL.Query().Has("from"):
		return http.StatusBadRequest
	case entry.Class == ClassUpload && q.MountStatus != 0 && r.URL.Query().Has("mount"):
		return q.MountStatus
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
		switch relative := strings.HasPrefix(location, "/"); {
		case relative && q.HTTPLocation:
			location = "http://" + s.Host + location
		case relative && !q.RelativeLocation:
			location = s.URL + location
		}
		h.Set("Location", location)
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
	if q.Gzip && !strings.Contains(r.Header.Get("Accept-Encoding"), "identity") {
		body = compressed(body)
		w.Header().Set("Content-Encoding", "gzip")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(record.Code)
	w.Write(body)
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
	case q.MaxTags > 0 && entry.Class == ClassTags && n > q.MaxTags:
		refuse(w, http.StatusBadRequest, "UNSUPPORTED", "Invalid parameter at 'maxResults' failed to satisfy constraint")
	case s.atStorage(r) && r.Header.Get("Authorization") != "":
		http.Error(w, "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>", http.StatusBadRequest)
	case q.BlobRedirect && entry.Class == ClassBlob && r.Method == http.MethodGet && !s.atStorage(r):
		w.Header().Set("Location", s.elsewhere()+r.URL.Path+"?X-Amz-Signature=abc%2Fd%3D")
		w.WriteHeader(http.StatusTemporaryRedirect)
	default:
		return false
	}
	return true
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
