package registrytest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
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

// tokenPath is where the token server of a Server listens.
const tokenPath = "/token"

// tokens holds what the token server handed out.
type tokens struct {
	mu     sync.Mutex
	issued map[string]token
}

// token is who has it and what for.
type token struct {
	user   string
	scopes []string // "repository:app:pull,push"
}

func (t *tokens) add(one token) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.issued == nil {
		t.issued = map[string]token{}
	}
	text := rand.Text()
	t.issued[text] = one
	return text
}

func (t *tokens) get(text string) (token, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.issued[text]
	return one, ok
}

// RevokeTokens makes all tokens that were handed out invalid: they answer 401 from now on.
func (s *Server) RevokeTokens() {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	s.tokens.issued = nil
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
	want, known := s.opts.Users[user]
	return user, known && want == password
}

// serveToken is the token server (https://distribution.github.io/distribution/spec/auth/token/).
func (s *Server) serveToken(w *answer, r *http.Request) {
	user, ok := s.login(r)
	w.entry.user.Store(user)
	if !ok {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
		return
	}
	one := token{user: user}
	for _, scope := range strings.Fields(strings.Join(r.URL.Query()["scope"], " ")) {
		repository, actions, ok := splitScope(scope)
		if !ok {
			continue
		}
		granted := slices.DeleteFunc(actions, func(action string) bool { return !s.allowed(user, repository, action) })
		one.scopes = append(one.scopes, "repository:"+repository+":"+strings.Join(granted, ","))
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"token": s.tokens.add(one), "expires_in": 300})
}

func splitScope(scope string) (repository string, actions []string, ok bool) {
	rest, ok := strings.CutPrefix(scope, "repository:")
	i := strings.LastIndexByte(rest, ':')
	if !ok || i < 0 {
		return "", nil, false
	}
	return rest[:i], strings.Split(rest[i+1:], ","), true
}

func (t token) has(repository, action string) bool {
	return slices.ContainsFunc(t.scopes, func(scope string) bool {
		name, actions, ok := splitScope(scope)
		return ok && name == repository && slices.Contains(actions, action)
	})
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
			w.Header().Set("WWW-Authenticate", `Basic realm="registrytest"`)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
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
	if enough || !ok && s.expired(w, r) {
		return enough
	}
	challenge := fmt.Sprintf(`Bearer realm="%s",service="registrytest"`, s.realm())
	if len(scopes) > 0 {
		challenge += fmt.Sprintf(`,scope="%s"`, strings.Join(scopes, " "))
	}
	if ok {
		challenge += `,error="insufficient_scope"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	return false
}

// expired answers a credential that is not valid in the way of ECR, if that is the quirk.
func (s *Server) expired(w *answer, r *http.Request) bool {
	s.mu.Lock()
	status := s.quirks.ExpiredStatus
	closes := s.quirks.CloseOn401
	s.mu.Unlock()
	if closes {
		w.Header().Set("Connection", "close")
	}
	if status == 0 || r.Header.Get("Authorization") == "" {
		return false
	}
	http.Error(w, "Your authorization token has expired. Reauthenticate and try again.", status)
	return true
}

// atStorage reports whether a request was redirected to the other name of this server, where there are no credentials.
func (s *Server) atStorage(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return (s.quirks.BlobRedirect || s.quirks.UploadRedirect) && strings.HasPrefix(r.Host, "localhost:")
}

// realm is where the challenge says that tokens are.
func (s *Server) realm() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quirks.Realm != nil {
		return s.quirks.Realm(s.URL + tokenPath)
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
