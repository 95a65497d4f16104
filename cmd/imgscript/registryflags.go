package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/registry/registryconfig"
)

// configVariable names the registry configuration where no flag does.
const configVariable = "IMGSCRIPT_REGISTRY_CONFIG"

// registryFlags are the flags of every command that speaks to registries.
type registryFlags struct {
	insecure []string
	path     string
	given    func(flag string) bool

	config *registryconfig.Config // read by check; nil is none
}

func (f *registryFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.insecure, "insecure-registry", nil, "`HOST[:PORT]` may be spoken to over plain HTTP, as loopback always may (repeatable)")
	cmd.Flags().StringVar(&f.path, "registry-config", "", "`FILE` with mirrors, certificates, limits and credentials of registries (default: $"+configVariable+", else none)")
	_ = cmd.MarkFlagFilename("registry-config", "yaml", "yml", "json")
	f.given = cmd.Flags().Changed
}

// check refuses values that no command could use, and reads the configuration.
func (f *registryFlags) check() error {
	for _, host := range f.insecure {
		if host == "" || strings.ContainsAny(host, "/@ ") {
			return usagef("--insecure-registry %q: want a host, with its port if it has one, such as registry.example.com:5000", host)
		}
	}
	source, path := "--registry-config", f.path
	if !f.given("registry-config") {
		source, path = configVariable, os.Getenv(configVariable)
		if path == "" {
			return nil
		}
	}
	if path == "" {
		return usagef(`%s "": want a file`, source).withHint("without the flag, the file is the one that $%s names, or none", configVariable)
	}
	var err error
	f.config, err = registryconfig.Load(path, nil)
	return configError(source, path, err)
}

// configError shows what is wrong in a configuration, one thing in a line.
func configError(source, path string, err error) error {
	var all registryconfig.Errors
	switch {
	case err == nil:
		return nil
	case errors.As(err, &all) && len(all) > 1:
		return usagef("%s: %s:\n  %s", source, path, strings.ReplaceAll(all.Error(), "\n", "\n  "))
	case len(all) == 1:
		return usagef("%s: %v", source, err)
	}
	return usagef("%s", strings.Replace(fmt.Sprint(err), "registry config", source, 1))
}

// engine returns the options of an engine that speaks to registries as the flags say. notice is told what users should know of their credentials.
func (f *registryFlags) engine(notice func(message string)) *build.EngineOptions {
	opts := &build.EngineOptions{
		Insecure: f.insecure, UserAgent: "imgscript", Keychain: auth.Default(&auth.Options{Notice: notice}), Daemon: os.Getenv("DOCKER_HOST"),
	}
	if f.config != nil {
		opts.Hosts, opts.Keychain = f.config.Hosts, auth.Chain(f.config.Keychain, opts.Keychain)
	}
	return opts
}
