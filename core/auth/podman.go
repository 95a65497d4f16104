package auth

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// Podman returns the keychain of the file that "podman login", buildah and skopeo write (containers-auth.json(5)), which it reads anew for each question:
// the one that REGISTRY_AUTH_FILE names, and else, in this order, $XDG_RUNTIME_DIR/containers/auth.json (on a Linux without that variable
// /run/containers/UID/auth.json) and containers/auth.json in $XDG_CONFIG_HOME or ~/.config. Its format is that of Docker's config, of which
// auths, whose keys may be repositories, and credHelpers count. The first file that knows something is the answer, as is what its longest
// matching key has.
//
// No file is no error. An entry for the host that cannot be parsed is one, as is a failing helper that credHelpers names for it, and a file named by
// REGISTRY_AUTH_FILE that cannot be read or parsed. One of the other files is [ErrUnavailable] then: the directory may be somebody else's.
func Podman(opts *DockerOptions) Keychain {
	o := opts.withDefaults()
	return &podman{getenv: o.Getenv, runDir: o.RunDir, files: newAuthFiles(&o)}
}

type podman struct {
	opaque
	getenv func(string) string
	runDir string
	files  *authFiles
}

// Credential implements Keychain.
func (p *podman) Credential(ctx context.Context, host, repository string) (Credential, error) {
	if path := p.getenv("REGISTRY_AUTH_FILE"); path != "" {
		return p.read(ctx, path, host, repository)
	}
	var unavailable error
	for _, path := range p.paths() {
		cred, err := p.read(ctx, path, host, repository)
		var file *fileError
		switch {
		case errors.As(err, &file):
			unavailable = errors.Join(unavailable, fmt.Errorf("%w: %w", ErrUnavailable, err))
		case err != nil || !cred.Anonymous():
			return cred, err
		}
	}
	return Credential{}, unavailable
}

func (p *podman) read(ctx context.Context, path, host, repository string) (Credential, error) {
	file, err := readAuthFile(ctx, podmanLabel, path)
	if file == nil || err != nil {
		return Credential{}, err
	}
	file.CredsStore = "" // a setting of Docker's alone
	return p.files.ask(ctx, file, host, repository)
}

// Forget implements Forgetter.
func (p *podman) Forget(cred Credential) bool { return p.files.helpers.forget(cred) }

// podmanLabel is how errors and sources call Podman's file.
const podmanLabel = "podman auth file"

// paths are where the file is when nothing names it, best first.
func (p *podman) paths() []string {
	const name = "containers/auth.json"
	var paths []string
	if runtime.GOOS == "linux" {
		if dir := p.getenv("XDG_RUNTIME_DIR"); dir != "" {
			paths = append(paths, filepath.Join(dir, name))
		} else {
			paths = append(paths, filepath.Join(p.runDir, strconv.Itoa(os.Getuid()), "auth.json"))
		}
	}
	if dir := p.getenv("XDG_CONFIG_HOME"); dir != "" {
		return append(paths, filepath.Join(dir, name))
	}
	if home := homeDir(p.getenv); home != "" {
		paths = append(paths, filepath.Join(home, ".config", name))
	}
	return paths
}
