package starlib

import (
	"errors"
	"fmt"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
)

// otherArg is another image: a reference, or an Image.
type otherArg struct {
	reference string
	image     *imageValue
}

// Unpack implements starlark.Unpacker.
func (o *otherArg) Unpack(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.String:
		o.reference = string(v)
		if o.reference == "" {
			return errors.New("the reference is empty")
		}
	case *imageValue:
		o.image = v
	default:
		return wanted("a reference or an Image", v, "")
	}
	return nil
}

// resolve is the image, for i to take something from; nil when the argument was not given.
func (o *otherArg) resolve(thread *starlark.Thread, i *imageValue) (*build.Image, error) {
	switch {
	case o.image != nil:
		return o.image.b, o.image.flush()
	case o.reference != "":
		return i.b.Other(here(thread), o.reference)
	}
	return nil, nil
}

type rebaseArgs struct {
	Old otherArg `arg:"old_base"`
	New otherArg `arg:"new_base"`
}

func (i *imageValue) rebase(thread *starlark.Thread, a *rebaseArgs) (starlark.Value, error) {
	if i.frozen {
		return nil, FrozenMethod("rebase")
	}
	old, err := a.Old.resolve(thread, i)
	if err != nil {
		return nil, fmt.Errorf("rebase: old_base: %w", err)
	}
	base, err := a.New.resolve(thread, i)
	if err != nil {
		return nil, fmt.Errorf("rebase: new_base: %w", err)
	}
	if old != nil && base == nil {
		return nil, withHint(errors.New("rebase: new_base is missing"), "write rebase(old_base, new_base), or rebase(new_base = …) where the image's annotations name the old one")
	}
	if err := i.flush(); err != nil {
		return nil, fmt.Errorf("rebase: %w", err)
	}
	if err := i.b.Rebase(here(thread), old, base); err != nil {
		return nil, i.s.waitError("rebase", err)
	}
	return starlark.None, nil
}

func (i *imageValue) flatten(thread *starlark.Thread, _ *noArgs) (starlark.Value, error) {
	if i.frozen {
		return nil, FrozenMethod("flatten")
	}
	i.b.Flatten(here(thread))
	return starlark.None, nil
}

type appendArgs struct {
	Image otherArg `arg:"image"`
}

func (i *imageValue) append(thread *starlark.Thread, a *appendArgs) (starlark.Value, error) {
	if i.frozen {
		return nil, FrozenMethod("append")
	}
	other, err := a.Image.resolve(thread, i)
	if err != nil {
		return nil, fmt.Errorf("append: %w", err)
	}
	i.b.Append(here(thread), other)
	return starlark.None, nil
}

type removeFilesArgs struct {
	Globs      stringOrList `arg:"globs"`
	AllowEmpty bool         `arg:"allow_empty"`
}

func (i *imageValue) removeFiles(thread *starlark.Thread, a *removeFilesArgs) (starlark.Value, error) {
	if i.frozen {
		return nil, FrozenMethod("remove_files")
	}
	if len(a.Globs) == 0 && !a.AllowEmpty {
		return nil, withHint(errors.New("remove_files: there are no patterns"), "if that is fine, write allow_empty = True")
	}
	l, err := i.b.RemoveFiles(here(thread), a.Globs, &build.RemoveFilesOptions{AllowEmpty: a.AllowEmpty})
	if err != nil {
		return nil, fmt.Errorf("remove_files: %w", err)
	}
	return &layerValue{i.s, l}, nil
}
