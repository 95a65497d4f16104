package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// TestWrongPassword shows the exit code of refused credentials, and that no secret is in the message.
func TestWrongPassword(t *testing.T) {
	for _, k := range kinds {
		if k.auth == open {
			continue
		}
		for name, auth := range map[string]string{"wrong": "ann:not-the-secret", "none": ""} {
			t.Run(k.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := start(t, k)
				s.auth = auth
				w := newWorld(t, map[string]*server{"REG": s})
				for _, script := range []string{
					"image('scratch', REG + '/app').save()",
					"image(REG + '/app', 'oci:out').save()",
					"client(REG + '/app').tags()",
				} {
					out := w.try(script)
					if out.code != 4 {
						t.Errorf("%s: exit code %d, want 4\n%s", script, out.code, out.stderr)
					}
					if strings.Contains(out.stderr, "not-the-secret") {
						t.Errorf("%s: the message tells the password:\n%s", script, out.stderr)
					}
					if !strings.Contains(out.stderr, s.host) {
						t.Errorf("%s: the message does not name the registry:\n%s", script, out.stderr)
					}
				}
			})
		}
	}
}

// TestAuthMap gives credentials in the script.
func TestAuthMap(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		s := start(t, k)
		s.auth = ""
		w := newWorld(t, map[string]*server{"REG": s})
		w.write("password", "secret\n")
		w.run(`image("scratch", REG + "/app", auth = {REG: {"Username": "ann", "Secret": secret("password")}}).save()`, "--secret", "password=file:"+w.path("password"))
	})
}

// TestDown shows the exit code and the time of a registry that is not there.
func TestDown(t *testing.T) {
	t.Parallel()
	s := start(t, anyKind)
	s.stop()
	w := newWorld(t, map[string]*server{"REG": s})
	for _, script := range []string{
		"image('scratch', REG + '/app').save()",
		"image(REG + '/app', 'oci:out').save()",
		"client(REG + '/app').tags()",
	} {
		began := time.Now()
		out := w.try(script)
		if took := time.Since(began); out.code != 3 || took > time.Minute {
			t.Errorf("%s: exit code %d after %v, want 3\n%s", script, out.code, took, out.stderr)
		}
	}
}

// TestMissing shows the exit code for a base and a layer that are not there.
func TestMissing(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		for _, script := range []string{
			"image(REG + '/missing', 'oci:out').save()",
			"image('scratch', REG + '/app').save()\nimage(REG + '/app:missing', 'oci:out').save()",
			"img = image('scratch', REG + '/app')\nimg.add_layer(digest('missing'))\nimg.save()",
		} {
			out := w.try(script)
			if out.code != 3 || !strings.Contains(out.stderr, "404") && !strings.Contains(out.stderr, "not found in") {
				t.Errorf("%s: exit code %d\n%s", script, out.code, out.stderr)
			}
		}
	})
}

// TestBadTag pushes nothing when one tag of two is malformed.
func TestBadTag(t *testing.T) {
	each(t, func(t *testing.T, k kind) {
		w := newWorld(t, map[string]*server{"REG": start(t, k)})
		out := w.try(`image("scratch", REG + "/app").save(["good", "not good"])`)
		equal(t, "exit code", out.code, 1)
		// Some registries list the tags of a repository that does not exist.
		if out := w.try(`eq(client(REG + "/app").tags(), [])`); out.code != 0 && (out.code != 3 || !strings.Contains(out.stderr, "404")) {
			t.Errorf("something was pushed: exit code %d\n%s", out.code, out.stderr)
		}
	})
}
