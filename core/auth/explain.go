package auth

import (
	"context"
	"sync"
)

// Step is what one source said when it was asked for a credential.
type Step struct {
	// Source is who was asked, as in Credential.Source: "docker config /home/bob/.docker/config.json".
	Source string
	// Detail says where in it the answer was found, or why there is none: `auths "reg.example/team"`, "no such file". It may be empty.
	Detail string
	// Credential is the answer; the zero value is that nothing is known.
	Credential Credential
	// Err says why there is no answer. It does not repeat Source.
	Err error
}

// Explanation is how the credential of a repository was found.
type Explanation struct {
	// Steps are the sources in the order in which they were asked.
	Steps []Step
	// Credential is what was found; one of Kind and Source "anonymous" when nobody knew any.
	Credential Credential
	// Err is what ended the search, or, when it is [ErrUnavailable], what was wrong on the way to an anonymous credential.
	Err error
}

// Explain asks a keychain for the credential of a repository of a host, both as [Keychain] has them, and keeps what each source said on the
// way. It is the very search that an Authorizer with this keychain makes; nothing is sent to the registry.
func Explain(ctx context.Context, k Keychain, host, repository string) *Explanation {
	n := &notes{}
	cred, err := k.Credential(context.WithValue(ctx, notesKey{}, n), canonicalHost(host), repository)
	if err != nil || cred.Anonymous() {
		cred = Credential{Source: anonymousSource}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return &Explanation{Steps: n.steps, Credential: cred, Err: err}
}

// Note adds a step to the explanation that ctx belongs to; elsewhere it does nothing. It is for those who write keychains.
func Note(ctx context.Context, step Step) {
	n, ok := ctx.Value(notesKey{}).(*notes)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.steps = append(n.steps, step)
}

// notesKey is the context key of the notes of an explanation.
type notesKey struct{}

type notes struct {
	mu    sync.Mutex
	steps []Step
}
