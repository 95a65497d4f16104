package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/starlib"
	"github.com/imgscript/imgscript/starlib/check"
)

// checkFlags are the flags of check as they were given.
type checkFlags struct {
	root   string
	format string
}

func newCheckCommand() *cobra.Command {
	var flags checkFlags
	cmd := &cobra.Command{
		Use:   "check FILE.star…",
		Short: "Find mistakes in scripts without running them",
		Long: `check reads scripts, and what they load, without running them and without touching the network. Of a directory it takes all .star
files below it. It finds names, files, arguments, attributes and methods that do not exist, values of the wrong kind, changes of images that are
never saved, and loads that nobody uses; and it is silent where it is not sure. All problems are written to stdout, by file and place; as JSON with
rule, file, line, column, end_line, end_column, message and, if there is one, hint. Lines and columns begin with 1.

Exit codes: 0 nothing was found, 1 there are problems, 2 usage.`,
		Example: `  imgscript check build.star
  imgscript check --output json .`,
		Args:              scriptFiles,
		ValidArgsFunction: completeScripts,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVar(&flags.root, "root", "", "`DIR` outside of which nothing is loaded (default: as for imgscript run, for each file)")
	cmd.Flags().StringVar(&flags.format, "output", "text", "`FORMAT` of each problem: text, or json (an object in a line)")
	complete(cmd, "output", outputs()...)
	_ = cmd.MarkFlagDirname("root")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !slices.Contains(outputs(), flags.format) {
			return usagef("--output %q: want text or json", flags.format)
		}
		return flags.check(cmd, args)
	}
	return cmd
}

func (f *checkFlags) check(cmd *cobra.Command, args []string) error {
	files, err := starFiles(args)
	if err != nil {
		return err
	}
	problems, err := f.problems(cmd.Context(), files)
	if err != nil {
		return err
	}
	if err := writeProblems(cmd.OutOrStdout(), f.format, problems); err != nil {
		return err
	}
	if len(problems) == 0 {
		return nil
	}
	return showError(&starlib.Error{Kind: starlib.KindScript, Msg: counted(len(problems), "problem")}, "")
}

// counted is a number of things: "1 problem", "2 problems".
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// problems checks files, those of one root together. Where there are several roots, the names of files are shown with theirs.
func (f *checkFlags) problems(ctx context.Context, files []string) ([]check.Problem, error) {
	var roots []string
	names := map[string][]string{}
	for _, file := range files {
		found, err := findScript(file, f.root)
		if err != nil {
			return nil, err
		}
		if names[found.root] == nil {
			roots = append(roots, found.root)
		}
		names[found.root] = append(names[found.root], found.name)
	}
	var all []check.Problem
	for _, dir := range roots {
		opts := &check.Options{}
		if len(roots) > 1 {
			opts.Prefix = shownDir(dir)
		}
		found, err := checkBelow(ctx, dir, names[dir], opts)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b check.Problem) int { return strings.Compare(a.File, b.File) })
	return all, nil
}

// shownDir is what leads from here to the files of a directory: "", or it ends in a slash.
func shownDir(dir string) string {
	if here, err := realPath("."); err == nil {
		if rel, err := filepath.Rel(here, dir); err == nil {
			dir = rel
		}
	}
	if dir == "." {
		return ""
	}
	return filepath.ToSlash(dir) + "/"
}

func checkBelow(ctx context.Context, dir string, names []string, opts *check.Options) ([]check.Problem, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, usagef("%v", err)
	}
	defer root.Close()
	problems, err := check.Files(ctx, root.FS(), names, opts)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return problems, nil
}

func writeProblems(w io.Writer, format string, problems []check.Problem) error {
	out := bufio.NewWriter(w)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for i := range problems {
		if format != "json" {
			fmt.Fprint(out, problems[i].Detail())
		} else if err := encoder.Encode(&problems[i]); err != nil {
			return err
		}
	}
	return out.Flush()
}

// scriptFiles checks that there is an argument.
func scriptFiles(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s: a script's file is missing", cmd.CommandPath()).withHint("%s", cmd.UseLine())
	}
	return nil
}

func completeScripts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"star"}, cobra.ShellCompDirectiveFilterFileExt
}

// starFiles are the files that arguments name, each once: of a directory all .star files below it, but for those in hidden directories.
func starFiles(args []string) ([]string, error) {
	var files []string
	add := func(file string) {
		if file = filepath.Clean(file); !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch file, function := splitFunction(arg); {
		case err != nil && function != "":
			return nil, usagef("%s: want the file of a script", arg).withHint("%s is looked at as a whole", file)
		case err != nil:
			return nil, checkScript(arg, arg)
		case !info.IsDir():
			add(arg)
			continue
		}
		below, err := filesBelow(arg)
		if err != nil {
			return nil, usagef("%s: %v", arg, reason(err))
		}
		if len(below) == 0 {
			return nil, usagef("%s: there is no .star file below it", arg)
		}
		for _, file := range below {
			add(file)
		}
	}
	return files, nil
}

func filesBelow(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != dir && entry.Name()[0] == '.':
			return filepath.SkipDir
		case entry.Type().IsRegular() && filepath.Ext(path) == ".star":
			files = append(files, path)
		}
		return nil
	})
	return files, err
}
