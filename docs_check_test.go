package imgscript_test

import "testing"

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
