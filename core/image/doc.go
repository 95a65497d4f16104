// Package image holds images as immutable values: an [Image] serves its own manifest and config, and knows where its layers are.
//
// # Where an image comes from
//
// [Load] reads the manifest that a descriptor names, and its config; [Select] picks the manifest of a platform from an index first.
// [Scratch] is the image without layers. Neither reads a layer.
//
// # How it changes
//
// Every change returns a new image and leaves the old one as it was, so that images can be shared among goroutines and forked for
// nothing: [Image.Append] and [Image.RemoveLayer] for layers, [Image.AppendImage], [Image.Rebase] and [Image.Flatten] for those of whole images, [Image.With] for what the config says of a container, [Image.WithFormat] for
// the family of media types, and [Image.WithJSON] for everything else, by hand. A change that changes nothing returns the image itself.
//
// # How it goes out
//
// An Image is a [content.Fetcher] of everything that it needs and a [content.Locator] of what lies in a registry, so that pushing it is
//
//	content.Copy(ctx, repository, img, img.Descriptor(), nil)
//
// Images of several platforms go out in an [Index]: that of a base with its images as they became ([Index.Rewrite]), or a new one ([NewIndex], [NewEntry]).
//
// # Bytes
//
// Manifests and configs are never read into a struct and written from it. What is only copied keeps its bytes, and so its digest,
// pretty-printed or not. A change edits the raw JSON: unknown fields, the order of keys and the bytes of every value that is not set
// stay; only white space between the members of the changed objects goes. JSON that two readers may understand in two ways (a key twice,
// or once more in another case) is refused.
//
// # Format
//
// An image stays in the family of its base: OCI, or Docker schema 2. Their configs are the same JSON; manifests differ in media types, and
// Docker's have no annotations, no zstd layers, no subject and no artifact type. New OCI manifests always say their mediaType, which
// the specification leaves open and some registries require (ECR).
//
// # History
//
// The config's history has one entry a layer, and entries marked empty_layer between them. Some registries refuse a history that does not
// match the layers (Artifactory), so a base's that doesn't is padded when layers change.
package image
