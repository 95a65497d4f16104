// Package layer makes layers: from local files, from files made in memory, and from tar archives that exist.
//
// [Scan] finds what the sources of one call put into a layer and checks all of it, [Build] writes it to a content store, [FromTar] stores an
// archive as it is. All three give back a [Layer] whose blob is in the store.
//
//	tree, err := layer.OpenTree("project")
//	entries, err := layer.Scan(ctx, []layer.File{{Target: "/app", Tree: tree, Local: "dist"}}, nil)
//	built, err := layer.Build(ctx, store, entries, nil)
//
// # Paths
//
// What a source directory holds goes below its target; a file goes to the target itself, or into it when the target ends in "/". The entries
// of a layer are in the byte order of their paths, which puts each directory before what is in it. Two sources that give
// one path are [ErrConflict], unless both give a directory: then the entry is that of the one that is more explicit (a [Custom] before
// a local directory before one that is only there because something is below it), and of the later of two alike.
//
// The target directory and those above it get entries too (0755, owned as the call says), since some engines give directories that no
// layer names a mode of their own. Left out is what bases have with another mode or as a link: /, /bin, /dev, /etc, /home,
// /lib*, /opt, /proc, /root, /run, /sbin, /srv, /sys, /tmp, /usr and /var, and what is directly in /usr and /var. Options.Parents
// changes that.
//
// # Ignored files
//
// Options.Ignores and ignore files have git's rules: the last pattern that is for a path decides, those of deeper directories before those of
// higher ones, and Options.Ignores before all files. Where a directory is ignored, nothing in it is looked at. A .dockerignore
// file has Docker's rules as BuildKit reads them; a path that either kind leaves out is left out. An ignored directory is walked only when one of
// Docker's patterns with "!" can match below it, and gets an entry only when one does. A source that is
// named itself is never ignored. Ignore files are packed like others.
//
// # Links
//
// By default ([SymlinksAuto]) a symbolic link is kept when it still leads, in the layer, to the file that it leads to here, whichever
// source of the call that file is from and whatever links are on the way; and when it leads to nothing here. So the links of pnpm's
// workspaces and of node_modules/.bin stay links. Any other is replaced by what it points to, to which the ignore rules apply at the link's
// path. A link that leads out of the root of its [Tree] is [ErrOutside]; an absolute one counts as a path of this machine.
// Links that lead to themselves, or to a directory around them that cannot be kept, are [ErrLoop].
//
// Hard links are copies, so that one digest comes of a tree however it was copied, or hard links with Options.KeepHardLinks. Of a file
// and its hard links the one that sorts first becomes the file, since engines unpack a layer in order.
//
// # Metadata
//
// Local files get uid and gid of the call, no names, the time of Options.ModTime, no extended attributes, and the mode 0644, or 0755 with any x bit, and
// 0755 for directories, so that neither a umask nor a checkout shows. A [Custom] is written as it says. Sockets are skipped with a
// warning; devices and named pipes are errors and are never opened, as are local files whose names begin with ".wh." (they would
// remove files of the base) or are not UTF-8 (unless Options.RawNames).
//
// # Bytes
//
// An archive is in the USTAR format. PAX records, sorted by key, stand before a header only where it cannot say something: names that are not
// ASCII or too long, sizes from 8 GiB, ids from 2,097,152, times that have a fraction or are before 1970, access and change times, extended attributes.
// The package writes headers itself, because the bytes of archive/tar are no promise: the diff ID is a function of the
// entries and stays what it is in all releases. The compressed bytes are a function of the entries, the compression, its level (1 unless
// set, for gzip and zstd) and the version of github.com/klauspost/compress; they may change when that does.
//
// # Safety
//
// Nothing outside the root of a Tree is read, whatever its links say and whatever is swapped while it is read. A file that is not
// as Scan found it when Build opens it, or after its last byte was read, by its size, times, inode or mode, is [ErrChanged]; one that was
// modified less than 20 ms before is read twice, since the clock behind its times may stand still that long. A layer never holds parts of two
// contents of a file.
//
// Build reads each file once and holds about 6 MiB and the compressor's window, whatever the size of the files. It uses one goroutine that puts the
// archive together, one that hashes and one that compresses it, and a few that read small files ahead.
//
// All that is wrong with the sources of a call is reported at once, as [Errors] of [*Error].
package layer
