package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
)

// loginFlags are the flags of login.
type loginFlags struct {
	registry      registryFlags
	user          string
	passwordStdin bool
}

func newLoginCommand() *cobra.Command {
	var flags loginFlags
	cmd := &cobra.Command{
		Use:   "login HOST",
		Short: "Keep the credentials for a registry",
		Long: `login asks for a user and a password, asks the registry whether it takes them, and keeps them where Docker does: in the credential helper that
Docker's config.json names for the host or for all, or else in config.json itself. Docker and imgscript find them there. docker.io is Docker Hub.

The exit code is 4 if the registry refuses them; nothing is kept then.`,
		Example: `  imgscript login reg.example.com
  printenv REGISTRY_TOKEN | imgscript login ghcr.io -u octocat --password-stdin`,
		Args:              exactlyOne("a registry's host"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.SetFlagErrorFunc(passwordError)
	cmd.Flags().SortFlags = false
	cmd.Flags().StringVarP(&flags.user, "username", "u", "", "`USER` to log in as (default: you are asked)")
	cmd.Flags().BoolVar(&flags.passwordStdin, "password-stdin", false, "read the password from standard input (default: you are asked, on a terminal)")
	flags.registry.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		host, err := auth.ParseHost(args[0])
		if err != nil {
			return usagef("%v", err)
		}
		if flags.passwordStdin && flags.user == "" {
			return usagef("--password-stdin needs a user: -u USER")
		}
		return withEngine(cmd, &flags.registry, func(ctx context.Context, engine *build.Engine) error {
			return flags.login(ctx, cmd, engine, host)
		})
	}
	return cmd
}

// passwordError explains why there is no flag for passwords, which users of other tools will try. What was given is not repeated.
func passwordError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && (unknown.GetSpecifiedName() == "password" || unknown.GetSpecifiedName() == "p") {
		return usagef("a password is not given as an argument, which every user of the machine can see").
			withHint("--password-stdin reads it from standard input; without that you are asked for it")
	}
	return flagError(cmd, err)
}

// login asks, checks and keeps.
func (f *loginFlags) login(ctx context.Context, cmd *cobra.Command, engine *build.Engine, host string) error {
	store := auth.NewStore(nil)
	if err := store.Check(); err != nil {
		return err
	}
	cred, err := f.ask(ctx, cmd.InOrStdin(), cmd.ErrOrStderr(), host)
	if err != nil {
		return err
	}
	if cred, err = engine.Login(ctx, host, cred); err != nil {
		return err
	}
	kept, err := store.Save(ctx, host, cred)
	if err != nil {
		return err
	}
	if kept.Plain {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: what is kept in %s is not encrypted; with a credential helper (credsStore) it would be\n", kept.Source)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "logged in to %s as %q, kept in %s\n", host, f.user, kept.Source)
	return err
}

// ask gets the user and the password that were not given.
func (f *loginFlags) ask(ctx context.Context, stdin io.Reader, stderr io.Writer, host string) (auth.Credential, error) {
	var password string
	var err error
	if f.passwordStdin {
		password, err = readPassword(ctx, stdin)
	} else {
		var p *prompter
		if p, err = newPrompter(stdin, stderr); err != nil {
			return auth.Credential{}, err
		}
		if f.user == "" {
			f.user, err = p.line(ctx, "User for "+host+": ")
		}
		if err == nil && f.user != "" {
			password, err = p.secret(ctx, "Password: ")
		}
	}
	switch {
	case err != nil:
		return auth.Credential{}, err
	case strings.TrimSpace(f.user) == "":
		return auth.Credential{}, usagef("the user is empty")
	case strings.Contains(f.user, ":"):
		return auth.Credential{}, usagef("the user %q has a colon, which no registry could tell from the start of the password", f.user)
	case password == "":
		return auth.Credential{}, usagef("the password is empty")
	}
	return auth.Credential{Username: f.user, Password: password}, nil
}

func newLogoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "logout HOST",
		Short:             "Forget the credentials for a registry",
		Long:              "logout removes what login, or docker login, has kept for a host, from the credential helper and from Docker's config.json.",
		Example:           "  imgscript logout reg.example.com",
		Args:              exactlyOne("a registry's host"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := auth.ParseHost(args[0])
			if err != nil {
				return usagef("%v", err)
			}
			return withSignals(cmd, func(ctx context.Context, warn func(string)) error {
				return logout(ctx, cmd.OutOrStdout(), auth.NewStore(&auth.DockerOptions{Notice: warn}), host)
			})
		},
	}
}

func logout(ctx context.Context, stdout io.Writer, store *auth.Store, host string) error {
	removed, err := store.Remove(ctx, host)
	for _, kept := range removed {
		fmt.Fprintf(stdout, "removed the credentials for %s from %s\n", host, kept.Source)
	}
	if err == nil && len(removed) == 0 {
		_, err = fmt.Fprintf(stdout, "there were no credentials for %s\n", host)
	}
	return err
}
