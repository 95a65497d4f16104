package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/rootfs"
)

// lsFlags are the flags of ls as they were given.
type lsFlags struct {
	recursive bool
	json      bool
	look      lookFlags
}

func newLsCommand() *cobra.Command {
	var flags lsFlags
	cmd := &cobra.Command{
		Use:   "ls REF[:/PATH]",
		Short: "List the files of an image",
		Long: `ls lists a directory of an image, / by default, or a file: mode, owner, size, time (UTC) and path, as the layers wrote them together. Links in PATH are followed, the
last one if it leads to a directory. With --recursive it lists all that is below too.

What is in a layer is read once and then known from the cache. Exit codes are those of imgscript run.`,
		Example: `  imgscript ls alpine:3
  imgscript ls reg.example.com/app:v1:/etc --recursive
  imgscript ls oci:out:/usr/bin --json`,
		Args:              exactlyOne("an image's reference"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().BoolVarP(&flags.recursive, "recursive", "R", false, "list all that is below too, each directory before what is in it")
	cmd.Flags().BoolVar(&flags.json, "json", false, "write an object for each file, one a line")
	flags.look.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := flags.look.check(); err != nil {
			return err
		}
		return flags.ls(cmd, args[0])
	}
	return cmd
}

// ls lists what the argument names.
func (f *lsFlags) ls(cmd *cobra.Command, arg string) error {
	ref, name, _ := splitPath(arg) // without a path it is the root
	var tree *rootfs.Tree
	var files []rootfs.File
	err := f.look.run(cmd, func(_ context.Context, run *build.Run) error {
		img, err := f.look.image(run, lsLine, ref)
		if err != nil {
			return err
		}
		if tree, err = img.Tree(lsLine, "ls"); err != nil {
			return err
		}
		files, err = f.list(tree, name)
		return err
	})
	if err != nil {
		return err
	}
	stdout := cmd.OutOrStdout()
	out := bufio.NewWriter(stdout)
	if f.json {
		err = writeFilesJSON(out, tree, files)
	} else {
		writeFiles(out, files, progress.Width(stdout))
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// lsLine is where a listing was asked for.
const lsLine = commandLine("imgscript ls")

// list is what a path stands for.
func (f *lsFlags) list(tree *rootfs.Tree, name string) ([]rootfs.File, error) {
	if at, err := tree.Lookup(name, true); err == nil && at.Type == rootfs.Directory {
		if !f.recursive {
			return tree.ReadDir(at.Path)
		}
		var files []rootfs.File
		for file := range tree.Files(at.Path) {
			files = append(files, file)
		}
		return files[1:], nil // without the directory itself
	}
	file, err := tree.Lookup(name, false) // a link to a file, or to nothing, is shown itself
	if err != nil {
		return nil, fmt.Errorf("ls: %w", build.NearFile(tree, name, err))
	}
	return []rootfs.File{file}, nil
}

// writeFiles writes a line for each file. On a terminal, which is width wide, no line is wider; where there is no room for paths, times and owners are left out.
func writeFiles(w io.Writer, files []rootfs.File, width int) {
	owner, size := 0, 0
	for i := range files {
		owner, size = max(owner, len(ownerOf(&files[i]))), max(size, len(sizeOf(&files[i])))
	}
	const mode, when, least = len("drwxr-xr-x"), len("2006-01-02 15:04"), 24
	rest := width - mode - 2 - size - 2
	withOwner := width <= 0 || rest-owner-2 >= least
	withTime := width <= 0 || rest-owner-2-when-2 >= least
	for i := range files {
		f := &files[i]
		line := modeOf(f)
		if withOwner {
			line += fmt.Sprintf("  %-*s", owner, ownerOf(f))
		}
		line += fmt.Sprintf("  %*s", size, sizeOf(f))
		if withTime {
			line += "  " + f.ModTime.UTC().Format("2006-01-02 15:04")
		}
		fmt.Fprintln(w, progress.Cut(line+"  "+pathOf(f), width))
	}
}

// modeOf is a mode as ls writes it: "drwxr-xr-x", "-rwsr-xr-x".
func modeOf(f *rootfs.File) string {
	kinds := map[rootfs.Type]string{
		rootfs.Directory: "d", rootfs.Symlink: "l", rootfs.Char: "c", rootfs.Block: "b", rootfs.FIFO: "p", rootfs.Hardlink: "h",
	}
	kind := kinds[f.Type]
	if kind == "" {
		kind = "-"
	}
	bits := []byte("rwxrwxrwx")
	for i := range bits {
		if f.Mode&(1<<(8-i)) == 0 {
			bits[i] = '-'
		}
	}
	for i, special := range []byte("sst") { // set user ID, set group ID, sticky
		if f.Mode&(0o4000>>i) == 0 {
			continue
		}
		at := 3*i + 2
		if bits[at] == '-' {
			special -= 'a' - 'A' // without the right to execute, it is a capital letter
		}
		bits[at] = special
	}
	return kind + string(bits)
}

func ownerOf(f *rootfs.File) string { return fmt.Sprintf("%d:%d", f.UID, f.GID) }

// sizeOf is the size for people; of a device its numbers.
func sizeOf(f *rootfs.File) string {
	switch f.Type {
	case rootfs.Char, rootfs.Block:
		return fmt.Sprintf("%d, %d", f.Major, f.Minor)
	case rootfs.Regular, rootfs.Hardlink:
		return progress.Size(f.Size)
	}
	return "-"
}

// pathOf is a path, and where a link leads.
func pathOf(f *rootfs.File) string {
	switch f.Type {
	case rootfs.Symlink:
		return f.Path + " -> " + f.Link
	case rootfs.Hardlink:
		return f.Path + " link to " + f.Link
	}
	return f.Path
}

// fileJSON is a line of ls --json. None of its names is renamed or removed.
type fileJSON struct {
	Path   string            `json:"path"`
	Type   rootfs.Type       `json:"type"` // "file", "directory", "symlink", "hardlink", "char", "block" or "fifo"
	Mode   string            `json:"mode"` // octal: "0644"
	UID    int               `json:"uid"`
	GID    int               `json:"gid"`
	User   string            `json:"user"` // the names that the layer has beside the numbers; "" is none
	Group  string            `json:"group"`
	Size   int64             `json:"size"` // bytes
	Link   string            `json:"link"` // where it leads; "" of what is no link
	MTime  time.Time         `json:"mtime"`
	Major  int64             `json:"major"` // of a device
	Minor  int64             `json:"minor"`
	Xattrs map[string][]byte `json:"xattrs"` // base64: they are seldom text
	Layer  digest.Digest     `json:"layer"`  // that has it; "" of a directory that no layer has
}

// writeFilesJSON writes an object for each file.
func writeFilesJSON(w io.Writer, tree *rootfs.Tree, files []rootfs.File) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for i := range files {
		f := &files[i]
		o := &fileJSON{
			Path: f.Path, Type: f.Type, Mode: fmt.Sprintf("%04o", f.Mode), UID: f.UID, GID: f.GID, User: f.Uname, Group: f.Gname, Size: f.Size, Link: f.Link,
			MTime: f.ModTime.UTC(), Major: f.Major, Minor: f.Minor, Xattrs: map[string][]byte{},
		}
		if f.Layer >= 0 {
			o.Layer = tree.Layer(f.Layer).Digest
		}
		for name, value := range f.Xattrs {
			o.Xattrs[name] = []byte(value)
		}
		if err := encoder.Encode(o); err != nil {
			return err
		}
	}
	return nil
}
