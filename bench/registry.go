//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// registry is one that tools push to and pull from.
type registry struct {
	host     string
	reset    func() error   // removes all but what was there at the last keep
	keep     func() error   // marks what is there as what stays
	requests func() int     // how many were answered so far
	time     func() float64 // the seconds of processors that it used so far
	close    func()
}

// opener starts a registry that keeps its data in a directory.
type opener func(ctx context.Context, dir string) (*registry, error)

// distributionConfig has the file system without a cache of descriptors before it, so that blobs may be removed while it runs. Its log has a line for each request.
const distributionConfig = `version: 0.1
log: {level: info}
storage:
  filesystem: {rootdirectory: %q, maxthreads: 100}
http: {addr: "127.0.0.1:0", secret: bench}
`

var (
	listening = regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	answered  = regexp.MustCompile(`(?m)^127\.0\.0\.1 - .*"(?:GET|HEAD|POST|PUT|PATCH|DELETE) /v2/`)
)

// openDistribution starts the distribution registry that is installed in bin.
func openDistribution(bin string) opener {
	return func(ctx context.Context, dir string) (*registry, error) {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		data, config, log := filepath.Join(dir, "data"), filepath.Join(dir, "config.yml"), filepath.Join(dir, "log")
		if err := os.WriteFile(config, fmt.Appendf(nil, distributionConfig, data), 0o644); err != nil {
			return nil, err
		}
		said := func(pattern *regexp.Regexp) []byte {
			text, _ := os.ReadFile(log) // it is there before the process is
			return pattern.Find(text)
		}
		c := command{args: []string{filepath.Join(bin, "registry"), "serve", config}, env: append(os.Environ(), "OTEL_TRACES_EXPORTER=none")}
		s, err := startService(ctx, c, log, func() bool { return said(listening) != nil })
		if err != nil {
			return nil, err
		}
		kept := storage{root: filepath.Join(data, "docker/registry/v2")}
		return &registry{
			host:  strings.TrimPrefix(string(said(listening)), "listening on "),
			reset: kept.reset,
			keep:  kept.mark,
			requests: func() int {
				text, _ := os.ReadFile(log)
				return len(answered.FindAll(bytes.TrimSpace(text), -1))
			},
			time:  func() float64 { return processTime(s.pid()) },
			close: s.stop,
		}, nil
	}
}

// storage is how distribution keeps repositories and blobs in directories.
type storage struct {
	root string
	kept map[string]bool
}

// each is called with the directory of every repository and every blob.
func (s *storage) each(do func(dir string) error) error {
	for _, pattern := range []string{"repositories/*", "blobs/sha256/*/*"} {
		dirs, err := filepath.Glob(filepath.Join(s.root, pattern))
		if err != nil {
			return err
		}
		for _, dir := range dirs {
			if err := do(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// mark keeps what is there now.
func (s *storage) mark() error {
	s.kept = map[string]bool{}
	return s.each(func(dir string) error {
		s.kept[dir] = true
		return nil
	})
}

// reset removes what is not kept.
func (s *storage) reset() error {
	return s.each(func(dir string) error {
		if s.kept[dir] {
			return nil
		}
		return os.RemoveAll(dir)
	})
}
