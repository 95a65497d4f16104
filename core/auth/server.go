package auth

import (
	"fmt"
	"strings"
)

// dockerHub is the name under which users know the registry whose many other names are in canonicalHost.
const dockerHub = "docker.io"

// dockerHubKey is the name that Docker's config and its helpers have for Docker Hub.
const dockerHubKey = "https://index.docker.io/v1/"

// server is a key of an auth map or of Docker's config: a host, and a path at or below which it holds ("" for the whole host).
type server struct{ host, path string }

// parseServer reads "host", "host/path" and the forms with a scheme and an API version that "docker login" has written over the
// years ("https://index.docker.io/v1/").
func parseServer(key string) (server, error) {
	rest, hadScheme := key, false
	for _, scheme := range []string{"https://", "http://"} {
		if after, ok := strings.CutPrefix(key, scheme); ok {
			rest, hadScheme = after, true
			break
		}
	}
	host, path, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
	s := server{host: canonicalHost(host), path: path}
	if (hadScheme || s.host == dockerHub) && (path == "v1" || path == "v2") {
		s.path = ""
	}
	if s.host == "" || strings.ContainsAny(rest, " \t\r\n@?#\\") || strings.Contains("/"+s.path+"/", "//") && s.path != "" {
		return server{}, fmt.Errorf("key %q: want a host, or a host and a path: \"reg.example\", \"reg.example:5000/team\"", key)
	}
	return s, nil
}

// canonicalHost gives the many names of Docker Hub one.
func canonicalHost(host string) string {
	switch host = strings.ToLower(host); host {
	case "index.docker.io", "registry-1.docker.io":
		return dockerHub
	}
	return host
}

// match reports whether the key holds for a repository, and by how many components of its path: -1 if it does not. Components are
// compared whole, never as substrings: "reg/team" is no key for "reg/team2/app".
func (s server) match(host, repository string) int {
	if s.host != host {
		return -1
	}
	if s.path == "" {
		return 0
	}
	if repository != s.path && !strings.HasPrefix(repository, s.path+"/") {
		return -1
	}
	return 1 + strings.Count(s.path, "/")
}

// loginName is what helpers know a host by.
func loginName(host string) string {
	if host == dockerHub {
		return dockerHubKey
	}
	return host
}
