package registry

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// longestRead notes the most that was asked for at once.
type longestRead struct {
	io.Reader
	longest int
}

func (l *longestRead) Read(p []byte) (int, error) {
	l.longest = max(l.longest, len(p))
	return l.Reader.Read(p)
}

func TestBodiesLeaveInBigPieces(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes of %d arrived: %v", len(got), len(data), err)
		}
	}))
	defer server.Close()
	for name, transport := range map[string]*http.Transport{
		"registry":  newTransport(),
		"elsewhere": newRoutes(&Options{}).transport(routeKey{limit: loopback}),
	} {
		body := &longestRead{Reader: bytes.NewReader(data)}
		req, err := http.NewRequest(http.MethodPut, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = int64(len(data))
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		transport.CloseIdleConnections()
		if body.longest < pieceSize {
			t.Errorf("%s: at most %d bytes were read at once", name, body.longest)
		}
	}
}

func TestWideDialFails(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: io.ErrUnexpectedEOF}
	dial := dialFunc(func(context.Context, string, string) (net.Conn, error) { return nil, refused })
	if conn, err := dial.wide(t.Context(), "tcp", "127.0.0.1:1"); conn != nil || err != refused {
		t.Errorf("got %v, %v", conn, err)
	}
}
