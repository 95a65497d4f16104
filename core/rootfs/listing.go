package rootfs

import (
	"context"
	"crypto/sha256"
	"io"
	"maps"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/imgscript/imgscript/core/content"
)

// listing is what a layer's archive says.
type listing struct {
	files []File
	sums  [][sha256.Size]byte // of the contents of each that has some
}

// listings are layers that were read, by what they have in common with those that are the same.
type listings map[digest.Digest]*listing

// read reads some layers, but those that were read before.
func (ls listings) read(ctx context.Context, layers Layers, from, to int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(layersAtOnce)
	for i := from; i < to; i++ {
		if ls[layers.id(i)] != nil {
			continue
		}
		list := &listing{}
		ls[layers.id(i)] = list
		group.Go(func() error {
			if err := list.read(ctx, layers.Source, layers.Layers[i]); err != nil {
				return layerError(layers.Layers, i, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func (l *listing) read(ctx context.Context, src content.Fetcher, desc content.Descriptor) error {
	a, err := openArchive(ctx, src, desc)
	if err != nil {
		return err
	}
	defer a.close()
	for hash := sha256.New(); ; hash.Reset() {
		f, err := a.next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if f.Type == Regular {
			if _, err := io.Copy(hash, a.tar); err != nil {
				return archiveError(err)
			}
		}
		l.files, l.sums = append(l.files, *f), append(l.sums, [sha256.Size]byte(hash.Sum(nil)))
	}
}

// alone reports whether the layers of two images above those that they share can be compared without these. That is so when whatever the shared ones have, it comes to the same in both: each path
// that the upper layers of one image say something of, those of the other do too, no path leads through a directory that they do not have themselves (it may be a link below), and no hard link leads
// to a file of the lower layers.
func (ls listings) alone(old, new Layers, shared int) bool {
	a, ok := ls.said(old, shared)
	if !ok {
		return false
	}
	b, ok := ls.said(new, shared)
	return ok && maps.Equal(a, b)
}

// kinds are what layers say of a path, all of it together: a directory leaves what the layers below have in it, another file does not, nor do whiteouts.
type kinds uint8

const (
	saidDirectory kinds = 1 << iota
	saidFile
	saidWhiteout
	saidOpaque
)

// said is what the layers from one on say of each path. It is false when what they say depends on those below.
func (ls listings) said(layers Layers, from int) (map[string]kinds, bool) {
	said := map[string]kinds{}
	for i := from; i < len(layers.Layers); i++ {
		list := ls[layers.id(i)].files
		for k := range list {
			f := &list[k]
			name, kind := meaning(f)
			if kind == 0 {
				continue
			}
			inside := name // what must be a directory of their own, and all above it
			if kind != saidOpaque {
				inside = path.Dir(name)
			}
			if !ownDirectory(said, inside) || f.Type == Hardlink && !ownFile(said, f.Link) {
				return nil, false
			}
			said[name] |= kind
		}
	}
	return said, true
}

// meaning is the path that an entry is about, and what it says of it; 0 is nothing.
func meaning(f *File) (string, kinds) {
	name := cleanName(f)
	dir, base := path.Split(name)
	after, marked := strings.CutPrefix(base, whiteoutPrefix)
	switch {
	case base == opaqueName:
		return path.Clean(dir), saidOpaque
	case marked && reserved(after):
		return "", 0
	case marked:
		return dir + after, saidWhiteout
	case f.Type == Directory:
		return name, saidDirectory
	}
	return name, saidFile
}

// ownDirectory reports whether a path and all above it were said to be directories, and nothing else.
func ownDirectory(said map[string]kinds, name string) bool {
	for ; name != "/"; name = path.Dir(name) {
		if said[name]&saidDirectory == 0 || said[name]&saidFile != 0 {
			return false
		}
	}
	return true
}

// ownFile reports whether the target of a hard link is a file of the same layers.
func ownFile(said map[string]kinds, target string) bool {
	name := path.Join("/", target)
	return said[name]&saidFile != 0 && ownDirectory(said, path.Dir(name))
}
