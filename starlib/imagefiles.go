package starlib

import (
	"fmt"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/rootfs"
)

type filesArgs struct {
	Path string `arg:"path"`
}

// listedSteps is what each file that is listed costs, in steps.
const listedSteps = 100

func (i *imageValue) listFiles(thread *starlark.Thread, a *filesArgs) (starlark.Value, error) {
	if err := i.flush(); err != nil {
		return nil, fmt.Errorf("files: %w", err)
	}
	tree, err := i.b.Tree(here(thread), "files")
	if err != nil {
		return nil, i.s.waitError("files", err)
	}
	var list []starlark.Value
	for f := range tree.Files(a.Path) {
		if err := i.s.charge(thread, listedSteps); err != nil {
			return nil, fmt.Errorf("files: %w", err)
		}
		if f.Path != "/" {
			list = append(list, listedFile(&f))
		}
	}
	return starlark.NewList(list), nil
}

func listedFile(f *rootfs.File) starlark.Value {
	return makeStruct(starlark.StringDict{
		"path": starlark.String(f.Path), "type": starlark.String(f.Type), "mode": starlark.MakeUint(uint(f.Mode)), "uid": starlark.MakeInt(f.UID), "gid": starlark.MakeInt(f.GID),
		"size": starlark.MakeInt64(f.Size), "link": stringOrNone(f.Link),
	})
}

type readArgs struct {
	Path string `arg:"path"`
	Raw  bool   `arg:"raw"`
}

func (i *imageValue) readFile(thread *starlark.Thread, a *readArgs) (starlark.Value, error) {
	if err := i.flush(); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if err := i.s.charge(thread, openSteps); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	limit, _ := i.s.limits.blob(nil)
	data, err := i.b.ReadFile(here(thread), a.Path, limit)
	if err != nil {
		return nil, i.s.waitError("read", err)
	}
	if err := i.s.charge(thread, int64(len(data))/4); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return textOrBytes("read", a.Path, data, a.Raw)
}

// textOrBytes is what a call that reads a file returns.
func textOrBytes(op, path string, data []byte, raw bool) (starlark.Value, error) {
	if raw {
		return starlark.Bytes(data), nil
	}
	if !utf8.Valid(data) {
		return nil, withHint(fmt.Errorf("%s: %q is not UTF-8", op, path), "raw = True reads it as bytes")
	}
	return starlark.String(data), nil
}
