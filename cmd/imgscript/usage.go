package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imgscript/imgscript/core/nearest"
)

// usageError is a command line that makes no sense.
type usageError struct{ msg, hint string }

// Error implements error.
func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) *usageError {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

func (e *usageError) withHint(format string, args ...any) *usageError {
	e.hint = fmt.Sprintf(format, args...)
	return e
}

// flagError words what pflag says of a command line, and guesses what was meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var bad *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(cmd, unknown)
	case errors.As(err, &missing):
		return usagef("--%s needs a value: --%s %s", missing.GetFlag().Name, missing.GetFlag().Name, valueName(missing.GetFlag()))
	case errors.As(err, &bad):
		reason := bad.Unwrap().Error()
		if bad.GetFlag().Value.Type() == "int" {
			reason = "want a number"
		}
		return usagef("--%s %q: %s", bad.GetFlag().Name, bad.GetValue(), reason)
	}
	return usagef("%s", err).withHint("%s --help lists the flags", cmd.CommandPath())
}

func unknownFlag(cmd *cobra.Command, unknown *pflag.NotExistError) error {
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		return usagef("there is no flag -%s", name).withHint("%s --help lists the flags", cmd.CommandPath())
	}
	err := usagef("there is no flag --%s", name).withHint("%s --help lists the flags", cmd.CommandPath())
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := nearest.Name(name, names); near != "" {
		err.hint = fmt.Sprintf("did you mean --%s?", near)
	}
	return err
}

// valueName is the placeholder of a flag's value in its help.
func valueName(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	return name
}

// exactlyOne, atLeastOne and atMostOne check the number of arguments; what names the one.
func exactlyOne(what string) cobra.PositionalArgs {
	return cobra.MatchAll(atLeastOne(what), atMostOne(what))
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s: %s is missing", cmd.CommandPath(), what).withHint("%s", cmd.UseLine())
		}
		return nil
	}
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("%s: too many arguments: %q", cmd.CommandPath(), args[1:]).withHint("%s; it takes %s", cmd.UseLine(), what)
		}
		return nil
	}
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments: %q", cmd.CommandPath(), args)
	}
	return nil
}
