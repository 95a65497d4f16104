package auth

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

func TestConfigText(t *testing.T) {
	entry := dockerAuth{Auth: "YTpi"}
	cases := []struct{ name, before, want string }{
		{"nothing yet", "{}\n", "{\n\t\"auths\": {\n\t\t\"reg.example\": {\n\t\t\t\"auth\": \"YTpi\"\n\t\t}\n\t}\n}\n"},
		{"on one line", `{"a":1}`, `{"a":1,"auths":{"reg.example":{"auth":"YTpi"}}}`},
		{"on one line with spaces", `{ "a" : 1 }`, `{ "a" : 1, "auths" : {"reg.example":{"auth":"YTpi"}} }`},
		{"two spaces", "{\n  \"a\": [1, 2],\n  \"z\": 0\n}", "{\n  \"a\": [1, 2],\n  \"z\": 0,\n  \"auths\": {\n    \"reg.example\": {\n      \"auth\": \"YTpi\"\n    }\n  }\n}"},
		{"empty auths", "{\n\t\"auths\": {},\n\t\"z\": 0\n}", "{\n\t\"auths\": {\n\t\t\"reg.example\": {\n\t\t\t\"auth\": \"YTpi\"\n\t\t}\n\t},\n\t\"z\": 0\n}"},
		{"auths null", `{"auths":null,"z":0}`, `{"auths":{"reg.example":{"auth":"YTpi"}},"z":0}`},
		{"another entry", "{\n\t\"auths\": {\n\t\t\"x\": {}\n\t}\n}", "{\n\t\"auths\": {\n\t\t\"x\": {},\n\t\t\"reg.example\": {\n\t\t\t\"auth\": \"YTpi\"\n\t\t}\n\t}\n}"},
		{"in its place", `{"auths":{"reg.example":{"auth":"b2xk","email":"x"},"x":{}}}`, `{"auths":{"reg.example":{"auth":"YTpi"},"x":{}}}`},
		{"other spellings go", `{"auths":{"https://reg.example/v1/":{"auth":"b2xk"},"reg.example/team":{"auth":"dGVhbQ"},"http://reg.example":{}}}`,
			`{"auths":{"reg.example/team":{"auth":"dGVhbQ"},"reg.example":{"auth":"YTpi"}}}`},
		{"the case of settings does not count", `{"Auths":{}}`, `{"Auths":{"reg.example":{"auth":"YTpi"}}}`},
		{"numbers, escapes and what nobody knows", "{\"big\":1e400,\"\\u0061\":\"\\/\",\r\n \"psFormat\": \"{{.ID}}\"}",
			"{\"big\":1e400,\"\\u0061\":\"\\/\",\r\n \"psFormat\": \"{{.ID}}\",\r\n \"auths\": {\n  \"reg.example\": {\n   \"auth\": \"YTpi\"\n  }\n }}"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := &configText{[]byte(c.before)}
			if err := text.put("reg.example", entry); err != nil || string(text.text) != c.want {
				t.Errorf("got %v\n%q\nwant\n%q", err, text.text, c.want)
			}
		})
	}
}

func TestConfigTextErrors(t *testing.T) {
	for before, want := range map[string]string{
		``:                                 "not valid JSON",
		`{"auths":{}`:                      "not valid JSON",
		`{"auths":{}} x`:                   "not valid JSON",
		`[]`:                               "not a JSON object",
		`{"auths":[]}`:                     "auths: not a JSON object",
		`{"auths":{},"auths":{}}`:          `"auths" stands twice in one object`,
		`{"auths":{},"AUTHS":{}}`:          `"AUTHS" stands twice in one object`,
		`{"auths":{"x":{},"x":{"a":"b"}}}`: `auths: "x" stands twice in one object`,
	} {
		text := &configText{[]byte(before)}
		if err := text.put("reg.example", dockerAuth{}); err == nil || err.Error() != want || string(text.text) != before {
			t.Errorf("%s: got %v, want %s; text %s", before, err, want, text.text)
		}
	}
}

func TestConfigTextDrop(t *testing.T) {
	for before, want := range map[string]string{
		`{"auths":{"reg.example":{"auth":"b2xk"}},"z":0}`:                        `{"auths":{},"z":0}`,
		`{"auths":{"a":{}, "reg.example":{"auth":"b2xk"}, "z":{}}}`:              `{"auths":{"a":{}, "z":{}}}`,
		`{"auths":{"a":{}, "reg.example":{"auth":"b2xk"}}}`:                      `{"auths":{"a":{}}}`,
		`{"auths":{"reg.example":{"auth":"b2xk"}, "a":{}}}`:                      `{"auths":{"a":{}}}`,
		`{"auths":{"https://reg.example":{"auth":"b2xk"},"reg.example/v2/":{}}}`: `{"auths":{"reg.example/v2/":{}}}`,
	} {
		text := &configText{[]byte(before)}
		if dropped, err := text.drop("reg.example", ""); !dropped || err != nil || string(text.text) != want {
			t.Errorf("%s: got %v, %v, %s; want %s", before, dropped, err, text.text, want)
		}
	}
	for _, before := range []string{`{}`, `{"auths":{"x":{"auth":"b2xk"}}}`, `{"auths":{"reg.example/team":{"auth":"b2xk"}}}`} {
		text := &configText{[]byte(before)}
		if dropped, err := text.drop("reg.example", ""); dropped || err != nil || string(text.text) != before {
			t.Errorf("%s: got %v, %v, %s", before, dropped, err, text.text)
		}
	}
}

// FuzzConfigText: what is written is valid, says what it should, and every other member keeps its bytes; taking it away again leaves the old members.
func FuzzConfigText(f *testing.F) {
	for _, seed := range []string{
		"{}", "{}\n", `{"a":1}`, "{\n\t\"auths\": {\n\t\t\"x\": {}\n\t}\n}", `{"auths":{"reg.example":{"auth":"b2xk"}},"credsStore":"x"}`, `{"a":{},"a":{}}`,
		` { "auths" : { "https://reg.example/v1/" : null , "b":[] } } `, `{"Auths":null,"\u0061uths2":"\ud800"}`, "{\r\n  \"HttpHeaders\": {\"A\": \"b\"}\r\n}", `[]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, before []byte) {
		text := &configText{before}
		if text.put("reg.example", dockerAuth{Auth: "YTpi"}) != nil {
			return
		}
		if !json.Valid(text.text) {
			t.Fatalf("%q became %q", before, text.text)
		}
		if got, want := members(t, text.text), members(t, before); !maps.Equal(got, want) {
			t.Errorf("%q became %q", before, text.text)
		}
		file, err := parseAuthFile(dockerLabel, "config.json", text.text)
		if err != nil {
			return // the old text was none either
		}
		if _, cred, err := file.entry("reg.example", ""); err != nil || cred.Username != "a" || cred.Password != "b" {
			t.Errorf("%q became %q, which says %s, %v", before, text.text, cred, err)
		}
		if dropped, err := text.drop("reg.example", ""); !dropped || err != nil {
			t.Errorf("%q: %v", text.text, err)
		}
		if got, want := members(t, text.text), members(t, before); !maps.Equal(got, want) {
			t.Errorf("%q became %q in the end", before, text.text)
		}
	})
}

// members are the texts of all members but auths, and those of auths but for reg.example.
func members(t *testing.T, text []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	top, err := parseJSONObject(text, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range top.members {
		value := top.text[m.value:m.valueEnds]
		if !strings.EqualFold(m.name, "auths") {
			all[m.name] = string(value)
			continue
		}
		auths, err := parseJSONObject(value, false)
		if err != nil && !bytes.Equal(value, []byte("null")) {
			t.Fatal(err)
		}
		for i := 0; err == nil && i < len(auths.members); i++ {
			if m := auths.members[i]; !isKeyOf(m.name, "reg.example") {
				all["auths "+m.name] = string(auths.text[m.value:m.valueEnds])
			}
		}
	}
	return all
}
