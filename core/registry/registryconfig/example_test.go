package registryconfig_test

import (
	"context"
	"fmt"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/registry"
	"github.com/imgscript/imgscript/core/registry/registryconfig"
)

// A configuration becomes the options of a client.
func ExampleParse() {
	config, err := registryconfig.Parse("registries.yaml", []byte(`
hosts:
  reg.example: {mirrors: [mirror.example], requests_per_second: 20}
credentials:
  reg.example/team: {username: builder, password_env: REG_PASSWORD}
`), &registryconfig.Options{LookupEnv: func(string) (string, bool) { return "hidden", true }})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := registry.New(&registry.Options{Hosts: config.Hosts, Keychain: auth.Chain(config.Keychain, auth.Default(nil))})
	defer c.Close()

	cred, err := config.Keychain.Credential(context.Background(), "reg.example", "team/app")
	fmt.Println(cred, err)
	// Output: basic credential of "builder" from registry config registries.yaml <nil>
}

// All that is wrong is told at once.
func ExampleErrors() {
	_, err := registryconfig.Parse("registries.yaml", []byte(`
hosts:
  reg.example: {mirors: [mirror.example]}
  https://other.example: {}
`), nil)
	fmt.Println(err)
	// Output:
	// registries.yaml:3:17: reg.example: there is no key "mirors"; did you mean mirrors?
	// registries.yaml:4:3: hosts: "https://other.example": want a host without https://; one that speaks plain HTTP has an entry with insecure: true
}
