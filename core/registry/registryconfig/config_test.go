package registryconfig_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registryconfig"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files are the files that a test gives a configuration, and env the variables.
type files map[string][]byte

func (f files) options(env map[string]string) *registryconfig.Options {
	return &registryconfig.Options{
		ReadFile: func(path string, limit int64) ([]byte, error) {
			data, ok := f[path]
			switch {
			case !ok:
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			case int64(len(data)) > limit:
				return nil, fmt.Errorf("it has more than %d bytes", limit)
			}
			return data, nil
		},
		LookupEnv: func(name string) (string, bool) { value, ok := env[name]; return value, ok },
	}
}

// certificates are the files that configurations of tests name.
func certificates(t *testing.T) files {
	a := registrytest.NewAuthority(t, "corp")
	certificate, key := a.IssuePEM("me")
	_, other := a.IssuePEM("somebody else")
	return files{
		"/etc/certs/corp.pem": a.PEM(), "/etc/certs/me.pem": certificate, "/etc/certs/me.key": key, "/etc/certs/other.key": other,
		"/abs/corp.pem": a.PEM(), "/etc/empty.pem": {}, "/etc/text.pem": []byte("hello"), "/etc/password": []byte("hunter2\n"),
	}
}

const everything = `
hosts:
  docker.io:
    mirrors:
      - mirror.lan:5000/hub
      - "[::1]:5000"
  Reg.lan:5000: &lan
    insecure: true
    ca: certs/corp.pem
    client_certificate: certs/me.pem
    client_key: certs/me.key
    requests_per_second: 2.5
    transfers: 2
    chunk_size: 8MiB
    allow_private: true
    auth_realms: [auth.example.com]
  10.0.0.1: *lan
credentials:
  reg.lan:5000/team:
    username: builder
    password_env: REG_PASSWORD
  docker.io:
    username: reader
    password_file: password
`

var ignoreCertificates = cmpopts.IgnoreFields(registry.HostOptions{}, "CA", "Certificates")

func TestParse(t *testing.T) {
	env := map[string]string{"REG_PASSWORD": "s3cret"}
	config, err := registryconfig.Parse("/etc/registries.yaml", []byte(everything), certificates(t).options(env))
	check(t, err)
	lan := registry.HostOptions{
		Insecure: true, RequestsPerSecond: 2.5, Transfers: 2, ChunkSize: 8 << 20, AllowPrivate: true, AuthRealms: []string{"auth.example.com"},
	}
	want := map[string]registry.HostOptions{
		"docker.io": {Mirrors: []string{"mirror.lan:5000/hub", "[::1]:5000"}}, "reg.lan:5000": lan, "10.0.0.1": lan,
	}
	if diff := cmp.Diff(want, config.Hosts, ignoreCertificates); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if h := config.Hosts["reg.lan:5000"]; h.CA == nil || len(h.Certificates) != 1 {
		t.Errorf("the certificates are missing: %v", h)
	}
	if h := config.Hosts["docker.io"]; h.CA != nil || h.Certificates != nil {
		t.Error("certificates that nobody gave")
	}
	const source = "registry config /etc/registries.yaml"
	for place, want := range map[[2]string]auth.Credential{
		{"reg.lan:5000", "team/app"}: {Username: "builder", Password: "s3cret", Source: source},
		{"reg.lan:5000", "team"}:     {Username: "builder", Password: "s3cret", Source: source},
		{"reg.lan:5000", "team2"}:    {},
		{"reg.lan", "team/app"}:      {},
		{"docker.io", "library/app"}: {Username: "reader", Password: "hunter2", Source: source},
	} {
		got, err := config.Keychain.Credential(t.Context(), place[0], place[1])
		if err != nil || got != want {
			t.Errorf("%v: got %+v, %v, want %+v", place, got, err, want)
		}
	}
}

// TestJSON is a YAML, with the tabs of people who indent so.
func TestJSON(t *testing.T) {
	config, err := registryconfig.Parse("registries.json", []byte("{\n\t\"hosts\": {\n\t\t\"reg.lan\": {\"insecure\": true, \"transfers\": 3,\n\t\t\t\"mirrors\": [\"a.lan\"]}\n\t}\n}\n"), nil)
	check(t, err)
	want := map[string]registry.HostOptions{"reg.lan": {Insecure: true, Transfers: 3, Mirrors: []string{"a.lan"}}}
	if diff := cmp.Diff(want, config.Hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

// TestNothing is no error: a file may be one that will be filled in.
func TestNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing yet\n", "{}", "hosts:\ncredentials:\n", "hosts: {reg.lan: }", "null"} {
		config, err := registryconfig.Parse("r.yaml", []byte(text), nil)
		if err != nil || config.Keychain == nil {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

// TestAnyHost holds for the others where they don't say otherwise.
func TestAnyHost(t *testing.T) {
	config, err := registryconfig.Parse("/etc/r.yaml", []byte(`
hosts:
  a.lan: {transfers: 9}
  "*": {ca: certs/corp.pem, transfers: 3, requests_per_second: 7, chunk_size: 1MB}
  b.lan: {insecure: true}
`), certificates(t).options(nil))
	check(t, err)
	want := map[string]registry.HostOptions{
		"*":     {Transfers: 3, RequestsPerSecond: 7, ChunkSize: 1e6},
		"a.lan": {Transfers: 9, RequestsPerSecond: 7, ChunkSize: 1e6},
		"b.lan": {Transfers: 3, RequestsPerSecond: 7, ChunkSize: 1e6, Insecure: true},
	}
	if diff := cmp.Diff(want, config.Hosts, ignoreCertificates); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	for name, h := range config.Hosts {
		if h.CA == nil {
			t.Errorf("%s has no authority", name)
		}
	}
}

// TestErrors are whole: each is said with its place, and what to do.
func TestErrors(t *testing.T) {
	long := strings.Repeat("x", 300)
	for text, want := range map[string]string{
		"hosts: [":                                  `1:1: not YAML: did not find expected node content`,
		"hosts: {a.lan: {}":                         `1:1: not YAML: did not find expected ',' or '}'`,
		"a: *hunter2":                               `1:1: not YAML: a value that begins with * names an anchor that there is not: quote it`,
		"hosts: {}\n---\nhosts: {}":                 `2:1: a second document: there can be only one`,
		"\x00":                                      `1:1: not YAML: control characters are not allowed`,
		"- a":                                       `1:1: want a mapping, got a list`,
		"hello":                                     `1:1: want a mapping, got a text`,
		"host: {}":                                  `1:1: there is no key "host"; did you mean hosts?`,
		"registries: {}":                            `1:1: there is no key "registries"; there are credentials, hosts`,
		"hosts: 3":                                  `1:8: hosts: want a mapping, got a number`,
		"hosts: {}\nhosts: {}":                      `2:1: the key "hosts" is in line 1 already`,
		"hosts: {[a]: {}}":                          `1:9: hosts: want a text as key, got a list`,
		"hosts:\n  a.lan: {insecur: true}":          `2:11: a.lan: there is no key "insecur"; did you mean insecure?`,
		"hosts:\n  a.lan:\n    CA: x":               `3:5: a.lan: there is no key "CA"; did you mean ca?`,
		"hosts:\n  a.lan:\n    " + long + ": x":     `3:5: a.lan: there is no key "` + long[:100] + `…"; there are allow_private, auth_realms, ca, chunk_size, client_certificate, client_key, insecure, mirrors, requests_per_second, transfers`,
		"hosts: {a.lan: {insecure: yes}}":           `1:27: insecure of a.lan: want true or false, got a text`,
		"hosts: {a.lan: {insecure: 1}}":             `1:27: insecure of a.lan: want true or false, got a number`,
		"hosts: {a.lan: {insecure: }}":              `1:27: insecure of a.lan: want true or false, got nothing`,
		"hosts: {a.lan: {mirrors: b.lan}}":          `1:26: mirrors of a.lan: want a list, got a text`,
		"hosts: {a.lan: {mirrors: [b.lan, {}]}}":    `1:34: mirrors of a.lan: want a text, got a mapping`,
		"hosts: {a.lan: {mirrors: ['']}}":           `1:27: mirrors of a.lan: it is empty`,
		"hosts: {a.lan: {mirrors: [b.lan, b.lan]}}": `1:34: mirrors of a.lan: b.lan is in the list already`,
		"hosts: {a.lan: {mirrors: [A.lan]}}":        `1:27: mirrors of a.lan: A.lan can't be a mirror of itself`,
		"hosts: {docker.io: {mirrors: [registry-1.docker.io]}}":                                            `1:31: mirrors of docker.io: registry-1.docker.io can't be a mirror of itself`,
		"hosts: {a.lan: {mirrors: ['http://b.lan']}}":                                                      `1:27: mirrors of a.lan: "http://b.lan": want a host without https://; one that speaks plain HTTP has an entry with insecure: true`,
		"hosts: {a.lan: {mirrors: ['b.lan/UP']}}":                                                          `1:27: mirrors of a.lan: the path "UP": want what repositories have before their names there, such as mirror.lan:5000/hub`,
		"hosts: {a.lan: {mirrors: ['bob:hunter2@b.lan']}}":                                                 `1:27: mirrors of a.lan: want a host without a user: credentials have a section of their own`,
		"hosts: {'https://a.lan': {}}":                                                                     `1:9: hosts: "https://a.lan": want a host without https://; one that speaks plain HTTP has an entry with insecure: true`,
		"hosts: {a.lan/team: {}}":                                                                          `1:9: hosts: "a.lan/team": want a host without a path`,
		"hosts: {'a b': {}}":                                                                               `1:9: hosts: "a b": want a host, with its port if references have it, such as reg.example.com:5000`,
		"hosts: {'a.lan:0': {}}":                                                                           `1:9: hosts: "a.lan:0": want a port from 1 to 65535`,
		"hosts: {'a.lan:': {}}":                                                                            `1:9: hosts: "a.lan:": want a port from 1 to 65535`,
		"hosts: {'::1': {}}":                                                                               `1:9: hosts: "::1": want a host, with its port if references have it, such as reg.example.com:5000`,
		"hosts: {'a\\u202e': {}}":                                                                          `1:9: hosts: "a\\u202e": want a host, with its port if references have it, such as reg.example.com:5000`,
		"hosts: {a.lan: {}, A.LAN: {}}":                                                                    `1:20: hosts: A.LAN and a.lan are the same host`,
		"hosts: {docker.io: {}, index.docker.io: {}}":                                                      `1:24: hosts: index.docker.io and docker.io are the same host`,
		"hosts: {'*': {insecure: true}}":                                                                   `1:25: insecure of "*": it has to be said of each host: for all there are ca, chunk_size, requests_per_second, transfers`,
		"hosts: {a.lan: {ca: nowhere.pem}}":                                                                `1:21: ca of a.lan: "/etc/nowhere.pem": file does not exist`,
		"hosts: {a.lan: {ca: empty.pem}}":                                                                  `1:21: ca of a.lan: "/etc/empty.pem" has no certificate in PEM that could be read`,
		"hosts: {a.lan: {ca: text.pem}}":                                                                   `1:21: ca of a.lan: "/etc/text.pem" has no certificate in PEM that could be read`,
		"hosts: {a.lan: {ca: certs/me.key}}":                                                               `1:21: ca of a.lan: "/etc/certs/me.key" has no certificate in PEM that could be read`,
		"hosts: {a.lan: {ca: }}":                                                                           `1:21: ca of a.lan: want a text, got nothing`,
		"hosts: {a.lan: {client_key: certs/me.key}}":                                                       `1:29: client_key of a.lan: client_certificate is missing`,
		"hosts: {a.lan: {client_certificate: certs/me.pem}}":                                               `1:37: client_certificate of a.lan: client_key is missing: a certificate without its key proves nothing`,
		"hosts: {a.lan: {client_certificate: certs/me.pem, client_key: certs/other.key}}":                  `1:37: client_certificate of a.lan: with client_key: private key does not match public key`,
		"hosts: {a.lan: {client_certificate: certs/me.pem, client_key: text.pem}}":                         `1:37: client_certificate of a.lan: with client_key: failed to find any PEM data in key input`,
		"hosts: {a.lan: {requests_per_second: fast}}":                                                      `1:38: requests_per_second of a.lan: want a number, got a text`,
		"hosts: {a.lan: {requests_per_second: 0}}":                                                         `1:38: requests_per_second of a.lan: want a number from 0.01 to 1e+06`,
		"hosts: {a.lan: {requests_per_second: -1}}":                                                        `1:38: requests_per_second of a.lan: want a number from 0.01 to 1e+06`,
		"hosts: {a.lan: {requests_per_second: .nan}}":                                                      `1:38: requests_per_second of a.lan: want a number from 0.01 to 1e+06`,
		"hosts: {a.lan: {requests_per_second: .inf}}":                                                      `1:38: requests_per_second of a.lan: want a number from 0.01 to 1e+06`,
		"hosts: {a.lan: {transfers: 0}}":                                                                   `1:28: transfers of a.lan: want a number from 1 to 100`,
		"hosts: {a.lan: {transfers: 1.5}}":                                                                 `1:28: transfers of a.lan: want a whole number`,
		"hosts: {a.lan: {transfers: 99999999999999999999}}":                                                `1:28: transfers of a.lan: want a whole number`,
		"hosts: {a.lan: {transfers: [1]}}":                                                                 `1:28: transfers of a.lan: want a number, got a list`,
		"hosts: {a.lan: {chunk_size: 1KiB}}":                                                               `1:29: chunk_size of a.lan: want a size from 64KiB to 64MiB`,
		"hosts: {a.lan: {chunk_size: 65MiB}}":                                                              `1:29: chunk_size of a.lan: want a size from 64KiB to 64MiB`,
		"hosts: {a.lan: {chunk_size: 8 gigs}}":                                                             `1:29: chunk_size of a.lan: want a size such as 8MiB`,
		"hosts: {a.lan: {chunk_size: {}}}":                                                                 `1:29: chunk_size of a.lan: want a size such as 8MiB`,
		"hosts: {a.lan: {auth_realms: ['https://x.lan/t']}}":                                               `1:31: auth_realms of a.lan: "https://x.lan/t": want a host without https://; one that speaks plain HTTP has an entry with insecure: true`,
		"credentials: {a.lan: {}}":                                                                         `1:22: credentials of a.lan: username is missing`,
		"credentials: {a.lan: {username: bob}}":                                                            `1:22: credentials of a.lan: password_file or password_env is missing`,
		"credentials: {a.lan: {username: bob, password: hunter2}}":                                         `1:48: password of credentials of a.lan: passwords are not in this file: password_file or password_env says where it is`,
		"credentials: {a.lan: {username: bob, pasword: hunter2}}":                                          `1:38: credentials of a.lan: there is no key "pasword"; did you mean password?`,
		"credentials: {a.lan: {username: bob, password_env: A, password_file: password}}":                  `1:22: credentials of a.lan: password_file and password_env contradict each other: give one`,
		"credentials: {a.lan: {username: bob, password_env: 'hunter2!'}}":                                  `1:52: password_env of credentials of a.lan: want the name of a variable of the environment`,
		"credentials: {a.lan: {username: bob, password_file: nowhere}}":                                    `1:53: password_file of credentials of a.lan: "/etc/nowhere": file does not exist`,
		"credentials: {a.lan: hunter2}":                                                                    `1:22: credentials of a.lan: want a mapping, got a text`,
		"credentials: {'bob:hunter2@a.lan': {}}":                                                           `1:15: credentials: want a host without a user: credentials have a section of their own`,
		"credentials: {a.lan//x: {username: b, password_env: A}}":                                          `1:15: credentials: the path "/x": want the name of a repository, or what it begins with`,
		"credentials: {a.lan/x: {username: b, password_env: A}, a.lan/x/: {username: b, password_env: A}}": `1:56: credentials: a.lan/x/ and a.lan/x are the same place`,
	} {
		_, err := registryconfig.Parse("/etc/r.yaml", []byte(text), certificates(t).options(nil))
		if err == nil || err.Error() != "/etc/r.yaml:"+want {
			t.Errorf("%q:\ngot  %v\nwant /etc/r.yaml:%s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v shows a secret", text, err)
		}
		if !errors.As(err, new(registryconfig.Errors)) {
			t.Errorf("%q: the error is a %T", text, err)
		}
	}
}

// TestErrorsAtOnce tells of everything that is wrong, in the order of the file, up to a number that can be read.
func TestErrorsAtOnce(t *testing.T) {
	_, err := registryconfig.Parse("r.yaml", []byte(`credentials:
  b.lan: {username: bob}
hosts:
  b.lan: {insecure: maybe, ca: nowhere.pem}
  a.lan:
    transfers: many
`), files{}.options(nil))
	want := `r.yaml:2:10: credentials of b.lan: password_file or password_env is missing
r.yaml:4:21: insecure of b.lan: want true or false, got a text
r.yaml:4:32: ca of b.lan: "nowhere.pem": file does not exist
r.yaml:6:16: transfers of a.lan: want a number, got a text`
	if err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
	_, err = registryconfig.Parse("r.yaml", bytes.Repeat([]byte("x"), 3), nil)
	if err == nil {
		t.Error("no error")
	}
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "key%d: 1\n", i)
	}
	_, err = registryconfig.Parse("r.yaml", []byte(text.String()), nil)
	if n := strings.Count(fmt.Sprint(err), "\n"); n != 20 || !strings.HasSuffix(err.Error(), "r.yaml:21:1: and 980 more") {
		t.Errorf("%d lines: %v", n, err)
	}
}

// TestPasswordsAreReadWhenNeeded, and again each time; what is wrong then has the place too, and not the secret.
func TestPasswordsAreReadWhenNeeded(t *testing.T) {
	given, env := files{"password": []byte("one\r\n")}, map[string]string{}
	config, err := registryconfig.Parse("r.yaml", []byte(`credentials:
  a.lan: {username: a, password_file: password}
  b.lan: {username: <token>, password_env: B}
`), given.options(env))
	check(t, err)
	expect := func(host string, want auth.Credential, fails string) {
		t.Helper()
		want.Source = "registry config r.yaml"
		if fails != "" {
			want = auth.Credential{}
		}
		got, err := config.Keychain.Credential(t.Context(), host, "app")
		if got != want || (err == nil) != (fails == "") || err != nil && err.Error() != "registry config r.yaml: credential for "+host+": "+fails {
			t.Errorf("%s: got %+v, %v", host, got, err)
		}
	}
	expect("a.lan", auth.Credential{Username: "a", Password: "one"}, "")
	given["password"] = []byte("two")
	expect("a.lan", auth.Credential{Username: "a", Password: "two"}, "")
	given["password"] = []byte("\n")
	expect("a.lan", auth.Credential{}, "line 2: password: it is empty")
	delete(given, "password")
	expect("a.lan", auth.Credential{}, `line 2: password: "password": file does not exist`)
	expect("b.lan", auth.Credential{}, "line 3: password: the environment does not have the variable")
	env["B"] = ""
	expect("b.lan", auth.Credential{}, "line 3: password: it is empty")
	env["B"] = "refresh"
	expect("b.lan", auth.Credential{IdentityToken: "refresh"}, "")
}

// TestLoad reads files of the file system, relative to the configuration, and nothing else than files.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, data, 0o600))
		return path
	}
	write("certs/corp.pem", registrytest.NewAuthority(t, "corp").PEM())
	path := write("registries.yaml", []byte("hosts: {a.lan: {ca: certs/corp.pem}}"))
	config, err := registryconfig.Load(path, nil)
	check(t, err)
	if config.Hosts["a.lan"].CA == nil {
		t.Error("no authority")
	}
	big := write("big.yaml", bytes.Repeat([]byte("#"), 1<<20+1))
	bigPEM := write("pem.yaml", []byte("hosts: {a.lan: {ca: big.yaml}}"))
	directory := write("dir.yaml", []byte("hosts: {a.lan: {ca: certs}}"))
	for path, want := range map[string]string{
		filepath.Join(dir, "nowhere.yaml"): "no such file or directory",
		dir:                                "it is no regular file",
		"/dev/zero":                        "it is no regular file",
		big:                                "it has more than 1048576 bytes",
		bigPEM:                             bigPEM + `:1:21: ca of a.lan: "` + big + `": it has more than 1048576 bytes`,
		directory:                          directory + `:1:21: ca of a.lan: "` + filepath.Join(dir, "certs") + `": it is no regular file`,
	} {
		_, err := registryconfig.Load(path, nil)
		full := fmt.Sprintf("registry config %q: %s", path, want)
		if err == nil || err.Error() != full && err.Error() != want {
			t.Errorf("%s: got %v, want %s", path, err, full)
		}
	}
	if _, err := registryconfig.Load(filepath.Join(dir, "nowhere.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

// hostile are texts that cost other parsers seconds and gigabytes.
func hostile() map[string]string {
	const n = 256 << 10
	all := map[string]string{"keys": "hosts:\n", "mirrors": "hosts: {a.lan: {mirrors: ["}
	for _, part := range []string{"[", "{", "- ", "? ", "a: [", "&a ", "*a ", "!a ", "\"", "'", "|\n", "a:\n ", "hosts: {a: {", "\t", "--- ", "#\n", "\x00", "\xff"} {
		all[part] = strings.Repeat(part, n/len(part))
	}
	var keys, mirrors, aliases strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&keys, "  host%d.lan: {transfers: 1}\n", i)
		fmt.Fprintf(&mirrors, "m%d.lan,", i)
	}
	all["keys"] += keys.String()
	all["mirrors"] += mirrors.String() + "]}}"
	aliases.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := range 20 {
		fmt.Fprintf(&aliases, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), ", "))
	}
	all["laughs"] = aliases.String()
	all["own alias"] = "hosts: &h {a.lan: *h}\n"
	return all
}

// TestHostile ends soon, whatever the text.
func TestHostile(t *testing.T) {
	for name, text := range hostile() {
		start := time.Now()
		_, err := registryconfig.Parse("r.yaml", []byte(text), files{}.options(nil))
		if d := time.Since(start); d > 5*time.Second { // a tenth is usual
			t.Errorf("%q took %s", name, d)
		}
		if n := len(fmt.Sprint(err)); n > 10_000 {
			t.Errorf("%q: an error of %d bytes", name, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte(`{"hosts": {"*": {"ca": "certs/corp.pem"}, "a.lan": {"mirrors": ["b.lan/x"], "chunk_size": "1MiB"}}, "credentials": {}}`))
	for _, text := range []string{"hosts: &h {a.lan: *h}", "<<: {}", "hosts: {? a.lan : {}}", "%YAML 1.2\n--- {}", "hosts: !!map {a.lan: !x {}}", "\xff\xfeh\x00"} {
		f.Add([]byte(text))
	}
	options := files{"certs/corp.pem": []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "password": []byte("x")}.options(nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := registryconfig.Parse("r.yaml", data, options)
		if (config == nil) != (err != nil) {
			t.Fatalf("config %v and error %v", config, err)
		}
		if err != nil {
			if strings.ContainsAny(err.Error(), "\x1b\x00\r") {
				t.Errorf("%q is not printable", err)
			}
			return
		}
		c := registry.New(&registry.Options{Hosts: config.Hosts, Keychain: config.Keychain})
		defer c.Close()
		for name, h := range config.Hosts {
			c.Repository(name, "app")
			for _, mirror := range h.Mirrors {
				if mirror == "" || strings.ContainsAny(mirror, " @") {
					t.Errorf("mirror %q", mirror)
				}
			}
		}
	})
}
