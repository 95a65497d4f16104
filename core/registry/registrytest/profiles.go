package registrytest

import (
	"maps"
	"net/http"
	"slices"
)

// profiles are the registries as other projects' issue threads and measurements describe them; hosted ones were not measured.
var profiles = map[string]Quirks{
	"ecr": {
		PatchStatus: http.StatusCreated, DropParts: true, Fragile: true, CreateFirst: true, MountReferenced: true, ImmutableTags: true,
		MaxTags: 1000, ExpiredStatus: http.StatusForbidden,
	},
	"ecr-public": {
		PatchStatus: http.StatusCreated, DropParts: true, Fragile: true, CreateFirst: true, RefuseMount: true, MaxTags: 1000,
		ExpiredStatus: http.StatusBadRequest, NoContentDigest: true,
	},
	"hub": {
		LocationState: true, CloseOn401: true, BlobRedirect: true, NoReferrers: true,
		Headers: http.Header{"Ratelimit-Limit": {"100;w=21600"}, "Ratelimit-Remaining": {"99;w=21600"}},
	},
	"ghcr":         {RelativeLocation: true, MaxPatch: 4 << 20, RefuseCancel: true, BlobRedirect: true, NoReferrers: true},
	"gar":          {RefusePatch: http.StatusMethodNotAllowed, RefuseStatus: http.StatusNotFound, RefuseCancel: true, IgnoreTagPage: true},
	"acr":          {RelativeLocation: true, Fragile: true, RefuseStatus: http.StatusNotFound, UploadRedirect: true, BlobRedirect: true},
	"quay":         {MountNeedsFrom: true, BlobRedirect: true, TagPage: 50},
	"harbor":       {RelativeLocation: true, LocationState: true, HeadLength: 1, NoReferrers: true},
	"gitlab":       {LocationState: true, NoContentDigest: true, NoReferrers: true},
	"artifactory":  {RefuseMount: true, RefusePut: http.StatusNotFound, NoContentDigest: true, RelativeLocation: true},
	"nexus":        {RelativeLocation: true, BlobHead: http.StatusMethodNotAllowed, ManifestHead: http.StatusMethodNotAllowed, TagNulls: true, NoContentDigest: true, NoReferrers: true},
	"pulp":         {PatchStatus: http.StatusNoContent, RelativeLocation: true, NoReferrers: true},
	"zot":          {RangeOff: 1, RelativeLocation: true},
	"proxy-100mb":  {MaxBody: 100e6, Gzip: true, LocationState: true},
	"registry-2.8": {LocationState: true, Fragile: true, IgnoreTagPage: true, NoReferrers: true, RefuseDelete: true},
	"registry-3":   {LocationState: true, NoReferrers: true, RefuseDelete: true},
}

// Profile returns the quirks of a registry by name, for use as Options.Quirks; false if there is no such profile. "proxy-100mb" is any
// registry behind a proxy like Cloudflare's, "registry-2.8" and "registry-3" are the distribution project's.
func Profile(name string) (Quirks, bool) {
	q, ok := profiles[name]
	q.Headers = q.Headers.Clone()
	return q, ok
}

// Profiles returns the names of all profiles, sorted.
func Profiles() []string { return slices.Sorted(maps.Keys(profiles)) }
