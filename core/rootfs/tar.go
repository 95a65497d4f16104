package rootfs

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
)

// WriteTar writes the tree as one archive, without whiteouts: first all directories, then what has no contents, then the files in the order of the layers that have them, each with its hard links
// behind it. Layers of which nothing is left are not read. The bytes are a function of the layers alone.
func (t *Tree) WriteTar(ctx context.Context, w io.Writer) error {
	out := tar.NewWriter(w)
	live, err := t.writeHeads(out)
	if err != nil {
		return err
	}
	for i, desc := range t.layers {
		if len(live[i]) == 0 {
			continue
		}
		at, left := 0, len(live[i])
		err := entries(ctx, t.src, desc, func(_ *tar.Header, data io.Reader) error {
			names := live[i][at]
			at++
			if len(names) == 0 {
				return nil
			}
			if err := writeFile(out, names, data); err != nil {
				return err
			}
			if left--; left == 0 {
				return errStop
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("layer %d, %s: %w", i+1, desc.Digest, err)
		}
	}
	return out.Close()
}

// writeHeads writes all that has no contents, and returns the names of the files that have, by layer and entry.
func (t *Tree) writeHeads(out *tar.Writer) ([]map[int][]*node, error) {
	live := make([]map[int][]*node, len(t.layers))
	var special []*node
	var err error
	visitNodes(t.root, func(n *node) {
		meta := &n.inode.meta
		switch {
		case err != nil || n == t.root && meta.Layer < 0:
		case n.children != nil:
			err = out.WriteHeader(header(n))
		case meta.Type == Regular:
			if live[meta.Layer] == nil {
				live[meta.Layer] = map[int][]*node{}
			}
			live[meta.Layer][n.inode.entry] = append(live[meta.Layer][n.inode.entry], n)
		default:
			special = append(special, n)
		}
	})
	first := map[*inode]*node{}
	for _, n := range special {
		if err != nil {
			return nil, err
		}
		h := header(n)
		if one := first[n.inode]; one != nil {
			h = hardlinkHeader(n, one)
		} else {
			first[n.inode] = n
		}
		err = out.WriteHeader(h)
	}
	return live, err
}

// writeFile writes a file under its first name, and the others as hard links to it.
func writeFile(out *tar.Writer, names []*node, data io.Reader) error {
	if err := out.WriteHeader(header(names[0])); err != nil {
		return err
	}
	if _, err := io.Copy(out, data); err != nil {
		return err
	}
	for _, n := range names[1:] {
		if err := out.WriteHeader(hardlinkHeader(n, names[0])); err != nil {
			return err
		}
	}
	return nil
}

// header is what an archive says of a node. Names are relative, as in layers.
func header(n *node) *tar.Header {
	meta := &n.inode.meta
	h := &tar.Header{
		Name: n.path()[1:], Mode: int64(meta.Mode), Uid: meta.UID, Gid: meta.GID, Uname: meta.Uname, Gname: meta.Gname, ModTime: meta.ModTime,
		Devmajor: meta.Major, Devminor: meta.Minor,
	}
	switch meta.Type {
	case Directory:
		h.Typeflag = tar.TypeDir
		h.Name += "/"
		if n.parent == n {
			h.Name = "./"
		}
	case Symlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, meta.Link
	case Char:
		h.Typeflag = tar.TypeChar
	case Block:
		h.Typeflag = tar.TypeBlock
	case FIFO:
		h.Typeflag = tar.TypeFifo
	default:
		h.Typeflag, h.Size = tar.TypeReg, meta.Size
	}
	for name, value := range meta.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords["SCHILY.xattr."+name] = value
	}
	return h
}

func hardlinkHeader(n, first *node) *tar.Header {
	h := header(n)
	h.Typeflag, h.Size, h.Linkname, h.PAXRecords = tar.TypeLink, 0, first.path()[1:], nil
	return h
}
