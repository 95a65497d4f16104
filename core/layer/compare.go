package layer

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Difference is one path that is not the same in two layers.
type Difference struct {
	Path string // from the root of the image
	What string // "mode 0644, then 0755", "only the first has it", "other contents: sha256:… (5 bytes), then sha256:… (6 bytes)"
}

// Compare reads the blobs of two layers and returns what differs between the archives in them, sorted by path. None where the archives have the same entries: the blobs may still be compressed
// otherwise, or have their entries in another order, which is told for the path "/".
func Compare(first, second io.Reader) ([]Difference, error) {
	a, orderA, err := listTar(first)
	if err != nil {
		return nil, fmt.Errorf("the first layer: %w", err)
	}
	b, orderB, err := listTar(second)
	if err != nil {
		return nil, fmt.Errorf("the second layer: %w", err)
	}
	var found []Difference
	for _, path := range slices.Sorted(maps.Keys(a)) {
		if _, ok := b[path]; !ok {
			found = append(found, Difference{path, "only the first has it"})
			continue
		}
		for _, what := range a[path].differences(b[path]) {
			found = append(found, Difference{path, what})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[path]; !ok {
			found = append(found, Difference{path, "only the second has it"})
		}
	}
	slices.SortStableFunc(found, func(x, y Difference) int { return compareJoined("", x.Path, "", y.Path) })
	if len(found) == 0 && !slices.Equal(orderA, orderB) {
		found = append(found, Difference{"/", "the same entries in another order"})
	}
	return found, nil
}

// tarEntry is an entry of an archive, with the digest of its contents.
type tarEntry struct {
	*tar.Header
	sum string
}

// listTar reads an archive: its entries by path, and the paths in their order.
func listTar(r io.Reader) (map[string]tarEntry, []string, error) {
	plain, err := Decompress(r)
	if err != nil {
		return nil, nil, err
	}
	defer plain.Close()
	entries := map[string]tarEntry{}
	var order []string
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return entries, order, nil
		}
		if err != nil {
			return nil, nil, err
		}
		hash := sha256.New()
		if _, err := io.Copy(hash, archive); err != nil {
			return nil, nil, err
		}
		path := "/" + header.Name
		entries[path] = tarEntry{header, "sha256:" + hex.EncodeToString(hash.Sum(nil))}
		order = append(order, path)
	}
}

// differences says what differs between two entries of one path.
func (e tarEntry) differences(o tarEntry) (list []string) {
	differ := func(what string, a, b any) {
		if a != b {
			list = append(list, fmt.Sprintf("%s %v, then %v", what, a, b))
		}
	}
	differ("type", typeName(e.Typeflag), typeName(o.Typeflag))
	differ("mode", fmt.Sprintf("%#o", e.Mode), fmt.Sprintf("%#o", o.Mode))
	differ("uid", e.Uid, o.Uid)
	differ("gid", e.Gid, o.Gid)
	differ("user", e.Uname, o.Uname)
	differ("group", e.Gname, o.Gname)
	differ("link", e.Linkname, o.Linkname)
	differ("time", e.ModTime.UTC().Format(time.RFC3339Nano), o.ModTime.UTC().Format(time.RFC3339Nano))
	if e.sum != o.sum {
		list = append(list, fmt.Sprintf("other contents: %s (%d bytes), then %s (%d bytes)", e.sum, e.Size, o.sum, o.Size))
	}
	for _, key := range slices.Sorted(maps.Keys(e.PAXRecords)) {
		differ(key, fmt.Sprintf("%q", e.PAXRecords[key]), fmt.Sprintf("%q", o.PAXRecords[key]))
	}
	for _, key := range slices.Sorted(maps.Keys(o.PAXRecords)) {
		if _, ok := e.PAXRecords[key]; !ok {
			differ(key, `""`, fmt.Sprintf("%q", o.PAXRecords[key]))
		}
	}
	return list
}

func typeName(flag byte) string {
	switch flag {
	case tar.TypeReg:
		return "file"
	case tar.TypeDir:
		return "directory"
	case tar.TypeSymlink:
		return "symlink"
	case tar.TypeLink:
		return "hardlink"
	}
	return fmt.Sprintf("%q", flag)
}
