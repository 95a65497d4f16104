package build

import (
	"context"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/transport"
)

// Login asks a registry host whether it takes a user and a password, and returns the credential to keep for it: see [auth.Authorizer.Login]. It keeps
// nothing: that is what [auth.Store] is for.
func (e *Engine) Login(ctx context.Context, host string, cred auth.Credential) (auth.Credential, error) {
	return e.registry.Login(ctx, host, cred)
}

// ExplainCredential tells how the credential for what a reference to a registry names is found where a script gives none. It is the search of the engine's runs.
func (e *Engine) ExplainCredential(ctx context.Context, ref transport.Reference) *auth.Explanation {
	return auth.Explain(ctx, e.keychain, ref.Host, ref.Repository)
}
