package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
)

// Layer is a layer of an image, perhaps still being built. Its blob is in the cache, or where it was found.
type Layer struct {
	run       *Run
	src       content.Fetcher // where the finished blob is read
	pending   content.Pending // the blob while it is being built, or nil
	createdBy string
	paths     string  // in the image, of a layer that is built of files: for people
	change    *change // nil for a layer that was there

	mu     sync.Mutex
	future *Future[layer.Layer]
	begin  func() *Future[layer.Layer] // of a template's layer: starts it when it is first used
}

// started is the layer's result, whose work starts now if it was put off.
func (l *Layer) started() *Future[layer.Layer] {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.future == nil {
		l.future = l.begin()
	}
	return l.future
}

// size is that of the blob in bytes, -1 while it is not known.
func (l *Layer) size() int64 {
	if future := l.started(); future.Ready() && future.step.err == nil {
		return future.value.Descriptor.Size
	}
	return -1
}

// Wait returns the finished layer: its descriptor and diff ID.
func (l *Layer) Wait() (layer.Layer, error) { return l.started().Wait() }

// NeededBy is Wait on behalf of a place in a program.
func (l *Layer) NeededBy(at Origin, op string) (layer.Layer, error) {
	if l.change != nil {
		l.change.used = true
	}
	return l.started().NeededBy(at, op).Wait()
}

// CreatedBy is what the history of the image says made the layer.
func (l *Layer) CreatedBy() string { return l.createdBy }

// Blob is the layer's blob as data.
func (l *Layer) Blob() *Blob {
	if l.change != nil {
		l.change.used = true
	}
	future := l.started()
	size := func(ctx context.Context) (int64, error) {
		built, err := future.get(ctx)
		return built.Descriptor.Size, err
	}
	return &Blob{Name: "layer", Size: -1, stat: size, Open: func(ctx context.Context) (io.ReadCloser, error) {
		built, err := future.get(ctx)
		if err != nil {
			return nil, err
		}
		return l.src.Fetch(ctx, built.Descriptor)
	}}
}

// knownLayer is a layer that an image has.
func (r *Run) knownLayer(info image.LayerInfo, src content.Fetcher) *Layer {
	done := readyFuture(r, layer.Layer{Descriptor: info.Descriptor, DiffID: info.DiffID})
	return &Layer{run: r, src: src, createdBy: info.CreatedBy, future: done}
}

// appended is a layer on top.
type appended struct {
	layer *Layer
	at    Origin
	name  string // for errors
}

func (o *appended) needs() []*step { return []*step{o.layer.started().step} }

func (o *appended) apply(ctx context.Context, img *image.Image, _ image.Platform) (*image.Image, error) {
	return appendAll(ctx, img, []*appended{o})
}

// appendAll puts layers on an image, the lowest first.
func appendAll(ctx context.Context, img *image.Image, layers []*appended) (*image.Image, error) {
	var all []image.Added
	for _, o := range layers {
		l := o.layer
		built, err := l.started().get(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, image.Added{Layer: built, CreatedBy: l.createdBy, Created: l.run.opts.Epoch, Source: l.src})
	}
	next, err := img.Append(nil, all...)
	switch {
	case err == nil:
		return next, nil
	case len(layers) == 1:
		return nil, &configError{layers[0].at, layers[0].name, err}
	}
	for _, o := range layers { // which of them it is
		if img, err = appendAll(ctx, img, []*appended{o}); err != nil {
			return nil, err
		}
	}
	return img, nil
}

// append puts a layer on the image.
func (i *Image) append(at Origin, op string, l *Layer) {
	i.noteChange(at, op)
	i.push(&appended{l, at, op})
}

// File is one source of files of AddFiles.
type File struct {
	Target string        // the path in the image; ends in "/" to put a file into that directory
	Local  string        // a path as scripts write it; or
	Custom *layer.Custom // a file made in memory or from a stream
	Data   *Blob         // of Custom: its contents, whose size may not be known yet, in place of its Data and Size
	// Overrides for one local file; nil leaves what the call says.
	Mode     *uint32
	UID, GID *int
	ModTime  *time.Time
}

// AddFiles starts building one layer of files and puts it on the image. opts' epoch, warnings and base are the run's.
func (i *Image) AddFiles(at Origin, files []File, opts *layer.Options) *Layer {
	r := i.run
	o := layer.Options{}
	if opts != nil {
		o = *opts
	}
	if o.ModTime.IsZero() {
		o.ModTime = r.opts.Epoch
	}
	if o.Workers = r.engine.workers; !r.engine.rebuild {
		o.Cache = recipes{r.engine.cache}
	}
	o.OnBase = i.base.ref.Transport != "scratch"
	o.MaxFiles, o.MaxBytes = r.opts.Limits.LayerFiles, r.opts.Limits.LayerBytes
	o.Warn = func(msg string) { r.events.warn(at, msg) }
	sources, err := r.sources(files, o.Symlinks)
	pending := r.engine.cache.Begin(content.OCILayerGzip)
	files = slices.Clone(files)
	src := &builtBlob{cache: r.engine.cache}
	l := &Layer{run: r, src: src, pending: pending, createdBy: createdBy(sources), paths: strings.Join(targets(files), " ")}
	l.begin = func() *Future[layer.Layer] {
		return async(r, at, "add_files", false, nil, func(ctx context.Context, _ *step) (built layer.Layer, e error) {
			defer func() { pending.Abort(e) }()
			if err != nil {
				return layer.Layer{}, err
			}
			if err := fill(ctx, files, sources); err != nil {
				return layer.Layer{}, err
			}
			m := &making{run: r, paths: l.paths, dst: pending, src: src, files: sources, opts: &o}
			built, e = m.inTurn(ctx, files)
			return built, r.opts.Limits.explain(e)
		})
	}
	if !i.template {
		l.started()
	}
	l.change = i.noteChange(at, "add_files")
	i.push(&appended{l, at, "add_files"})
	return l
}

// sources finds the local files; all that are forbidden are reported together.
func (r *Run) sources(files []File, links layer.SymlinkMode) ([]layer.File, error) {
	var sources []layer.File
	var bad []error
	for _, f := range files {
		src := layer.File{Target: f.Target, Custom: f.Custom, Mode: f.Mode, UID: f.UID, GID: f.GID, ModTime: f.ModTime}
		if f.Custom == nil {
			tree, name, err := r.source(f.Local, links)
			if err != nil {
				bad = append(bad, err)
				continue
			}
			src.Tree, src.Local, src.Name = tree, name, f.Local
		}
		sources = append(sources, src)
	}
	return sources, errors.Join(bad...)
}

// fill gives custom files their contents, waiting for those whose size is not known yet.
func fill(ctx context.Context, files []File, sources []layer.File) error {
	for i, f := range files {
		if f.Data == nil || f.Custom == nil {
			continue
		}
		size, err := f.Data.SizeOf(ctx)
		if err != nil {
			return fmt.Errorf("custom_file for %q: %w", f.Target, err)
		}
		custom := *f.Custom
		custom.Data, custom.Size = f.Data.Open, size
		sources[i].Custom = &custom
	}
	return nil
}

// making is a layer that is about to be made of files.
type making struct {
	run   *Run
	paths string // in the image, for people
	dst   content.Ingester
	src   *builtBlob // which is told how to make the blob again
	files []layer.File
	opts  *layer.Options
}

// inTurn makes the layer. While another call makes what is likely to be the same one, it waits, and then looks whether it was.
func (m *making) inTurn(ctx context.Context, files []File) (layer.Layer, error) {
	key, ok := m.run.turn(files)
	if !ok {
		return m.make(ctx)
	}
	for {
		done, err := m.run.engine.turns.wait(ctx, key)
		if err != nil {
			return layer.Layer{}, err
		}
		if done != nil {
			defer done()
			return m.make(ctx)
		}
		if known, ok, err := m.known(ctx); ok || err != nil {
			return known, err
		}
	}
}

// known looks whether the layer was made meanwhile. Only then it says what is odd: it is said once.
func (m *making) known(ctx context.Context) (layer.Layer, bool, error) {
	opts := *m.opts
	var odd []string
	opts.Warn = func(msg string) { odd = append(odd, msg) }
	plan, err := layer.Prepare(ctx, m.files, &opts)
	if err != nil {
		return layer.Layer{}, false, err
	}
	known, ok := plan.Known()
	if !ok {
		return layer.Layer{}, false, nil
	}
	for _, msg := range odd {
		m.opts.Warn(msg)
	}
	ctx, watch := m.begin(ctx)
	return m.unchanged(known, watch), true, m.note(ctx, plan)
}

func (m *making) begin(ctx context.Context) (context.Context, *task) {
	return m.run.events.begin(ctx, Event{What: LayerWork, Subject: m.paths, Total: -1})
}

// make packs the files into a blob, unless an earlier run did and nothing has changed since.
func (m *making) make(ctx context.Context) (layer.Layer, error) {
	ctx, watch := m.begin(ctx)
	plan, err := layer.Prepare(ctx, m.files, m.opts)
	if err != nil {
		watch.end("", "", err)
		return layer.Layer{}, err
	}
	if known, ok := plan.Known(); ok {
		return m.unchanged(known, watch), m.note(ctx, plan)
	}
	m.src.again = m.again
	built, err := plan.Build(ctx, &watchedIngester{m.dst, watch})
	watch.end("built", built.Descriptor.Digest, err)
	if err != nil {
		return layer.Layer{}, err
	}
	return built, m.note(ctx, plan)
}

// unchanged is the outcome when the layer was made before.
func (m *making) unchanged(known layer.Layer, watch *task) layer.Layer {
	m.src.again = m.again
	m.run.engine.cache.Used(known.Descriptor.Digest)
	watch.end("unchanged", known.Descriptor.Digest, nil)
	return known
}

// again makes the layer for who needs its blob, which is no more in the cache.
func (m *making) again(ctx context.Context) (layer.Layer, error) {
	opts := *m.opts
	opts.Warn = nil // who is to be warned was
	plan, err := layer.Prepare(ctx, m.files, &opts)
	if err != nil {
		return layer.Layer{}, err
	}
	return plan.Build(ctx, m.run.engine.cache)
}

// createdBy is the history entry of a call: targets and root-relative sources, so that it is the same on every machine.
func createdBy(files []layer.File) string {
	parts := map[string]string{}
	for _, f := range files {
		source := show(f.Local)
		if f.Custom != nil {
			source = f.Custom.Call()
		}
		parts[f.Target] = fmt.Sprintf("%q: %q", f.Target, source)
	}
	var list []string
	for _, target := range slices.Sorted(maps.Keys(parts)) {
		list = append(list, parts[target])
	}
	const most = 10 // a history is read by people, and registries bound a config
	if len(list) > most {
		list = append(list[:most], fmt.Sprintf("… %d more", len(list)-most))
	}
	return "add_files({" + strings.Join(list, ", ") + "})"
}

func targets(files []File) []string {
	var names []string
	for _, f := range files {
		names = append(names, f.Target)
	}
	slices.Sort(names)
	if len(names) > 3 {
		names = append(names[:3], "…")
	}
	return names
}

// LayerFromTar starts making a layer of a tar, tar.gz or tar.zst, byte for byte. With a diffID, it must be the archive's.
func (r *Run) LayerFromTar(at Origin, data *Blob, diffID string) (*Layer, error) {
	var want digest.Digest
	if diffID != "" {
		var err error
		if want, err = parseDigest(diffID); err != nil {
			return nil, err
		}
	}
	store := r.engine.cache
	call := "layer_from_tar"
	if data.source != "" {
		call = fmt.Sprintf("layer_from_tar(%q)", data.source)
	}
	l := &Layer{run: r, src: store, createdBy: call, change: &change{at: at, op: "layer_from_tar", used: true}}
	l.future = async(r, at, "layer_from_tar", false, nil, func(ctx context.Context, _ *step) (layer.Layer, error) {
		ctx, watch := r.events.begin(ctx, Event{What: LayerWork, Subject: data.Name, Total: data.Size})
		built, err := layer.FromTar(ctx, store, watch.watch(data.Open), r.tarOptions(want))
		watch.end("built", built.Descriptor.Digest, err)
		return built, r.opts.Limits.explain(err)
	})
	return l, nil
}

// tarOptions are those of a layer that is made of an archive.
func (r *Run) tarOptions(diffID digest.Digest) *layer.TarOptions {
	return &layer.TarOptions{DiffID: diffID, MaxFiles: r.opts.Limits.LayerFiles, MaxBytes: r.opts.Limits.LayerBytes}
}

// AddLayer puts a layer that exists, or is being built, on the image.
func (i *Image) AddLayer(at Origin, l *Layer) {
	if l.change != nil {
		l.change.used = true
	}
	i.append(at, "add_layer", l)
}
