package lock_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/imgscript/imgscript/core/lock"
)

// damaged replaces in a good file of four entries, on lines 2 to 5, with "version" on line 6.
func damaged(t *testing.T, old, new string) string {
	t.Helper()
	text := string(fileOf(t, indexed(alpine, "linux/amd64", "alpine", "amd"), indexed(alpine, "linux/arm64", "alpine", "arm"),
		plain(app, "linux/amd64", "app"), indexed("zzz.example.com/tools:v7", lock.All, "tools", "")).Bytes())
	if !strings.Contains(text, old) {
		t.Fatalf("the file has no %q", old)
	}
	return strings.Replace(text, old, new, 1)
}

// TestDamaged: each damage has its line, and says what to do.
func TestDamaged(t *testing.T) {
	line := strings.Split(string(fileOf(t, plain(app, "linux/amd64", "app")).Bytes()), "\n")[1]
	other := strings.Split(string(fileOf(t, indexed(alpine, "linux/arm64", "alpine 2", "arm 2")).Bytes()), "\n")[1]
	theirs := strings.Split(string(fileOf(t, indexed(alpine, "linux/arm64", "alpine", "arm")).Bytes()), "\n")[1]
	for _, test := range []struct{ name, text, want, hint string }{
		{"empty", "", "imgscript.lock:1: the file is empty", "imgscript update"},
		{"zeros after a power failure", "\x00\x00\x00\n", "imgscript.lock:1: the file is empty", "version control"},
		{"another file", "top\n", "imgscript.lock:1: not JSON: invalid character 'o' in literal true (expecting 'r')", "version control"},
		{"a list", "[]", "imgscript.lock:1: want a JSON object here", "version control"},
		{"cut off", damaged(t, "  \"version\": 1\n}\n", ""), "imgscript.lock:5: not JSON: unexpected end of JSON input", "version control"},
		{"a comma is missing", damaged(t, "},\n  \""+app, "}\n  \""+app), "imgscript.lock:4: not JSON: invalid character '\"' after object key:value pair", "delete the line"},
		{"something behind it", damaged(t, "}\n", "}\n") + "{}", "imgscript.lock:8: not JSON: invalid character '{' after top-level value", "version control"},
		{"not UTF-8", damaged(t, app, "caf\xe9"), "imgscript.lock:4: not UTF-8", "version control"},
		{"no version", damaged(t, ",\n  \"version\": 1", ""), "imgscript.lock:1: it has no \"version\"", "imgscript update"},
		{"a newer version", damaged(t, "\"version\": 1", "\"version\": 2"), "imgscript.lock:6: version 2 is not known; this imgscript reads version 1", "newer"},
		{"a newer version with what is not known", damaged(t, "\"version\": 1", "\"version\": 2,\n\"more\": {}"), "imgscript.lock:6: version 2 is not known; this imgscript reads version 1", "newer"},
		{"a strange version", damaged(t, "\"version\": 1", "\"version\": \"1\""), "imgscript.lock:6: version \"1\" is not known; this imgscript reads version 1", "newer"},
		{"an unknown field", damaged(t, "\"version\"", "\"comment\": \"hi\",\n  \"version\""), "imgscript.lock:6: unknown field \"comment\"", "newer"},
		{"an unknown field of an entry", damaged(t, ", \"media_type\": \"application/vnd.docker", ", \"size\": 1, \"media_type\": \"application/vnd.docker"),
			"imgscript.lock:4: \"" + app + " linux/amd64\": unknown field \"size\"", "newer"},
		{"an unknown text of an entry", damaged(t, ", \"media_type\": \"application/vnd.docker", ",\n \"note\": \"x\", \"media_type\": \"application/vnd.docker"),
			"imgscript.lock:5: \"" + app + " linux/amd64\": unknown field \"note\"", "newer"},
		{"a field twice", damaged(t, "{\"manifest\"", "{\"manifest\": \"x\", \"manifest\""), "imgscript.lock:4: \"manifest\" is here for the second time, after line 4", "keep one"},
		{"an entry twice", damaged(t, "  \"version\"", line+"\n  \"version\""), "imgscript.lock:6: \"" + app + " linux/amd64\" is here for the second time, after line 4", "keep one"},
		{"the version twice", damaged(t, "{\n", "{\n\"version\": 1,\n"), "imgscript.lock:7: \"version\" is here for the second time, after line 2", "keep one"},
		{"an entry that is no object", damaged(t, "  \"version\"", "  \"a b\":\n 5,\n  \"version\""), "imgscript.lock:7: want a JSON object here", "version control"},
		{"a null", damaged(t, "{\"manifest\": \""+d("app").String()+"\"", "{\"manifest\": null"), "imgscript.lock:4: \"" + app + " linux/amd64\": \"manifest\": want a string", "delete the line"},
		{"a malformed digest", damaged(t, d("app").String(), "sha256:abc"),
			"imgscript.lock:4: \"" + app + " linux/amd64\": invalid digest \"sha256:abc\": want sha256: and 64, or sha512: and 128 lower-case hex digits", "delete the line"},
		{"a malformed reference", damaged(t, "\""+app, "\"team/App"), "imgscript.lock:4: \"team/App linux/amd64\": \"team/App\" is no reference in full, such as docker.io/library/node:lts", "delete the line"},
		{"a merge that is not finished", damaged(t, theirs+"\n", "<<<<<<< HEAD\n"+theirs+"\n=======\n"+other+"\n>>>>>>> feature\n"), "imgscript.lock:3: a merge conflict that is not resolved", "keep the lines of both sides"},
		{"a merge with its base", damaged(t, theirs+"\n", "||||||| 1234567\n"+theirs+"\n=======\n"), "imgscript.lock:3: a merge conflict that is not resolved", "keep the lines of both sides"},
		{"one tag is two things", damaged(t, theirs, other),
			"imgscript.lock:3: " + alpine + " stands for " + d("alpine 2").String() + " here and for " + d("alpine").String() + " on line 2", "`imgscript update FILE.star " + alpine + "`"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := lock.Parse("imgscript.lock", []byte(test.text))
			var e *lock.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(test.want, e.Error()); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(e.Hint(), test.hint) {
				t.Errorf("the hint %q does not say %q", e.Hint(), test.hint)
			}
		})
	}
}

func TestTooLong(t *testing.T) {
	if _, err := lock.Parse("imgscript.lock", make([]byte, 17<<20)); err == nil || !strings.Contains(err.Error(), "more than 16777216 bytes") {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: what is taken is written in one form that says the same; what is refused has a line of the file.
func FuzzParse(f *testing.F) {
	good := `{
  "docker.io/library/alpine:3 linux/amd64": {"index": "` + d("i").String() + `", "manifest": "` + d("m").String() + `", "media_type": "application/vnd.oci.image.index.v1+json"},
  "reg.example.com:5000/team/app:v1 all": {"manifest": "` + d("m").String() + `", "media_type": "application/vnd.docker.distribution.manifest.v2+json"},
  "version": 1
}
`
	for _, seed := range []string{good, "{\"version\":1}", "", "{", strings.ReplaceAll(good, "\n", ""), strings.ReplaceAll(good, "\n", "\r\n"), "<<<<<<< a\n" + good, good + good,
		strings.Replace(good, "linux/amd64", "windows(10.0.17763)/amd64", 1), strings.Replace(good, `"index"`, `"\u0069ndex"`, 1), strings.Replace(good, "1\n", "1.0\n", 1)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := lock.Parse("x", data)
		if err != nil {
			var e *lock.Error
			if !errors.As(err, &e) || e.Line < 1 || e.Line > 1+bytes.Count(data, []byte("\n")) || e.Msg == "" || e.Do == "" {
				t.Errorf("got %#v", err)
			}
			return
		}
		text := file.Bytes()
		again, err := lock.Parse("x", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(file.Entries(), again.Entries()); diff != "" {
			t.Error(diff)
		}
		if !bytes.Equal(again.Bytes(), text) {
			t.Errorf("written differently the second time:\n%s\n%s", text, again.Bytes())
		}
		if _, err := file.Set(file.Entries()...); err != nil {
			t.Error(err)
		}
	})
}
