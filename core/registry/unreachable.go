package registry

import (
	"errors"
	"net"
	"syscall"
)

// Refused reports whether the host is there and nothing listened at the registry's port.
func (e *Error) Refused() bool { return errors.Is(e.Err, syscall.ECONNREFUSED) }

// UnknownHost reports whether there is no host of the registry's name, or nobody to say where it is.
func (e *Error) UnknownHost() bool { return errors.As(e.Err, new(*net.DNSError)) }
