package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/transport"
)

// mayTarget refuses registries and daemons as targets of a run that is offline.
func (r *Run) mayTarget(ref transport.Reference) error {
	switch where := ref.String(); {
	case !r.lock.opts.Offline:
		return nil
	case ref.Transport == transport.Docker:
		return r.lock.online(where, "the target "+where+" is in a registry")
	case ref.Transport == transport.DockerDaemon:
		return r.lock.online(where, "the target "+where+" is in a daemon")
	}
	return nil
}

// mayUseDaemon refuses the images of a Docker daemon: in a run that is offline all of them, and in one that keeps to its lock to be read, since they may change.
func (r *Run) mayUseDaemon(ref transport.Reference, write bool) error {
	if write {
		return r.mayTarget(ref)
	}
	where := ref.String()
	if r.lock.opts.Offline {
		return r.lock.online(where, where+" is in a daemon")
	}
	if r.writesTo(r.locationOf(ref)) {
		return nil
	}
	return r.mayReadLive(where, "what "+where+" stands for")
}

// target reads a reference that something is to be saved as, which this run must be able to write to.
func (r *Run) target(s string) (transport.Reference, error) {
	ref, err := parseTarget(s)
	if err == nil {
		err = r.mayTarget(ref)
	}
	return ref, err
}

// openOffline opens a repository of a registry in a run that is offline.
func (r *Run) openOffline(ref transport.Reference, write bool) (content.Repository, error) {
	if write {
		return nil, r.mayTarget(ref)
	}
	return &cached{r, ref}, nil
}

// mayConnect refuses addresses of the web in a run that is offline.
func (r *Run) mayConnect(address string) error {
	if r.lock.opts.Offline {
		return r.lock.online("", redactURL(address)+" is not in the cache")
	}
	return nil
}

// hasFetched refuses a file of the web that the cache does not have, in a run that is offline.
func (r *Run) hasFetched(address string, want content.Descriptor) error {
	if !r.lock.opts.Offline {
		return nil
	}
	if want.Digest != "" {
		if there, err := r.engine.cache.Exists(r.ctx, want); err != nil || there {
			return err
		}
	}
	return r.lock.online("", redactURL(address)+" is not in the cache")
}

// cached is a repository of a registry for a run that is offline: what the cache has of it. What it does not have is an ErrOffline.
type cached struct {
	run *Run
	ref transport.Reference
}

func (c *cached) missing(what string) error {
	name := c.ref.Name() + "@" + what
	return c.run.lock.offline(name, name+" is not in the cache")
}

// Fetch implements content.Fetcher.
func (c *cached) Fetch(ctx context.Context, desc content.Descriptor) (io.ReadCloser, error) {
	r, err := c.run.engine.cache.Fetch(ctx, desc)
	if errors.Is(err, content.ErrNotFound) {
		return nil, c.missing(desc.Digest.String())
	}
	return r, err
}

// Exists implements content.Store.
func (c *cached) Exists(ctx context.Context, desc content.Descriptor) (bool, error) {
	return c.run.engine.cache.Exists(ctx, desc)
}

// Resolve implements content.Resolver.
func (c *cached) Resolve(ctx context.Context, name string) (content.Descriptor, error) {
	desc, _, err := c.Manifest(ctx, name)
	return desc, err
}

// Manifest implements content.ManifestReader, for digests alone: what a tag stands for only its registry knows.
func (c *cached) Manifest(ctx context.Context, name string) (content.Descriptor, []byte, error) {
	dgst, err := content.ParseDigest(name)
	if err != nil {
		tagged := c.ref.Name() + ":" + name
		unknown := c.run.lock.offline
		if c.run.lock.rules() { // which has been asked, if it has a say
			unknown = c.run.lock.online
		}
		return content.Descriptor{}, nil, unknown(tagged, "what "+tagged+" stands for is not known")
	}
	data, err := content.ReadAll(ctx, c, content.Descriptor{MediaType: content.OctetStream, Digest: dgst, Size: -1})
	if err != nil {
		return content.Descriptor{}, nil, err
	}
	doc, err := content.ParseDocument("", data)
	if err != nil {
		return content.Descriptor{}, nil, err
	}
	return content.Descriptor{MediaType: doc.MediaType, Digest: dgst, Size: int64(len(data))}, data, nil
}

// Push implements content.Pusher: it refuses.
func (c *cached) Push(context.Context, content.Descriptor, content.Opener) error {
	return c.run.mayTarget(c.ref)
}

// Tag implements content.Tagger: it refuses.
func (c *cached) Tag(context.Context, content.Descriptor, string) error {
	return c.run.mayTarget(c.ref)
}

// keep puts the document of a base that is given by digest into the cache, where runs that are offline look for it.
func (r *Run) keep(ctx context.Context, from root) error {
	return r.engine.cache.Push(ctx, from.desc, content.FromBytes(from.data))
}

// NoNetwork is an EngineOptions.Transport that refuses every request: what is to be offline can't be anything else by mistake.
func NoNetwork() http.RoundTripper { return noNetwork{} }

type noNetwork struct{}

// RoundTrip implements http.RoundTripper.
func (noNetwork) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		req.Body.Close()
	}
	return nil, fmt.Errorf("%s %s: %w", req.Method, redactURL(req.URL.String()), ErrOffline)
}
