package build

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/image"
	"github.com/imgscript/imgscript/core/layer"
)

// InputKind says what an [Input] is.
type InputKind string

// The kinds of inputs. What a run has of its own (the texts in a script, an image that it saved before) is none.
const (
	InputScript  InputKind = "script"      // a file of the language that runs
	InputFile    InputKind = "file"        // a local file that was read
	InputGlob    InputKind = "glob"        // the paths that a pattern was found to match: Digest is that of their lines
	InputLayer   InputKind = "layer"       // the local files of a layer, which are Files: Digest is that of their list, see Input.List
	InputIgnores InputKind = "ignore_file" // an ignore file that had a say in a layer
	InputKeyFile InputKind = "key_file"    // a local file with a credential: by its name alone
	InputBase    InputKind = "base"        // what the reference of an image names: an index, or a manifest
	InputFetch   InputKind = "fetch"       // a remote file that is pinned by its digest
	InputBlob    InputKind = "blob"        // a blob of a registry, by its digest
	InputRead    InputKind = "read"        // what a client was told; Live where that may be another thing tomorrow
	InputVar     InputKind = "var"         // a variable, by name and value
	InputSecret  InputKind = "secret"      // a secret, by its name alone
)

// Input is something outside that a run read, and on which what it makes may depend.
type Input struct {
	Kind InputKind
	// Name is a local path ("//dir/file" from the root, or as the program wrote it where it is outside), a reference, a URL without what may be secret, what a
	// layer was made of, or the name of a variable or a secret.
	Name string
	// Digest is that of the contents; "" where there are none, or where they are not to be told.
	Digest digest.Digest
	// Size is that of a file in bytes.
	Size int64
	// Value is that of a variable.
	Value string
	// Op is the call of a read: "resolve", "manifest", "tags", "referrers", "blob_exists", "blob".
	Op string
	// Live says of a read that it is not by digest.
	Live bool
	// Manifests are those that were picked from a base, by their platforms.
	Manifests map[string]digest.Digest
	// Files are those of a layer, sorted by their names.
	Files []InputFileOf

	reference string // of a base: its repository and digest
}

// InputFileOf is a local file of a layer, or a symbolic link that it keeps, which has a text in the place of a digest.
type InputFileOf struct {
	Name   string // as that of an Input
	Digest digest.Digest
	Size   int64
	Link   string
}

// List is the text whose digest is that of an InputLayer: for each file a line with its digest, its size and its quoted name, for a link "link", its quoted text and its
// quoted name.
func (in *Input) List() string {
	var b strings.Builder
	for _, f := range in.Files {
		if f.Link != "" {
			fmt.Fprintf(&b, "link %q %q\n", f.Link, f.Name)
		} else {
			fmt.Fprintf(&b, "%s %d %q\n", f.Digest, f.Size, f.Name)
		}
	}
	return b.String()
}

// NoteInput adds an input to the report, if the run keeps them: for calls of embedding programs that read something themselves. It may be called from any goroutine.
func (r *Run) NoteInput(in Input) {
	if !r.opts.Inputs {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.inputs = append(r.inputs, in)
}

// allInputs are the inputs of the run, sorted, each once. What the run made itself is none of them.
func (r *Run) allInputs(saved []Saved) []Input {
	made := map[string]bool{}
	for _, s := range saved {
		made[s.Reference()] = true
	}
	all := slices.DeleteFunc(slices.Clone(r.inputs), func(in Input) bool { return made[in.reference] })
	slices.SortStableFunc(all, compareInputs)
	return mergeInputs(all)
}

func compareInputs(a, b Input) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Digest, b.Digest))
}

// mergeInputs makes one of those that are alike: the manifests of a base come together.
func mergeInputs(sorted []Input) []Input {
	var all []Input
	for _, in := range sorted {
		if n := len(all); n > 0 && compareInputs(all[n-1], in) == 0 {
			if all[n-1].Manifests == nil && in.Manifests != nil {
				all[n-1].Manifests = map[string]digest.Digest{}
			}
			maps.Copy(all[n-1].Manifests, in.Manifests)
			continue
		}
		in.Manifests = maps.Clone(in.Manifests)
		all = append(all, in)
	}
	return all
}

// nameOf is what an input calls a local file: from the root, or, outside of it, as it was written.
func (r *Run) nameOf(tree *layer.Tree, name, written string) string {
	if tree == r.tree {
		return show(name)
	}
	return written
}

// noteFile notes a local file of which all is at hand.
func (r *Run) noteFile(kind InputKind, tree *layer.Tree, name, written string, data []byte) {
	if !r.opts.Inputs {
		return
	}
	in := Input{Kind: kind, Name: r.nameOf(tree, name, written)}
	if kind != InputKeyFile {
		in.Digest, in.Size = digest.FromBytes(data), int64(len(data))
	}
	r.NoteInput(in)
}

// noteRead has a local file noted when it was read to its end.
func (r *Run) noteRead(in Input, open content.Opener) content.Opener {
	if !r.opts.Inputs {
		return open
	}
	return func(ctx context.Context) (io.ReadCloser, error) {
		body, err := open(ctx)
		if err != nil {
			return nil, err
		}
		return &notedReader{ReadCloser: body, run: r, in: in, hash: sha256.New()}, nil
	}
}

// notedReader notes what was read at its end.
type notedReader struct {
	io.ReadCloser
	run  *Run
	in   Input
	hash hash.Hash
	n    int64
}

// Read implements io.Reader.
func (n *notedReader) Read(p []byte) (int, error) {
	got, err := n.ReadCloser.Read(p)
	n.hash.Write(p[:got])
	n.n += int64(got)
	if err == io.EOF {
		n.in.Digest, n.in.Size = digest.NewDigest(digest.SHA256, n.hash), n.n
		n.run.NoteInput(n.in)
	}
	return got, err
}

// noteGlob notes what a pattern matches.
func (r *Run) noteGlob(include, exclude, found []string) {
	if !r.opts.Inputs {
		return
	}
	name := strings.Join(include, " ")
	if len(exclude) > 0 {
		name += " without " + strings.Join(exclude, " ")
	}
	r.NoteInput(Input{Kind: InputGlob, Name: name, Digest: listDigest(found)})
}

// noteLayer notes the local files of a layer.
func (m *making) note(ctx context.Context, plan *layer.Plan) error {
	r := m.run
	if !r.opts.Inputs {
		return nil
	}
	files, ignores, err := plan.Sources(ctx)
	if err != nil {
		return err
	}
	in := Input{Kind: InputLayer, Name: createdBy(m.files)}
	for _, f := range files {
		in.Files = append(in.Files, InputFileOf{r.nameOf(f.Tree, f.Name, f.Path), f.Digest, f.Size, f.Link})
	}
	if len(in.Files) > 0 {
		slices.SortStableFunc(in.Files, func(a, b InputFileOf) int { return cmp.Compare(a.Name, b.Name) })
		in.Digest = digest.FromString(in.List())
		r.NoteInput(in)
	}
	for _, f := range ignores {
		r.NoteInput(Input{Kind: InputIgnores, Name: r.nameOf(f.Tree, f.Name, f.Path), Digest: f.Digest, Size: f.Size})
	}
	return nil
}

// note notes what the base is.
func (b *base) note(from root, err error) (root, error) {
	if err == nil {
		b.run.NoteInput(b.input(from))
	}
	return from, err
}

func (b *base) input(from root) Input {
	dgst := from.desc.Digest
	return Input{Kind: InputBase, Name: b.ref.String(), Digest: dgst, reference: b.ref.Name() + "@" + dgst.String()}
}

// notePicked notes which image of the base was picked.
func (b *base) notePicked(from root, img *image.Image) {
	in := b.input(from)
	in.Manifests = map[string]digest.Digest{img.Platform().String(): img.Descriptor().Digest}
	b.run.NoteInput(in)
}

// noteAsked notes what a client was told of a tag or a digest; that there is none is something too.
func (c *Client) noteAsked(op, ref string, told digest.Digest, err error) {
	if err != nil && !errors.Is(err, content.ErrNotFound) {
		return
	}
	in := Input{Kind: InputRead, Name: c.Repository() + ":" + ref, Op: op, Digest: told, Live: true}
	if _, notDigest := parseDigest(ref); notDigest == nil {
		in.Name = c.Repository() + "@" + ref
		in.Live = err != nil || op == "blob_exists"
	}
	c.run.NoteInput(in)
}

// noteList notes a list that a client was told.
func (c *Client) noteList(op, name string, list []string, err error) {
	if err == nil && c.run.opts.Inputs {
		c.run.NoteInput(Input{Kind: InputRead, Name: name, Op: op, Live: true, Digest: listDigest(list)})
	}
}

func digestsOf(list []content.Descriptor) (digests []string) {
	for _, desc := range list {
		digests = append(digests, desc.Digest.String())
	}
	return digests
}

// listDigest is the digest of a list of lines.
func listDigest(list []string) digest.Digest {
	return digest.FromString(strings.Join(append(slices.Clone(list), ""), "\n"))
}
