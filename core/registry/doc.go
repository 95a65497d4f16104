// Package registry is a client of the OCI distribution protocol: it reads and writes the blobs, manifests and tags of registries.
//
// A [Client] holds what a process needs once: connections, limits, tokens, and what is learnt of each host. Its
// [Client.Repository] is a [content.Repository] with every optional ability of that package, so that pulling, pushing and
// copying are content.Copy; beyond that a Repository has the calls of the protocol themselves ([Repository.Head],
// [Repository.Manifest], [Repository.PutManifest], [Repository.Tags], [Repository.Delete], [Repository.Referrers],
// [Repository.Upload], [Repository.MountFrom]).
//
//	c := registry.New(&registry.Options{Keychain: auth.Default(nil)})
//	defer c.Close()
//	repo := c.Repository("docker.io", "library/busybox")
//	desc, manifest, err := repo.Manifest(ctx, "latest")
//
// # How a request travels
//
// A request passes through a chain of senders, each with one duty, outermost first (request.go):
//
//   - the retrier sends again what failed for a passing reason: broken connections, silence, 408, 429, 500, 502, 503, 504;
//     it waits a random while that doubles, or as long as Retry-After says, up to a limit;
//   - the reporter makes an [Error] of what is no success, with the registry's own words quoted and no secrets;
//   - the schemer finds out once whether a host that may speak plain HTTP does;
//   - the authorizer answers challenges, by core/auth, and only for the registry's own scheme, host and port; it gets one new token
//     where a registry refuses an old one without saying so in the usual way (authorizer.go);
//   - the pacer lets it wait while the host has had too many, and keeps to the rate of its configuration (pace.go);
//   - the redirector follows redirects by its own rules and drops credentials on the way;
//   - the wire makes an http.Request of it, under a watchdog that cancels it when nothing moves.
//
// A request that reads goes to the mirrors of its host first, each once and with less patience, and with all of this to the host if none of them
// serves it (mirror.go).
//
// # Where requests go
//
// What a server says about where to go next (Location, redirects, Link) passes through one function, follow, before anything is sent there:
// never from HTTPS to HTTP. Every address but that of a registry itself is looked at when it is dialled, after its name was resolved
// (transport.go, reach.go): it may be no nearer than the address on which the registry answers, so that a registry on the Internet leads
// nowhere into a private network and nobody to the services of a cloud under link-local addresses. That holds for token servers and
// for the urls of foreign layers ([Client.FetchForeign]) too, and for what a file's own server leads to ([Client.FetchURL]). Connections that were made under different rules are kept apart.
//
// # Reading
//
// Everything read by digest is verified against that digest, whatever the headers say. A manifest read by tag must have the digest that the
// registry names, if it names one. A blob that breaks off is read on with a Range request to the registry. Documents and pages
// are bounded to 4 MiB, the bodies of errors to 8 KiB.
//
// # Writing
//
// A blob is mounted where the registry has it in another repository (mount.go), else asked for and sent: in one PUT if it is finished
// (upload.go, session.go), by a streamed PATCH while it is being written (stream.go). Asking and opening an upload are one request, a
// mount from the target itself, where that is known to work or the blob is small; in a repository that is known to be new nothing is asked for
// ([Repository.IsNew]). A host that refuses a PUT with a body gets a PATCH, one
// that finds a body too big gets parts (parts.go), and what it took is remembered (intake.go). A PATCH that breaks off is resumed where the
// registry says that it is. Statuses are taken by their meaning: every
// 2xx is a success. After a failed PUT the registry is asked for the blob, since the answer may be all that was lost, and then a
// new session is opened. Sessions that are given up are cancelled, for at most half a second. A manifest is sent under its tag at
// once; the digest in the answer must be ours.
//
// # Limits
//
// Options.Transfers blobs are on their way to each host at once, and as many from it. Options.Requests bounds the small requests without a body, over all hosts. A transfer
// that waits for our own side for more than Timeouts.Idle lends its place, so that no order of reads and writes can stand still for
// ever. All retries of a client come out of one budget, Backoff.Budget, into which each success pays.
//
// What is special about one host is in Options.Hosts: mirrors, certificates, its rate, its limits, what it may lead to.
//
// # Tests
//
// Package registrytest is a registry for tests, of this package and of its users.
package registry
