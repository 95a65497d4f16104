// Package registrytest is a registry for tests: a conformant one in memory (olareg) behind a middleware that logs every request, asks for
// credentials, and misbehaves in the ways of real registries when told to.
//
//	reg := registrytest.New(t, nil)
//	image := reg.PushImage("app", "v1", registrytest.Image{Layers: []map[string]string{{"/etc/motd": "hello\n"}}})
//	… // pull from reg.Host + "/app:v1"
//	for _, r := range reg.Requests() {
//		t.Log(r)
//	}
//
// It listens on loopback, speaks plain HTTP unless Options.TLS is set, and is closed with the test.
//
// # Misbehaviour
//
// [Quirks] are what one registry does all the time, each a switch that is a few lines in quirks.go or uploads.go: a function that changes
// the request before the registry sees it, one that answers in its place, and one that changes the head of the answer. [Profile] has those
// of real registries by name. [Fault] is what happens once, or a number of times: a matching request is answered with a status, cut off,
// lost, left without an answer, or answered with changed bytes and headers. Both can be changed while the server runs.
//
// # The log
//
// [Server.Requests] lists what was asked, in order of arrival; [Request.String] is made for tables in tests: upload sessions have
// no names there and digests are cut. What the helpers of a test do ([Server.PushImage], [Server.Blob], …) is not in it, nor subject to
// credentials, quirks and faults.
package registrytest
