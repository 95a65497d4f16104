package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
)

// registryFlags are the flags of every command that speaks to registries.
type registryFlags struct {
	insecure []string
}

func (f *registryFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.insecure, "insecure-registry", nil, "`HOST[:PORT]` may be spoken to over plain HTTP, as loopback always may (repeatable)")
}

// check refuses values that no command could use.
func (f *registryFlags) check() error {
	for _, host := range f.insecure {
		if host == "" || strings.ContainsAny(host, "/@ ") {
			return usagef("--insecure-registry %q: want a host, with its port if it has one, such as registry.example.com:5000", host)
		}
	}
	return nil
}

// engine returns the options of an engine that speaks to registries as the flags say. notice is told what users should know of their credentials.
func (f *registryFlags) engine(notice func(message string)) *build.EngineOptions {
	return &build.EngineOptions{Insecure: f.insecure, UserAgent: "imgscript", Keychain: auth.Default(&auth.Options{Notice: notice})}
}
