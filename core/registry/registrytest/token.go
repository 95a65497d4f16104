package registrytest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
)

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

// serveToken is the token server (https://distribution.github.io/distribution/spec/auth/token/).
func (s *Server) serveToken(w *answer, r *http.Request) {
	quirks := s.currentQuirks()
	if r.Method == http.MethodPost && quirks.TokenPost != 0 {
		drain(r)
		refuse(w, quirks.TokenPost, "UNSUPPORTED", "the operation is unsupported")
		return
	}
	user, ok := s.tokenUser(r)
	w.entry.user.Store(user)
	if !ok {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
		return
	}
	scopes := strings.Fields(strings.Join(r.Form["scope"], " "))
	if quirks.FirstScope {
		scopes = scopes[:min(len(scopes), 1)]
	}
	if quirks.RefuseDeleteScope && strings.Contains(strings.Join(scopes, " "), "delete") {
		refuse(w, http.StatusBadRequest, "UNKNOWN", "unable to decode scope")
		return
	}
	name, answer := "token", map[string]any{"expires_in": 300}
	if quirks.AccessToken {
		name = "access_token"
	}
	if quirks.NoExpiry {
		delete(answer, "expires_in")
	}
	answer[name] = s.tokens.add(s.grant(user, scopes))
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// tokenUser returns who asks for a token: by the credentials of the request or, if it is a POST, by those of its form
// (https://distribution.github.io/distribution/spec/auth/oauth/).
func (s *Server) tokenUser(r *http.Request) (user string, ok bool) {
	if r.ParseForm() != nil {
		return "", false
	}
	switch r.PostForm.Get("grant_type") {
	case "":
		return s.login(r)
	case "password":
		return s.user(r.PostForm.Get("username"), r.PostForm.Get("password"))
	case "refresh_token":
		user, ok = s.opts.Identities[r.PostForm.Get("refresh_token")]
		return user, ok
	}
	return "", false
}

// grant is a token for what a user may do of the scopes.
func (s *Server) grant(user string, scopes []string) token {
	one := token{user: user}
	for _, scope := range scopes {
		repository, actions, ok := splitScope(scope)
		if !ok {
			continue
		}
		granted := slices.DeleteFunc(actions, func(action string) bool { return !s.allowed(user, repository, action) })
		one.scopes = append(one.scopes, "repository:"+repository+":"+strings.Join(granted, ","))
	}
	return one
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
