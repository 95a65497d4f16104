// Package registrytest is a registry for tests: a conformant one in memory (olareg) behind a middleware that logs every request, asks for
// credentials, and misbehaves in the ways of real registries when told to. It is for the tests of any program that speaks the distribution
// protocol; nothing in it knows imgscript's client.
//
//	reg := registrytest.New(t, nil)
//	image := reg.PushImage("app", "v1", registrytest.Image{Layers: []map[string]string{{"/etc/motd": "hello\n"}}})
//	… // pull from reg.Host + "/app:v1"
//	for _, r := range reg.Requests() {
//		t.Log(r)
//	}
//
// It listens on loopback, speaks plain HTTP unless Options.TLS is set, and is closed with the test. With the zero Options it passes the conformance
// suite of the distribution specification.
//
// # Contents
//
// [Server.PushImage], [Server.PushIndex], [Server.PushManifest] and [Server.PushBlob] put something in, and [Server.Manifest], [Server.Blob] and [Server.Tags] tell
// what is there, behind the registry's back: that is in no log, and subject to no credentials, quirks or faults.
//
// # Credentials
//
// Options.Auth asks for a password or a token, of Options.Users and by Options.Rights. The token server is the server itself, at /token: it takes GET
// with a password, and POST with a password or a refresh token. [Server.RevokeTokens] makes every token invalid, as time does. Over HTTPS,
// [Server.Client] and [Server.Certificate] are how to trust it.
//
// # Misbehaviour
//
// [Quirks] are what one registry does all the time, each a switch that is a few lines in quirks.go or uploads.go: a function that changes
// the request before the registry sees it, one that answers in its place, and one that changes the head of the answer. [Profile] has those
// of real registries by name:
//
//	quirks, ok := registrytest.Profile("ecr")
//	reg := registrytest.New(t, &registrytest.Options{Quirks: quirks, Auth: registrytest.AuthBasic, Users: users})
//
// [Fault] is what happens once, or a number of times: a matching request is answered with a status, cut off, lost, left without an answer, or
// answered with changed bytes and headers:
//
//	reg.SetFaults(registrytest.Fault{Method: "PUT", Class: registrytest.ClassSession, Nth: 2, Lost: true})
//
// Both can be changed while the server runs. Options.Latency makes it slow.
//
// # The log
//
// [Server.Requests] lists what was asked, in order of arrival; [Request.String] is made for tables in tests: upload sessions have
// no names there and digests are cut. [Server.Count] and [Server.Lines] are shorthands, [Server.MaxTransfers] says how many blobs were on their way at once, and
// [Rounds] how many answers a client waited for one after the other.
//
// # Outside of Go tests
//
// [New] takes any [TB], which an example or a program can have too. [ParseFlags] reads Options from words, for a command in scripts of testscript or the
// like:
//
//	registry -profile ghcr -auth bearer -fault class=blob,nth=2,status=503 reg
package registrytest
