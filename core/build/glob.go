package build

import "io/fs"

// GlobOptions says more of a Glob. nil and the zero value ask for nothing.
type GlobOptions struct {
	// Visit is told how many names a directory has when Glob has read it; an error ends the search. nil: nobody is told.
	Visit func(names int) error
}

// watch tells of the directories of a file system that are read.
func (o *GlobOptions) watch(fsys fs.FS) fs.FS {
	if o.Visit == nil {
		return fsys
	}
	return visited{fsys, o.Visit}
}

// visited is a file system that tells of the directories that are read.
type visited struct {
	fs.FS
	visit func(names int) error
}

// ReadDir implements fs.ReadDirFS.
func (v visited) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(v.FS, name)
	if err == nil {
		err = v.visit(len(entries) + 1)
	}
	return entries, err
}

// Stat implements fs.StatFS.
func (v visited) Stat(name string) (fs.FileInfo, error) { return fs.Stat(v.FS, name) }
