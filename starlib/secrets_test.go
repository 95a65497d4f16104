package starlib

import "testing"

// TestWithoutSecrets: the line of a script that an error shows has no credentials in it, and what is left stays in its columns.
func TestWithoutSecrets(t *testing.T) {
	for _, tt := range [][2]string{
		{`x = image("a", auth = {"h": {"Username": "ann", "Secret": "s3cr3t"}}).save()`, `x = image("a", auth = {"h": {"Username": "ann", "Secret": ********}}).save()`},
		{`{"token":'s3cr3t', 'Secret' : "a\"s3cr3t"}`, `{"token":********, 'Secret' : ***********}`},
		{`{"token": "ünicode"}`, `{"token": *********}`},
		{`{"token": "open`, `{"token": *****`},
		{`"private_key": "-----BEGIN",`, `"private_key": ************,`},
		{`{"token": secret("reg"), "Secret": pw}`, `{"token": secret("reg"), "Secret": pw}`},
		{`img.labels = {"tokens": "x"}`, `img.labels = {"tokens": "x"}`},
	} {
		if got := withoutSecrets(tt[0]); got != tt[1] {
			t.Errorf("%s: got\n%s, want\n%s", tt[0], got, tt[1])
		}
	}
}
