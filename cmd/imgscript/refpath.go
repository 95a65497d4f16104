package main

import (
	"regexp"
	"strings"
)

// transportPrefix is how a reference may begin with a colon that is not before a path in the image: the name of a transport, or a scheme.
var transportPrefix = regexp.MustCompile(`^(?:[a-z][a-z0-9+.-]*://|(?:oci|oci-archive|docker-archive|docker-daemon|containers-storage):)`)

// splitPath splits REF:/PATH. The path begins at the first ":/" behind the transport, since neither a tag nor a path of the file system can have that in a reference; a file in the image can.
// Without a path, ok is false.
func splitPath(arg string) (ref, path string, ok bool) {
	prefix := transportPrefix.FindString(arg)
	ref, path, ok = strings.Cut(arg[len(prefix):], ":/")
	if !ok {
		return arg, "", false
	}
	return prefix + ref, "/" + path, true
}
