package starlib

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/opencontainers/go-digest"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
)

// clientValue is a Client.
type clientValue struct {
	s *session
	b *build.Client
}

var clientClass = &class[*clientValue]{name: "Client", methods: []binding{
	method("Client.resolve", (*clientValue).resolve),
	method("Client.manifest", (*clientValue).manifest),
	method("Client.tags", (*clientValue).tags),
	method("Client.manifest_upload", (*clientValue).manifestUpload),
	method("Client.blob_exists", (*clientValue).blobExists),
	method("Client.blob", (*clientValue).blob),
	method("Client.upload", (*clientValue).upload),
	method("Client.mount", (*clientValue).mount),
	method("Client.copy_blob", (*clientValue).copyBlob),
	method("Client.delete", (*clientValue).delete),
	method("Client.referrers", (*clientValue).referrers),
}}

// String implements starlark.Value.
func (c *clientValue) String() string { return fmt.Sprintf("<Client %s>", c.b.Repository()) }

// Type implements starlark.Value.
func (c *clientValue) Type() string { return clientClass.name }

// Freeze implements starlark.Value.
func (c *clientValue) Freeze() {}

// Truth implements starlark.Value.
func (c *clientValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (c *clientValue) Hash() (uint32, error) { return 0, unhashable(c) }

// Attr implements starlark.HasAttrs.
func (c *clientValue) Attr(name string) (starlark.Value, error) { return clientClass.attr(c, name) }

// AttrNames implements starlark.HasAttrs.
func (c *clientValue) AttrNames() []string { return clientClass.attrNames() }

type clientArgs struct {
	Repository string        `arg:"repository"`
	Auth       clientAuthArg `arg:"auth"`
	Write      bool          `arg:"write"`
}

func newClient(thread *starlark.Thread, a *clientArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	if err := s.notWhileLoading("client"); err != nil {
		return nil, err
	}
	m, err := a.Auth.resolve(s, build.HostOf(a.Repository))
	if err != nil {
		return nil, fmt.Errorf("client: auth: %w", err)
	}
	b, err := s.run.Client(a.Repository, m, a.Write)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &clientValue{s, b}, nil
}

type imageClientArgs struct {
	Reference string `arg:"reference"`
	Write     bool   `arg:"write"`
}

func (i *imageValue) client(_ *starlark.Thread, a *imageClientArgs) (starlark.Value, error) {
	if err := i.s.notWhileLoading("client"); err != nil {
		return nil, err
	}
	b, err := i.b.Client(a.Reference, a.Write)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &clientValue{i.s, b}, nil
}

// waitError is the error of a call that waits: a failed step stops the script, any other is the call's own.
func (s *session) waitError(op string, err error) error {
	var step *build.StepError
	if errors.As(err, &step) {
		return s.failWait(err)
	}
	return fmt.Errorf("%s: %w", op, err)
}

type refArgs struct {
	Ref string `arg:"ref"`
}

func (c *clientValue) resolve(thread *starlark.Thread, a *refArgs) (starlark.Value, error) {
	desc, err := c.b.Resolve(here(thread), a.Ref)
	if errors.Is(err, content.ErrNotFound) {
		return starlark.None, nil
	}
	if err != nil {
		return nil, c.s.waitError("resolve", err)
	}
	return starlark.String(desc.Digest), nil
}

type manifestArgs struct {
	Ref     string         `arg:"ref"`
	Raw     bool           `arg:"raw"`
	Default starlark.Value `arg:"default"`
}

func (c *clientValue) manifest(thread *starlark.Thread, a *manifestArgs) (starlark.Value, error) {
	desc, data, err := c.b.Manifest(here(thread), a.Ref)
	if errors.Is(err, content.ErrNotFound) && a.Default != nil {
		return a.Default, nil
	}
	if err != nil {
		return nil, c.s.waitError("manifest", err)
	}
	if err := c.s.charge(thread, jsonSteps*int64(len(data))); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if !a.Raw {
		return jsonToValue(data)
	}
	return makeStruct(starlark.StringDict{
		"media_type": starlark.String(desc.MediaType), "digest": starlark.String(desc.Digest), "size": starlark.MakeInt64(desc.Size),
		"data": starlark.Bytes(data),
	}), nil
}

func makeStruct(fields starlark.StringDict) starlark.Value {
	return starlarkstruct.FromStringDict(starlarkstruct.Default, fields)
}

type tagsArgs struct {
	Match stringOrList `arg:"match"`
}

func (c *clientValue) tags(thread *starlark.Thread, a *tagsArgs) (starlark.Value, error) {
	for _, pattern := range a.Match {
		if !doublestar.ValidatePattern(strings.TrimPrefix(pattern, "!")) {
			return nil, fmt.Errorf("tags: match: bad pattern %q", pattern)
		}
	}
	tags, err := c.b.Tags(here(thread))
	if err != nil {
		return nil, c.s.waitError("tags", err)
	}
	list := starlark.NewList(nil)
	for _, tag := range tags {
		if matchesTag(a.Match, tag) {
			if err := list.Append(starlark.String(tag)); err != nil {
				return nil, err
			}
		}
	}
	return list, nil
}

// matchesTag reports whether a tag is wanted: by one of the patterns, if there is one without "!", and by none with "!".
func matchesTag(patterns []string, tag string) bool {
	matches := func(pattern string) bool { return doublestar.MatchUnvalidated(pattern, tag) }
	var include, exclude []string
	for _, p := range patterns {
		if rest, ok := strings.CutPrefix(p, "!"); ok {
			exclude = append(exclude, rest)
		} else {
			include = append(include, p)
		}
	}
	return (len(include) == 0 || slices.ContainsFunc(include, matches)) && !slices.ContainsFunc(exclude, matches)
}

// tagArg is a tag, or None or False for none.
type tagArg string

// Unpack implements starlark.Unpacker.
func (t *tagArg) Unpack(v starlark.Value) error {
	if v == starlark.None || v == starlark.False {
		return nil
	}
	s, ok := starlark.AsString(v)
	if !ok || s == "" {
		return wanted("a tag, or None or False for none", v, "")
	}
	*t = tagArg(s)
	return nil
}

type manifestUploadArgs struct {
	Tag       tagArg         `arg:"tag"`
	Manifest  starlark.Value `arg:"manifest"`
	MediaType string         `arg:"media_type"`
}

func (c *clientValue) manifestUpload(_ *starlark.Thread, a *manifestUploadArgs) (starlark.Value, error) {
	data, mediaType, err := c.manifestBytes(a.Manifest)
	if w := (*wantError)(nil); errors.As(err, &w) {
		return nil, &argumentError{error: fmt.Errorf("manifest_upload: manifest: %w", err), name: "manifest", index: 1}
	}
	if err != nil {
		return nil, fmt.Errorf("manifest_upload: %w", err)
	}
	if a.MediaType != "" {
		mediaType = a.MediaType
	}
	if mediaType == "" {
		doc, err := content.ParseDocument("", data)
		if err != nil {
			return nil, withHint(fmt.Errorf("manifest_upload: %w", err), "give media_type = … for what is no image manifest or index")
		}
		mediaType = doc.MediaType
	}
	desc, status, err := c.b.PutManifest(string(a.Tag), mediaType, data)
	if err != nil {
		return nil, c.s.waitError("manifest_upload", err)
	}
	return makeStruct(starlark.StringDict{
		"digest": starlark.String(desc.Digest), "size": starlark.MakeInt64(desc.Size),
		"media_type": starlark.String(desc.MediaType), "status": starlark.MakeInt(status),
	}), nil
}

// manifestBytes are the bytes to send: those given, or a dict's JSON.
func (c *clientValue) manifestBytes(v starlark.Value) (data []byte, mediaType string, err error) {
	switch v := v.(type) {
	case *starlark.Dict:
		data, err = namedToJSON("manifest", v)
		return data, "", err
	case *starlarkstruct.Struct:
		inner, err := v.Attr("data")
		if err != nil {
			return nil, "", wanted("what manifest(…, raw = True) returned", v, "")
		}
		if t, err := v.Attr("media_type"); err == nil {
			mediaType, _ = starlark.AsString(t)
		}
		data, _, err := c.manifestBytes(inner)
		return data, mediaType, err
	}
	var d dataArg
	if err := d.Unpack(v); err != nil {
		return nil, "", wanted("a dict, what manifest(…, raw = True) returned, or data", v, "")
	}
	blob, err := d.blob(c.s)
	if err != nil {
		return nil, "", err
	}
	data, err = c.s.run.Read(blob, content.MaxDocument)
	return data, "", err
}

func (c *clientValue) blobExists(thread *starlark.Thread, a *digestArgs) (starlark.Value, error) {
	there, err := c.b.BlobExists(here(thread), digest.Digest(a.Digest))
	if err != nil {
		return nil, c.s.waitError("blob_exists", err)
	}
	return starlark.Bool(there), nil
}

type blobArgs struct {
	Digest   string `arg:"digest"`
	Stream   bool   `arg:"stream"`
	MaxBytes *int64 `arg:"max_bytes"`
}

func (c *clientValue) blob(thread *starlark.Thread, a *blobArgs) (starlark.Value, error) {
	if a.Stream {
		b, err := c.b.Blob(here(thread), digest.Digest(a.Digest))
		if err != nil {
			return nil, c.s.waitError("blob", err)
		}
		return &blobValue{c.s, b}, nil
	}
	if a.MaxBytes != nil && *a.MaxBytes < 0 {
		return nil, fmt.Errorf("blob: max_bytes %d is negative", *a.MaxBytes)
	}
	limit, ofRun := c.s.limits.blob(a.MaxBytes)
	data, err := c.b.ReadBlob(here(thread), digest.Digest(a.Digest), limit)
	if ofRun && errors.Is(err, content.ErrTooLarge) {
		err = tooLarge(a.Digest, limit)
	}
	if err == nil {
		err = c.s.charge(thread, int64(len(data))/4)
	}
	if err != nil {
		return nil, c.s.waitError("blob", err)
	}
	return starlark.Bytes(data), nil
}

type uploadArgs struct {
	Data          dataArg `arg:"data"`
	ContentLength *int64  `arg:"content_length"`
	Digest        string  `arg:"digest"`
}

func (c *clientValue) upload(thread *starlark.Thread, a *uploadArgs) (starlark.Value, error) {
	blob, err := a.Data.blob(c.s)
	if err != nil {
		return nil, fmt.Errorf("upload: %w", err)
	}
	if err := checkDigest(a.Data, a.Digest); err != nil {
		return nil, err
	}
	size := int64(-1)
	if a.ContentLength != nil {
		if size = *a.ContentLength; size < 0 {
			return nil, fmt.Errorf("upload: content_length %d is negative", size)
		}
	}
	desc, err := c.b.Upload(here(thread), blob, size, digest.Digest(a.Digest))
	if err != nil {
		return nil, c.s.waitError("upload", err)
	}
	return makeStruct(starlark.StringDict{
		"digest": starlark.String(desc.Digest), "size": starlark.MakeInt64(desc.Size), "content_length": starlark.MakeInt64(desc.Size),
	}), nil
}

// checkDigest compares a digest with that of data in memory, so that a wrong one is found before anything is sent.
func checkDigest(data dataArg, want string) error {
	var bytes []byte
	switch v := data.v.(type) {
	case starlark.String:
		bytes = []byte(v)
	case starlark.Bytes:
		bytes = []byte(v)
	default:
		return nil
	}
	dgst, err := digest.Parse(want)
	if err != nil || dgst.Algorithm().FromBytes(bytes) == dgst {
		return nil // what is malformed is refused elsewhere
	}
	return &argumentError{error: fmt.Errorf("upload: digest: the data has %q", dgst.Algorithm().FromBytes(bytes)), name: "digest", index: 2}
}

type mountArgs struct {
	Digest string `arg:"digest"`
	From   string `arg:"from_repository"`
}

func (c *clientValue) mount(thread *starlark.Thread, a *mountArgs) (starlark.Value, error) {
	mounted, err := c.b.Mount(here(thread), digest.Digest(a.Digest), a.From)
	if err != nil {
		return nil, c.s.waitError("mount", err)
	}
	return starlark.Bool(mounted), nil
}

func (c *clientValue) copyBlob(thread *starlark.Thread, a *mountArgs) (starlark.Value, error) {
	how, err := c.b.CopyBlob(here(thread), digest.Digest(a.Digest), a.From)
	if err != nil {
		return nil, c.s.waitError("copy_blob", err)
	}
	return starlark.String(how.String()), nil
}

func (c *clientValue) delete(_ *starlark.Thread, a *refArgs) (starlark.Value, error) {
	err := c.b.Delete(a.Ref)
	if errors.Is(err, content.ErrNotFound) {
		return starlark.False, nil
	}
	if err != nil {
		return nil, c.s.waitError("delete", err)
	}
	return starlark.True, nil
}

type referrersArgs struct {
	Digest       string `arg:"digest"`
	ArtifactType string `arg:"artifact_type"`
}

func (c *clientValue) referrers(thread *starlark.Thread, a *referrersArgs) (starlark.Value, error) {
	found, err := c.b.Referrers(here(thread), digest.Digest(a.Digest), a.ArtifactType)
	if err != nil {
		return nil, c.s.waitError("referrers", err)
	}
	list := make([]starlark.Value, 0, len(found))
	for _, desc := range found {
		v, err := descriptorValue(desc)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return starlark.NewList(list), nil
}
