//go:build linux

package main

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tool is a program that takes part, or is needed.
type tool struct {
	name    string
	module  string   // the package to build it from, with its version; "" for one of Debian's
	scratch bool     // go install refuses its module for the directives in it, so it is built as a dependency
	debian  string   // the package to install it from
	version []string // the command that tells the version of one of Debian's
}

// tools are those of others. The versions are pinned, or the distribution's.
var tools = []tool{
	{name: "registry", module: "github.com/distribution/distribution/v3/cmd/registry@v3.1.2"},
	{name: "crane", module: "github.com/google/go-containerregistry/cmd/crane@v0.22.1"},
	{name: "regctl", module: "github.com/regclient/regclient/cmd/regctl@v0.11.7"},
	{name: "oras", module: "oras.land/oras/cmd/oras@v1.3.6"},
	{name: "buildkitd", module: "github.com/moby/buildkit/cmd/buildkitd@v0.34.2", scratch: true},
	{name: "buildctl", module: "github.com/moby/buildkit/cmd/buildctl@v0.34.2", scratch: true},
	{name: "runc", debian: "runc", version: []string{"runc", "--version"}}, // buildkitd does not start without it
	{name: "skopeo", debian: "skopeo", version: []string{"skopeo", "--version"}},
	{name: "buildah", debian: "buildah", version: []string{"buildah", "--version"}},
	{name: "umoci", debian: "umoci", version: []string{"umoci", "--version"}},
	{name: "git", debian: "git", version: []string{"git", "--version"}},
	{name: "tar", debian: "tar", version: []string{"tar", "--version"}},
	{name: "pigz", debian: "pigz", version: []string{"pigz", "--version"}},
	{name: "zstd", debian: "zstd", version: []string{"zstd", "--version"}},
	{name: "npm", debian: "npm", version: []string{"npm", "--version"}},
	{name: "dpkg-deb", debian: "dpkg", version: []string{"dpkg-deb", "--version"}},
}

// install installs all of them, and imgscript itself from the working directory, and fills in their versions.
func (l *lab) install(ctx context.Context) error {
	if err := l.installImgscript(ctx); err != nil {
		return err
	}
	if err := l.installPackages(ctx); err != nil {
		return err
	}
	for _, t := range tools {
		var err error
		if t.module != "" {
			l.versions[t.name], err = l.installModule(ctx, t)
		} else {
			l.versions[t.name], err = l.debianVersion(ctx, t)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

// installImgscript builds it with its version, which is the commit that it is built from.
func (l *lab) installImgscript(ctx context.Context) error {
	c := command{args: []string{"go", "build", "-o", l.bin + "/", "./cmd/imgscript"}, env: os.Environ()}
	if _, err := c.run(ctx); err != nil {
		return err
	}
	commit, err := command{args: []string{"git", "describe", "--always", "--dirty", "--exclude=*"}, env: os.Environ()}.run(ctx)
	l.versions["imgscript"] = cmp.Or(strings.TrimSpace(commit), "(unknown)")
	if err != nil {
		l.progress("the commit of imgscript is not known: %v", err)
	}
	compress, err := dependency(filepath.Join(l.bin, "imgscript"), "github.com/klauspost/compress")
	l.versions["klauspost/compress"] = compress
	return err
}

// dependency is the version of a module that a Go program was built with.
func dependency(program, module string) (string, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return "", err
	}
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version, nil
		}
	}
	return "", fmt.Errorf("%s was built without %s", program, module)
}

// installPackages installs what is missing of Debian's.
func (l *lab) installPackages(ctx context.Context) error {
	var missing []string
	for _, t := range tools {
		if _, err := exec.LookPath(t.name); t.debian != "" && err != nil {
			missing = append(missing, t.debian)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	l.progress("installing %s", strings.Join(missing, " "))
	sudo := ""
	if os.Geteuid() != 0 {
		sudo = "sudo -n "
	}
	install := sudo + "apt-get update -qq && " + sudo + "env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends " +
		strings.Join(missing, " ")
	_, err := command{args: shell(install), env: os.Environ()}.run(ctx)
	return err
}

// debianVersion is the first line of what a tool says of itself.
func (l *lab) debianVersion(ctx context.Context, t tool) (string, error) {
	said, err := command{args: append(shell(`"$@" 2>&1`), append([]string{"-"}, t.version...)...), env: os.Environ()}.run(ctx)
	line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	return line, err
}

// installModule builds a Go tool, unless it is there in its version already.
func (l *lab) installModule(ctx context.Context, t tool) (string, error) {
	path, version, _ := strings.Cut(t.module, "@")
	if there, err := buildinfo.ReadFile(filepath.Join(l.bin, t.name)); err == nil && l.builtFrom(there, path, version) {
		return version, nil
	}
	l.progress("building %s", t.module)
	env := append(os.Environ(), "GOBIN="+l.bin, "GOFLAGS=-buildvcs=false")
	if !t.scratch {
		_, err := command{args: []string{"go", "install", t.module}, env: env}.run(ctx)
		return version, err
	}
	dir := filepath.Join(l.dir, "scratch", t.name)
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return "", err
	}
	script := fmt.Sprintf("go mod init scratch\ngo get -tool %s\ngo build -o %s/ %s", t.module, l.bin, path)
	_, err := command{args: shell(script), dir: dir, env: env}.run(ctx)
	return version, err
}

// builtFrom tells whether a Go program is what a package and version give.
func (l *lab) builtFrom(info *buildinfo.BuildInfo, path, version string) bool {
	if info.Path != path {
		return false
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Version == version && strings.HasPrefix(path+"/", m.Path+"/") {
			return true
		}
	}
	return false
}
