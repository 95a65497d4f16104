package registrytest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// profiles are the registries as other projects' issue threads and measurements describe them; hosted ones were not measured.
var profiles = map[string]Quirks{
	"ecr": {
		PatchStatus: http.StatusCreated, DropParts: true, PartMin: 5 << 20, Fragile: true, BrokenStatus: http.StatusRequestedRangeNotSatisfiable, MaxUploads: 8,
		CreateFirst: true, MountReferenced: true, ImmutableTags: true, MaxTags: 1000, NeedMediaType: true, NoContentDigest: true,
		ExpiredStatus: http.StatusForbidden,
	},
	"ecr-public": {
		PatchStatus: http.StatusCreated, DropParts: true, PartMin: 5 << 20, Fragile: true, BrokenStatus: http.StatusRequestedRangeNotSatisfiable,
		CreateFirst: true, RefuseMount: true, MaxTags: 1000, NeedMediaType: true, NoContentDigest: true, ExpiredStatus: http.StatusBadRequest,
	},
	"hub": {
		LocationState: true, CloseOn401: true, HideMissing: true, TokenPost: http.StatusMethodNotAllowed, RefuseOrigin: true, BlobRedirect: true, NoReferrers: true,
		Headers: http.Header{"Ratelimit-Limit": {"100;w=21600"}, "Ratelimit-Remaining": {"99;w=21600"}},
	},
	"ghcr": {RelativeLocation: true, MaxPatch: 4 << 20, RefuseCancel: true, BlobRedirect: true, NoReferrers: true},
	"gar": {
		RefusePatch: http.StatusMethodNotAllowed, RefuseStatus: http.StatusNotFound, RefuseCancel: true, IgnoreTagPage: true, TagExtras: true,
		NoChallenge: true, TokenPost: http.StatusNotFound,
	},
	"acr": {
		RelativeLocation: true, Fragile: true, RefuseStatus: http.StatusNotFound, UploadRedirect: true, BlobRedirect: true,
		TokenPost: http.StatusBadRequest, AccessToken: true,
	},
	"quay": {MountNeedsFrom: true, BlobRedirect: true, TagPage: 50, StrictIndex: true, KnownArtifacts: true, RefuseDeleteScope: true},
	"harbor": {
		RelativeLocation: true, LocationState: true, HeadLength: 1, MountNeedsSlash: true, UnknownCode: true,
		NoReferrers: true,
	},
	"gitlab": {LocationState: true, NoContentDigest: true, NoReferrers: true},
	"artifactory": {
		RefuseMount: true, RefusePut: http.StatusNotFound, NoContentDigest: true, RelativeLocation: true, StrictAccept: true, CheckHistory: true, TagDigests: true,
		TokenPost: http.StatusUnauthorized,
	},
	"nexus": {
		RelativeLocation: true, BlobHead: http.StatusMethodNotAllowed, ManifestHead: http.StatusMethodNotAllowed, TagNulls: true, NoContentDigest: true,
		NoReferrers: true, Realm: doublePort,
	},
	"pulp":        {PatchStatus: http.StatusNoContent, RelativeLocation: true, NoReferrers: true},
	"zot":         {RangeOff: 1, RelativeLocation: true},
	"proxy-100mb": {MaxBody: 100e6, Gzip: true, LocationState: true},
	"registry-2.8": {
		LocationState: true, Fragile: true, Appends: true, ZeroRange: true, NeedAccept: true, IgnoreTagPage: true, NoReferrers: true, RefuseDelete: true,
	},
	"registry-3": {LocationState: true, ZeroRange: true, NeedAccept: true, NoReferrers: true, RefuseDelete: true},
}

// doublePort is the realm of a Nexus behind a proxy: "http://127.0.0.1:5002:5002/token" (nexus-public#651).
func doublePort(realm string) string {
	u, err := url.Parse(realm)
	if err != nil {
		return realm
	}
	u.Host += ":" + u.Port()
	return u.String()
}

// Profile returns the quirks of a registry by name, for use as Options.Quirks; false if there is no such profile. "proxy-100mb" is any
// registry behind a proxy like Cloudflare's, "registry-2.8" and "registry-3" are the distribution project's.
func Profile(name string) (Quirks, bool) {
	q, ok := profiles[name]
	q.Headers = q.Headers.Clone()
	q.Challenges = slices.Clone(q.Challenges)
	return q, ok
}

// Profiles returns the names of all profiles, sorted.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles)) }
