package cache

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func wantRecord(t *testing.T, c *Cache, bucket, key, want string) {
	t.Helper()
	if got, ok := c.Get(t.Context(), bucket, key); !ok || string(got) != want {
		t.Errorf("Get(%q, %q) = %q, %t; want %q", bucket, key, got, ok, want)
	}
}

func wantMiss(t *testing.T, c *Cache, bucket, key string) {
	t.Helper()
	if got, ok := c.Get(t.Context(), bucket, key); ok {
		t.Errorf("Get(%q, %q) = %q, want a miss", bucket, key, got)
	}
}

func put(t *testing.T, c *Cache, bucket, key, value string) {
	t.Helper()
	if err := c.Put(t.Context(), bucket, key, []byte(value)); err != nil {
		t.Errorf("Put(%q, %q): %v", bucket, key, err)
	}
}

func TestRecords(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	wantMiss(t, c, "refs", "node")
	put(t, c, "refs", "node", "one")
	put(t, c, "layers", "node", "two")
	put(t, c, "refs", "", "")
	put(t, c, "refs", "../../"+strings.Repeat("x", 10_000)+"\x00\xff", "odd")
	for _, c := range []*Cache{c, open(t, dir)} {
		wantRecord(t, c, "refs", "node", "one")
		wantRecord(t, c, "layers", "node", "two")
		wantRecord(t, c, "refs", "", "")
		wantRecord(t, c, "refs", "../../"+strings.Repeat("x", 10_000)+"\x00\xff", "odd")
	}
	put(t, c, "refs", "node", "three")
	wantRecord(t, c, "refs", "node", "three")
	if err := c.Delete(t.Context(), "refs", "node"); err != nil {
		t.Error(err)
	}
	wantMiss(t, c, "refs", "node")
	if err := c.Delete(t.Context(), "refs", "node"); err != nil {
		t.Errorf("Delete of what is gone: %v", err)
	}
	wantNoTemp(t, c)
}

func TestRecordLimits(t *testing.T) {
	c := open(t, t.TempDir())
	big := bytes.Repeat([]byte("x"), MaxRecord)
	put(t, c, "b", "k", string(big))
	wantRecord(t, c, "b", "k", string(big))
	if err := c.Put(t.Context(), "b", "k", append(big, 'x')); err == nil {
		t.Error("Put of too much: no error")
	}
	for _, bucket := range []string{"", "..", "a/b", "A", "a.b", strings.Repeat("a", 65)} {
		if err := c.Put(t.Context(), bucket, "k", nil); err == nil {
			t.Errorf("Put into bucket %q: no error", bucket)
		}
		wantMiss(t, c, bucket, "k")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Put(ctx, "b", "other", nil); err == nil {
		t.Error("Put with an ended context: no error")
	}
	if _, ok := c.Get(ctx, "b", "k"); ok {
		t.Error("Get with an ended context: a hit")
	}
}

func TestDamagedRecordIsAMiss(t *testing.T) {
	c := open(t, t.TempDir())
	for name, change := range map[string]func([]byte) []byte{
		"flipped bit in the value": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"flipped bit in the sum":   func(b []byte) []byte { b[0] ^= 1; return b },
		"cut":                      func(b []byte) []byte { return b[:len(b)-1] },
		"cut in the sum":           func(b []byte) []byte { return b[:5] },
		"empty":                    func([]byte) []byte { return nil },
		"longer":                   func(b []byte) []byte { return append(b, 'x') },
		"far too long":             func([]byte) []byte { return make([]byte, 3*MaxRecord) },
	} {
		put(t, c, "b", "k", "value")
		file := filepath.Join(c.Dir(), recordName("b", "k"))
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, change(data), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Get(t.Context(), "b", "k"); ok {
			t.Errorf("%s: a hit", name)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: the file stays", name)
		}
	}
}

// A record under another's name, as a mix-up of files leaves it, is not that one's.
func TestMovedRecordIsAMiss(t *testing.T) {
	c := open(t, t.TempDir())
	put(t, c, "a", "one", "value")
	for _, to := range [][2]string{{"a", "two"}, {"b", "one"}} {
		put(t, c, to[0], to[1], "its own")
		data, err := os.ReadFile(filepath.Join(c.Dir(), recordName("a", "one")))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.Dir(), recordName(to[0], to[1])), data, 0o600); err != nil {
			t.Fatal(err)
		}
		wantMiss(t, c, to[0], to[1])
	}
}

// Readers see one of the values that were put, never a mixture and never nothing.
func TestRecordsAtOnce(t *testing.T) {
	c := open(t, t.TempDir())
	one, two := strings.Repeat("1", 10_000), strings.Repeat("2", 20_000)
	put(t, c, "b", "k", one)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				if i%2 == 0 {
					put(t, c, "b", "k", []string{one, two}[i/2%2])
				} else if got, ok := c.Get(t.Context(), "b", "k"); !ok || string(got) != one && string(got) != two {
					t.Errorf("Get: %d bytes, %t", len(got), ok)
				}
			}
		})
	}
	wg.Wait()
}
