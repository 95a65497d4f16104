package main

import "testing"

func TestSplitPath(t *testing.T) {
	for arg, want := range map[string][2]string{
		"app":                             {"app", ""},
		"app:v1":                          {"app:v1", ""},
		"app:/":                           {"app", "/"},
		"app:v1:/etc/passwd":              {"app:v1", "/etc/passwd"},
		"reg:5000/app":                    {"reg:5000/app", ""},
		"reg:5000/app:/etc":               {"reg:5000/app", "/etc"},
		"reg:5000/app:v1:/etc/passwd":     {"reg:5000/app:v1", "/etc/passwd"},
		"[::1]:5000/app:v1:/etc":          {"[::1]:5000/app:v1", "/etc"},
		"app@sha256:0123:/etc":            {"app@sha256:0123", "/etc"},
		"app:v1@sha256:0123:/etc":         {"app:v1@sha256:0123", "/etc"},
		"app:v1:/a:/b":                    {"app:v1", "/a:/b"},
		"app:v1://etc":                    {"app:v1", "//etc"},
		"docker://host/app":               {"docker://host/app", ""},
		"docker://host/app:v1":            {"docker://host/app:v1", ""},
		"docker://host:5000/app:v1:/etc":  {"docker://host:5000/app:v1", "/etc"},
		"https://host/app:v1:/etc":        {"https://host/app:v1", "/etc"},
		"oci:dir":                         {"oci:dir", ""},
		"oci:dir:/etc":                    {"oci:dir", "/etc"},
		"oci:dir:tag:/etc/x":              {"oci:dir:tag", "/etc/x"},
		"oci:/abs/dir":                    {"oci:/abs/dir", ""},
		"oci:/abs/dir:tag":                {"oci:/abs/dir:tag", ""},
		"oci:/abs/dir:/etc/x":             {"oci:/abs/dir", "/etc/x"},
		"oci:/abs/dir:tag:/etc/x":         {"oci:/abs/dir:tag", "/etc/x"},
		"oci:/abs/dir:tag@sha256:01:/etc": {"oci:/abs/dir:tag@sha256:01", "/etc"},
		"oci://dir:/etc":                  {"oci://dir", "/etc"},
		"oci-archive:/x.tar":              {"oci-archive:/x.tar", ""},
		"oci-archive:/x.tar:v1:/etc":      {"oci-archive:/x.tar:v1", "/etc"},
		"docker-archive:x.tar:/etc/x":     {"docker-archive:x.tar", "/etc/x"},
		"docker-archive:/x.tar:app:v1":    {"docker-archive:/x.tar:app:v1", ""},
		"docker-archive:/x.tar:app:v1:/e": {"docker-archive:/x.tar:app:v1", "/e"},
		"docker-daemon:app:v1:/etc":       {"docker-daemon:app:v1", "/etc"},
		"oci":                             {"oci", ""},
		"oci:/":                           {"oci:/", ""},
		"scratch:/etc":                    {"scratch", "/etc"},
		"":                                {"", ""},
	} {
		ref, path, ok := splitPath(arg)
		if ref != want[0] || path != want[1] || ok != (want[1] != "") {
			t.Errorf("%q: %q, %q, %t; want %q", arg, ref, path, ok, want)
		}
	}
}

// FuzzSplitPath: what is split is the argument, and the path is an absolute one.
func FuzzSplitPath(f *testing.F) {
	for _, arg := range []string{"app:v1:/etc", "oci:/abs:/etc", "docker://host/app:/x", ":/", "oci::/", "a:b://c"} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		ref, path, ok := splitPath(arg)
		if !ok && (ref != arg || path != "") || ok && (ref+":"+path != arg || path[0] != '/') {
			t.Errorf("%q: %q, %q, %t", arg, ref, path, ok)
		}
	})
}
