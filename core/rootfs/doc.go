// Package rootfs looks into images: the tree of files that layers make together, as an engine that unpacks them makes it, without unpacking them.
//
// [Read] reads the archives of all layers once, for what they say and not for what is in the files, and keeps no file's contents. [Tree.Open] and [Tree.WriteTar] read a layer again when
// they come to a file of it. [Tree.Flatten] makes one layer of the tree, [Tree.Removal] what a layer needs that removes some of it.
//
// # Rules
//
// Layers are applied from the lowest (image-spec, layer.md, "Applying Changesets"):
//
//   - An entry replaces what has its path, but a directory that comes upon a directory changes its metadata and keeps what is in it.
//   - ".wh.NAME" removes NAME, and ".wh..wh..opq" all that is in its directory, of the layers below alone, wherever in its own layer it stands.
//   - A parent that an entry does not have is a directory of mode 0755, of root. One that is a symbolic link leads to where it points, as in a chroot: engines unpack through
//     links, so that "lib/x" lands in "usr/lib" where "lib" is a link to it.
//   - A hard link is another name of the file that it names, which stays when that name is removed.
//
// What an engine could not unpack, such as a hard link to nothing or a file in the place of a parent, is an error that names layer and path.
package rootfs
