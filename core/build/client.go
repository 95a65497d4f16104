package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/transport"
)

// Client makes calls of the distribution protocol to one repository, each at once. A call waits for the earlier saves to the repository;
// one that moves or removes a tag waits for everything before it, as tags of a Save do.
type Client struct {
	run   *Run
	ref   transport.Reference
	repo  remote
	write bool
}

// ErrReadOnly says that a client was made for reading only.
var ErrReadOnly = errors.New("is for reading")

// Client returns a client of the repository of a reference, with credentials of its own in front of the engine's, or nil.
func (r *Run) Client(repository string, m auth.Map, write bool) (*Client, error) {
	ref, err := transport.Parse(repository)
	if err != nil {
		return nil, err
	}
	way, err := r.accessFor(m)
	if err != nil {
		return nil, err
	}
	return r.clientOf(ref, way, write)
}

// Client returns the client that the image itself uses: of a reference, or, for "", of its base.
func (i *Image) Client(reference string, write bool) (*Client, error) {
	ref := i.base.ref
	if reference != "" {
		var err error
		if ref, err = transport.Parse(reference); err != nil {
			return nil, err
		}
	}
	return i.run.clientOf(ref, i.base.access, write)
}

func (r *Run) clientOf(ref transport.Reference, a *access, write bool) (*Client, error) {
	if ref.Transport != "docker" {
		return nil, fmt.Errorf("%s is not in a registry, which is all that a client speaks to", ref)
	}
	if err := r.mayUse(ref, write); err != nil {
		return nil, err
	}
	if r.lock.opts.Offline {
		return nil, r.lock.online(ref.String(), "a client of "+ref.Name()+" speaks to its registry")
	}
	return &Client{run: r, ref: ref, repo: a.remote(ref, write), write: write}, nil
}

// Repository names the client's repository, "host/name".
func (c *Client) Repository() string { return c.ref.Host + "/" + c.ref.Repository }

// ready waits for the earlier saves to the repository.
func (c *Client) ready(at Origin, op string) error {
	if err := c.mayRead(); err != nil {
		return err
	}
	for _, s := range c.run.earlierTo(c.Repository()) {
		if err := s.needNow(at, op).join(); err != nil {
			return err
		}
	}
	return nil
}

// mayWrite is ready for calls that write blobs.
func (c *Client) mayWrite(at Origin, op string) error {
	if !c.write {
		return fmt.Errorf("the client of %s %w", c.Repository(), ErrReadOnly)
	}
	if err := c.run.mayUse(c.ref, true); err != nil {
		return err
	}
	c.run.noteWrite(c.Repository())
	return c.ready(at, op)
}

// mayTag is ready for calls that change what names stand for.
func (c *Client) mayTag() error {
	if !c.write {
		return fmt.Errorf("the client of %s %w", c.Repository(), ErrReadOnly)
	}
	if err := c.run.mayUse(c.ref, true); err != nil {
		return err
	}
	c.run.forgetBases()
	c.run.noteWrite(c.Repository())
	return c.run.settleAll()
}

// Resolve returns the descriptor of a tag or digest; content.ErrNotFound where there is none.
func (c *Client) Resolve(at Origin, ref string) (content.Descriptor, error) {
	if err := c.byTag(ref); err != nil {
		return content.Descriptor{}, err
	}
	if err := c.ready(at, "resolve"); err != nil {
		return content.Descriptor{}, err
	}
	desc, err := c.repo.Head(c.run.ctx, ref)
	c.noteAsked("resolve", ref, desc.Digest, err)
	return desc, err
}

// Manifest returns the exact bytes of the manifest or index of a tag or digest.
func (c *Client) Manifest(at Origin, ref string) (content.Descriptor, []byte, error) {
	if err := c.byTag(ref); err != nil {
		return content.Descriptor{}, nil, err
	}
	if err := c.ready(at, "manifest"); err != nil {
		return content.Descriptor{}, nil, err
	}
	desc, data, err := c.repo.Manifest(c.run.ctx, ref)
	c.noteAsked("manifest", ref, desc.Digest, err)
	return desc, data, err
}

// Tags lists the tags, sorted.
func (c *Client) Tags(at Origin) ([]string, error) {
	if err := c.mayReadLive(c.Repository(), "the list of the tags of "+c.Repository()); err != nil {
		return nil, err
	}
	if err := c.ready(at, "tags"); err != nil {
		return nil, err
	}
	tags, err := c.repo.Tags(c.run.ctx)
	c.noteList("tags", c.Repository(), tags, err)
	return tags, err
}

// PutManifest stores a manifest under a tag, or by its digest for "", and returns what was stored and the status of the answer.
func (c *Client) PutManifest(tag, mediaType string, data []byte) (content.Descriptor, int, error) {
	if err := c.mayTag(); err != nil {
		return content.Descriptor{}, 0, err
	}
	tags, err := c.moves(tag, content.Of(mediaType, data).Digest)
	if err != nil {
		return content.Descriptor{}, 0, err
	}
	c.run.noteWrite(c.Repository() + ":" + tag)
	desc, status, err := c.repo.PutManifest(c.run.ctx, tag, mediaType, data)
	if err == nil {
		c.note(Write{Op: "manifest_upload", Digest: desc.Digest, MediaType: desc.MediaType, Size: desc.Size, Tags: tags})
	}
	return desc, status, err
}

// Delete removes a tag, or a manifest by digest.
func (c *Client) Delete(ref string) error {
	if err := c.mayTag(); err != nil {
		return err
	}
	tags, err := c.moves(ref, "")
	if err != nil {
		return err
	}
	if err := c.repo.Delete(c.run.ctx, ref); err != nil {
		return err
	}
	w := Write{Op: "delete", Tags: tags}
	if len(tags) == 0 {
		w.Digest = digest.Digest(ref)
	}
	c.note(w)
	return nil
}

// moves is what a plan says of a tag that is about to be set or deleted; nil outside of a plan and for a digest.
func (c *Client) moves(ref string, to digest.Digest) ([]PlannedTag, error) {
	if _, err := parseDigest(ref); c.run.plan == nil || ref == "" || err == nil {
		return nil, nil
	}
	return moves(c.run.ctx, c.repo, []string{ref}, to)
}

// note adds a call to the plan, if there is one.
func (c *Client) note(w Write) {
	w.Target = c.Repository()
	c.run.noteCall(w)
}

// noteBlob adds a call about one blob to the plan.
func (c *Client) noteBlob(op, action, from, source string, desc content.Descriptor) {
	c.note(Write{Op: op, From: from, Blobs: []PlannedBlob{{
		Action: action, Kind: "blob", Digest: desc.Digest, Size: desc.Size, MediaType: desc.MediaType, Source: source,
	}}})
}

// BlobExists reports whether the repository has a blob.
func (c *Client) BlobExists(at Origin, dgst digest.Digest) (bool, error) {
	desc, err := c.StatBlob(at, dgst)
	c.noteAsked("blob_exists", dgst.String(), desc.Digest, err)
	if errors.Is(err, content.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// StatBlob returns a blob's descriptor; its size is -1 if the registry does not tell.
func (c *Client) StatBlob(at Origin, dgst digest.Digest) (content.Descriptor, error) {
	if _, err := parseDigest(dgst.String()); err != nil {
		return content.Descriptor{}, err
	}
	if err := c.ready(at, "blob"); err != nil {
		return content.Descriptor{}, err
	}
	return c.repo.StatBlob(c.run.ctx, dgst)
}

// ReadBlob returns a blob of at most limit bytes, verified.
func (c *Client) ReadBlob(at Origin, dgst digest.Digest, limit int64) ([]byte, error) {
	if _, err := parseDigest(dgst.String()); err != nil {
		return nil, err
	}
	if err := c.ready(at, "blob"); err != nil {
		return nil, err
	}
	desc := content.Descriptor{MediaType: content.OctetStream, Digest: dgst, Size: -1}
	data, err := content.ReadLimited(c.run.ctx, c.repo, desc, limit)
	c.noteAsked("blob", dgst.String(), dgst, err)
	return data, err
}

// Blob returns a blob that is read when it is used. One that is not there is an error now.
func (c *Client) Blob(at Origin, dgst digest.Digest) (*Blob, error) {
	desc, err := c.StatBlob(at, dgst)
	if err != nil {
		return nil, err
	}
	c.noteAsked("blob", dgst.String(), dgst, nil)
	return &Blob{Name: dgst.String(), Size: desc.Size, Open: content.FromFetcher(c.repo, desc)}, nil
}

// Upload sends a blob. A size of -1 and a digest of "" are found out on the way; what is given is checked.
func (c *Client) Upload(at Origin, data *Blob, size int64, dgst digest.Digest) (content.Descriptor, error) {
	if err := c.mayWrite(at, "upload"); err != nil {
		return content.Descriptor{}, err
	}
	if size < 0 {
		size = data.Size
	}
	if c.run.plan != nil {
		return c.planUpload(data, size, dgst)
	}
	ctx, watch := c.run.events.begin(c.run.ctx, Event{What: UploadWork, Subject: data.Name, Where: c.Repository(), Total: size})
	desc, err := c.repo.Upload(ctx, watch.watch(data.Open), size, dgst)
	watch.end("uploaded", desc.Digest, err)
	return desc, err
}

// planUpload is Upload of a plan. Data that is at hand is held to what was said of it now; other data is when it is sent.
func (c *Client) planUpload(data *Blob, size int64, dgst digest.Digest) (content.Descriptor, error) {
	if memory := data.inMemory(); memory != nil && dgst != "" {
		if err := content.CheckBytes(content.Descriptor{Digest: dgst, Size: size}, memory); err != nil {
			return content.Descriptor{}, fmt.Errorf("push %s: %w", c.Repository(), err)
		}
	}
	desc, err := c.repo.Upload(c.run.ctx, data.Open, size, dgst)
	if err == nil {
		c.noteBlob("upload", ActionUpload, "", data.Name, desc)
	}
	return desc, err
}

// Mount asks the registry to link a blob from another of its repositories, and reports whether it did.
func (c *Client) Mount(at Origin, dgst digest.Digest, from string) (bool, error) {
	if _, err := parseDigest(dgst.String()); err != nil {
		return false, err
	}
	if err := c.mayWrite(at, "mount"); err != nil {
		return false, err
	}
	mounted, err := c.repo.MountFrom(c.run.ctx, dgst, from)
	if c.run.plan == nil || !mounted || err != nil {
		return mounted, err
	}
	desc, err := c.repo.StatBlob(c.run.ctx, dgst)
	c.noteBlob("mount", ActionMount, from, "", desc)
	return mounted, err
}

// CopyBlob brings a blob here from another repository, by a mount where that works; from is "name" on this registry, or "host/name".
func (c *Client) CopyBlob(at Origin, dgst digest.Digest, from string) (content.Transfer, error) {
	if _, err := parseDigest(dgst.String()); err != nil {
		return 0, err
	}
	if err := c.mayWrite(at, "copy_blob"); err != nil {
		return 0, err
	}
	if host, _, _ := strings.Cut(from, "/"); !strings.ContainsAny(host, ".:") && host != "localhost" {
		from = c.ref.Host + "/" + from
	}
	ref, err := transport.Parse(from)
	if err != nil {
		return 0, err
	}
	src, err := c.run.clientOf(ref, &access{c.run, c.run.registry}, false)
	if err != nil {
		return 0, err
	}
	desc, err := src.StatBlob(at, dgst)
	if err != nil {
		return 0, err
	}
	how, err := c.repo.Mount(c.run.ctx, desc, src.repo.Sources(desc), content.FromFetcher(src.repo, desc))
	if err == nil {
		c.noteBlob("copy_blob", actionOf(how), src.Repository(), "", desc)
	}
	return how, err
}

// Referrers lists the manifests whose subject is a digest; artifactType "" lists all.
func (c *Client) Referrers(at Origin, dgst digest.Digest, artifactType string) ([]content.Descriptor, error) {
	if _, err := parseDigest(dgst.String()); err != nil {
		return nil, err
	}
	reference := c.Repository() + "@" + dgst.String()
	if err := c.mayReadLive(reference, "what refers to "+reference); err != nil {
		return nil, err
	}
	if err := c.ready(at, "referrers"); err != nil {
		return nil, err
	}
	found, err := c.repo.Referrers(c.run.ctx, dgst, artifactType)
	c.noteList("referrers", c.Repository()+"@"+dgst.String(), digestsOf(found), err)
	return found, err
}

// Credential finds the credential that a call to the repository of a reference would use.
func (r *Run) Credential(reference string, m auth.Map) (auth.Credential, error) {
	ref, err := transport.Parse(reference)
	if err != nil {
		return auth.Credential{}, err
	}
	if ref.Transport != "docker" {
		return auth.Credential{}, fmt.Errorf("%s is not in a registry", ref)
	}
	if err := r.mayReach(ref.Host); err != nil {
		return auth.Credential{}, err
	}
	if r.lock.opts.Offline { // a key may have to be exchanged for a token
		return auth.Credential{}, r.lock.online(ref.String(), "credentials are for registries")
	}
	keychain, err := r.keychain(m)
	if err != nil {
		return auth.Credential{}, err
	}
	found, err := keychain.Credential(r.ctx, ref.Host, ref.Repository)
	if found.Anonymous() && (err == nil || errors.Is(err, auth.ErrUnavailable)) {
		return auth.Credential{Source: "anonymous"}, nil
	}
	return found, err
}

// BytesBlob is data in memory.
func BytesBlob(name string, data []byte) *Blob {
	return &Blob{Name: name, Size: int64(len(data)), Open: content.FromBytes(data), memory: data}
}

// FileBlob is a local file as data.
func (r *Run) FileBlob(p string) (*Blob, error) {
	tree, name, err := r.local(p)
	if err != nil {
		return nil, err
	}
	f, err := tree.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quoted(p), reason(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%q is not a regular file", p)
	}
	open := func(context.Context) (io.ReadCloser, error) { return tree.Open(name) }
	return &Blob{Name: p, source: show(name), Size: info.Size(), Open: r.noteRead(Input{Kind: InputFile, Name: r.nameOf(tree, name, p)}, open)}, nil
}

// Digest reads data and returns its SHA-256 digest.
func (r *Run) Digest(data *Blob) (digest.Digest, error) {
	body, err := data.Open(r.ctx)
	if err != nil {
		return "", err
	}
	defer body.Close()
	return digest.SHA256.FromReader(body)
}

// Read reads data of at most limit bytes into memory.
func (r *Run) Read(data *Blob, limit int64) ([]byte, error) {
	body, err := data.Open(r.ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	read, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err == nil && int64(len(read)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", data.Name, limit)
	}
	return read, err
}

// HostOf is the registry host of a reference; "" when it names none.
func HostOf(reference string) string {
	ref, err := transport.Parse(reference)
	if err != nil {
		return ""
	}
	return ref.Host
}
