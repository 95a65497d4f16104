package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/lock"
	"github.com/imgscript/imgscript/core/nearest"
	"github.com/imgscript/imgscript/starlib"
)

func newUpdateCommand() *cobra.Command {
	u := &update{}
	cmd := &cobra.Command{
		Use:   "update FILE.star[:FUNCTION]… [REFERENCE…]",
		Short: "Make or refresh the lock of scripts",
		Long: `update runs scripts as plan does, so that nothing is saved, to find the images that they start from. In
` + lock.Name + `, at the root of the scripts, it locks what their tags stand for now: all of them, or those that are named and
those that are not locked yet. It prints "reference platform: old → new" for each entry that is another one than before.

With that file, run and plan start from what it says. A run that succeeded adds what it lacks, and changes nothing that it has.

Exit codes are those of imgscript run.`,
		Example: `  imgscript update build.star
  imgscript update build.star node:lts-slim
  imgscript update api/build.star web/build.star --prune
  imgscript update --locked --download build.star`,
		Args:              atLeastOne("a script's file"),
		ValidArgsFunction: cobra.FixedCompletions([]string{"star"}, cobra.ShellCompDirectiveFilterFileExt),
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&u.download, "download", false, "bring all that is locked for these scripts into the cache, for runs with --offline")
	cmd.Flags().BoolVar(&u.prune, "prune", false, "drop the entries that these scripts do not use")
	u.flags.add(cmd)
	cmd.Flags().Lookup("output").Usage = "`FORMAT` of what is new: text (a line for each change) or json (an object for each entry)"
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		u.cmd = cmd
		if err := u.understand(args); err != nil {
			return err
		}
		return u.jobs[0].opened(cmd.Context(), u.run)
	}
	return cmd
}

// update is one call of update.
type update struct {
	cmd      *cobra.Command
	flags    runFlags
	download bool
	prune    bool

	jobs []*job
	refs []string // to be refreshed, as the lock has them; none are all

	lock      lockFile
	now       *lock.File      // as it will be
	used      map[string]bool // entries, by name
	refreshed map[string]bool // references
}

// understand reads the arguments: scripts, and then references.
func (u *update) understand(args []string) error {
	if err := u.contradictions(args); err != nil {
		return err
	}
	for i, arg := range args {
		if file, _ := splitFunction(arg); i > 0 && !(strings.HasSuffix(file, ".star") && exists(file)) {
			name, err := build.LockName(arg)
			if err != nil {
				return usagef("%v", err)
			}
			if u.refs = append(u.refs, name); u.flags.lock.strict() {
				return usagef("references are refreshed, and --locked changes nothing: give one")
			}
			continue
		}
		j, err := newJob(u.cmd, arg, &u.flags)
		if err != nil {
			return err
		}
		u.jobs = append(u.jobs, j)
		if j.script.root != u.jobs[0].script.root {
			return usagef("%s and %s have two roots, and so two locks: %s and %s", args[0], arg, u.jobs[0].script.root, j.script.root)
		}
	}
	return nil
}

func (u *update) contradictions(args []string) error {
	strict, offline := u.flags.lock.strict(), u.flags.lock.offline
	switch {
	case u.flags.report.file != "":
		return usagef("--report is of imgscript run: update makes nothing to report of")
	case u.download && u.flags.cache.off:
		return usagef("--download and --no-cache contradict each other: give one")
	case u.download && offline:
		return usagef("--download and --offline contradict each other: give one")
	case u.prune && strict:
		return usagef("--prune changes the lock, and --locked does not: give one")
	case offline && !strict:
		return usagef("--offline knows no more than the lock has: give --locked too").
			withHint("imgscript update --locked --offline %s tells whether the cache has all that is locked", args[0])
	}
	return nil
}

// run runs the scripts, changes the lock, and tells what is new on stdout.
func (u *update) run(ctx context.Context, engine *build.Engine, display progress.Display) error {
	before, err := u.find(ctx, engine, display)
	display.Close()
	if err != nil {
		return tellError(ctx, err)
	}
	return writeLockChanges(u.cmd.OutOrStdout(), u.flags.output.format, lockChanges(before, u.now))
}

// find runs the scripts and changes the lock. It returns what that was before.
func (u *update) find(ctx context.Context, engine *build.Engine, display progress.Display) (before *lock.File, err error) {
	if u.lock, err = openLock(u.jobs[0].script.root); err != nil {
		return nil, err
	}
	if u.now = u.lock.file; u.now == nil { // which would lock nothing
		u.now = &lock.File{}
	}
	before = u.now
	u.used, u.refreshed = map[string]bool{}, map[string]bool{}
	for _, j := range u.jobs {
		if err := u.look(ctx, engine, display, j); err != nil {
			return nil, err
		}
	}
	if err := u.namesWhatIsThere(); err != nil {
		return nil, err
	}
	return before, u.write(ctx, before)
}

// look runs one script.
func (u *update) look(ctx context.Context, engine *build.Engine, display progress.Display, j *job) error {
	j.opts.Plan, j.opts.Lock, j.opts.SharedVars = true, u.now, len(u.jobs) > 1
	j.opts.Download = u.download || u.flags.lock.offline // which looks whether all of it is there
	done := u.refreshed
	wanted := func(reference string) bool {
		return !u.flags.lock.strict() && !done[reference] && (len(u.refs) == 0 || slices.Contains(u.refs, reference))
	}
	j.opts.LockRefresh = wanted
	result, err := j.exec(ctx, engine, display)
	if err != nil {
		return err
	}
	report := result.Report.Lock
	if len(report.Gone) > 0 && !u.prune {
		e := report.Gone[0]
		return &starlib.Error{
			Kind: starlib.KindPolicy, Msg: fmt.Sprintf("what %s stands for now has no %s, for which %s has an entry", e.Reference, e.Platform, u.lock.path),
			Hint: "with --prune, the entry is dropped unless one of the scripts uses it",
		}
	}
	next := map[string]bool{}
	for _, e := range report.Added {
		next[e.Reference] = wanted(e.Reference)
	}
	for reference := range done {
		next[reference] = true
	}
	u.now, err = u.now.Without(func(e lock.Entry) bool { return next[e.Reference] && !done[e.Reference] }).Set(report.Added...)
	u.refreshed = next
	for _, e := range report.Used {
		u.used[e.Name()] = true
	}
	return err
}

// namesWhatIsThere refuses references that no script starts from.
func (u *update) namesWhatIsThere() error {
	for _, ref := range u.refs {
		if u.refreshed[ref] {
			continue
		}
		err := usagef("no image of %s that the lock rules starts from %s", u.jobs[0].arg, ref)
		var names []string
		for _, e := range u.now.Entries() {
			names = append(names, e.Reference)
		}
		if near := nearest.Name(ref, names); near != "" {
			return err.withHint("did you mean %s?", near)
		}
		return err.withHint("imgscript update %s, without a reference, refreshes all and prints them", u.jobs[0].arg)
	}
	return nil
}

// write puts what is new into the file, over what is there at that moment.
func (u *update) write(ctx context.Context, before *lock.File) error {
	if u.prune {
		u.now = u.now.Without(func(e lock.Entry) bool { return !u.used[e.Name()] })
	}
	if u.flags.lock.strict() {
		return nil
	}
	return lock.Update(ctx, u.lock.path, func(there *lock.File) (*lock.File, error) {
		old := func(e lock.Entry) bool {
			was, ok := before.Find(e.Reference, e.Platform)
			_, stays := u.now.Find(e.Reference, e.Platform)
			return u.refreshed[e.Reference] || ok && was == e && !stays
		}
		return there.Without(old).Set(slices.DeleteFunc(u.now.Entries(), func(e lock.Entry) bool {
			was, ok := before.Find(e.Reference, e.Platform)
			return ok && was == e && !u.refreshed[e.Reference]
		})...)
	})
}
