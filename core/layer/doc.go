// Package layer makes layers: from local files, from files made in memory, and from tar archives that exist.
//
// [Prepare] finds what the sources of one call put into a layer and checks all of it, [Plan.Build] writes it to a content store, [FromTar] stores an
// archive as it is. Both give back a [Layer] whose blob is in the store. [Scan] and [Build] do the same for who wants to see, change or make the entries,
// [BuildInOrder] for entries in an order of their own.
//
//	tree, err := layer.OpenTree("project")
//	plan, err := layer.Prepare(ctx, []layer.File{{Target: "/app", Tree: tree, Local: "dist"}}, nil)
//	built, err := plan.Build(ctx, store)
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
// entries and stays what it is in all releases.
//
// For compression an archive is cut into chunks of about 1 MiB, at least 256 KiB and at most 4 MiB: before an entry when the hash of its path says so, and
// at every 4 MiB of the contents of a larger file. So the cuts are known before anything is read, and a file that comes, goes or grows moves only those beside
// it. Each chunk is compressed on its own. For gzip the chunks become deflate blocks of one member, joined at empty stored blocks (RFC 1951, 3.2.4), for zstd
// frames (RFC 8878, 3.1). The level is 1 unless set, for both: a layer is compressed while somebody waits for it. Chunks cost at most 3 % of the size that
// the level has in one stream.
//
// The compressed bytes are a function of the entries, the compression, its level and the version of github.com/klauspost/compress, and of nothing else: not of the
// number of processors, nor of what a cache has. They may change when that version does, which testdata/golden.txt names.
//
// # What was built before
//
// [Prepare] with Options.Cache finds out how the sources of a call were built before: in this directory, or else in another one. It compares the metadata of
// the entries, and the size, times, inode, device and mode of their files, chunk by chunk. When all chunks are as they were, [Plan.Known] has the layer, and no
// file was read. Otherwise [Plan.Build] neither reads nor compresses the chunks before the first change: it takes their bytes from the earlier
// blob, and the hash of the diff ID as it was after them. Later chunks are read, since that hash covers all bytes in their order, and compressed only when the
// earlier blob has none that was made of the same bytes. All that is taken over is verified; what is missing or damaged is made anew. The layer is the one that
// a build without a cache makes.
//
// A chunk is known again by looks only if its files had not changed for 20 ms when they were read, and if they have an inode and a time of change: those of an
// [io/fs.FS] are always read, as are files made in memory of more than 64 KiB.
//
// # Safety
//
// Nothing outside the root of a Tree is read, whatever its links say and whatever is swapped while it is read. A file that is not
// as Scan found it when Build opens it, or after its last byte was read, by its size, times, inode or mode, is [ErrChanged]. The clock behind its times may stand
// still for some milliseconds. So Build does not read a file before its last change was 20 ms ago: then a later change shows in its times. [Entry.Open] does not
// wait, and reads such a file twice. A layer never holds parts of two contents of a file.
//
// Build reads each file once, and a large one in parts at once. [Workers] limit how many chunks are worked on at once, and how many bytes of them are in memory, over
// all builds that share them: 12 to 32 MiB of the archives, and as much again of what they are compressed to. A million files take about 350 MB. What can
// only be read in order, such as a stream, is, and holds no processor meanwhile.
//
// All that is wrong with the sources of a call is reported at once, as [Errors] of [*Error].
package layer
