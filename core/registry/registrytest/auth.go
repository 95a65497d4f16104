package registrytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// AuthMode is what a registry asks for.
type AuthMode int

// The modes of a registry.
const (
	AuthNone   AuthMode = iota // nothing
	AuthBasic                  // user and password with every request
	AuthBearer                 // a token from its token server, which lives at /token
)

// Right allows a user something.
type Right struct {
	User       string // "" is everybody, without a password
	Repository string // "" is all
	Actions    string // "pull", "pull,push", "pull,push,delete"; "" is all
}

// allowed reports whether a user may do something.
func (s *Server) allowed(user, repository, action string) bool {
	if s.opts.Rights == nil {
		return user != ""
	}
	return slices.ContainsFunc(s.opts.Rights, func(r Right) bool {
		return (r.User == "" || r.User == user) && (r.Repository == "" || r.Repository == repository) &&
			(r.Actions == "" || slices.Contains(strings.Split(r.Actions, ","), action))
	})
}

// login returns the user of a request's Basic credentials; "" without any. ok is false if they are wrong.
func (s *Server) login(r *http.Request) (user string, ok bool) {
	user, password, sent := r.BasicAuth()
	if !sent {
		return "", r.Header.Get("Authorization") == ""
	}
	return s.user(user, password)
}

// user checks a password. An identity token does for one, as the password of anybody: so it is sent where a token server takes no POST.
func (s *Server) user(name, password string) (user string, ok bool) {
	if user, ok := s.opts.Identities[password]; ok {
		return user, true
	}
	want, known := s.opts.Users[name]
	return name, known && want == password
}

// authorize lets a request pass or answers it.
func (s *Server) authorize(w *answer, r *http.Request, entry *record) bool {
	if s.opts.Auth == AuthNone || s.atStorage(r) {
		return true
	}
	action := actionOf(r.Method, entry.Class)
	if s.opts.Auth == AuthBasic {
		user, ok := s.login(r)
		entry.user.Store(user)
		switch {
		case !ok && s.expired(w, r):
		case ok && (s.allowed(user, entry.Repository, action) || entry.Class == ClassPing && user != ""):
			return s.mayMount(r, entry, func(repository string) bool { return s.allowed(user, repository, "pull") })
		case ok && user != "":
			refuse(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
		default:
			s.challenge(w, entry, `Basic realm="registrytest"`)
		}
		return false
	}
	return s.authorizeToken(w, r, entry, action)
}

// authorizeToken lets a request with a token pass or answers it. As the distribution project's registry does, it asks for the right to read the source of a
// mount together with that to write.
func (s *Server) authorizeToken(w *answer, r *http.Request, entry *record, action string) bool {
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	one, ok := s.tokens.get(text)
	entry.user.Store(one.user)
	scopes, enough := []string{}, ok
	need := func(repository, action string) {
		scopes = append(scopes, "repository:"+repository+":"+action)
		enough = enough && one.has(repository, action)
	}
	if entry.Repository != "" {
		need(entry.Repository, action)
	}
	if from := r.URL.Query().Get("from"); entry.Class == ClassUpload && from != "" {
		need(from, "pull")
	}
	if enough && !s.hides(one, entry) || !ok && s.expired(w, r) {
		return enough
	}
	challenge := fmt.Sprintf(`Bearer realm="%s",service="registrytest"`, s.realm())
	if len(scopes) > 0 {
		challenge += fmt.Sprintf(`,scope="%s"`, strings.Join(scopes, " "))
	}
	if ok {
		challenge += `,error="insufficient_scope"`
	}
	s.challenge(w, entry, challenge)
	return false
}

// challenge asks for credentials.
func (s *Server) challenge(w *answer, entry *record, text string) {
	quirks := s.currentQuirks()
	if !quirks.NoChallenge || entry.Class == ClassPing {
		w.Header()["Www-Authenticate"] = append(slices.Clone(quirks.Challenges), text)
	}
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

// hides reports whether a repository that does not exist is one that may not be read, for those who may not write it.
func (s *Server) hides(one token, entry *record) bool {
	return s.currentQuirks().HideMissing && entry.Repository != "" && !one.has(entry.Repository, "push") && !s.exists(entry.Repository)
}

// expired answers a credential that is not valid in the way of ECR, if that is the quirk.
func (s *Server) expired(w *answer, r *http.Request) bool {
	quirks := s.currentQuirks()
	if quirks.CloseOn401 {
		w.Header().Set("Connection", "close")
	}
	if quirks.ExpiredStatus == 0 || r.Header.Get("Authorization") == "" {
		return false
	}
	http.Error(w, "Your authorization token has expired. Reauthenticate and try again.", quirks.ExpiredStatus)
	return true
}

// atStorage reports whether a request was redirected to the other name of this server, where there are no credentials.
func (s *Server) atStorage(r *http.Request) bool {
	quirks := s.currentQuirks()
	return (s.moved.Load() || quirks.BlobRedirect || quirks.UploadRedirect) && strings.HasPrefix(r.Host, "localhost:")
}

// realm is where the challenge says that tokens are.
func (s *Server) realm() string {
	if realm := s.currentQuirks().Realm; realm != nil {
		return realm(s.URL + tokenPath)
	}
	return s.URL + tokenPath
}

// mayMount turns a mount from a repository that the user may not read into an ordinary upload, as registries do.
func (s *Server) mayMount(r *http.Request, entry *record, mayPull func(repository string) bool) bool {
	query := r.URL.Query()
	if from := query.Get("from"); entry.Class == ClassUpload && from != "" && !mayPull(from) {
		query.Del("mount")
		query.Del("from")
		r.URL.RawQuery = query.Encode()
	}
	return true
}

func actionOf(method string, class Class) string {
	switch {
	case class == ClassUpload || class == ClassSession:
		return "push"
	case method == http.MethodGet || method == http.MethodHead:
		return "pull"
	case method == http.MethodDelete:
		return "delete"
	}
	return "push"
}

func authKind(r *http.Request) string {
	kind, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if kind == "" {
		return "none"
	}
	return strings.ToLower(kind)
}

// refuse answers with an error of the distribution spec.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}
