package registry

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// errProxy stands for all that is wrong with the address of a proxy, which is not shown: there may be a password in it.
var errProxy = errors.New("HTTPS_PROXY or HTTP_PROXY is not the URL of a proxy")

// environmentProxy is http.ProxyFromEnvironment but for addresses that make no sense: that one ignores them, and whoever has to use a proxy would go
// around it because of a typing error.
func environmentProxy(hr *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(hr)
	if err != nil {
		return nil, errProxy
	}
	if proxy == nil && !isLoopback(hr.URL.Host) && !usableProxy(hr.URL.Scheme, os.Getenv) {
		return nil, errProxy
	}
	return proxy, nil
}

// usableProxy reports whether the address of the proxy for a scheme can be used, if there is one: a URL, or a host, which stands for one with http.
func usableProxy(scheme string, getenv func(string) string) bool {
	name := strings.ToUpper(scheme) + "_PROXY"
	address := cmp.Or(getenv(name), getenv(strings.ToLower(name)))
	if address == "" {
		return true
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	return err == nil && u.Hostname() != ""
}

// proxyError is the answer of a proxy that opens no connection: net/http says no more than its text, such as "Forbidden".
type proxyError struct {
	proxy  string // without user and password
	status int
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy %s answers %d %s", e.proxy, e.status, strings.ToLower(http.StatusText(e.status)))
}
