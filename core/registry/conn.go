package registry

import (
	"context"
	"io"
	"net"
)

// dialFunc dials, as http.Transport has it.
type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// wide makes a dialer's connections send bodies in pieces of pieceSize. Without it they leave in 32 KiB, as io.Copy does it, and a copy between two registries that
// are near spends a tenth of its time on waking up.
func (dial dialFunc) wide(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return wideConn{conn}, nil
}

// pieceSize is small enough that a slow line takes it well within Timeouts.Body, which looks at whole pieces.
const pieceSize = 128 << 10

// wideConn is a connection with a ReadFrom of its own, which net/http uses for bodies where there is no TLS.
type wideConn struct{ net.Conn }

// ReadFrom implements io.ReaderFrom.
func (c wideConn) ReadFrom(r io.Reader) (int64, error) {
	size := int64(pieceSize)
	if body, ok := r.(*io.LimitedReader); ok {
		size = max(min(body.N, size), 1)
	}
	// Neither side's own way to copy is asked: the connection's would read 32 KiB again.
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, struct{ io.Reader }{r}, make([]byte, size))
}
