package build_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imgscript/imgscript/core/build"
)

func policyOf(t testing.TB, p build.Permissions, root string) *build.Policy {
	t.Helper()
	policy, err := p.Policy(root)
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// TestPermittedHosts: a host has many spellings, and a pattern means one host, or those below one domain.
func TestPermittedHosts(t *testing.T) {
	for _, c := range []struct {
		list     string // joined by spaces
		yes, not []string
	}{
		{"reg.example.com", []string{"reg.example.com", "reg.example.com:443", "Reg.Example.COM", "reg.example.com.", "REG.example.com.:443", "reg.example.com:0443", "reg.example.com:"},
			[]string{"reg.example.com:80", "reg.example.com:5000", "example.com", "a.reg.example.com", "reg.example.com..", "reg.example.comx", "xreg.example.com", "reg_example.com", ""}},
		{"Reg.Example.com:443", []string{"reg.example.com"}, []string{"reg.example.com:80"}},
		{"reg.example.com:5000", []string{"reg.example.com:5000", "REG.example.com.:5000"}, []string{"reg.example.com", "reg.example.com:443", "reg.example.com:50000", "reg.example.com:500"}},
		{"localhost", []string{"localhost", "LOCALHOST", "localhost."}, []string{"localhost:5000", "127.0.0.1", "[::1]", "a.localhost"}},
		{"*.example.com", []string{"a.example.com", "a.b.example.com", "A.Example.com.:443"},
			[]string{"example.com", ".example.com", "aexample.com", "a.example.com:5000", "a.example.com.evil.org", "example.com.evil.org", "*.example.org", "a..example.com"}},
		{"*.example.com:5000", []string{"a.example.com:5000"}, []string{"a.example.com"}},
		{"*.0.0.1", nil, []string{"127.0.0.1", "127.0.0.1."}},
		{"127.0.0.1", []string{"127.0.0.1", "127.0.0.1:443", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"}, []string{"127.0.0.1:80", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "localhost", "127.0.0.10", "[::1]"}},
		{"[::1]:5000", []string{"[::1]:5000", "[0:0:0:0:0:0:0:1]:5000", "[0::1]:05000"}, []string{"[::1]", "[::2]:5000", "[::1]:5001"}},
		{"2001:DB8::1", []string{"[2001:db8::1]", "[2001:db8:0:0::1]:443"}, []string{"[2001:db8::1]:5000", "[2001:db8::2]"}},
		{"[fe80::1%eth0]", []string{"[fe80::1%eth0]"}, []string{"[fe80::1]", "[fe80::1%eth1]"}},
		{"docker.io", []string{"docker.io", "index.docker.io", "registry-1.docker.io", "Index.Docker.io.:443"}, []string{"docker.io:5000", "auth.docker.io", "docker.io.evil.org"}},
		{"registry-1.docker.io", []string{"docker.io", "index.docker.io"}, []string{"registry-2.docker.io"}},
		{"*.docker.io", []string{"auth.docker.io"}, []string{"docker.io", "index.docker.io"}}, // the hosts of the Hub are one
		{"*", []string{"reg.example.com", "10.0.0.1:1", "[::1]"}, nil},
		{"a.example b.example", []string{"a.example", "b.example"}, []string{"c.example"}},
		{" ", nil, []string{"reg.example.com", "localhost", "127.0.0.1"}}, // "" twice: none
		{"example.com", []string{"example.com"}, []string{
			"user@example.com", "example.com@evil.org", "example%2ecom", "example.com%00", "example.com\x00", "example.com/", "example.com#", "example.com?", "example.com:80:443", "example.com:-1", "example.com:65536",
			"example\u3002com", "\uff45xample.com", "exam\u00adple.com", "exampl\u0435.com", "xn--exampl-2of.com", "example.com\u2100", "example.com ", " example.com", "[example.com]", "[example.com", "example.com]",
		}},
		{"k.example", []string{"K.example"}, []string{"\u212a.example"}}, // the sign of Kelvin becomes a k where names are folded
	} {
		policy := policyOf(t, build.Permissions{Net: strings.Split(c.list, " ")}, "/root")
		for _, host := range c.yes {
			if err := policy.Net(host); err != nil {
				t.Errorf("%s does not allow %q: %v", c.list, host, err)
			}
		}
		for _, host := range c.not {
			if err := policy.Net(host); !errors.Is(err, build.ErrPolicy) {
				t.Errorf("%s allows %q: %v", c.list, host, err)
			}
		}
	}
}

// TestPermittedPushes: * stays within one part of a repository's name, and ** is at least one part.
func TestPermittedPushes(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		yes, not []string
	}{
		{"reg.example.com/app", []string{"reg.example.com/app", "reg.example.com:443/app"}, []string{"reg.example.com/app2", "reg.example.com/app/x", "reg.example.com/x/app", "reg.example.com:5000/app", "evil.org/reg.example.com/app", "reg.example.com"}},
		{"reg.example.com/*", []string{"reg.example.com/app"}, []string{"reg.example.com/team/app", "reg.example.com/", "reg.example.com"}},
		{"reg.example.com/team/*", []string{"reg.example.com/team/app"}, []string{"reg.example.com/team", "reg.example.com/team/", "reg.example.com/team/app/x", "reg.example.com/teams/app"}},
		{"reg.example.com/team-*/app", []string{"reg.example.com/team-a/app", "reg.example.com/team-/app"}, []string{"reg.example.com/team-a/b/app", "reg.example.com/team/app"}},
		{"reg.example.com/**", []string{"reg.example.com/app", "reg.example.com/a/b/c"}, []string{"reg.example.com/", "a.reg.example.com/app"}},
		{"reg.example.com/team/**", []string{"reg.example.com/team/a", "reg.example.com/team/a/b"}, []string{"reg.example.com/team", "reg.example.com/teams/a"}},
		{"reg.example.com/**/app", []string{"reg.example.com/a/app", "reg.example.com/a/b/app"}, []string{"reg.example.com/app", "reg.example.com/a/app/b"}},
		{"*.example.com/app", []string{"a.example.com/app", "a.b.example.com/app"}, []string{"example.com/app", "a.example.com/b/app"}},
		{"*/**", []string{"reg.example.com/app", "docker.io/library/x", "[::1]:5000/app"}, nil},
		{"localhost/app", []string{"localhost/app"}, []string{"localhost:5000/app"}},
		{"[::1]:5000/app", []string{"[0::1]:5000/app"}, []string{"[::1]/app"}},
		{"docker.io/app", []string{"docker.io/library/app", "index.docker.io/library/app"}, []string{"docker.io/app", "docker.io/me/app"}},
		{"docker.io/*", []string{"docker.io/library/app"}, []string{"docker.io/me/app"}},
		{"index.docker.io/me/*", []string{"docker.io/me/app"}, []string{"docker.io/me/app/x", "docker.io/you/app"}},
		{"docker.io/**", []string{"docker.io/me/app"}, nil},
		{"docker-daemon/docker.io/library/app", []string{"docker-daemon/docker.io/library/app"}, []string{"docker-daemon/docker.io/library/other", "docker.io/library/app"}},
		{"", nil, []string{"reg.example.com/app"}},
	} {
		policy := policyOf(t, build.Permissions{Push: []string{c.pattern}}, "/root")
		for _, repository := range c.yes {
			if err := policy.Push(repository); err != nil {
				t.Errorf("%s does not allow %q: %v", c.pattern, repository, err)
			}
		}
		for _, repository := range c.not {
			if err := policy.Push(repository); !errors.Is(err, build.ErrPolicy) {
				t.Errorf("%s allows %q: %v", c.pattern, repository, err)
			}
		}
	}
}

// TestPermittedPaths: what is listed is real paths, of directories with all that is in them and of files alone.
func TestPermittedPaths(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(top, filepath.FromSlash(name)) }
	for _, dir := range []string{"root", "data/sub", "data2"} {
		if err := os.MkdirAll(at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(at("file"), nil, 0o644), os.Symlink("data", at("link"))); err != nil {
		t.Fatal(err)
	}
	t.Chdir(at("root"))
	all := policyOf(t, build.Permissions{Read: []string{"../link", at("file")}, Out: []string{"../data2/new", "."}}, at("root"))
	none := policyOf(t, build.Permissions{Read: []string{""}, Out: []string{""}}, at("root"))
	usual := build.DefaultPolicy(at("root"))
	for _, c := range []struct {
		name        string
		ask         func(string) error
		path        string
		wantAllowed bool
	}{
		{"read", all.Read, "data", true}, {"read", all.Read, "data/sub/x", true}, {"read", all.Read, "file", true},
		{"read", all.Read, "data2", false}, {"read", all.Read, "data2/x", false}, {"read", all.Read, "file2", false}, {"read", all.Read, ".", false}, {"read", all.Read, "link", false},
		{"out", all.Out, "data2/new", true}, {"out", all.Out, "data2/new/x", true}, {"out", all.Out, "root/x", true},
		{"out", all.Out, "data2", false}, {"out", all.Out, "data2/newer", false}, {"out", all.Out, "data", false},
		{"no read", none.Read, "data", false}, {"no out", none.Out, "root/x", false},
		{"usual read", usual.Read, "data", false}, {"usual out", usual.Out, "root/x", true}, {"usual out", usual.Out, "root", true}, {"usual out", usual.Out, "rootx", false}, {"usual out", usual.Out, "data", false},
	} {
		if err := c.ask(at(c.path)); (err == nil) != c.wantAllowed || err != nil && !errors.Is(err, build.ErrPolicy) {
			t.Errorf("%s %s: got %v", c.name, c.path, err)
		}
	}
	for _, host := range []string{"reg.example.com", "10.0.0.1:5000", "not a host"} {
		if err := errors.Join(usual.Net(host), usual.Push(host+"/app")); err != nil {
			t.Error(err)
		}
	}
}

// TestBadPermissions: all that is wrong is told at once, by flag and value.
func TestBadPermissions(t *testing.T) {
	_, err := build.Permissions{
		Read: []string{"nowhere"}, Out: []string{"fine"},
		Net:  []string{"https://reg.example.com", "reg.example.com/app", "*", "*.*.com", "reg*.example.com", "a b", "user@host", "host:0", "host:port", "[::1", "*.10.0.0.1:99999"},
		Push: []string{"app", "team/app", "reg.example.com", "reg.example.com/", "reg.example.com/app:v1", "reg.example.com/App", "reg.example.com/a**", "reg.example.com//a", "reg.example.com/[a]", "https://reg.example.com/app", "reg.example.com/../a"},
	}.Policy("/root")
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 1+10+11 {
		t.Errorf("got %d errors:\n%v", len(lines), err)
	}
	for _, want := range []string{
		`--allow-read "nowhere": no such file or directory`,
		`--allow-net "https://reg.example.com": want a host, `,
		`--allow-push "team/app": want HOST/REPOSITORY without a tag, such as registry.example.com/team/app, registry.example.com/team/* or registry.example.com/**; on Docker Hub: docker.io/team/app`,
		`--allow-push "reg.example.com/app:v1": want HOST/REPOSITORY`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got:\n%v\nwant %q in it", err, want)
		}
	}
}

// TestPermissionHints: the flag is one that a shell takes as it stands.
func TestPermissionHints(t *testing.T) {
	policy := policyOf(t, build.Permissions{Net: []string{""}, Push: []string{""}, Out: []string{""}}, "/root")
	for _, c := range []struct {
		err        error
		text, hint string
	}{
		{policy.Push("reg.example.com/app"), "not allowed: pushing to reg.example.com/app", "run with --allow-push reg.example.com/app"},
		{policy.Net("reg.example.com:5000"), "not allowed: requests to reg.example.com:5000", "run with --allow-net reg.example.com:5000"},
		{policy.Net("[::1]:5000"), "not allowed: requests to [::1]:5000", "run with --allow-net '[::1]:5000'"},
		{policy.Out("/root/out"), "not allowed: writing /root/out", "run with --allow-out /root/out"},
		{policy.Out("/other/out"), "not allowed: writing /other/out, which is outside the root /root", "run with --allow-out /other/out"},
		{policy.Read("/it's here"), "not allowed: /it's here is outside the root /root", `run with --allow-read '/it'\''s here'; or --root DIR makes a directory further up the root`},
	} {
		var denied *build.PermissionError
		if !errors.As(c.err, &denied) || !errors.Is(c.err, build.ErrPolicy) || c.err.Error() != c.text || denied.Hint() != c.hint {
			t.Errorf("got %v, hint %q; want %s, hint %q", c.err, denied.Hint(), c.text, c.hint)
		}
	}
}
