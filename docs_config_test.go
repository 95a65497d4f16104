package imgscript_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/registry/registryconfig"
	"github.com/imgscript/imgscript/core/registry/registrytest"
)

// parseConfig reads a block as a registry configuration. The files that it names are there: certificates (.pem) with their key (.key), and passwords.
func parseConfig(t *testing.T, b block) {
	certificate, key := registrytest.NewAuthority(t, "corp").IssuePEM("me")
	read := func(path string, _ int64) ([]byte, error) {
		switch filepath.Ext(path) {
		case ".pem":
			return certificate, nil
		case ".key":
			return key, nil
		}
		return []byte("s3cret\n"), nil
	}
	config, err := registryconfig.Parse(b.file, []byte(b.text), &registryconfig.Options{
		ReadFile: read, LookupEnv: func(string) (string, bool) { return "s3cret", true },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Keychain.Credential(t.Context(), "reg.example.com", "team/app"); err != nil {
		t.Error(err)
	}
}

// TestDocumentedConfigError compares the message that the document shows with that of the configuration that it is about.
func TestDocumentedConfigError(t *testing.T) {
	const config = "hosts:\n  reg.example.com:\n    insecur: true\n    ca: certs/corp.pem\n"
	shown := blocks(t, "docs/registries.md")
	t.Chdir(t.TempDir()) // where there is no file that the configuration names
	_, err := registryconfig.Parse("registries.yaml", []byte(config), nil)
	if err == nil {
		t.Fatal("no error")
	}
	want := "error: --registry-config: registries.yaml:\n  " + strings.ReplaceAll(err.Error(), "\n", "\n  ") + "\n"
	if !slices.ContainsFunc(shown, func(b block) bool { return b.text == want }) {
		t.Errorf("docs/registries.md does not show:\n%s", want)
	}
}
