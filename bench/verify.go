//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// file is what is compared of a file. Directories have no size and no digest.
type file struct {
	mode   fs.FileMode // type and permissions
	size   int64
	digest [sha256.Size]byte
	link   string
}

// tree is files by their paths in an image, without a slash at the beginning.
type tree map[string]file

// add reads a local directory into the tree, below a path.
func (t tree) add(dir, below string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := file{mode: info.Mode()}
		switch {
		case d.Type().IsRegular():
			f.size = info.Size()
			f.digest, err = sum(path)
		case d.Type() == fs.ModeSymlink:
			f.mode = fs.ModeSymlink
			f.link, err = os.Readlink(path)
		}
		t[strings.TrimPrefix(filepath.Join(below, rel), "/")] = f
		return err
	})
}

// sum is the digest of a file.
func sum(path string) (digest [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return digest, err
	}
	defer f.Close()
	hash := sha256.New()
	_, err = io.Copy(hash, f)
	return [sha256.Size]byte(hash.Sum(nil)), err
}

// compareTrees tells what is missing, what is there and should not be, and what is different. Directories that an image does not name are no difference: engines make them.
func compareTrees(want, got tree) error {
	var all []error
	for _, path := range slices.Sorted(maps.Keys(want)) {
		w := want[path]
		g, ok := got[path]
		switch {
		case !ok && !w.mode.IsDir():
			all = append(all, fmt.Errorf("%s is missing", path))
		case ok && w != g:
			all = append(all, fmt.Errorf("%s: want %v, %d bytes, %.4x %q; got %v, %d bytes, %.4x %q", path, w.mode, w.size, w.digest, w.link, g.mode, g.size, g.digest, g.link))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[path]; !ok {
			all = append(all, fmt.Errorf("%s should not be there", path))
		}
	}
	const most = 5
	if n := len(all); n > most {
		all = append(all[:most], fmt.Errorf("and %d more", n-most))
	}
	return errors.Join(all...)
}

// verifyTree compares an image with the tree that was packed.
func verifyTree(ctx context.Context, s *stage, r *runner) error {
	if r.tool == reference {
		return nil
	}
	want := tree{}
	if err := want.add(filepath.Join(s.tree, "app"), "app"); err != nil {
		return err
	}
	got, err := readImage(ctx, s.target.host, r.repository())
	if err != nil {
		return err
	}
	r.result.Layer, r.result.Differs = got.size, got.differs(want)
	if r.tool == "imgscript" && s.job.name == "cold" {
		if r.result.OneStream, err = oneStream(ctx, s.target.host, r.repository()); err != nil {
			return err
		}
	}
	return compareTrees(want, got.files)
}

// verifyServices compares the first, the middle and the last of the images.
func verifyServices(ctx context.Context, s *stage, r *runner) error {
	for _, n := range []int{0, s.size.services / 2, s.size.services - 1} {
		want := tree{}
		for path, dir := range map[string]string{"lib": "lib", "assets": "assets", "app": fmt.Sprintf("app/%d", n)} {
			if err := want.add(filepath.Join(s.tree, dir), path); err != nil {
				return err
			}
		}
		got, err := readImage(ctx, s.target.host, fmt.Sprintf("%s/service-%d", r.repository(), n))
		if err == nil {
			err = compareTrees(want, got.files)
		}
		if err != nil {
			return fmt.Errorf("service %d: %w", n, err)
		}
		r.result.Layer, r.result.Differs = got.size, got.differs(want)
	}
	return nil
}

// verifyCopy compares the digests of the manifests, and the blobs with what the manifest says.
func verifyCopy(ctx context.Context, s *stage, r *runner) error {
	want, err := readManifest(ctx, s.source.host, "layers")
	if err != nil {
		return err
	}
	got, err := readManifest(ctx, s.target.host, r.repository())
	if err != nil {
		return err
	}
	if want.digest != got.digest {
		return fmt.Errorf("the manifest is %s, want %s", got.digest, want.digest)
	}
	for _, blob := range append(got.Layers, got.Config) {
		if err := verifyBlob(ctx, s.target.host, r.repository(), blob); err != nil {
			return err
		}
	}
	return nil
}
