package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/build"
)

// cacheSizeVariable gives the limit of the cache where no flag does.
const cacheSizeVariable = "IMGSCRIPT_CACHE_SIZE"

// cacheFlags say where the cache of a run is.
type cacheFlags struct {
	dir  string
	size string
	off  bool
}

func (f *cacheFlags) add(cmd *cobra.Command) {
	f.addDir(cmd)
	cmd.Flags().StringVar(&f.size, "cache-size", "", "`SIZE`, such as 5GB or unlimited, to which the cache is pruned at the end (default: $"+cacheSizeVariable+", else 10GB or a tenth of the disk)")
	cmd.Flags().BoolVar(&f.off, "no-cache", false, "neither use nor leave a cache")
	complete(cmd, "cache-size", "unlimited")
}

func (f *cacheFlags) addDir(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "cache-dir", "", "`DIR` that keeps blobs between runs (default: imgscript in the user's cache directory)")
	_ = cmd.MarkFlagDirname("cache-dir")
}

// check refuses values that no command could use.
func (f *cacheFlags) check(given func(flag string) bool) error {
	switch {
	case f.off && f.dir != "":
		return usagef("--no-cache and --cache-dir contradict each other: give one")
	case given("cache-dir") && f.dir == "":
		return usagef(`--cache-dir "": want a directory`).withHint("--no-cache runs without one")
	}
	_, err := f.limit(given)
	return err
}

// limit is what Options.MaxSize of a cache is to be: that of the flag, else of the environment, else the default.
func (f *cacheFlags) limit(given func(flag string) bool) (int64, error) {
	source, text := "--cache-size", f.size
	if !given("cache-size") {
		if source, text = cacheSizeVariable, os.Getenv(cacheSizeVariable); text == "" {
			return 0, nil
		}
	}
	if text == "unlimited" {
		return -1, nil
	}
	n, err := parseSize(text)
	if err != nil {
		return 0, usagef("%s %q: want a size such as 500MB or 20GiB, or unlimited", source, text)
	}
	return max(n, 1), nil // 0 keeps nothing, and so does 1
}

var sizePattern = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?([kKMGT]?i?)B?$`)

var errSize = errors.New("want a size such as 500MB or 20GiB")

// parseSize reads a number of bytes: 1000, 500MB, 1.5 GiB, with or without the B.
func parseSize(text string) (int64, error) {
	m := sizePattern.FindStringSubmatch(text)
	if m == nil || m[2] == "i" {
		return 0, errSize
	}
	base := 1000.0
	unit, binary := strings.CutSuffix(m[2], "i")
	if binary {
		base = 1024
	}
	n, err := strconv.ParseFloat(m[1], 64)
	n *= math.Pow(base, float64(strings.Index("BKMGT", strings.ToUpper(unit + "B")[:1])))
	if err != nil || n > math.MaxInt64/2 {
		return 0, errSize
	}
	return int64(n), nil
}

// userCache is the directory where the cache is by default.
func userCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "imgscript"), nil
}

// openEngine opens an engine with its cache. A user without a directory for caches gets a temporary one, which warn tells.
func (f *cacheFlags) openEngine(opts *build.EngineOptions, warn func(message string)) (*build.Engine, error) {
	opts.CacheDir = f.dir
	if f.off || f.dir != "" {
		engine, err := build.NewEngine(opts)
		if err != nil && f.dir != "" && !errors.Is(err, build.ErrCacheFull) {
			return nil, usagef("--cache-dir %s: %v", f.dir, err)
		}
		return engine, err
	}
	dir, err := userCache()
	if err == nil {
		opts.CacheDir = dir
		var engine *build.Engine
		if engine, err = build.NewEngine(opts); err == nil {
			return engine, nil
		}
	}
	warn(fmt.Sprintf("no cache is kept between runs: %v; --cache-dir names a directory for it", err))
	opts.CacheDir = ""
	return build.NewEngine(opts)
}
