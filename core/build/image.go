package build

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/transport"
)

// ImageOptions says more of an image. nil and the zero value: no target, the run's platform, the base's format, the engine's credentials.
type ImageOptions struct {
	Target   string   // where Save puts it; a reference
	Auth     auth.Map // credentials for this image's registries, before all others
	Platform string   // picks from an index; a base without an index must have it
	// Platforms makes the image all of these, each once, in place of one. A base must have each; AllPlatforms alone stands for all that it has.
	Platforms []string
	Format    string // "oci" or "docker"; "" is the base's
	Unlocked  bool   // the base's tag is followed even where the lock has it
	// Template makes an image that starts no work and loses no changes until something uses it.
	Template bool
}

// Image is an image that is being built: a base and what is done to it. It belongs to the goroutine of its run. It may be of several platforms, or a view of one of them
// (see On).
type Image struct {
	run      *Run
	base     *base
	target   transport.Reference // zero: none
	line     *line
	only     branch // of a view, and of what was forked from one
	template bool
	chosen   bool // a platform or a format was asked for, so even without a change it is not the base's bytes
}

// line is what was done to an image so far. The views of an image share it.
type line struct {
	head    *node
	config  configured // on top of head
	changes []*change
	data    map[branch]*Data // that may still be edited
}

// configured is what Configure said.
type configured struct {
	at      Origin // nil: nothing was said
	op      string
	only    branch
	changes image.Changes
}

// Image begins an image that starts from base: a reference or "scratch". Reading it starts now.
func (r *Run) Image(at Origin, baseRef string, opts *ImageOptions) (*Image, error) {
	var o ImageOptions
	if opts != nil {
		o = *opts
	}
	ref, err := transport.Parse(baseRef)
	if err != nil {
		return nil, err
	}
	way, err := r.accessFor(o.Auth)
	if err != nil {
		return nil, err
	}
	b := &base{run: r, at: at, ref: ref, access: way, unlocked: o.Unlocked, format: image.Format(o.Format)}
	if b.wanted, err = r.wantedBy(&o); err != nil {
		return nil, err
	}
	if b.all && ref.Transport == transport.Scratch {
		return nil, errors.New(`platforms: "scratch" has none; list those that are wanted`)
	}
	if o.Format != "" && b.format != image.FormatOCI && b.format != image.FormatDocker {
		return nil, fmt.Errorf("format %q: want %q or %q", o.Format, image.FormatOCI, image.FormatDocker)
	}
	if len(o.Auth) == 0 {
		b = r.sharedBase(b)
	}
	img := &Image{run: r, base: b, only: everyBranch, template: o.Template, chosen: b.given || b.format != ""}
	img.line = &line{head: &node{base: b, only: everyBranch}}
	if o.Target != "" {
		if img.target, err = r.target(o.Target); err != nil {
			return nil, err
		}
	}
	if !o.Template {
		img.prefetch()
	}
	return img, nil
}

// accessFor is the way to registries with credentials of its own in front.
func (r *Run) accessFor(m auth.Map) (*access, error) {
	if len(m) == 0 {
		return &access{run: r, client: r.registry}, nil
	}
	keychain, err := r.keychain(m)
	if err != nil {
		return nil, err
	}
	return &access{run: r, client: r.registry.With(keychain)}, nil
}

// keychain asks an auth map first and the engine's sources then. Key files are found as all files are, by the run's policy, which is asked for the servers that
// keys name too.
func (r *Run) keychain(m auth.Map) (auth.Keychain, error) {
	if len(m) == 0 {
		return r.engine.keychain, nil
	}
	mine := auth.Map{}
	var bad []error
	for _, key := range slices.Sorted(maps.Keys(m)) {
		entry := m[key]
		if entry.KeyFilename != "" && entry.ReadFile == nil {
			tree, name, err := r.local(entry.KeyFilename)
			if err != nil {
				bad = append(bad, fmt.Errorf("keyFilename for %s: %w", key, err))
			}
			entry.ReadFile = func(p string) ([]byte, error) { return r.readFile(InputKeyFile, tree, name, p, maxKeyFile) }
		}
		mine[key] = entry
	}
	if len(bad) > 0 {
		return nil, errors.Join(bad...)
	}
	keychain, err := mine.Keychain(&auth.MapOptions{Client: r.engine.tokens, AllowServer: r.mayExchange})
	if err != nil {
		return nil, err
	}
	return auth.Chain(keychain, r.engine.keychain), nil
}

// maxKeyFile is the size in bytes up to which a credential's key file is read; real ones have 2 KiB.
const maxKeyFile = 1 << 20

// parseTarget reads a reference that something is to be saved as.
func parseTarget(s string) (transport.Reference, error) {
	ref, err := transport.Parse(s)
	switch {
	case err != nil:
		return ref, err
	case ref.Transport == "scratch":
		return ref, errors.New(`"scratch" is a base, not a target`)
	case ref.Digest != "":
		return ref, fmt.Errorf("target %s: a digest names what is there already; name a tag, or none and save(tags = [])", s)
	}
	return ref, nil
}

// prefetch starts reading what is surely needed.
func (i *Image) prefetch() {
	if i.changed() {
		i.base.family()
	} else {
		i.base.resolve()
	}
}

// changed reports whether the image is anything else than what its base reference names.
func (i *Image) changed() bool {
	return i.line.head.parent != nil || i.line.config.at != nil || i.chosen || i.base.ref.Transport == transport.Scratch
}

// Base returns the reference that the image starts from.
func (i *Image) Base() string { return i.base.ref.String() }

// Target returns the reference that Save saves to, or "".
func (i *Image) Target() string {
	if i.target.Transport == "" {
		return ""
	}
	return i.target.String()
}

// ForkOptions says more of a fork. nil and the zero value make an image that starts its work at once.
type ForkOptions struct {
	Template bool // as in ImageOptions
}

// Fork returns a new image that starts from this one's present state, to be saved as target, which may be "". It costs nothing. The fork of a view is an image of its
// platform.
func (i *Image) Fork(target string, opts *ForkOptions) (*Image, error) {
	template := opts != nil && opts.Template
	fork := *i
	fork.line = &line{head: i.state(), changes: slices.Clone(i.line.changes)}
	fork.template = template
	if target != "" {
		ref, err := i.run.target(target)
		if err != nil {
			return nil, err
		}
		fork.target = ref
	}
	if !template {
		fork.prefetch()
	}
	return &fork, nil
}

// push adds a change below what Configure said: to all platforms, or to that of a view.
func (i *Image) push(o op) {
	i.line.head = &node{parent: i.line.head, op: o, only: i.only}
	if !i.template {
		i.base.family()
		o.needs()
	}
}

// Configure says all that is set in the image's config on top of what it starts from; it takes the place of what an earlier call said. What was said of the image is part of what
// a view of it starts from, and the other way round: whoever speaks later begins anew. op names the change in errors.
func (i *Image) Configure(at Origin, op string, changes image.Changes) {
	i.noteChange(at, op)
	if i.line.config.only != i.only {
		i.settle()
	}
	i.line.config = configured{at, op, i.only, changes}
	if isZero(changes) {
		i.line.config = configured{} // taken back: the image may be the base's bytes again
	}
	if !i.template {
		i.base.family()
	}
}

// state is the present state, configuration included.
func (i *Image) state() *node {
	c := i.line.config
	if c.at == nil {
		return i.line.head
	}
	return &node{parent: i.line.head, op: &edited{at: c.at, name: c.op, changes: c.changes}, only: c.only}
}

// settle makes what Configure said part of what the image starts from.
func (i *Image) settle() { i.line.head, i.line.config = i.state(), configured{} }

// RemoveLayer removes the layer with this digest (of its blob), its diff ID and its history entry. It waits for the layers so far, and
// reports whether there was one.
func (i *Image) RemoveLayer(at Origin, dgst digest.Digest) (bool, error) {
	if _, err := parseDigest(dgst.String()); err != nil {
		return false, err
	}
	img, err := i.now(at, "remove_layer")
	if err != nil {
		return false, err
	}
	if _, found, err := img.RemoveLayer(dgst); err != nil || !found {
		return false, err
	}
	i.noteChange(at, "remove_layer")
	i.push(&removed{dgst})
	return true, nil
}

// now works out the present state, which starts a template's work too. It is for what belongs to one platform: of an image of several it is an error.
func (i *Image) now(at Origin, op string) (*image.Image, error) {
	only, err := i.one(at, op)
	if err != nil {
		return nil, err
	}
	head := i.state()
	state := async(i.run, at, op, false, head.needs(only), func(ctx context.Context, _ *step) (*image.Image, error) {
		return head.image(ctx, only)
	})
	return state.Wait()
}

// Layers waits for the layers so far and lists them.
func (i *Image) Layers(at Origin) ([]*Layer, error) {
	img, err := i.now(at, "layers")
	if err != nil {
		return nil, err
	}
	i.use()
	var layers []*Layer
	for _, info := range img.Layers() {
		layers = append(layers, i.run.knownLayer(info, img))
	}
	return layers, nil
}

// Env returns the effective value of an environment variable: the base's, or what was set since.
func (i *Image) Env(at Origin, name string) (string, bool, error) {
	img, err := i.now(at, "get_env")
	if err != nil {
		return "", false, err
	}
	i.use()
	value, ok := img.Env(name)
	return value, ok, nil
}

// Data is an image as Save would write it at some moment.
type Data struct {
	Image *image.Image
	at    *node
}

// Data waits for the layers so far and returns the image as it is now. What Configure said becomes part of what the image starts from.
func (i *Image) Data(at Origin, op string) (*Data, error) {
	i.settle()
	img, err := i.now(at, op)
	if err != nil {
		return nil, err
	}
	i.use()
	d := &Data{Image: img, at: i.line.head}
	if i.line.data == nil {
		i.line.data = map[branch]*Data{}
	}
	i.line.data[i.only] = d
	return d, nil
}

// Replace puts an edited manifest and config in the place of those that from, the latest that Data returned, holds: nil keeps one. What was done to the image after
// from was read stays on top. JSON values that did not change keep their bytes.
func (i *Image) Replace(at Origin, name string, from *Data, manifest, config []byte) {
	var later []*node
	for n := i.line.head; n != from.at && n.parent != nil; n = n.parent {
		later = append(later, n)
	}
	i.noteChange(at, name)
	i.line.head = from.at
	i.push(&replaced{at, name, manifest, config})
	from.at = i.line.head
	for _, n := range slices.Backward(later) {
		again := &node{parent: i.line.head, op: n.op, only: n.only}
		for _, other := range i.line.data { // of other platforms
			if other.at == n {
				other.at = again
			}
		}
		i.line.head = again
	}
}
