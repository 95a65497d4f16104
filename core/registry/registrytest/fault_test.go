package registrytest_test

import (
	"bytes"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// TestRedirectFault sends a request elsewhere: to the other name of the server, which takes no credentials, or to any origin.
func TestRedirectFault(t *testing.T) {
	s := registrytest.New(t, &registrytest.Options{Auth: registrytest.AuthBearer})
	desc := s.PushBlob("a", []byte("x"))
	path := "/v2/a/blobs/" + desc.Digest.String()
	s.SetFaults(registrytest.Fault{Redirect: "localhost"}, registrytest.Fault{Nth: 3, Redirect: "http://10.0.0.1"})
	if resp, body := do(t, s, "GET", path, ""); resp.StatusCode != http.StatusOK || body != "x" {
		t.Errorf("at the other name: %d %q", resp.StatusCode, body)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Location"); resp.StatusCode != 307 || got != "http://10.0.0.1"+path {
		t.Errorf("%d to %q", resp.StatusCode, got)
	}
}

// TestStallBodyFault reads a part of what it is sent and then does nothing until its end.
func TestStallBodyFault(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := registrytest.New(t, &registrytest.Options{Listener: l, Faults: []registrytest.Fault{{StallBody: 1000}}})
	if s.Host != l.Addr().String() {
		t.Errorf("listens on %s, want %s", s.Host, l.Addr())
	}
	answered := make(chan error)
	go func() {
		resp, err := http.Post(s.URL+"/v2/a/blobs/uploads/", "", bytes.NewReader(make([]byte, 2000)))
		if err == nil {
			resp.Body.Close()
		}
		answered <- err
	}()
	for len(s.Requests()) == 0 || s.Requests()[0].Received < 1000 {
		time.Sleep(time.Millisecond)
	}
	s.Close()
	if err := <-answered; err == nil {
		t.Error("it was answered")
	}
	if n := s.Requests()[0].Received; n != 1000 {
		t.Errorf("%d bytes were read, want 1000", n)
	}
}
