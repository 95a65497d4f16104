package imgscript_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/imgscript/imgscript/starlib/check"
)

// TestDocumentsChecked finds nothing wrong in the scripts of the documents, but in those whose error is shown, and but for what is missing from parts of scripts.
func TestDocumentsChecked(t *testing.T) {
	scripts := 0
	for _, file := range documents(t) {
		for _, b := range blocks(t, file) {
			if b.lang != "python" || b.next != "" {
				continue
			}
			scripts++
			checkPart(t, b)
		}
	}
	if scripts < 20 {
		t.Errorf("only %d scripts", scripts)
	}
}

// checkPart finds nothing wrong in a part of a script, but for what is missing: parts save and name elsewhere.
func checkPart(t *testing.T, b block) {
	t.Helper()
	name := fmt.Sprintf("%s:%d.star", strings.ReplaceAll(b.file, "/", "-"), b.line)
	problems, err := check.Files(t.Context(), fstest.MapFS{name: {Data: []byte(b.text)}}, []string{name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range problems {
		undefined, ok := strings.CutPrefix(problems[i].Message, "undefined: ")
		if problems[i].Rule != check.RuleLostChange && !(ok && strings.Contains(given, undefined)) {
			t.Error(problems[i].Detail())
		}
	}
}
