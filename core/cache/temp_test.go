package cache

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestTempSweep: the temporary caches of killed processes go with the next one's beginning; those of living ones, young ones and other things stay.
func TestTempSweep(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)
	living, err := Temp()
	if err != nil {
		t.Fatal(err)
	}
	defer living.Close()
	for _, name := range []string{"imgscript-cache-dead/blobs/sha256/ab", "imgscript-cache-young/tmp", "other"} {
		if err := os.MkdirAll(filepath.Join(parent, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ours := filepath.Join(parent, "imgscript-cache-dead/.tmp-owner")
	if err := os.WriteFile(ours, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{ours, filepath.Dir(ours), filepath.Join(parent, "other"), living.owner.Name(), living.Dir()} {
		if !filepath.IsAbs(name) {
			name = filepath.Join(living.Dir(), name)
		}
		if err := os.Chtimes(name, old, old); err != nil {
			t.Fatal(err)
		}
	}
	next, err := Temp()
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	for name, want := range map[string]bool{"imgscript-cache-dead": false, "imgscript-cache-young": true, "other": true, filepath.Base(living.Dir()): true, filepath.Base(next.Dir()): true} {
		if _, err := os.Stat(filepath.Join(parent, name)); (err == nil) != want {
			t.Errorf("%s: is there %t, want %t", name, err == nil, want)
		}
	}
	if err := living.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(living.Dir()); !os.IsNotExist(err) {
		t.Errorf("Close left the directory: %v", err)
	}
}
