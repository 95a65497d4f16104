package starlib

import (
	"fmt"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/layer"
)

// site is a place in a script with the calls that led there, innermost first. It is the build.Origin of all that scripts do.
type site struct{ frames []Frame }

// String implements build.Origin.
func (s site) String() string {
	if len(s.frames) == 0 {
		return "the script"
	}
	return s.frames[0].String()
}

// here is where a thread is in its script.
func here(thread *starlark.Thread) site { return site{stackFrames(thread.CallStack())} }

// here is where the script is now, for values that are used without being told by which thread.
func (s *session) here() site { return here(s.thread) }

// failWait stops the script: the result that it waits for will never be there, and nothing in the script may carry on as if that
// were an ordinary error.
func (s *session) failWait(err error) error {
	s.thread.Cancel(err.Error())
	return err
}

// isLoading reports whether a module is being loaded: its images are templates, and nothing may leave the machine.
func (s *session) isLoading() bool { return len(s.loading) > 0 }

// notWhileLoading is the error of what a module must not do while it is loaded.
func (s *session) notWhileLoading(what string) error {
	if !s.isLoading() {
		return nil
	}
	return WhileLoading(what, s.file)
}

// layerValue is a Layer.
type layerValue struct {
	s *session
	b *build.Layer
}

var layerClass = &class[*layerValue]{name: "Layer", attributes: []attribute[*layerValue]{
	{name: "digest", get: layerAttr("digest", func(l layer.Layer) starlark.Value { return starlark.String(l.Descriptor.Digest) })},
	{name: "diff_id", get: layerAttr("diff_id", func(l layer.Layer) starlark.Value { return starlark.String(l.DiffID) })},
	{name: "size", get: layerAttr("size", func(l layer.Layer) starlark.Value { return starlark.MakeInt64(l.Descriptor.Size) })},
	{name: "media_type", get: layerAttr("media_type", func(l layer.Layer) starlark.Value { return starlark.String(l.Descriptor.MediaType) })},
	{name: "urls", get: layerAttr("urls", func(l layer.Layer) starlark.Value { return frozenStrings(l.Descriptor.URLs) })},
	{name: "created_by", get: func(l *layerValue) (starlark.Value, error) { return starlark.String(l.b.CreatedBy()), nil }},
}}

// layerAttr is an attribute that waits until the layer is built.
func layerAttr(name string, of func(layer.Layer) starlark.Value) func(*layerValue) (starlark.Value, error) {
	return func(l *layerValue) (starlark.Value, error) {
		built, err := l.b.NeededBy(l.s.here(), "layer."+name)
		if err != nil {
			return nil, l.s.failWait(err)
		}
		return of(built), nil
	}
}

// String implements starlark.Value. It never shows what is not known yet.
func (l *layerValue) String() string { return fmt.Sprintf("<Layer %s>", l.b.CreatedBy()) }

// Type implements starlark.Value.
func (l *layerValue) Type() string { return layerClass.name }

// Freeze implements starlark.Value.
func (l *layerValue) Freeze() {}

// Truth implements starlark.Value.
func (l *layerValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (l *layerValue) Hash() (uint32, error) { return 0, unhashable(l) }

// Attr implements starlark.HasAttrs.
func (l *layerValue) Attr(name string) (starlark.Value, error) { return layerClass.attr(l, name) }

// AttrNames implements starlark.HasAttrs.
func (l *layerValue) AttrNames() []string { return layerClass.attrNames() }

func unhashable(v starlark.Value) error { return fmt.Errorf("unhashable type: %s", v.Type()) }

// frozenStrings is a list that a script cannot change.
func frozenStrings(list []string) *starlark.List {
	values := make([]starlark.Value, len(list))
	for i, s := range list {
		values[i] = starlark.String(s)
	}
	l := starlark.NewList(values)
	l.Freeze()
	return l
}

// savedValue is a Saved.
type savedValue struct {
	s *session
	f *build.Future[build.Saved]
}

var savedClass = &class[*savedValue]{name: "Saved", attributes: []attribute[*savedValue]{
	savedAttr("digest", func(_ *session, r build.Saved) starlark.Value { return starlark.String(r.Digest) }),
	savedAttr("reference", func(_ *session, r build.Saved) starlark.Value { return starlark.String(r.Reference()) }),
	savedAttr("tags", func(_ *session, r build.Saved) starlark.Value { return frozenStrings(r.Tags) }),
	savedAttr("media_type", func(_ *session, r build.Saved) starlark.Value { return starlark.String(r.MediaType) }),
	savedAttr("size", func(_ *session, r build.Saved) starlark.Value { return starlark.MakeInt64(r.Size) }),
	savedAttr("layers", func(s *session, r build.Saved) starlark.Value { return s.layerList(r.Layers) }),
	savedAttr("platforms", func(_ *session, r build.Saved) starlark.Value { return frozenStrings(r.Platforms) }),
	savedAttr("uploaded_bytes", func(_ *session, r build.Saved) starlark.Value { return starlark.MakeInt64(r.UploadedBytes) }),
	savedAttr("uploaded", func(_ *session, r build.Saved) starlark.Value { return starlark.MakeInt(r.Uploaded) }),
	savedAttr("mounted", func(_ *session, r build.Saved) starlark.Value { return starlark.MakeInt(r.Mounted) }),
	savedAttr("skipped", func(_ *session, r build.Saved) starlark.Value { return starlark.MakeInt(r.Skipped) }),
}}

// savedAttr is an attribute that waits until the save is done.
func savedAttr(name string, of func(*session, build.Saved) starlark.Value) attribute[*savedValue] {
	return attribute[*savedValue]{name: name, get: func(v *savedValue) (starlark.Value, error) {
		saved, err := v.wait("saved." + name)
		if err != nil {
			return nil, err
		}
		return of(v.s, saved), nil
	}}
}

func (v *savedValue) wait(op string) (build.Saved, error) {
	saved, err := v.f.NeededBy(v.s.here(), op).Wait()
	if err != nil {
		return saved, v.s.failWait(err)
	}
	return saved, nil
}

// layerList makes Layers of what was saved.
func (s *session) layerList(layers []*build.Layer) *starlark.List {
	values := make([]starlark.Value, len(layers))
	for i, l := range layers {
		values[i] = &layerValue{s, l}
	}
	return starlark.NewList(values)
}

// String implements starlark.Value: the reference, which waits for the save.
func (v *savedValue) String() string {
	saved, err := v.wait("str(saved)")
	if err != nil {
		return "<Saved: failed>"
	}
	return saved.Reference()
}

// Type implements starlark.Value.
func (v *savedValue) Type() string { return savedClass.name }

// Freeze implements starlark.Value.
func (v *savedValue) Freeze() {}

// Truth implements starlark.Value.
func (v *savedValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (v *savedValue) Hash() (uint32, error) { return 0, unhashable(v) }

// Attr implements starlark.HasAttrs.
func (v *savedValue) Attr(name string) (starlark.Value, error) { return savedClass.attr(v, name) }

// AttrNames implements starlark.HasAttrs.
func (v *savedValue) AttrNames() []string { return savedClass.attrNames() }
