//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// treeData is the tree with node_modules.
func treeData(ctx context.Context, s *stage) (err error) {
	s.tree, err = s.lab.tree(ctx)
	return err
}

// bigData is one big file.
func bigData(_ context.Context, s *stage) (err error) {
	s.tree, err = s.big()
	return err
}

// servicesData is what many services have.
func servicesData(_ context.Context, s *stage) (err error) {
	s.tree, err = s.services()
	return err
}

// layersData is an image of several layers in the registry that is copied from.
func layersData(ctx context.Context, s *stage) error {
	s.image = "layers:1"
	if _, err := s.layers(); err != nil {
		return err
	}
	return s.imgscript(ctx, "layers.star", "image="+s.source.host+"/"+s.image, fmt.Sprintf("count=%d", s.size.layers))
}

// marker begins the line that changeFile adds. What a run that was killed left behind it is not part of the file.
const marker = "// round of bench/run: "

// changeFile adds a line to a small file in the middle of the tree, another one in each round.
func changeFile(s *stage, round int) error {
	if s.changed == "" {
		path, err := middle(s.tree)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s.original, _, _ = bytes.Cut(data, []byte(marker))
		s.changed = path
	}
	return os.WriteFile(s.changed, fmt.Appendf(slices.Clone(s.original), "%s%d\n", marker, round), 0o644)
}

// middle is the file of 1 to 8 KiB that has as many others of this kind before it as behind it.
func middle(dir string) (string, error) {
	var small []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() >= 1<<10 && info.Size() <= 8<<10 {
			small = append(small, path)
		}
		return err
	})
	if err == nil && len(small) == 0 {
		err = errors.New("no file of 1 to 8 KiB")
	}
	if err != nil {
		return "", err
	}
	return small[len(small)/2], nil
}

// restoreFile makes the file what it was.
func restoreFile(s *stage) error { return os.WriteFile(s.changed, s.original, 0o644) }

// addFile adds a file before all others.
func addFile(s *stage, round int) error {
	s.changed = filepath.Join(s.tree, "app", "00-front")
	if round == 0 { // a run that was killed has left some
		if err := removeFiles(s); err != nil {
			return err
		}
	}
	return os.WriteFile(fmt.Sprintf("%s-%02d", s.changed, round), fmt.Appendf(nil, "round %d\n", round), 0o644)
}

// removeFiles removes what addFile added.
func removeFiles(s *stage) error {
	added, err := filepath.Glob(s.changed + "-*")
	for _, path := range added {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
