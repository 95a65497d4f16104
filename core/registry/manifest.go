package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

// digestHeader carries the digest of a manifest. Some registries and proxies leave it out.
const digestHeader = "Docker-Content-Digest"

// Head returns the descriptor of a manifest or index by tag or digest. Its size is what the registry says, and nothing to be held to:
// Resolve has the true one. Where a registry doesn't answer that, or not in full, the document is read. One that does not exist is [content.ErrNotFound].
func (r *Repository) Head(ctx context.Context, ref string) (content.Descriptor, error) {
	req, err := r.manifestRequest("read", http.MethodHead, ref)
	if err != nil {
		return content.Descriptor{}, err
	}
	resp, err := r.client.send(ctx, req)
	if err == nil {
		discard(resp)
		desc, complete, err := headDescriptor(ref, resp)
		if err != nil {
			err = req.failed(err)
			if distrust(resp.Body, err) {
				return r.Direct().Head(ctx, ref)
			}
			return content.Descriptor{}, err
		}
		if complete {
			return desc, nil
		}
	} else if !headRefused(err) {
		return content.Descriptor{}, err
	}
	desc, _, err := r.Manifest(ctx, ref)
	return desc, err
}

// headRefused reports whether a GET may succeed, or say more, where a HEAD failed: its answers have no body to explain them (ECR),
// or it isn't served at all (old Nexus; Harbor answers 412).
func headRefused(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.is(http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed,
		http.StatusNotAcceptable, http.StatusPreconditionFailed, http.StatusNotImplemented)
}

// headDescriptor makes a descriptor of headers. It is not complete if one of them is missing or makes no sense.
func headDescriptor(ref string, resp *http.Response) (desc content.Descriptor, complete bool, err error) {
	mediaType := mediaTypeOf(resp)
	dgst, err := content.ParseDigest(resp.Header.Get(digestHeader))
	if err != nil || resp.ContentLength < 0 || !content.IsDocument(mediaType) {
		return desc, false, nil
	}
	if isDigest(ref) && ref != dgst.String() && dgst.Algorithm() == digest.Digest(ref).Algorithm() {
		return desc, false, fmt.Errorf("%w: asked for %s, the registry has %s there", content.ErrVerification, ref, dgst)
	}
	if isDigest(ref) {
		dgst = digest.Digest(ref)
	}
	return content.Descriptor{MediaType: mediaType, Digest: dgst, Size: resp.ContentLength}, true, nil
}

// mediaTypeOf returns the media type of an answer without its parameters.
func mediaTypeOf(resp *http.Response) string {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return mediaType
}

// Manifest implements content.ManifestReader: the exact bytes of a manifest or index by tag or digest. By digest they are verified
// against it; by tag against the digest that the registry names, if it does.
func (r *Repository) Manifest(ctx context.Context, ref string) (content.Descriptor, []byte, error) {
	desc, data, err := r.getManifest(ctx, ref, -1)
	if err == nil {
		r.client.docs.put(r.Location(), desc, data)
	}
	return desc, data, err
}

func (r *Repository) getManifest(ctx context.Context, ref string, size int64) (content.Descriptor, []byte, error) {
	req, err := r.manifestRequest("read", http.MethodGet, ref)
	if err != nil {
		return content.Descriptor{}, nil, err
	}
	var desc content.Descriptor
	var data []byte
	req.once = true // the loop here retries what fails the check, too
	err = r.again(ctx, func(try int) (bool, error) {
		var err error
		desc, data, err = r.askManifest(ctx, req, ref, size, try > 1)
		if mirrorFailed(err) {
			desc, data, err = r.askManifest(ctx, req, ref, size, true)
		}
		return false, err
	})
	return desc, data, err
}

// askManifest sends one request for a manifest, directly or to mirrors first, and reads its answer.
func (r *Repository) askManifest(ctx context.Context, req *request, ref string, size int64, direct bool) (content.Descriptor, []byte, error) {
	req = req.with(req.url)
	req.direct = req.direct || direct
	resp, err := r.client.send(ctx, req)
	if err != nil {
		return content.Descriptor{}, nil, err
	}
	defer resp.Body.Close()
	desc, data, err := readManifest(ref, size, resp)
	if err == nil {
		return desc, data, nil
	}
	err = req.failed(err)
	if ctx.Err() == nil && distrust(resp.Body, err) {
		err = &mirrorError{err}
	}
	return content.Descriptor{}, nil, err
}

func (r *Repository) manifestRequest(op, method, ref string) (*request, error) {
	subject := "tag " + quote(ref)
	if isDigest(ref) {
		subject = "manifest " + ref
	}
	if err := validRef(ref); err != nil {
		return nil, fmt.Errorf("%s %s: %w", op, r.Location(), err)
	}
	scopes := r.pull()
	switch method {
	case http.MethodPut:
		scopes = r.push()
	case http.MethodDelete:
		scopes = r.scopes("delete")
	}
	req, err := r.request(op, subject, method, "manifests/"+ref, scopes)
	if err == nil && (method == http.MethodGet || method == http.MethodHead) {
		// Without it, docker-registry answers 404 to what is not schema 1.
		req.header.Set("Accept", strings.Join(content.Documents(), ", "))
		req.header.Set("Accept-Encoding", "identity")
	}
	return req, err
}

// readManifest reads the document that an answer holds and checks it.
func readManifest(ref string, size int64, resp *http.Response) (content.Descriptor, []byte, error) {
	var none content.Descriptor
	data, err := io.ReadAll(io.LimitReader(resp.Body, content.MaxDocument+1))
	if err != nil {
		return none, nil, err
	}
	if len(data) > content.MaxDocument {
		return none, nil, fmt.Errorf("%w manifest: more than the limit of %d bytes", content.ErrInvalid, content.MaxDocument)
	}
	if resp.ContentLength >= 0 && int64(len(data)) != resp.ContentLength {
		return none, nil, &networkError{io.ErrUnexpectedEOF}
	}
	want, err := content.ParseDigest(resp.Header.Get(digestHeader))
	switch {
	case isDigest(ref):
		want = digest.Digest(ref)
	case err != nil:
		want = digest.FromBytes(data)
	}
	desc := content.Descriptor{Digest: want, Size: size}
	if err := content.CheckBytes(desc, data); err != nil {
		return none, nil, err
	}
	doc, err := content.ParseDocument(mediaTypeOf(resp), data)
	if err != nil {
		return none, nil, err
	}
	desc.MediaType, desc.Size = doc.MediaType, int64(len(data))
	return desc, data, nil
}

// PutManifest stores data as a manifest or index under a tag, or, if ref is "", by its digest. It returns what was stored and the status of
// the answer.
func (r *Repository) PutManifest(ctx context.Context, ref, mediaType string, data []byte) (content.Descriptor, int, error) {
	desc := content.Of(mediaType, data)
	if isDigest(ref) {
		dgst, err := content.ParseDigest(ref)
		if err != nil {
			return content.Descriptor{}, 0, err
		}
		desc.Digest = dgst
		if err := content.CheckBytes(desc, data); err != nil {
			return content.Descriptor{}, 0, err
		}
	}
	if ref == "" {
		ref = desc.Digest.String()
	}
	return r.putManifest(ctx, ref, desc, data)
}

// pushDocument stores the document desc under a tag or its digest.
func (r *Repository) pushDocument(ctx context.Context, desc content.Descriptor, open content.Opener, ref string) error {
	data, err := content.ReadOpener(ctx, open, desc)
	if err != nil {
		return fmt.Errorf("push %s: manifest %s: %w", r.Location(), desc.Digest, err)
	}
	_, _, err = r.putManifest(ctx, ref, desc, data)
	return err
}

// putManifest sends a document that is known to be desc.
func (r *Repository) putManifest(ctx context.Context, ref string, desc content.Descriptor, data []byte) (content.Descriptor, int, error) {
	if len(data) > content.MaxDocument {
		return content.Descriptor{}, 0, fmt.Errorf("push %s: %w manifest: %d bytes are more than the limit of %d",
			r.Location(), content.ErrInvalid, len(data), content.MaxDocument)
	}
	req, err := r.manifestRequest("push", http.MethodPut, ref)
	if err != nil {
		return content.Descriptor{}, 0, err
	}
	req.header.Set("Content-Type", desc.MediaType)
	req.open, req.size, req.slow = content.FromBytes(data), int64(len(data)), true
	r.client.shared.wrote.add(r.Location())
	resp, err := r.client.send(ctx, req)
	if err != nil {
		if r.hasTag(ctx, ref, desc, err) {
			return desc, http.StatusOK, nil
		}
		return content.Descriptor{}, 0, err
	}
	discard(resp)
	if err := r.confirm(ctx, ref, desc, resp); err != nil {
		return content.Descriptor{}, resp.StatusCode, req.failed(err)
	}
	r.client.docs.put(r.Location(), desc, data)
	return desc, resp.StatusCode, nil
}

// hasTag reports whether a refused PUT had nothing to do: ECR's immutable tags refuse even the digest that they have.
func (r *Repository) hasTag(ctx context.Context, ref string, desc content.Descriptor, err error) bool {
	var e *Error
	if isDigest(ref) || !errors.As(err, &e) || !e.is(http.StatusBadRequest, http.StatusConflict) || e.Has("MANIFEST_BLOB_UNKNOWN") {
		return false
	}
	got, err := r.Head(ctx, ref)
	return err == nil && got.Digest == desc.Digest
}

// confirm makes sure that a registry stored what it was sent: it names the digest, or is asked for it.
func (r *Repository) confirm(ctx context.Context, ref string, desc content.Descriptor, resp *http.Response) error {
	said, bad := content.ParseDigest(resp.Header.Get(digestHeader))
	if said == desc.Digest {
		return nil
	}
	there, err := r.Head(ctx, ref)
	switch {
	case err == nil && there.Digest == desc.Digest:
		return nil
	case err == nil:
		said = there.Digest
	case bad != nil || said.Algorithm() != desc.Digest.Algorithm():
		return err
	}
	return fmt.Errorf("%w: sent %s, the registry stored %s", content.ErrVerification, desc.Digest, said)
}

// Delete removes a tag, or a manifest by digest and with it every tag that it has. What does not exist is [content.ErrNotFound]; a
// registry that deletes nothing answers 405, which is [content.ErrUnsupported].
func (r *Repository) Delete(ctx context.Context, ref string) error {
	req, err := r.manifestRequest("delete from", http.MethodDelete, ref)
	if err != nil {
		return err
	}
	r.client.docs.drop(r.Location(), digest.Digest(ref))
	r.client.shared.wrote.add(r.Location())
	return r.delete(ctx, req)
}

// DeleteBlob removes a blob. Registries do that by themselves when no manifest names it any more; few let a client do it.
func (r *Repository) DeleteBlob(ctx context.Context, dgst digest.Digest) error {
	if _, err := content.ParseDigest(dgst.String()); err != nil {
		return err
	}
	req, err := r.request("delete from", blobSubject(dgst), http.MethodDelete, "blobs/"+dgst.String(), r.scopes("delete"))
	if err != nil {
		return err
	}
	return r.delete(ctx, req)
}

func (r *Repository) delete(ctx context.Context, req *request) error {
	resp, err := r.client.send(ctx, req)
	if err != nil {
		return err
	}
	discard(resp)
	return nil
}
