package starlib

import (
	"os"
	"testing"
)

// TestReference holds docs/reference.md to api.star; -update writes it anew.
func TestReference(t *testing.T) {
	const file = "../docs/reference.md"
	want, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/reference.md is not what api.star says: go test ./starlib -run TestReference -update")
	}
}
