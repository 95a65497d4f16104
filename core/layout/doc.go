// Package layout reads and writes images in directories: OCI image layouts (image-spec, image-layout.md), as skopeo, buildah, umoci,
// crane and BuildKit do.
//
// A [Layout] is a [content.Repository]: its blobs are the files blobs/ALGORITHM/HEX, its names the annotations
// org.opencontainers.image.ref.name in index.json. Nothing is read or written outside of its directory: symbolic links
// inside it are followed while they stay inside and refused where they leave it, whatever made them, so that a permission for the directory
// is one for no more than the directory.
//
// # Writing
//
// The directory is made with the first write. One that holds other things than a layout is refused. A file appears whole or not at all, and index.json changes
// under a lock (flock on index.json.lock, which BuildKit uses too), so that any number of processes may write to one layout. What other tools
// put into index.json, and its entries, stays as it is, byte for byte, apart from white space between entries.
//
// A name stands in one entry. Giving it to another image replaces that entry, as umoci and crane do, so that building again and
// again into one name leaves a layout with one image; the blobs of the old one stay on the disk and are still found by digest.
//
// A manifest that is pushed without a name gets an entry without one, since other tools find images by index.json alone. It has no
// entry of its own when an index of the layout contains it, and its nameless entry becomes the named one when it is tagged.
//
// # Reading
//
// [Layout.Resolve] finds an image by
//
//   - its name: a ref.name as it stands, else the full name in the annotation io.containerd.image.name, else the tag of a full name in
//     either, as containerd, BuildKit and older skopeos write them;
//   - its digest: one in index.json, one in an index that is named there, or any other manifest among the blobs;
//   - the empty name: the only image, else the one named "latest".
//
// What could be meant in two ways is an error that lists the names. Entries of other kinds (artifacts of unknown media
// types, digests of unknown algorithms) are no images and stay untouched.
//
// A damaged blob ends its reader with [content.ErrVerification]. It is not removed: the directory is the user's.
package layout
