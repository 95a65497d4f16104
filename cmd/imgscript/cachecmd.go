package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/cache"
)

func newCacheCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cache",
		Short: "Look after the cache",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newCacheInfoCommand(), newCachePruneCommand(), newCacheVerifyCommand())
	return cmd
}

// cacheCommand is a command about a cache. do returns what it tells: as text, and as an object of JSON.
type cacheCommand struct {
	flags  cacheFlags
	format string
	do     func(ctx context.Context, c *cache.Cache) (text string, object any, err error)
}

// add makes cmd the command.
func (k *cacheCommand) add(cmd *cobra.Command) *cobra.Command {
	cmd.Args = noArguments
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.Flags().SortFlags = false
	k.flags.addDir(cmd)
	cmd.Flags().StringVar(&k.format, "output", "text", "`FORMAT`: text or json (an object)")
	complete(cmd, "output", outputs()...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := k.check(cmd); err != nil {
			return err
		}
		limit, err := k.flags.limit(cmd.Flags().Changed)
		if err != nil {
			return err
		}
		return withSignals(cmd, func(ctx context.Context, _ func(string)) error { return k.run(ctx, cmd.OutOrStdout(), limit) })
	}
	return cmd
}

func (k *cacheCommand) check(cmd *cobra.Command) error {
	if !slices.Contains(outputs(), k.format) {
		return usagef("--output %q: want text or json", k.format)
	}
	if cmd.Flags().Changed("cache-dir") && k.flags.dir == "" {
		return usagef(`--cache-dir "": want a directory`)
	}
	return nil
}

// run opens the cache, does what is to be done and tells it, even when not all of it could be done.
func (k *cacheCommand) run(ctx context.Context, stdout io.Writer, limit int64) error {
	c, err := k.open(limit)
	if err != nil {
		return err
	}
	text, object, err := k.do(ctx, c)
	if object != nil && k.format == "json" {
		line, encoding := json.Marshal(object)
		text, err = string(line)+"\n", cmp.Or(err, encoding)
	}
	_, writing := io.WriteString(stdout, text)
	return cmp.Or(err, writing, c.Close())
}

// open opens the cache that was named, which must be there, or that of the user, which may be empty.
func (k *cacheCommand) open(limit int64) (*cache.Cache, error) {
	dir := k.flags.dir
	if dir == "" {
		var err error
		if dir, err = userCache(); err != nil {
			return nil, usagef("there is no directory for the cache: %v", err).withHint("--cache-dir names one")
		}
	}
	c, err := cache.Open(dir, &cache.Options{MaxSize: limit, Existing: k.flags.dir != ""})
	if err != nil && k.flags.dir != "" {
		return nil, usagef("--cache-dir %s: %v", dir, err)
	}
	return c, err
}

func newCacheInfoCommand() *cobra.Command {
	k := &cacheCommand{do: func(ctx context.Context, c *cache.Cache) (string, any, error) {
		info, err := c.Info(ctx)
		if err != nil {
			return "", nil, err
		}
		return infoText(&info, time.Now()), infoObject(&info), nil
	}}
	return k.add(&cobra.Command{
		Use:   "info",
		Short: "Tell where the cache is and how large",
		Long: `info tells where the cache is, how many blobs and records it has, their size and the limit of that, and when that was used which has not been
used for the longest time: it goes first. Files are counted, none is read.`,
		Example: `  imgscript cache info
  imgscript cache info --output json`,
	})
}

// infoJSON is the object of cache info. None of its names is renamed or removed.
type infoJSON struct {
	Directory string     `json:"directory"`
	Blobs     int        `json:"blobs"`
	Records   int        `json:"records"`
	Bytes     int64      `json:"bytes"`
	MaxBytes  *int64     `json:"max_bytes"`  // null: no limit
	OldestUse *time.Time `json:"oldest_use"` // null: nothing is there
}

func infoObject(i *cache.Info) *infoJSON {
	object := &infoJSON{Directory: i.Dir, Blobs: i.Blobs, Records: i.Records, Bytes: i.Bytes}
	if i.MaxSize >= 0 {
		object.MaxBytes = &i.MaxSize
	}
	if !i.Oldest.IsZero() {
		oldest := i.Oldest.UTC().Truncate(time.Second)
		object.OldestUse = &oldest
	}
	return object
}

func infoText(i *cache.Info, now time.Time) string {
	limit := "no limit"
	if i.MaxSize >= 0 {
		limit = "at most " + progress.Size(i.MaxSize)
	}
	oldest := "never"
	if !i.Oldest.IsZero() {
		oldest = fmt.Sprintf("%s (%s ago)", i.Oldest.Local().Format("2006-01-02 15:04"), age(now.Sub(i.Oldest)))
	}
	return fmt.Sprintf("directory:  %s\nsize:       %s, %s\nblobs:      %d\nrecords:    %d\noldest use: %s\n",
		i.Dir, progress.Size(i.Bytes), limit, i.Blobs, i.Records, oldest)
}

// age is a time for people, of which uses are known to the hour.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 2*time.Hour:
		return "less than 2 hours"
	case d < 2*day:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/day)
}

func newCachePruneCommand() *cobra.Command {
	var size string
	var all bool
	k := &cacheCommand{}
	cmd := k.add(&cobra.Command{
		Use:   "prune",
		Short: "Make the cache smaller",
		Long: `prune removes from the cache what was not used for the longest time, until it is no larger than a size, and tells what it removed. Runs do the same at their
end, so that it is needed only to get room for something else. What a run that is under way uses, in any process, stays.

What was removed is made or fetched again when it is needed.`,
		Example: `  imgscript cache prune --max-size 1GB
  imgscript cache prune --all`,
	})
	cmd.Flags().StringVar(&size, "max-size", "", "`SIZE` to keep, such as 500MB or 20GiB (default: the limit that cache info tells)")
	cmd.Flags().BoolVar(&all, "all", false, "keep nothing")
	k.do = func(ctx context.Context, c *cache.Cache) (string, any, error) {
		target, err := pruneTarget(ctx, c, cmd.Flags().Changed("max-size"), size, all)
		if err != nil {
			return "", nil, err
		}
		p, err := c.Prune(ctx, target)
		return prunedText(&p), &prunedJSON{p.Blobs, p.Records, p.Bytes, p.Left, p.InUse}, err
	}
	return cmd
}

// pruneTarget is how large the cache may stay.
func pruneTarget(ctx context.Context, c *cache.Cache, given bool, size string, all bool) (int64, error) {
	switch {
	case given && all:
		return 0, usagef("--max-size and --all contradict each other: give one")
	case all:
		return 0, nil
	case given:
		n, err := parseSize(size)
		if err != nil {
			return 0, usagef("--max-size %q: %v", size, err)
		}
		return n, nil
	}
	info, err := c.Info(ctx)
	if err == nil && info.MaxSize < 0 {
		return info.Bytes, nil
	}
	return info.MaxSize, err
}

// prunedJSON is the object of cache prune. None of its names is renamed or removed.
type prunedJSON struct {
	RemovedBlobs   int   `json:"removed_blobs"`
	RemovedRecords int   `json:"removed_records"`
	FreedBytes     int64 `json:"freed_bytes"`
	LeftBytes      int64 `json:"left_bytes"`
	InUseBytes     int64 `json:"in_use_bytes"` // of those that are left; they would have been removed otherwise
}

func prunedText(p *cache.Pruned) string {
	text := fmt.Sprintf("removed %s and %s (%s), %s left\n", count(p.Blobs, "blob"), count(p.Records, "record"), progress.Size(p.Bytes), progress.Size(p.Left))
	if p.InUse > 0 {
		text += fmt.Sprintf("%s more stay, since a run that is under way may use them\n", progress.Size(p.InUse))
	}
	return text
}

func newCacheVerifyCommand() *cobra.Command {
	k := &cacheCommand{do: func(ctx context.Context, c *cache.Cache) (string, any, error) {
		found, err := c.Verify(ctx)
		removed := append([]string{}, found.Removed...)
		return checkedText(&found), &checkedJSON{found.Blobs, found.Records, found.Bytes, removed}, err
	}}
	return k.add(&cobra.Command{
		Use:   "verify",
		Short: "Look for damage in the cache",
		Long: `verify reads all of the cache, and removes blobs whose digest is not their name and records whose checksum is wrong. It tells which. Nothing is lost: a run that
needs them makes or fetches them again, as it would have if it had found the damage itself.

The exit code is 0 when the cache is sound at the end, also if something was removed, and 1 if not all of it could be read or removed.`,
		Example: `  imgscript cache verify`,
	})
}

// checkedJSON is the object of cache verify. None of its names is renamed or removed.
type checkedJSON struct {
	Blobs   int      `json:"blobs"` // that are sound
	Records int      `json:"records"`
	Bytes   int64    `json:"bytes"`
	Removed []string `json:"removed"` // paths below the directory
}

func checkedText(k *cache.Checked) string {
	var b strings.Builder
	for _, name := range k.Removed {
		fmt.Fprintf(&b, "damaged, removed: %s\n", name)
	}
	fmt.Fprintf(&b, "%s and %s are sound (%s)\n", count(k.Blobs, "blob"), count(k.Records, "record"), progress.Size(k.Bytes))
	return b.String()
}
