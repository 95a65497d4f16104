package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/imgscript/imgscript/core/content"
)

func scenarios() []scenario {
	return slices.Concat(honestScenarios(), realmScenarios(), tokenScenarios(), locationScenarios(), redirectScenarios(), listScenarios(),
		foreignScenarios(), documentScenarios(), textScenarios())
}

// honestScenarios show that the program would get where the others must not let it.
func honestScenarios() []scenario {
	return []scenario{
		{name: "honest pull", want: `"digest":"` + digest.FromBytes(honestManifest).String()},
		{name: "honest push", script: push, want: "reg.example.com/out"},
		{name: "honest list", script: listing, want: "v1"},
		{name: "honest identity token", identity: true, want: "sha256:"},
		{name: "honest redirect of a blob", after: layerAt(redirect(307, "https://cdn.example.net/layer")), hosts: map[string]http.HandlerFunc{
			"cdn.example.net": func(w http.ResponseWriter, r *http.Request) { give(w, r, content.OctetStream, honestLayer) },
		}, want: "sha256:"},
	}
}

// realmScenarios name token servers (CVE-2026-48978, GHSA-xf85-363p-868w).
func realmScenarios() []scenario {
	var list []scenario
	evil := func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"token":"given by evil"}`) }
	for name, realm := range map[string]string{
		"on http of the same host":   "http://reg.example.com/token",
		"on http of another host":    "http://evil.test/token",
		"of another domain":          "https://evil.test/token",
		"of the metadata over http":  "http://169.254.169.254/latest/meta-data/",
		"of the metadata over https": "https://169.254.169.254/latest/meta-data/",
		"of no address":              "https://[::]/token",
		"of this computer":           "https://127.0.0.1/token",
		"of localhost":               "https://localhost/token",
		"of a private address":       "https://10.0.0.1/token",
		"with a user":                "https://reg.example.com@evil.test/token",
		"without a scheme":           "//evil.test/token",
		"with our name in front":     "https://reg.example.com.evil.test/token",
		"of a file":                  "file:///etc/passwd",
		"with a line break":          "https://evil.test/\r\n",
	} {
		for _, withIdentity := range []bool{false, true} {
			s := scenario{name: "realm " + name, challenge: `Bearer realm="` + realm + `",service="reg"`, identity: withIdentity, code: 4, want: "error: image: "}
			if withIdentity {
				s.name += ", identity token"
			}
			s.hosts = map[string]http.HandlerFunc{"evil.test": evil, "reg.example.com.evil.test": evil}
			list = append(list, s)
		}
	}
	var asked atomic.Int32
	changed := scenario{name: "realm changed later in the run", code: 4, want: "of another domain", hosts: map[string]http.HandlerFunc{"evil.test": evil}}
	changed.before = func(w http.ResponseWriter, r *http.Request) bool {
		if asked.Add(1) < 3 {
			return false
		}
		wants(`Bearer realm="https://evil.test/token"`)(w, r)
		return true
	}
	huge := scenario{name: "a challenge of 60 KB", code: 4, want: "error: image: "}
	huge.challenge = "Bearer " + strings.Repeat(`x="y",`, 9_000) + `realm="https://evil.test/` + strings.Repeat("a", 5_000) + `"`
	return append(list, changed, huge,
		scenario{name: "challenge for ever", before: wantsAlways(`Bearer realm="https://auth.example.com/token"`), code: 4, want: "answers 401"},
		scenario{name: "Basic challenge for ever", before: wantsAlways(`Basic realm="x"`), code: 4, want: "answers 401"},
		scenario{name: "challenge without an answer", challenge: "Negotiate", code: 4, want: "error: image: "})
}

func wantsAlways(challenge string) hook {
	return func(w http.ResponseWriter, r *http.Request) bool {
		wants(challenge)(w, r)
		return true
	}
}

// tokenScenarios are about what token servers answer.
func tokenScenarios() []scenario {
	var list []scenario
	for name, answer := range map[string]http.HandlerFunc{
		"redirects to another host":     redirect(302, "https://evil.test/token"),
		"redirects a POST":              redirect(307, "https://evil.test/token"),
		"redirects to a subdomain":      redirect(308, "https://sub.auth.example.com/token"),
		"redirects to http":             redirect(302, "http://auth.example.com/token"),
		"redirects to the metadata":     redirect(302, "http://169.254.169.254/"),
		"gives a token with CR LF":      says(200, `{"token":"x\r\nHost: evil.test\r\n"}`),
		"gives a token with an escape":  says(200, `{"token":"\u001b[31m"}`),
		"gives a token of 10 MB":        says(200, `{"token":"`+strings.Repeat("x", 10_000_000)+`"}`),
		"gives no JSON":                 says(200, "<html>\x1b[2J"),
		"gives an endless answer":       endless(200, " "),
		"gives an endless error":        endless(403, "x"),
		"repeats what it was sent":      repeats(403),
		"speaks to the terminal":        says(401, `{"errors":[{"code":"DENIED","message":"\u001b]52;c;cm0gLXJm\u0007 \u202e \u009b31m"}]}`),
		"gives the token in a redirect": redirect(302, "https://evil.test/"+access),
	} {
		for _, withIdentity := range []bool{false, true} {
			s := scenario{name: "token server " + name, identity: withIdentity, want: "auth.example.com"}
			if withIdentity {
				s.name += ", identity token"
			}
			s.code = anyFailure
			s.hosts = map[string]http.HandlerFunc{"auth.example.com": answer, "evil.test": says(200, `{"token":"x"}`), "sub.auth.example.com": says(200, `{"token":"x"}`)}
			list = append(list, s)
		}
	}
	return list
}

// repeats answers with the credential that it was sent, in the ways in which debugging proxies do.
func repeats(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		_, sent, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		_, pw, _ := r.BasicAuth()
		w.Header().Set("Warning", fmt.Sprintf(`299 - "you sent %s %s"`, sent, pw))
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"you sent %s and %s","detail":{"form":%q}}]}`, sent, pw, r.Form.Encode())
	}
}

// locationScenarios say where uploads go on (GHSA-vh4v-2xq2-g5cg).
func locationScenarios() []scenario {
	var list []scenario
	takes := func(w http.ResponseWriter, r *http.Request) { honest(w, r) }
	for name, c := range map[string]struct {
		to   string
		code int
		want string
	}{
		"on another host":             {"https://evil.test/v2/out/blobs/uploads/1", 0, "reg.example.com/out"},
		"on another port":             {"https://reg.example.com:8443/v2/out/blobs/uploads/1", 0, "reg.example.com/out"},
		"on a subdomain":              {"https://sub.reg.example.com/v2/out/blobs/uploads/1", 0, "reg.example.com/out"},
		"without a scheme":            {"//evil.test/v2/out/blobs/uploads/1", 0, "reg.example.com/out"},
		"on http":                     {"http://evil.test/v2/out/blobs/uploads/1", 3, "it leads from HTTPS to plain HTTP"},
		"in a private network":        {"https://10.0.0.1/v2/out/blobs/uploads/1", 3, "it is a private address"},
		"at the metadata":             {"https://169.254.169.254/latest/", 3, "link-local"},
		"on this computer":            {"https://[::1]/x", 3, "an address of this computer"},
		"with a user":                 {"https://reg.example.com@evil.test/x", 3, "it has a user in it"},
		"in a file":                   {"file:///etc/passwd", 3, "it has no host"},
		"nowhere":                     {"%zz", 3, "it is not a URL"},
		"with the credential in it":   {"https://evil.test/" + access, 3, "it has the credential in it"},
		"with escapes for a terminal": {"https://evil.test/\x1b[31m", 3, "malformed MIME header"},
	} {
		list = append(list, scenario{name: "upload " + name, script: push, code: c.code, want: c.want, after: at("POST /v2/out/blobs/uploads/", redirect(202, c.to)),
			hosts: map[string]http.HandlerFunc{"evil.test": takes, "reg.example.com:8443": takes, "sub.reg.example.com": takes}})
	}
	return append(list,
		scenario{name: "upload that asks for credentials elsewhere", script: push, code: 3, want: "401",
			after: at("POST /v2/out/blobs/uploads/", redirect(202, "https://evil.test/x")),
			hosts: map[string]http.HandlerFunc{"evil.test": wants(`Bearer realm="https://evil.test/token"`)}},
		scenario{name: "mount that leads elsewhere", script: `client("reg.example.com/out", write = True).mount("` + digest.FromBytes(honestLayer).String() + `", "app")`,
			after: at("POST /v2/out/blobs/uploads/", redirect(202, "https://evil.test/v2/out/blobs/uploads/1")), hosts: map[string]http.HandlerFunc{"evil.test": takes}},
		scenario{name: "manifest stored as another", script: push, code: 3, want: "the registry stored", after: at("PUT /v2/out/manifests/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Docker-Content-Digest", digest.FromString("another").String())
			w.WriteHeader(201)
		})},
		scenario{name: "upload told to wait for a year", script: push, code: 3, want: "asks to wait", after: at("POST /v2/out/blobs/uploads/", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "31536000")
			w.WriteHeader(429)
		})})
}

// redirectScenarios lead reads elsewhere.
func redirectScenarios() []scenario {
	list := []scenario{}
	gives := func(w http.ResponseWriter, r *http.Request) { give(w, r, content.OctetStream, honestLayer) }
	back := redirect(307, "https://reg.example.com/v2/app/blobs/"+digest.FromBytes(honestLayer).String()+"?back")
	comesBack := func(w http.ResponseWriter, r *http.Request) bool {
		return r.URL.RawQuery != "back" && layerAt(redirect(307, "https://evil.test/a"))(w, r)
	}
	for name, c := range map[string]struct {
		to   string
		code int
		want string
	}{
		"to a subdomain (CVE-2023-45289)":  {"https://sub.reg.example.com/x", 0, "sha256:"},
		"to another port":                  {"https://reg.example.com:8443/x", 0, "sha256:"},
		"to http":                          {"http://evil.test/x", 3, "it leads from HTTPS to plain HTTP"},
		"to the metadata":                  {"https://169.254.169.254/latest/", 3, "link-local"},
		"to a private network":             {"https://192.168.1.1/x", 3, "it is a private address"},
		"to this computer":                 {"https://[::1]/x", 3, "an address of this computer"},
		"to this computer in another form": {"https://[::ffff:127.0.0.1]/x", 3, "an address of this computer"},
		"to no address":                    {"https://0.0.0.0/x", 3, "link-local or reserved"},
		"to itself":                        {"https://reg.example.com/v2/app/blobs/" + digest.FromBytes(honestLayer).String(), 3, "more than 5"},
		"round in a circle":                {"https://evil.test/circle", 3, "more than 5"},
		"to where Basic is wanted":         {"https://evil.test/basic", 3, "401"},
		"to where a token is wanted":       {"https://evil.test/bearer", 3, "401"},
		"to where our token server is":     {"https://evil.test/ours", 3, "401"},
		"with the credential in it":        {"https://evil.test/?t=" + access, 3, "it has the credential in it"},
		"to what sets cookies":             {"https://evil.test/cookie", 0, "sha256:"},
		"to a user":                        {"https://ann:x@evil.test/x", 3, "it has a user in it"},
		"to a script":                      {"javascript:alert(1)", 3, "it has no host"},
		"to wrong bytes":                   {"https://evil.test/wrong", 3, "content does not match"},
	} {
		list = append(list, scenario{name: "blob redirected " + name, code: c.code, want: c.want, after: layerAt(redirect(307, c.to)), hosts: map[string]http.HandlerFunc{
			"sub.reg.example.com": gives, "reg.example.com:8443": gives,
			"evil.test": func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/circle":
					redirect(302, "https://evil.test/circle")(w, r)
				case "/basic":
					wants(`Basic realm="evil"`)(w, r)
				case "/bearer":
					wants(`Bearer realm="https://evil.test/token"`)(w, r)
				case "/ours":
					wants(`Bearer realm="https://auth.example.com/token",scope="repository:secret:pull"`)(w, r)
				case "/cookie":
					http.SetCookie(w, &http.Cookie{Name: "track", Value: "x", Domain: "example.com"})
					gives(w, r)
				default:
					give(w, r, content.OctetStream, []byte("wrong"))
				}
			},
		}})
	}
	return append(list,
		scenario{name: "manifest redirected to where a token is wanted", code: 3, want: "401", after: at("GET /v2/app/manifests/", redirect(302, "https://evil.test/m")),
			hosts: map[string]http.HandlerFunc{"evil.test": wants(`Bearer realm="https://evil.test/token"`)}},
		scenario{name: "blob redirected away and back", want: "", code: 4, after: comesBack, hosts: map[string]http.HandlerFunc{"evil.test": back}})
}

// listScenarios page lists (GHSA-h7vf-4x9w-h99v, GHSA-298f-872v-2rcx).
func listScenarios() []scenario {
	var list []scenario
	for name, c := range map[string]struct{ link, want string }{
		"on another host":           {`<https://evil.test/v2/app/tags/list?last=a>; rel="next"`, "it is on another host"},
		"on another port":           {`<https://reg.example.com:8443/v2/app/tags/list>; rel="next"`, "it is on another host"},
		"on http":                   {`<http://reg.example.com:80/v2/app/tags/list>; rel="next"`, "go round in a circle"},
		"at the metadata":           {`<http://169.254.169.254/latest/meta-data/>; rel="next"`, "it leads from HTTPS to plain HTTP"},
		"on itself":                 {`</v2/app/tags/list?n=1000>; rel="next"`, "go round in a circle"},
		"with the credential in it": {`</v2/app/tags/list?t=` + access + `>; rel="next"`, "it has the credential in it"},
	} {
		list = append(list, scenario{name: "next page " + name, script: listing, code: 3, want: c.want, after: at("GET /v2/app/tags/list", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", c.link)
			fmt.Fprint(w, `{"tags":["a"]}`)
		})})
	}
	var pages atomic.Int64
	return append(list,
		scenario{name: "more than 1,000 pages", script: listing, code: 3, want: "more than 1000 pages", after: at("GET /v2/app/tags/list", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", fmt.Sprintf(`</v2/app/tags/list?last=%d>; rel="next"`, pages.Add(1)))
			fmt.Fprint(w, `{"tags":["a"]}`)
		})},
		scenario{name: "an endless page", script: listing, code: 3, want: "a page of more than", after: at("GET /v2/app/tags/list", endless(200, `{"tags":["a"]} `))},
		scenario{name: "tags that speak to the terminal", script: listing, want: `["good"]`, after: at("GET /v2/app/tags/list",
			says(200, `{"tags":["good","\u001b[31mred","../../x","a b","\u202egpj","`+strings.Repeat("a", 200)+`"]}`))},
	)
}
