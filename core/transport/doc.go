// Package transport reads the references by which scripts and commands name images, and opens what they name.
//
// The transports are those of skopeo (containers-transports(5)):
//
//	[docker://]HOST/REPO[:TAG][@DIGEST]   a repository of a registry; Docker Hub's short names work
//	oci:DIR[:TAG][@DIGEST]                a directory with an OCI image layout
//	oci-archive:FILE[:TAG][@DIGEST]       a tar of such a directory
//	docker-archive:FILE[:NAME[:TAG]]      what docker save writes and docker load reads
//	docker-daemon:NAME[:TAG]              an image of a Docker daemon
//	scratch                               the empty image, as a base
//
// # Registry references
//
// The grammar is Docker's (github.com/distribution/reference), with these rules on top:
//
//   - The first component is a host if it has a dot or a colon or is "localhost"; else the name is one of Docker Hub. "node" is
//     docker.io/library/node, "user/app" and "docker.io/user/app" are docker.io/user/app, and index.docker.io is docker.io.
//   - Hosts are compared in lower case. IPv6 addresses stand in brackets. Punycode ("xn--…") is refused, since what it stands for can
//     look like another host; so are ports outside of 1 to 65535.
//   - Repositories have at most 255 bytes and are lower case, tags have at most 128, digests are sha256 or sha512 in full.
//   - A reference with a tag and a digest is used by its digest; the tag is kept for messages.
//   - Without a tag and a digest, Tag is empty. [Reference.TagOrLatest] says what that means on a registry.
//
// # OCI layouts
//
// The directory ends at the first colon, or at an "@" that a digest follows; it is kept as written, and [Options].Path says where it lies.
// So does a file. TAG is a name that layout.CheckName takes, such as "v1" or "docker.io/library/alpine:3.20"; without one, what [layout.Layout.Resolve]
// finds for the empty name.
//
// # Docker's own stores
//
// NAME and TAG are a registry reference without a digest: Docker names its images by where they would be pushed. Without a tag it is "latest". An archive without a name is read for its
// only image, and written with an image that has none.
package transport
