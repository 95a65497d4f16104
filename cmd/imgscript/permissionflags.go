package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/core/build"
)

// permissionFlags say what a run may touch. A flag that is given lists all there is of its kind.
type permissionFlags struct {
	read, net, push, out []string
}

func (f *permissionFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.read, "allow-read", nil, "`DIR` outside the root, or a file, that may be read too (repeatable; default: the root alone)")
	flags.StringArrayVar(&f.net, "allow-net", nil, "`HOST[:PORT]`, or *.DOMAIN, that may be spoken to, as a registry or by fetch, and no other; \"\" is none (repeatable; default: all)")
	flags.StringArrayVar(&f.push, "allow-push", nil, "`HOST/REPOSITORY` that may be pushed to, and no other; * is any text in a part of it, ** any parts, \"\" none (repeatable; default: all that --allow-net allows)")
	flags.StringArrayVar(&f.out, "allow-out", nil, "`DIR` below which layouts may be written, and nowhere else; \"\" is nowhere (repeatable; default: the root)")
	_ = cmd.MarkFlagDirname("allow-read")
	_ = cmd.MarkFlagDirname("allow-out")
}

// lists are the permissions that the flags give. Relative paths are relative to the working directory.
func (f *permissionFlags) lists() build.Permissions {
	return build.Permissions{Read: f.read, Net: f.net, Push: f.push, Out: f.out}
}

// policyOf makes the policy of a run with this root.
func policyOf(permissions build.Permissions, root string) (*build.Policy, error) {
	policy, err := permissions.Policy(root)
	if err != nil {
		return nil, usagef("%s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return policy, nil
}
