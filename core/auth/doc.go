// Package auth finds credentials for registries, answers the challenges of registries and holds the tokens that it gets.
//
// It has two halves that meet in [Keychain]: sources that know credentials, and the [Authorizer] that uses them.
//
// # Sources
//
// A [Keychain] is asked for the credential of one repository of one host, by the host's name as users write it (docker.io, never
// registry-1.docker.io). The zero [Credential] and no error mean that it knows nothing. There are:
//
//   - [Map], the auth map of a script: keys "host" or "host/path", the longest match by whole components wins;
//   - [Docker], Docker's config.json with its credential helpers;
//   - [Podman], the auth.json of Podman, buildah and skopeo;
//   - [Google], Google's default credentials, for Google's registries alone;
//   - [Chain], several in order, and [Default], which is Docker, then Podman, then Google, then nothing.
//
// [Explain] tells what each of them said. [Store] keeps the credentials of a login where Docker does, and [Authorizer.Login] asks the registry
// about them first.
//
// A source that is broken says so with its name. Where the environment names it for this very host (credHelpers, an entry in auths, an entry of
// an auth map), that is the end. Where it is a general source (the credsStore helper, Google's default credentials), the error is
// [ErrUnavailable]: the next source is asked, and when none knows anything the Authorizer goes on without a credential, so that a stale
// credsStore does not break the pull of a public image. If the registry then refuses, the error tells of both.
//
// # Challenges and tokens
//
// [Authorizer.Do] sends a request once without credentials, reads the challenge of a 401 (RFC 9110, section 11.6.1), obtains what it asks
// for and sends the request again. From then on requests of the same scopes carry the header at once, and those of
// other scopes of the same registry get their token before they are sent.
//
//   - Basic: the user and password of the credential (RFC 7617).
//   - Bearer: a token from the realm that the challenge names (https://distribution.github.io/distribution/spec/auth/token/): by GET, with the
//     credential as Basic or anonymously; for identity tokens by POST (https://distribution.github.io/distribution/spec/auth/oauth/), and by GET
//     where the server cannot answer that. An access token of Microsoft Entra ID, given to a registry of Azure's as an identity token or as the
//     password of the user 00000000-0000-0000-0000-000000000000, is exchanged for an identity token first.
//   - A registry token is sent as Bearer as it is, whatever the challenge.
//
// What a keychain keeps (the answer of a helper, an access token) and a registry or a token server refuses is asked for once more: see [Forgetter].
//
// Tokens are kept for each registry and set of scopes until shortly before they expire, or until a 401 refuses them. One request for a
// token is made at once; those who wait for it can leave, and the last to leave ends it.
//
// # Where credentials go
//
// To the registry that they are for: scheme, host and port as dialled. To a realm only if it is at that very place, or if it is reached by
// HTTPS (or on loopback from loopback) and its host is the registry's host, in the registry's registrable domain, in a short table of
// known pairs, or allowed by [AuthorizerOptions].AllowRealm; otherwise [ErrRealm] names it (CVE-2026-48978 and its kin). Never to an http realm of an
// https registry, and never along a redirect: a token server's redirect is followed without credentials only, and only on the same host.
//
// # Secrets
//
// [Credential] and [Entry] print, log and encode themselves without what is secret, and what servers say is scrubbed of it before it
// becomes part of an error. Helpers get the host on their standard input, and nothing that they print is ever shown.
package auth
