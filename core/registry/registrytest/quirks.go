package registrytest

import "net/http"

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
	PartMin          int64 // the same without a word before (ECR: 5 MB)
	RangeOff         int64 // added to the end of every Range of a session (zot)
	NoRange          bool  // no Range in answers to PATCH
	ZeroRange        bool  // Range "0-0" from a session without a byte, as from one with one (distribution)
	StuckRange       bool  // Range stays that of a session's first PATCH, although all arrives (ECR)
	DropParts        bool  // bodies of further PATCHes are dropped, and Range stays (ECR)
	Appends          bool  // Content-Range is not looked at: a part goes to the end wherever it belongs (docker-registry 2.8)
	Fragile          bool  // a session is gone when a request of it broke off (ACR, docker-registry 2.8)
	BrokenStatus     int   // of it then, in place of 404: 416 (ECR, distribution 3)
	MaxUploads       int   // connections of bodies of blobs beyond as many at once are reset (ECR)
	Quota            int64 // 403 DENIED to the PUT that ends the upload of a longer blob (Harbor)
	UploadRedirect   bool  // 307 from bodies of blobs, once each, to the name "localhost" (ACR)

	// Of mounts and blobs.

	RefuseMount     bool // a mount opens a session, always (Artifactory)
	MountNeedsFrom  bool // 400 to a mount that does not say from where (Quay)
	MountStatus     int  // status of every mount: 404, 405 …
	SelfMount       int  // status of a mount from the repository itself
	RefuseOrigin    bool // 400 to a mount with an origin, which is Google's (Docker Hub)
	MountNeedsSlash bool // 400 to a mount from a repository of one component (Harbor)
	MountReferenced bool // only blobs that a manifest of the source names are mounted (ECR)
	BlobHead        int  // status of every HEAD of a blob: 403, 405, 412, 500 …
	BlobRedirect    bool // 307 from blobs that are read, to the name "localhost", where credentials answer 400, and so does a second use of the URL (S3)
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
	TagLoop         bool  // every page names itself as the next (GHCR, once)
	TagExtras       bool  // a list of tags says more than tags (Google)
	TagDigests      bool  // digests among the tags (Artifactory)
	NeedAccept      bool  // 404 to a GET or HEAD of a manifest without its media type in Accept (distribution)
	StrictAccept    bool  // 406 to what is no manifest and is asked for as one (Artifactory)
	NeedMediaType   bool  // 400 to a manifest that does not say what it is (ECR)
	StrictIndex     bool  // 400 to OCI indexes of Docker's manifests (Quay)
	KnownArtifacts  bool  // 400 to manifests of other things than images (Quay)
	CheckHistory    bool  // 400 to a config whose history does not have as many layers as the manifest (Artifactory)

	// Of credentials. Tokens are never JSON Web Tokens here, which nobody may look into (GHCR).

	ExpiredStatus     int      // to a credential that is not known: 403 (ECR), 400 (ECR Public), with a text and no challenge
	CloseOn401        bool     // Connection: close with a challenge (Docker Hub)
	NoChallenge       bool     // only /v2/ has a challenge, other 401s have none (Google)
	Challenges        []string // come before that of the registry, each in a header of its own
	HideMissing       bool     // 401 in place of 404 to those who may only read (Docker Hub)
	TokenPost         int      // of a POST to the token server: 400 (ACR), 401 (Artifactory), 404 (Google), 405
	AccessToken       bool     // a token is called access_token, as OAuth2 has it (ACR)
	NoExpiry          bool     // nothing says how long a token lives
	FirstScope        bool     // of several scopes in a token request only the first counts
	RefuseDeleteScope bool     // 400 to a token request for deleting (Quay)
	// Realm changes the realm of challenges: Nexus is known to double the port, and to have a scheme "null".
	Realm func(realm string) string

	// Of everything.

	CreateFirst  bool // 404 NAME_UNKNOWN to uploads into repositories without a tag (ECR)
	UnknownCode  bool // the code of a 404 is UNKNOWN (Harbor)
	LimitEvery   int  // each so many-th request is too many: 429 with Retry-After: 60, a text, and lines that end in LF alone (Docker Hub)
	Gzip         bool // manifests and blobs are compressed unless that is refused (registry.access.redhat.com)
	NoReferrers  bool // 404 to /referrers/ (distribution, GHCR)
	RefuseDelete bool // 405
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
	if q.LimitEvery > 0 && s.tooMany(q.LimitEvery) {
		limit(w)
		return
	}
	if status := q.refusal(r, entry); status != 0 {
		drain(r)
		refuse(w, status, "UNSUPPORTED", "the operation is unsupported")
		return
	}
	if q.MaxUploads > 0 && isTransfer(r, entry) {
		defer s.enter(q.MaxUploads)()
	}
	if q.answers(s, w, r, entry) || q.answersUpload(s, w, r, entry) || q.answersDocument(s, w, r, entry) {
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
