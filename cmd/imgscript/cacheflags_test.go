package main

import "testing"

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "1000": 1000, "7B": 7, "1k": 1000, "2kB": 2000, "2KB": 2000, "3KiB": 3 << 10, "5MB": 5_000_000, "5 MB": 5_000_000, "1.5GiB": 3 << 29,
		"20GiB": 20 << 30, "2T": 2_000_000_000_000, "1TiB": 1 << 40, "0.5kB": 500,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", "-1", "1i", "1iB", "1PB", "1 0", "1e9", ".5GB", "1.GB", "GB", " 1", "1  MB", "99999999999999TB", "0x10", "1gb", "1mb"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %d, want an error", text, got)
		}
	}
}
