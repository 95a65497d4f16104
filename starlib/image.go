package starlib

import (
	"fmt"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	"go.starlark.net/starlark"

	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
)

// imageValue is an Image: a builder of the engine, and what the script sees of it.
type imageValue struct {
	s        *session
	b        *build.Image
	frozen   bool
	template bool // made while a module was loaded

	set       map[string]starlark.Value // attributes that are not dicts, as they were set
	dicts     map[string]*starlark.Dict // env, labels and annotations, which scripts change in place
	touched   map[string]site           // where an attribute was last set or, for dicts, read
	committed state                     // what of it the image underneath has for good
	told      state                     // what the image was last told
	sent      string                    // that, less what was committed, in a form that can be compared
	kin       *kin
	platform  string // of a view
}

type imageArgs struct {
	Base      string       `arg:"base"`
	Target    *string      `arg:"target"`
	Auth      authArg      `arg:"auth"`
	Platform  string       `arg:"platform"`
	Platforms platformsArg `arg:"platforms"`
	Format    string       `arg:"format"`
	Locked    bool         `arg:"locked"`
}

func newImage(thread *starlark.Thread, a *imageArgs) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	m, err := a.Auth.resolve(s)
	if err != nil {
		return nil, fmt.Errorf("image: auth: %w", err)
	}
	opts := &build.ImageOptions{Auth: m, Platform: a.Platform, Platforms: a.Platforms, Format: a.Format, Unlocked: !a.Locked, Template: s.isLoading()}
	if a.Target != nil {
		opts.Target = *a.Target
	}
	b, err := s.run.Image(here(thread), a.Base, opts)
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	return s.wrap(b), nil
}

// wrap makes a script's value of an image.
func (s *session) wrap(b *build.Image) *imageValue {
	i := &imageValue{s: s, b: b, template: s.isLoading(), set: map[string]starlark.Value{}, touched: map[string]site{}, dicts: map[string]*starlark.Dict{}}
	for _, name := range dictAttributes() {
		i.dicts[name] = new(starlark.Dict)
	}
	i.kin = &kin{members: []*imageValue{i}}
	i.told = i.state()
	i.commit()
	s.images = append(s.images, i)
	return i
}

// String implements starlark.Value. It shows nothing that would have to be waited for.
func (i *imageValue) String() string {
	text := i.b.Base()
	if i.platform != "" {
		text += " on " + i.platform
	}
	if t := i.b.Target(); t != "" {
		text += " → " + t
	}
	return "<Image " + text + ">"
}

// Type implements starlark.Value.
func (i *imageValue) Type() string { return "Image" }

// Freeze implements starlark.Value. An image and its views are frozen together.
func (i *imageValue) Freeze() {
	for _, m := range i.kin.members {
		m.frozen = true
		for _, dict := range m.dicts {
			dict.Freeze()
		}
	}
}

// Truth implements starlark.Value.
func (i *imageValue) Truth() starlark.Bool { return true }

// Hash implements starlark.Value.
func (i *imageValue) Hash() (uint32, error) { return 0, unhashable(i) }

// Attr implements starlark.HasAttrs.
func (i *imageValue) Attr(name string) (starlark.Value, error) { return imageClass.attr(i, name) }

// AttrNames implements starlark.HasAttrs.
func (i *imageValue) AttrNames() []string { return imageClass.attrNames() }

// SetField implements starlark.HasSetField.
func (i *imageValue) SetField(name string, v starlark.Value) error {
	if i.frozen {
		return Frozen("set " + name)
	}
	return imageClass.setField(i, name, v)
}

// filesArg is the files of add_files: a dict of sources by target, or one local path.
type filesArg struct {
	dict starlark.IterableMapping
	path string
}

// Unpack implements starlark.Unpacker.
func (f *filesArg) Unpack(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.String:
		f.path = string(v)
	case starlark.IterableMapping:
		f.dict = v
	default:
		return wanted("a dict of sources by target, or a local path", v, `{"/app": "./dist"}`)
	}
	return nil
}

type addFilesArgs struct {
	Files        filesArg `arg:"files"`
	Target       *string  `arg:"target"`
	Ignores      []string `arg:"ignores"`
	IgnoreFiles  []string `arg:"ignore_files"`
	Symlinks     string   `arg:"symlinks"`
	HardLinks    string   `arg:"hard_links"`
	UID          int      `arg:"uid"`
	GID          int      `arg:"gid"`
	Mode         modeArg  `arg:"mode"`
	PreserveMode bool     `arg:"preserve_mode"`
	MTime        timeArg  `arg:"mtime"`
	Parents      *bool    `arg:"parents"`
	MaxDepth     *int     `arg:"max_depth"`
	RawNames     bool     `arg:"raw_names"`
	Compression  string   `arg:"compression"`
	Level        *int     `arg:"level"`
}

func (a *addFilesArgs) options() (*layer.Options, error) {
	if a.HardLinks != "copy" && a.HardLinks != "keep" {
		return nil, fmt.Errorf(`hard_links %q: want "copy" or "keep"`, a.HardLinks)
	}
	o := &layer.Options{
		Ignores: a.Ignores, IgnoreFiles: a.IgnoreFiles, Symlinks: layer.SymlinkMode(a.Symlinks), KeepHardLinks: a.HardLinks == "keep",
		UID: a.UID, GID: a.GID, Mode: a.Mode.ptr(), PreserveMode: a.PreserveMode, ModTime: a.MTime.t, Parents: a.Parents, MaxDepth: a.MaxDepth,
		RawNames: a.RawNames, Compression: a.Compression, Level: a.Level,
	}
	return o, layer.CheckOptions(o)
}

// fileSteps is what each file of a call costs, in steps.
const fileSteps = 200

// checkKnown implements partlyKnown.
func (a *addFilesArgs) checkKnown() error {
	_, err := a.options()
	return err
}

func (i *imageValue) addFiles(thread *starlark.Thread, a *addFilesArgs) (starlark.Value, error) {
	if i.frozen {
		return nil, FrozenMethod("add_files")
	}
	opts, err := a.options()
	if err != nil {
		name, _, _ := strings.Cut(err.Error(), " ") // that of the option comes first
		return nil, &argumentError{error: fmt.Errorf("add_files: %w", err), name: name, index: -1}
	}
	files, err := i.files(a)
	if err != nil {
		return nil, fmt.Errorf("add_files: %w", err)
	}
	return &layerValue{i.s, i.b.AddFiles(here(thread), files, opts)}, nil
}

// files reads the three forms of a call.
func (i *imageValue) files(a *addFilesArgs) ([]build.File, error) {
	if a.Files.dict == nil {
		target, err := defaultTarget(a.Files.path)
		if a.Target != nil {
			target, err = *a.Target, nil
		}
		return []build.File{{Target: target, Local: a.Files.path}}, err
	}
	if a.Target != nil {
		return nil, fmt.Errorf("target: the dict says the targets already")
	}
	items := a.Files.dict.Items()
	if err := i.s.charge(i.s.thread, fileSteps*int64(len(items))); err != nil {
		return nil, err
	}
	var files []build.File
	for _, item := range items {
		target, ok := starlark.AsString(item[0])
		if !ok {
			return nil, fmt.Errorf("files: want targets that are strings, got %s", typeOf(item[0]))
		}
		f, err := i.fileAt(target, item[1])
		if err != nil {
			path := fmt.Sprintf("[%q]", target)
			return nil, &argumentError{error: fmt.Errorf("files%s: %w", path, err), name: "files", path: path}
		}
		files = append(files, f)
	}
	return files, nil
}

// fileAt is one entry of the dict: a local path, a File, or data.
func (i *imageValue) fileAt(target string, v starlark.Value) (build.File, error) {
	switch v := v.(type) {
	case starlark.String:
		return build.File{Target: target, Local: string(v)}, nil
	case *fileValue:
		return v.at(i.s, target)
	}
	var data dataArg
	if err := data.Unpack(v); err != nil {
		return build.File{}, wanted("a local path, a File or data", v, "")
	}
	blob, err := data.blob(i.s)
	return build.File{Target: target, Custom: &layer.Custom{}, Data: blob}, err
}

// defaultTarget is where a local path goes that has no target: "dist" to /dist, "./" to /.
func defaultTarget(local string) (string, error) {
	clean := path.Clean(strings.TrimPrefix(local, "//"))
	if clean == ".." || strings.HasPrefix(clean, "../") || path.IsAbs(clean) {
		return "", fmt.Errorf("%q needs a target: add_files(%q, \"/target\")", local, local)
	}
	return "/" + strings.TrimPrefix(clean, "."), nil
}

// digestOrLayer is the subject of add_layer.
type digestOrLayer struct {
	digest digest.Digest
	layer  *layerValue
}

// Unpack implements starlark.Unpacker.
func (d *digestOrLayer) Unpack(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.String:
		d.digest = digest.Digest(v)
	case *layerValue:
		d.layer = v
	default:
		return wanted("a digest or a Layer", v, "")
	}
	return nil
}

type addLayerArgs struct {
	Digest         digestOrLayer `arg:"digest"`
	Uncompressed   string        `arg:"uncompressed_digest"`
	Size           *int64        `arg:"size"`
	URLs           []string      `arg:"urls"`
	MediaType      string        `arg:"media_type"`
	FromRepository string        `arg:"from_repository"`
}

func (i *imageValue) addLayer(thread *starlark.Thread, a *addLayerArgs) (starlark.Value, error) {
	if i.frozen {
		return nil, FrozenMethod("add_layer")
	}
	if l := a.Digest.layer; l != nil {
		if a.Uncompressed != "" || a.Size != nil || len(a.URLs) > 0 || a.MediaType != "" || a.FromRepository != "" {
			return nil, fmt.Errorf("add_layer: a Layer says all there is to say; give nothing else")
		}
		i.b.AddLayer(here(thread), l.b)
		return l, nil
	}
	ref := build.LayerRef{
		Digest: a.Digest.digest, DiffID: digest.Digest(a.Uncompressed), Size: -1, MediaType: a.MediaType, URLs: a.URLs, From: a.FromRepository,
	}
	if a.Size != nil {
		if ref.Size = *a.Size; ref.Size < 0 {
			return nil, fmt.Errorf("add_layer: size %d is negative", ref.Size)
		}
	}
	l, err := i.b.AddLayerRef(here(thread), ref)
	if err != nil {
		return nil, fmt.Errorf("add_layer: %w", err)
	}
	return &layerValue{i.s, l}, nil
}

type digestArgs struct {
	Digest string `arg:"digest"`
}

func (i *imageValue) removeLayer(thread *starlark.Thread, a *digestArgs) (starlark.Value, error) {
	if i.frozen {
		return nil, FrozenMethod("remove_layer")
	}
	if err := i.flush(); err != nil {
		return nil, err
	}
	found, err := i.b.RemoveLayer(here(thread), digest.Digest(a.Digest))
	if err != nil {
		return nil, i.s.waitError("remove_layer", err)
	}
	return starlark.Bool(found), nil
}

type saveArgs struct {
	Tags             []string `arg:"tags"`
	Cmd              []string `arg:"cmd"`
	Env              envArg   `arg:"env"`
	WorkingDir       *string  `arg:"working_dir"`
	CopyRemoteLayers bool     `arg:"copy_remote_layers"`
	IgnoreExists     bool     `arg:"ignore_exists"`
	To               string   `arg:"to"`
}

func (i *imageValue) save(thread *starlark.Thread, a *saveArgs) (starlark.Value, error) {
	if err := i.s.notWhileLoading("save"); err != nil {
		return nil, err
	}
	if err := i.flush(); err != nil {
		return nil, fmt.Errorf("save: %w", err)
	}
	if len(a.Env) == 0 {
		a.Env = nil // nothing to add is no change
	}
	saved := i.b.Save(here(thread), &build.SaveOptions{
		Tags: a.Tags, To: a.To, LeaveForeign: !a.CopyRemoteLayers, IgnorePresent: a.IgnoreExists,
		Changes: image.Changes{Cmd: a.Cmd, Env: a.Env, WorkingDir: a.WorkingDir},
	})
	return &savedValue{i.s, saved}, nil
}

type syncArgs struct {
	CopyRemoteLayers bool `arg:"copy_remote_layers"`
	IgnoreExists     bool `arg:"ignore_exists"`
}

func (i *imageValue) sync(thread *starlark.Thread, a *syncArgs) (starlark.Value, error) {
	if err := i.s.notWhileLoading("sync"); err != nil {
		return nil, err
	}
	i.b.Sync(here(thread), &build.SyncOptions{LeaveForeign: !a.CopyRemoteLayers, IgnorePresent: a.IgnoreExists})
	return starlark.None, nil
}

type forkArgs struct {
	Target string `arg:"target"`
}

func (i *imageValue) fork(_ *starlark.Thread, a *forkArgs) (starlark.Value, error) {
	if err := i.flush(); err != nil {
		return nil, fmt.Errorf("fork: %w", err)
	}
	b, err := i.b.Fork(a.Target, &build.ForkOptions{Template: i.s.isLoading()})
	if err != nil {
		return nil, fmt.Errorf("fork: %w", err)
	}
	return i.s.wrap(b), nil
}

func (i *imageValue) layers(thread *starlark.Thread, _ *noArgs) (starlark.Value, error) {
	if err := i.flush(); err != nil {
		return nil, fmt.Errorf("layers: %w", err)
	}
	layers, err := i.b.Layers(here(thread))
	if err != nil {
		return nil, i.s.waitError("layers", err)
	}
	return i.s.layerList(layers), nil
}

type getEnvArgs struct {
	Name    string         `arg:"name"`
	Default starlark.Value `arg:"default"`
}

func (i *imageValue) getEnv(thread *starlark.Thread, a *getEnvArgs) (starlark.Value, error) {
	if err := i.flush(); err != nil {
		return nil, fmt.Errorf("get_env: %w", err)
	}
	value, ok, err := i.b.Env(here(thread), a.Name)
	switch {
	case err != nil:
		return nil, i.s.waitError("get_env", err)
	case ok:
		return starlark.String(value), nil
	case a.Default != nil:
		return a.Default, nil
	}
	return starlark.None, nil
}

// AsImage returns the image of a script's value, for built-ins of the embedding program. What the script set so far is in it.
func AsImage(v starlark.Value) (*build.Image, bool) {
	i, ok := v.(*imageValue)
	if !ok || i.flush() != nil {
		return nil, false
	}
	return i.b, true
}

// FromImage makes a script's value of an image, for built-ins of the embedding program that return one.
func FromImage(thread *starlark.Thread, img *build.Image) (starlark.Value, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	return s.wrap(img), nil
}

// Run returns the run that a thread belongs to, for built-ins of the embedding program.
func Run(thread *starlark.Thread) (*build.Run, error) {
	s, err := sessionOf(thread)
	if err != nil {
		return nil, err
	}
	return s.run, nil
}

// Here is where a script is, as the build.Origin for what a built-in of the embedding program does.
func Here(thread *starlark.Thread) build.Origin { return here(thread) }
