package registry_test

import (
	"net/http"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// kind is a kind of fault.
type kind struct {
	name    string
	fault   registrytest.Fault
	bearer  bool   // with a registry that wants tokens
	refused string // what the error may say, once is enough: the policy forbids where the client was sent
	is      error  // what an error must be, when it happens for ever
}

// headers are changes of an answer's head.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h[pairs[i]] = nil
		if pairs[i+1] != "" {
			h[pairs[i]] = []string{pairs[i+1]}
		}
	}
	return h
}

// coded is the answer of a registry with an error code.
func coded(method string, class registrytest.Class, status int, code string) registrytest.Fault {
	return registrytest.Fault{Method: method, Class: class, Status: status, Body: `{"errors":[{"code":"` + code + `","message":"no"}]}`}
}

// kinds are all that may happen to a request once.
func kinds() []kind {
	session, token := registrytest.ClassSession, registrytest.ClassToken
	return []kind{
		{name: "dropped", is: registry.ErrUnreachable, fault: registrytest.Fault{Drop: true}},
		{name: "answer lost", is: registry.ErrUnreachable, fault: registrytest.Fault{Lost: true}},
		{name: "PUT cut at 1 byte", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PUT", CutBody: 1}},
		{name: "PUT cut at 9 kB", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PUT", CutBody: 9e3}},
		{name: "PUT cut at its last byte", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PUT", CutBody: bigNoise - 1}},
		{name: "PATCH cut at 1 byte", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PATCH", CutBody: 1}},
		{name: "PATCH cut at 9 kB", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PATCH", CutBody: 9e3}},
		{name: "PATCH cut at its last byte", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PATCH", CutBody: bigNoise - 1}},
		{name: "408", fault: registrytest.Fault{Status: 408}},
		{name: "429 with seconds", fault: registrytest.Fault{Status: 429, Header: headers("Retry-After", "60"), Body: "slow down\n"}},
		{name: "429 with a date", fault: registrytest.Fault{Status: 429, Header: headers("Retry-After", "Sat, 01 Jan 2000 00:01:40 GMT")}},
		{name: "500 with HTML", fault: registrytest.Fault{Status: 500, Header: headers("Content-Type", "text/html"), Body: "<html>oops</html>"}},
		{name: "502", fault: registrytest.Fault{Status: 502}},
		{name: "503", fault: registrytest.Fault{Status: 503, Header: headers("Retry-After", "3")}},
		{name: "504", fault: registrytest.Fault{Status: 504}},
		{name: "truncated", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "GET", Truncate: 3}},
		{name: "truncated later", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "GET", Truncate: 20e3}},
		{name: "corrupted", is: content.ErrVerification, fault: registrytest.Fault{Method: "GET", Corrupt: 1}},
		{name: "corrupted later", is: content.ErrVerification, fault: registrytest.Fault{Method: "GET", Corrupt: 200}},
		{name: "corrupted at the end", is: content.ErrVerification, fault: registrytest.Fault{Method: "GET", Corrupt: bigNoise}},
		{name: "stalled", is: registry.ErrUnreachable, fault: registrytest.Fault{Stall: true}},
		{name: "stalled midway", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "GET", Stall: true, Truncate: 3}},
		{name: "stalled later", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "GET", Stall: true, Truncate: 20e3}},
		{name: "PUT stalled at 1 byte", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PUT", StallBody: 1}},
		{name: "PUT stalled at 9 kB", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PUT", StallBody: 9e3}},
		{name: "PATCH stalled at 1 byte", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PATCH", StallBody: 1}},
		{name: "PATCH stalled at 9 kB", is: registry.ErrUnreachable, fault: registrytest.Fault{Method: "PATCH", StallBody: 9e3}},
		{name: "no digest", fault: registrytest.Fault{Change: headers("Docker-Content-Digest", "")}},
		{name: "wrong digest", is: content.ErrVerification, fault: registrytest.Fault{Change: headers("Docker-Content-Digest", small.desc.Digest.String())}},
		{name: "malformed digest", fault: registrytest.Fault{Change: headers("Docker-Content-Digest", "sha256:../../x")}},
		{name: "Content-Length too long", is: registry.ErrUnreachable, fault: registrytest.Fault{Change: headers("Content-Length", "12345678")}},
		{name: "Content-Length too short", is: registry.ErrUnreachable, fault: registrytest.Fault{Change: headers("Content-Length", "3")}},
		{name: "revoked token", bearer: true, is: registry.ErrDenied, fault: registrytest.Fault{Revoke: true}},
		{name: "redirected", bearer: true, fault: registrytest.Fault{Redirect: "localhost"}},
		{name: "redirected where nobody may go", bearer: true, refused: "refused re", fault: registrytest.Fault{Redirect: "http://169.254.169.254"}},
		{name: "token dropped", bearer: true, is: registry.ErrUnreachable, fault: registrytest.Fault{Class: token, Drop: true}},
		{name: "token lost", bearer: true, is: registry.ErrUnreachable, fault: registrytest.Fault{Class: token, Lost: true}},
		{name: "token 503", bearer: true, fault: registrytest.Fault{Class: token, Status: 503}},
		{name: "token truncated", bearer: true, is: registry.ErrUnreachable, fault: registrytest.Fault{Class: token, Truncate: 3}},
		{name: "token stalled", bearer: true, is: registry.ErrUnreachable, fault: registrytest.Fault{Class: token, Stall: true}},
		{name: "PUT 413", fault: registrytest.Fault{Method: "PUT", Class: session, Status: 413, Body: "<html>"}},
		{name: "PUT 416", fault: registrytest.Fault{Method: "PUT", Class: session, Status: 416}},
		{name: "PATCH 413", fault: registrytest.Fault{Method: "PATCH", Class: session, Status: 413, Body: "<html>"}},
		{name: "PATCH 416", fault: registrytest.Fault{Method: "PATCH", Class: session, Status: 416}},
		{name: "PATCH 416 for its size", fault: registrytest.Fault{Method: "PATCH", Class: session, Status: 416, Body: "request body is too large"}},
		{name: "upload unknown", is: content.ErrNotFound, fault: coded("", session, 404, "BLOB_UPLOAD_UNKNOWN")},
		{name: "upload invalid", is: content.ErrNotFound, fault: coded("", session, 404, "BLOB_UPLOAD_INVALID")},
		{name: "blobs unknown", is: content.ErrIncomplete, fault: coded("PUT", registrytest.ClassManifest, 400, "MANIFEST_BLOB_UNKNOWN")},
	}
}

// hopeless are kinds that a client does not wait out.
func hopeless() []kind {
	return []kind{
		{name: "400", fault: registrytest.Fault{Status: 400}},
		{name: "401", fault: registrytest.Fault{Status: 401}, is: registry.ErrDenied},
		{name: "401 for ever with tokens", bearer: true, fault: registrytest.Fault{Status: 401}, is: registry.ErrDenied},
		{name: "403", fault: registrytest.Fault{Status: 403}, is: registry.ErrDenied},
		{name: "404", fault: registrytest.Fault{Status: 404}, is: content.ErrNotFound},
	}
}

// class is what an error must be.
func (k kind) class() []error {
	if k.is == nil {
		return nil
	}
	return []error{k.is}
}
