package registry_test

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/imgscript/imgscript/core/registry"
)

// TestUnreachableReasons tells apart why a registry cannot be reached, as what to do about it differs.
func TestUnreachableReasons(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, refused := net.Dial("tcp", address)
	for _, c := range []struct {
		err              error
		refused, unknown bool
	}{
		{refused, true, false},
		{fmt.Errorf("dial: %w", &net.DNSError{Err: "no such host", Name: "reg.invalid"}), false, true},
		{errors.New("tls: bad certificate"), false, false},
		{nil, false, false},
	} {
		e := &registry.Error{Err: c.err}
		if e.Refused() != c.refused || e.UnknownHost() != c.unknown {
			t.Errorf("%v: got %v, %v", c.err, e.Refused(), e.UnknownHost())
		}
	}
}
