package starlib

import (
	"fmt"

	"github.com/opencontainers/go-digest"
	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
)

// indexValue is an Index.
type indexValue struct {
	s *session
	b *build.Index
}

var indexClass = &class[*indexValue]{
	name: "Index",
	attributes: []attribute[*indexValue]{
		{name: "target", get: func(x *indexValue) (starlark.Value, error) { return starlark.String(x.b.Target()), nil }},
		{name: "digest", get: func(x *indexValue) (starlark.Value, error) {
			dgst, _, err := x.look("index.digest")
			return starlark.String(dgst), err
		}},
		{name: "platforms", get: func(x *indexValue) (starlark.Value, error) {
			_, platforms, err := x.look("index.platforms")
			return frozenStrings(platforms), err
		}},
	},
	methods: []binding{method("Index.save", (*indexValue).save)},
}

// look waits until the index is put together.
func (x *indexValue) look(op string) (digest.Digest, []string, error) {
	dgst, platforms, err := x.b.Look(x.s.here(), op)
	if err != nil {
		return "", nil, x.s.failWait(err)
	}
	return dgst, platforms, nil
}

// String implements starlark.Value.
func (x *indexValue) String() string { return fmt.Sprintf("<Index → %s>", x.b.Target()) }

// Type implements starlark.Value.
func (x *indexValue) Type() string { return indexClass.name }

// Freeze implements starlark.Value.
func (x *indexValue) Freeze() {}

// Truth implements starlark.Value.
func (x *indexValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (x *indexValue) Hash() (uint32, error) { return 0, unhashable(x) }

// Attr implements starlark.HasAttrs.
func (x *indexValue) Attr(name string) (starlark.Value, error) { return indexClass.attr(x, name) }

// AttrNames implements starlark.HasAttrs.
func (x *indexValue) AttrNames() []string { return indexClass.attrNames() }

// membersArg is what an index is made of: Images, what was saved, and references.
type membersArg []starlark.Value

// Unpack implements starlark.Unpacker.
func (m *membersArg) Unpack(v starlark.Value) error {
	const want = "a list of Images and references"
	seq, ok := v.(starlark.Indexable)
	if _, isString := v.(starlark.String); !ok || isString {
		return wanted(want, v, listOf(v))
	}
	for k := range seq.Len() {
		switch one := seq.Index(k).(type) {
		case starlark.String, *imageValue, *savedValue:
			*m = append(*m, one)
		default:
			return &wantError{path: fmt.Sprintf("[%d]", k), want: "an Image or a reference", got: typeOf(one)}
		}
	}
	return nil
}

// members are those of the engine. What was saved is waited for, since only then it has a digest.
func (m membersArg) members() ([]build.IndexMember, error) {
	var all []build.IndexMember
	for _, v := range m {
		var one build.IndexMember
		switch v := v.(type) {
		case starlark.String:
			one.Reference = string(v)
		case *imageValue:
			if err := v.flush(); err != nil {
				return nil, fmt.Errorf("index: %w", err)
			}
			one.Image = v.b
		case *savedValue:
			saved, err := v.wait("index")
			if err != nil {
				return nil, err
			}
			one.Reference = saved.Reference()
		}
		all = append(all, one)
	}
	return all, nil
}

type indexArgs struct {
	Target      string            `arg:"target"`
	Images      membersArg        `arg:"images"`
	Annotations map[string]string `arg:"annotations"`
}

func newIndex(thread *starlark.Thread, a *indexArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	members, err := a.Images.members()
	if err != nil {
		return nil, err
	}
	b, err := s.run.Index(here(thread), a.Target, members, &build.IndexOptions{Annotations: a.Annotations, Template: s.isLoading()})
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	return &indexValue{s, b}, nil
}

type indexSaveArgs struct {
	Tags []string `arg:"tags"`
}

func (x *indexValue) save(thread *starlark.Thread, a *indexSaveArgs) (starlark.Value, error) {
	if err := x.s.notWhileLoading("save"); err != nil {
		return nil, err
	}
	return &savedValue{x.s, x.b.Save(here(thread), &build.IndexSaveOptions{Tags: a.Tags})}, nil
}
