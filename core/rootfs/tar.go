package rootfs

import (
	"archive/tar"
	"context"
	"io"
)

// WriteTar writes the tree as one archive, without whiteouts: first all directories, then what has no contents, then the files in the order of the layers that have them, each with its hard links
// behind it. Layers of which nothing is left are not read; the others are read to their ends and verified, at the end of each at the latest. The bytes are a function of the layers alone.
func (t *Tree) WriteTar(ctx context.Context, w io.Writer) error {
	out := tar.NewWriter(w)
	live, err := t.writeHeads(out)
	if err != nil {
		return err
	}
	for i := range t.layers {
		if len(live[i]) == 0 {
			continue
		}
		if err := t.writeLayer(ctx, out, i, live[i]); err != nil {
			return layerError(t.layers, i, err)
		}
	}
	return out.Close()
}

// writeLayer writes the files of a layer that live has, by entry and under their names.
func (t *Tree) writeLayer(ctx context.Context, out *tar.Writer, i int, live map[int][]*node) error {
	a, err := openArchive(ctx, t.src, t.layers[i])
	if err != nil {
		return err
	}
	defer a.close()
	for at, left := 0, len(live); left > 0; at++ {
		if _, err := a.next(ctx); err != nil {
			return noEnd(err)
		}
		names := live[at]
		if len(names) == 0 {
			continue
		}
		if err := writeFile(out, names, a.contents(ctx)); err != nil {
			return err
		}
		left--
	}
	if err := a.rest(); err != io.EOF { // it tells whether what was written is right
		return err
	}
	return nil
}

// writeHeads writes all that has no contents, and returns the names of the files that have, by layer and entry.
func (t *Tree) writeHeads(out *tar.Writer) ([]map[int][]*node, error) {
	live := make([]map[int][]*node, len(t.layers))
	var special []*node
	var err error
	visitNodes(t.root, func(n *node) {
		meta := n.inode.meta
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
	meta := n.inode.meta
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
