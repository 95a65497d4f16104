package starlib

import (
	"errors"
	"fmt"

	"github.com/imgscript/imgscript/core/build"
)

// LostChange is the error of a run about a change that was never saved, without its place. op names it: "add_files", "setting cmd".
func LostChange(op string) *Error {
	hint := "save the image, or an image forked from it, after the change; if the change is not needed, remove it"
	if op == "index" {
		hint = "save it: index(…).save(); if it is not needed, remove it"
	}
	return &Error{Kind: KindScript, Msg: (&build.LostChangeError{Op: op}).Error(), Hint: hint}
}

// WhileLoading is the error of a run about what a module must not do while it is loaded. file is the script that is run.
func WhileLoading(what, file string) error {
	return withHint(fmt.Errorf("%s: not while a module is loaded", what),
		fmt.Sprintf("move it into a function; run it with `imgscript run %s:FUNCTION`, or call it from the script that loads it", file))
}

// Frozen is the error of a run about a change of an image that a loaded module exports: "set cmd", "add files".
func Frozen(what string) error {
	return withHint(errors.New("cannot "+what+": the Image is frozen"), "what a loaded module exports is frozen; fork() makes an image from it that can change")
}

// FrozenMethod is the error of a run that calls a method of an image that a loaded module exports; nil is a method that does not change the image.
func FrozenMethod(name string) error {
	changes := map[string]string{
		"add_files": "add files", "add_layer": "add a layer", "remove_layer": "remove a layer",
		"rebase": "change the base", "flatten": "flatten", "append": "append an image", "remove_files": "remove files",
	}
	if what, ok := changes[name]; ok {
		return fmt.Errorf("%s: %w", name, Frozen(what))
	}
	return nil
}
