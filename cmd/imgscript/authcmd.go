package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/build"
	"github.com/imgscript/imgscript/core/transport"
)

func newAuthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Tell which credentials are used",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuthExplainCommand())
	return cmd
}

// explainFlags are the flags of auth explain.
type explainFlags struct {
	registry registryFlags
	push     bool
}

func newAuthExplainCommand() *cobra.Command {
	var flags explainFlags
	cmd := &cobra.Command{
		Use:   "explain REFERENCE",
		Short: "Tell which credential is used for an image, and why",
		Long: `explain asks the sources of credentials in the order in which a run asks them, and tells what each said, which one answered, and the right that is
asked for. It sends nothing to the registry, and no secret is shown. What the auth map of a script says is not known here.

The exit code is 1 if a source is broken in a way that would end a run.`,
		Example: `  imgscript auth explain reg.example.com/team/app:v1
  imgscript auth explain reg.example.com/team/app --push`,
		Args:              exactlyOne("a reference"),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().SortFlags = false
	cmd.Flags().BoolVar(&flags.push, "push", false, "for saving the image, not for reading it alone")
	flags.registry.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ref, err := transport.Parse(args[0])
		switch {
		case err != nil:
			return usagef("%v", err)
		case ref.Transport != transport.Docker:
			return usagef("%s is not in a registry: it needs no credentials", args[0])
		}
		return withEngine(cmd, &flags.registry, func(ctx context.Context, engine *build.Engine) error {
			return writeExplanation(cmd.OutOrStdout(), ref, flags.push, engine.ExplainCredential(ctx, ref))
		})
	}
	return cmd
}

// writeExplanation writes the steps of a search, numbered, and what came of it. What each source said has a line of its own: paths are long.
func writeExplanation(w io.Writer, ref transport.Reference, push bool, e *auth.Explanation) error {
	scope, purpose := auth.Scope{Repository: ref.Repository, Actions: "pull"}, "read"
	if push {
		scope.Actions, purpose = "pull,push", "save"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "to %s %s:\n", purpose, ref.Name())
	for i, step := range e.Steps {
		fmt.Fprintf(&b, "%3d. %s\n     %s\n", i+1, step.Source, said(step))
	}
	failed := e.Err != nil && !errors.Is(e.Err, auth.ErrUnavailable)
	if !failed {
		fmt.Fprintf(&b, "credential: %s\n", kindAndUser(e.Credential))
		if !e.Credential.Anonymous() {
			fmt.Fprintf(&b, "source:     %s\n", e.Credential.Source)
		}
		fmt.Fprintf(&b, "scope:      %s\n", scope)
	}
	if _, err := io.WriteString(w, b.String()); err != nil || !failed {
		return err
	}
	return e.Err
}

// said is what a source said, in words.
func said(step auth.Step) string {
	parts := []string{}
	if step.Detail != "" {
		parts = append(parts, step.Detail)
	}
	if !step.Credential.Anonymous() {
		parts = append(parts, kindAndUser(step.Credential))
	}
	if step.Err != nil {
		parts = append(parts, "error: "+step.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// kindAndUser describes a credential without its source.
func kindAndUser(cred auth.Credential) string {
	if cred.Anonymous() {
		return "none, anonymous"
	}
	cred.Source = ""
	return cred.String()
}
