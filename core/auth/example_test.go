package auth_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/imgscript/imgscript/core/auth"
)

// A script's auth map goes before what the machine has.
func ExampleMap() {
	given, err := auth.Map{
		"reg.example/team": {Username: "bob", Secret: "hidden"},
		"reg.example":      {Token: "hidden"},
	}.Keychain(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	keychain := auth.Chain(given, auth.Default(nil))
	for _, repository := range []string{"team/app", "other/app"} {
		fmt.Println(keychain.Credential(context.Background(), "reg.example", repository))
	}
	// Output:
	// basic credential of "bob" from auth map <nil>
	// bearer credential from auth map <nil>
}

// Do adds the Authorization header that a request turns out to need.
func ExampleAuthorizer_Do() {
	a := auth.NewAuthorizer(&auth.AuthorizerOptions{Keychain: auth.Default(nil)})
	tags := func(ctx context.Context) (*http.Response, error) {
		origin := auth.Origin{Scheme: "https", Host: "registry-1.docker.io", Name: "docker.io"}
		return a.Do(ctx, origin, []auth.Scope{{Repository: "library/node", Actions: "pull"}}, func(authorization string) (*http.Response, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://registry-1.docker.io/v2/library/node/tags/list", nil)
			if err != nil {
				return nil, err
			}
			if authorization != "" {
				req.Header.Set("Authorization", authorization)
			}
			return http.DefaultClient.Do(req)
		})
	}
	_ = tags
}
