package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync/atomic"
)

// isPlain reports whether a TLS handshake was answered in plain HTTP. Only http.Client has an error of its own for that.
func isPlain(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) && string(record.RecordHeader[:]) == "HTTP/"
}

// isCertificate reports whether we refused the certificate of a server.
func isCertificate(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError))
}

// isAlert reports whether the other side ended a TLS connection with an alert: it speaks TLS.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// asked notes whether a server asked for a certificate of ours while there was none for it. The context of a request carries it to the handshake.
type asked struct{ atomic.Bool }

type askedKey struct{}

// certificateFor picks the certificate that a server gets when it asks for one.
func certificateFor(certificates []tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		for i := range certificates {
			if info.SupportsCertificate(&certificates[i]) == nil {
				return &certificates[i], nil
			}
		}
		if a, ok := info.Context().Value(askedKey{}).(*asked); ok {
			a.Store(true)
		}
		return new(tls.Certificate), nil // none: it may be content with that
	}
}

// explain notes in the error of a request that the server asked for a certificate and got none.
func (a *asked) explain(err error) error {
	if a.Load() && isNetwork(err) {
		return &networkError{&uncertifiedError{err}}
	}
	return err
}

// uncertifiedError is a failure after a server was given no certificate. Servers of TLS 1.3 find that out when the handshake is over for us, and then the
// connection merely breaks.
type uncertifiedError struct{ err error }

func (e *uncertifiedError) Error() string { return e.err.Error() }
func (e *uncertifiedError) Unwrap() error { return e.err }

// refusesCertificate reports whether a server ended a TLS connection because of our certificate, or because we have none. Of the alerts that servers send
// then (RFC 8446, section 6.2), some say so; Go has names for them in texts alone.
func refusesCertificate(err error) bool {
	return isAlert(err) && (strings.Contains(err.Error(), "certificate") || errors.As(err, new(*uncertifiedError)))
}

// certificateHint says which setting is about a handshake that failed.
func certificateHint(err error) string {
	switch {
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "if the host is to be trusted, its ca has to be in the registry configuration or in SSL_CERT_FILE"
	case errors.As(err, new(*uncertifiedError)):
		return "the host asked for a certificate, and there is none for it that it would accept: client_certificate and client_key of the registry configuration"
	case refusesCertificate(err):
		return "the host refused the client_certificate of the registry configuration"
	}
	return ""
}
