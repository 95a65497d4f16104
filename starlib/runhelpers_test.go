package starlib

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarktest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// predeclared are the names of tests: REG, OTHER (which wants ann's password) and FILES and SECURE (whose certificate nobody knows), hosts; assert, of starlarktest; and what looks at the registries
// behind the back of the script:
//
//	remote_tags("HOST/repo")             tags, sorted
//	remote_bytes("HOST/repo", ref)       the bytes of a manifest, or None
//	remote_manifest("HOST/repo", ref)    the same as a dict
//	remote_config("HOST/repo", ref)      the config of an image as a dict
//	remote_blob("HOST/repo", digest)     a blob, or None
//	entries("HOST/repo", ref, n)         the tar entries of the n-th layer, as structs
//	names("HOST/repo", ref, n)           their names alone
//	 (those above wait for the saves to the repository, and leave a HEAD of the tag "none" in the log)
//	requests("HOST")                     what the registry was asked since the last look; the log starts after seeding
//	printed()                            lines that were printed
//	warnings()                           warnings so far
//	built()                              how many layers were built so far
//	write(path, data)                    writes a file of the root
func (w *world) predeclared() starlark.StringDict {
	names := starlark.StringDict{}
	if w.reg != nil {
		names["REG"] = starlark.String(w.reg.Host)
	}
	if w.other != nil {
		names["OTHER"] = starlark.String(w.other.Host)
	}
	if w.files != nil {
		names["FILES"] = starlark.String(w.files.URL)
	}
	if w.secure != nil {
		names["SECURE"] = starlark.String(strings.TrimPrefix(w.secure.URL, "https://"))
	}
	for name, fn := range map[string]func(args []string, last starlark.Value) (starlark.Value, error){
		"remote_tags":     w.remoteTags,
		"remote_bytes":    w.remoteBytes,
		"remote_manifest": w.remoteManifest,
		"remote_config":   w.remoteConfig,
		"remote_blob":     w.remoteBlob,
		"entries":         w.entries,
		"names":           w.entryNames,
		"requests":        w.requests,
		"printed":         func([]string, starlark.Value) (starlark.Value, error) { return strings2list(w.printed), nil },
		"warnings":        func([]string, starlark.Value) (starlark.Value, error) { return strings2list(w.warnings), nil },
		"built":           func([]string, starlark.Value) (starlark.Value, error) { return starlark.MakeInt(w.built), nil },
		"write":           w.writeFile,
	} {
		names[name] = starlark.NewBuiltin(name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			var texts []string
			var last starlark.Value
			for _, arg := range args {
				text, _ := starlark.AsString(arg)
				texts, last = append(texts, text), arg
			}
			if strings.HasPrefix(name, "remote_") || name == "entries" || name == "names" {
				waitForSaves(thread, texts[0])
			}
			w.thread = thread
			return fn(texts, last)
		})
	}
	names["assert"] = w.assert()
	return names
}

// waitForSaves waits for the saves to a repository so far, as a client's calls do.
func waitForSaves(thread *starlark.Thread, repository string) {
	run, err := Run(thread)
	if err != nil {
		return
	}
	if c, err := run.Client(repository, nil, false); err == nil {
		_, _ = c.Resolve(Here(thread), "none") // what it says is of no interest
	}
}

// assert is the module of starlarktest, which reports to the test: the runtime makes the threads, so each call says where to.
func (w *world) assert() starlark.Value {
	loaded, err := starlarktest.LoadAssertModule()
	if err != nil {
		w.t.Fatal(err)
	}
	module := loaded["assert"].(starlark.HasAttrs)
	members := starlark.StringDict{}
	for _, name := range module.AttrNames() {
		fn, err := module.Attr(name)
		if err != nil {
			w.t.Fatal(err)
		}
		members[name] = starlark.NewBuiltin("assert."+name, func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			starlarktest.SetReporter(thread, w.t)
			return starlark.Call(thread, fn, args, kwargs)
		})
	}
	return makeStruct(members)
}

func strings2list(list []string) starlark.Value {
	values := make([]starlark.Value, len(list))
	for i, s := range list {
		values[i] = starlark.String(s)
	}
	return starlark.NewList(values)
}

// server finds the registry of "HOST/repo".
func (w *world) server(repository string) (*registrytest.Server, string) {
	host, repo, _ := strings.Cut(repository, "/")
	if w.other != nil && host == w.other.Host {
		return w.other, repo
	}
	if w.reg == nil || host != w.reg.Host {
		w.t.Errorf("no server for %q", repository)
	}
	return w.reg, repo
}

func (w *world) remoteTags(args []string, _ starlark.Value) (starlark.Value, error) {
	return strings2list(w.tagsIn(args[0])), nil
}

func (w *world) remoteBytes(args []string, _ starlark.Value) (starlark.Value, error) {
	_, data, ok := w.manifestIn(args[0], args[1])
	if !ok {
		return starlark.None, nil
	}
	return starlark.Bytes(data), nil
}

func (w *world) remoteManifest(args []string, _ starlark.Value) (starlark.Value, error) {
	_, data, ok := w.manifestIn(args[0], args[1])
	if !ok {
		return nil, fmt.Errorf("there is no %s in %s", args[1], args[0])
	}
	return jsonToValue(data)
}

func (w *world) remoteConfig(args []string, _ starlark.Value) (starlark.Value, error) {
	data, err := w.blobOf(args[0], args[1], func(doc *content.Document) content.Descriptor { return doc.Children()[0] })
	if err != nil {
		return nil, err
	}
	return jsonToValue(data)
}

// blobOf is a blob of an image that a function picks.
func (w *world) blobOf(repository, ref string, pick func(*content.Document) content.Descriptor) ([]byte, error) {
	desc, data, ok := w.manifestIn(repository, ref)
	if !ok {
		return nil, fmt.Errorf("there is no %s in %s", ref, repository)
	}
	doc, err := content.ParseDocument(desc.MediaType, data)
	if err != nil {
		return nil, err
	}
	blob, ok := w.blobIn(repository, pick(doc).Digest)
	if !ok {
		return nil, fmt.Errorf("%s of %s has no such blob", ref, repository)
	}
	return blob, nil
}

func (w *world) remoteBlob(args []string, _ starlark.Value) (starlark.Value, error) {
	data, ok := w.blobIn(args[0], digest.Digest(args[1]))
	if !ok {
		return starlark.None, nil
	}
	return starlark.Bytes(data), nil
}

// tarOf reads a layer.
func (w *world) tarOf(args []string, last starlark.Value) (*tar.Reader, error) {
	n, err := starlark.AsInt32(last)
	if err != nil {
		return nil, err
	}
	data, err := w.blobOf(args[0], args[1], func(doc *content.Document) content.Descriptor { return doc.Children()[n+1] })
	if err != nil {
		return nil, err
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	return tar.NewReader(unzipped), err
}

func (w *world) entries(args []string, last starlark.Value) (starlark.Value, error) {
	r, err := w.tarOf(args, last)
	list := starlark.NewList(nil)
	for err == nil {
		var h *tar.Header
		if h, err = r.Next(); err != nil {
			break
		}
		var data []byte
		if data, err = io.ReadAll(r); err != nil {
			break
		}
		err = list.Append(entryStruct(h, data))
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return list, nil
}

func entryStruct(h *tar.Header, data []byte) starlark.Value {
	xattrs := new(starlark.Dict)
	for key, value := range h.PAXRecords {
		_ = xattrs.SetKey(starlark.String(key), starlark.Bytes(value))
	}
	return makeStruct(starlark.StringDict{
		"name": starlark.String(h.Name), "type": starlark.String(h.Typeflag), "mode": starlark.MakeInt64(h.Mode), "size": starlark.MakeInt64(h.Size),
		"uid": starlark.MakeInt(h.Uid), "gid": starlark.MakeInt(h.Gid), "uname": starlark.String(h.Uname), "gname": starlark.String(h.Gname),
		"mtime": starlark.MakeInt64(h.ModTime.Unix()), "link": starlark.String(h.Linkname), "data": starlark.Bytes(data), "pax": xattrs,
	})
}

func (w *world) entryNames(args []string, last starlark.Value) (starlark.Value, error) {
	r, err := w.tarOf(args, last)
	var list []string
	for err == nil {
		var h *tar.Header
		if h, err = r.Next(); err == nil {
			list = append(list, h.Name)
		}
	}
	if !errors.Is(err, io.EOF) {
		return nil, err
	}
	return strings2list(list), nil
}

func (w *world) requests(args []string, _ starlark.Value) (starlark.Value, error) {
	s, _ := w.server(args[0])
	lines := s.Lines()
	s.Reset()
	return strings2list(lines), nil
}

func (w *world) writeFile(args []string, data starlark.Value) (starlark.Value, error) {
	text, ok := data.(starlark.Bytes)
	if !ok {
		text = starlark.Bytes(args[1])
	}
	return starlark.None, writeTestFile(filepath.Join(w.root, filepath.FromSlash(args[0])), []byte(text))
}
