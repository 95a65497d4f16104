package starlib

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/nearest"
)

// globalFunctions are the functions of api.star that belong to no type and no module.
var globalFunctions = []binding{
	function("image", newImage),
	function("index", newIndex),
	function("custom_file", customFile),
	function("file", localFile),
	function("whiteout", whiteout),
	function("opaque", opaque),
	function("layer_from_tar", layerFromTar),
	function("digest", digestOf),
	function("glob", glob),
	function("read_file", readFile),
	function("fetch", fetch),
	function("var", variable),
	function("secret", secret),
	function("auth", findAuth),
	function("client", newClient),
}

// descriptorValue is a descriptor as a dict, as its JSON has it.
func descriptorValue(desc content.Descriptor) (starlark.Value, error) {
	data, err := json.Marshal(desc)
	if err != nil {
		return nil, err
	}
	return jsonToValue(data)
}

type layerFromTarArgs struct {
	Data   dataArg `arg:"data"`
	DiffID string  `arg:"diff_id"`
}

func layerFromTar(thread *starlark.Thread, a *layerFromTarArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	blob, err := a.Data.blob(s)
	if err != nil {
		return nil, fmt.Errorf("layer_from_tar: %w", err)
	}
	l, err := s.run.LayerFromTar(here(thread), blob, a.DiffID)
	if err != nil {
		return nil, fmt.Errorf("layer_from_tar: diff_id: %w", err)
	}
	return &layerValue{s, l}, nil
}

type dataArgs struct {
	Data dataArg `arg:"data"`
}

func digestOf(thread *starlark.Thread, a *dataArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	if l, ok := a.Data.v.(*layerValue); ok {
		return l.Attr("digest")
	}
	blob, err := a.Data.blob(s)
	if err == nil {
		err = s.charge(thread, openSteps+max(blob.Size, 0)/4)
	}
	if err != nil {
		return nil, fmt.Errorf("digest: %w", err)
	}
	dgst, err := s.run.Digest(blob)
	if err != nil {
		return nil, s.waitError("digest", err)
	}
	return starlark.String(dgst), nil
}

type globArgs struct {
	Include    stringOrList `arg:"include"`
	Exclude    []string     `arg:"exclude"`
	AllowEmpty bool         `arg:"allow_empty"`
}

// What reading the file system costs, in steps: a name that glob looks at, and opening a file.
const (
	globSteps = 500
	openSteps = 4000
)

func glob(thread *starlark.Thread, a *globArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	if len(a.Include) == 0 && !a.AllowEmpty {
		return nil, withHint(errors.New("glob: there are no patterns"), "if that is fine, write allow_empty = True")
	}
	paths, err := s.run.Glob(a.Include, a.Exclude, &build.GlobOptions{Visit: func(n int) error { return s.charge(thread, globSteps*int64(n)) }})
	if err != nil {
		return nil, fmt.Errorf("glob: %w", err)
	}
	if len(paths) == 0 && !a.AllowEmpty {
		return nil, withHint(fmt.Errorf("glob: no file matches %s", quoteAll(a.Include, ", ")), "if that is fine, write allow_empty = True")
	}
	list := make([]starlark.Value, len(paths))
	for i, p := range paths {
		list[i] = starlark.String(p)
	}
	return starlark.NewList(list), nil
}

type readFileArgs struct {
	Path string `arg:"path"`
	Raw  bool   `arg:"raw"`
}

func readFile(thread *starlark.Thread, a *readFileArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	if err := s.charge(thread, openSteps); err != nil {
		return nil, fmt.Errorf("read_file: %w", err)
	}
	limit, _ := s.limits.blob(nil)
	data, err := s.run.ReadFile(a.Path, limit)
	if errors.Is(err, content.ErrTooLarge) {
		return nil, fmt.Errorf("read_file: %w", tooLarge(a.Path, limit))
	}
	if err == nil {
		err = s.charge(thread, int64(len(data))/4)
	}
	if err != nil {
		return nil, s.pathHint(fmt.Errorf("read_file: %w", err), a.Path)
	}
	return textOrBytes("read_file", a.Path, data, a.Raw)
}

type fetchArgs struct {
	URL    string `arg:"url"`
	SHA256 string `arg:"sha256,late"`
	Size   *int64 `arg:"size"`
}

func fetch(thread *starlark.Thread, a *fetchArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	opts := build.FetchOptions{SHA256: a.SHA256, Size: -1}
	if a.Size != nil {
		opts.Size = *a.Size
	}
	b, err := s.run.Fetch(here(thread), a.URL, opts)
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	return &blobValue{s, b}, nil
}

type varArgs struct {
	Name    string  `arg:"name"`
	Default *string `arg:"default"`
}

func variable(thread *starlark.Thread, a *varArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	s.vars[a.Name] = true
	if value, ok := s.rt.opts.Vars[a.Name]; ok {
		s.run.NoteInput(build.Input{Kind: build.InputVar, Name: a.Name, Value: value})
		return starlark.String(value), nil
	}
	if a.Default != nil {
		return starlark.String(*a.Default), nil
	}
	err = fmt.Errorf("var: %q has no value", a.Name)
	hint := fmt.Sprintf("run with --var %s=VALUE, or give a default", a.Name)
	if near := nearest.Names(a.Name, slices.Sorted(maps.Keys(s.rt.opts.Vars))); len(near) > 0 {
		hint = fmt.Sprintf("there is --var %s", near[0])
	}
	return nil, withHint(err, hint)
}
