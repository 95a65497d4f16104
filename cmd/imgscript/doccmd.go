package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imgscript/imgscript/cmd/imgscript/internal/progress"
	"github.com/imgscript/imgscript/starlib"
	"github.com/imgscript/imgscript/starlib/manual"
)

func newDocCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doc [NAME]",
		Short: "Show what there is to know about a name of the language",
		Long: `doc shows the reference of the language: of a function its parameters, what it returns, its errors and an example; of a type or a module what it has. Without
a NAME it lists all names. A NAME may be written as in a script, or without what it belongs to: image, Image.add_files, img.add_files, add_files, json.decode, or
a parameter such as ignore_files. If several things have it, all are listed.

Lines fit the terminal. Elsewhere a description has lines of 80 columns, and in lists no line is cut.

Exit codes: 0 done, 1 there is no such name, 2 usage.`,
		Example: `  imgscript doc
  imgscript doc image
  imgscript doc img.add_files`,
		Args:              atMostOne("one name"),
		ValidArgsFunction: completeNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			entries, err := starlib.API()
			if err != nil {
				return err
			}
			text, err := document(entries, strings.Join(args, ""), progress.Width(cmd.OutOrStdout()))
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
}

// Widths of descriptions: where there is no terminal, and the most that is good to read.
const (
	plainWidth  = 80
	widestLines = 100
)

// document is what doc prints of a name, "" being all names, on a terminal with that many columns, 0 being none.
func document(entries []starlib.Entry, name string, width int) (string, error) {
	if name == "" {
		return manual.Contents(entries, width), nil
	}
	found := manual.Find(entries, name)
	switch len(found) {
	case 0:
		return "", unknownName(entries, name)
	case 1:
		if width == 0 {
			width = plainWidth
		}
		return manual.Text(entries, &found[0], min(width, widestLines)), nil
	}
	return manual.List(found, width), nil
}

// unknownName is the error of a name that nothing has.
func unknownName(entries []starlib.Entry, name string) error {
	const most = 3
	hint := "imgscript doc lists all names"
	if near := manual.Near(entries, name); len(near) > 0 {
		hint = "did you mean " + strings.Join(near[:min(len(near), most)], " or ") + "?"
	}
	return showError(&starlib.Error{Kind: starlib.KindScript, Msg: fmt.Sprintf("doc: there is no name %q", name), Hint: hint}, "")
}

// completeNames completes a name, and says what each is.
func completeNames(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	entries, err := starlib.API()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, e := range manual.Begin(entries, begun) {
		names = append(names, cobra.CompletionWithDesc(e.Name, e.Summary()))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
