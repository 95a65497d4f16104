// Package content holds the interfaces by which blobs and manifests move.
//
// A registry repository, an OCI layout, an archive, the cache and a map in memory are all stores: they are
// addressed by [Descriptor] (media type, digest, size), and one function, [Copy], moves a manifest and all that
// it needs from one to another. Everything else in imgscript is a producer, a wrapper or a user of these interfaces.
//
// # Promises that every store keeps
//
//   - What [Fetcher.Fetch] returns is verified: its reader ends with [io.EOF] only when exactly the bytes that the
//     descriptor names were read. Anything else ends with an error that is [ErrVerification]. A descriptor
//     whose Size is negative has an unknown size; its digest is still verified.
//   - What is missing is an error that is [ErrNotFound].
//   - [Pusher.Push] stores nothing under a digest or a size that the bytes do not have: such bytes are [ErrVerification]. Pushing what
//     is there is no error. It wants the size: a descriptor without one is [ErrInvalid] ([CheckPush]).
//   - A malformed digest is [ErrInvalid] to Fetch and Push and never becomes part of a path or a URL.
//   - The error of an [Opener] or of its reader can be found in that of Push by [errors.Is].
//   - All methods may be called by many goroutines at once and return soon after their context ends, with an error that is
//     [context.Canceled] or [context.DeadlineExceeded] (or the context's cause). The context of a Fetch or an Opener governs the reader too.
//
// contenttest.TestStore holds a store to them.
//
// # Optional abilities
//
// A store may do more than the small interfaces ask for: [Mounter], [Streamer], [TagPusher], [ManifestReader] and [Ingester]
// of a target, [Locator] of a source. They are found by type assertion, and a wrapper that hides one only
// makes things slower, never wrong.
//
// # Documents
//
// Manifests and indexes are JSON documents that point to other content. [ParseDocument] reads the OCI and the Docker kinds,
// refuses what is ambiguous (CVE-2021-41190), and [Document.Children] says what a document needs. Their bytes are
// never written anew: what is only copied keeps its digest.
package content
