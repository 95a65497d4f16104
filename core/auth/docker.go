package auth

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// DockerOptions are the surroundings of Docker's config and of Podman's file. nil and the zero value are the process's own.
type DockerOptions struct {
	// Getenv reads DOCKER_CONFIG, REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME and HOME; nil is os.Getenv. Helpers run in the environment of
	// the process all the same.
	Getenv func(string) string
	// LookPath finds the program of a credential helper; nil is exec.LookPath, which looks on PATH and refuses the current directory.
	LookPath func(file string) (string, error)
	// HelperTimeout is how long a helper may take; 0 means 5 minutes, as some open a browser and wait for the user.
	HelperTimeout time.Duration
	// Notice is told what the user should know although it is no error: that a helper is silent for 5 seconds, that others can read a file with
	// passwords. It is called by many goroutines; nil drops it.
	Notice func(message string)
	// RunDir holds Podman's file of each user, in a directory named like the user's number, on a Linux without XDG_RUNTIME_DIR; "" is /run/containers.
	RunDir string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// withDefaults returns a copy with what was left out.
func (o *DockerOptions) withDefaults() DockerOptions {
	var opts DockerOptions
	if o != nil {
		opts = *o
	}
	if opts.Getenv == nil {
		opts.Getenv = os.Getenv
	}
	if opts.Notice == nil {
		opts.Notice = func(string) {}
	}
	if opts.RunDir == "" {
		opts.RunDir = "/run/containers"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return opts
}

// Docker returns the keychain of Docker's config.json, which it reads anew for each question. DOCKER_CONFIG names a directory that replaces
// ~/.docker. For a host it asks credHelpers, then credsStore, then auths (base64 "auth", username and password, identitytoken,
// registrytoken), and returns the first that knows something; keys of auths may have a path, the longest first. An empty name
// in credHelpers keeps credsStore away from that host. What a helper says is used for half a minute, or until it is refused (see [Forgetter]).
//
// No config is no error. A config that cannot be read or parsed, an entry for the host that cannot, and a failing helper that credHelpers
// names for the host are errors; a failing credsStore helper is [ErrUnavailable] unless auths has the answer. "credentials not found in native
// keychain", the protocol's words, mean that the helper knows nothing, as does an answer without a secret.
func Docker(opts *DockerOptions) Keychain {
	o := opts.withDefaults()
	return &docker{getenv: o.Getenv, files: newAuthFiles(&o)}
}

type docker struct {
	opaque
	getenv func(string) string
	files  *authFiles
}

// Credential implements Keychain.
func (d *docker) Credential(ctx context.Context, host, repository string) (Credential, error) {
	path := dockerPath(d.getenv)
	if path == "" {
		return Credential{}, nil
	}
	file, err := readAuthFile(ctx, dockerLabel, path)
	if file == nil || err != nil {
		return Credential{}, err
	}
	return d.files.ask(ctx, file, host, repository)
}

// Forget implements Forgetter.
func (d *docker) Forget(cred Credential) bool { return d.files.helpers.forget(cred) }

// dockerLabel is how errors and sources call Docker's config.
const dockerLabel = "docker config"

// dockerPath is where Docker's config is, or "" if nothing says where.
func dockerPath(getenv func(string) string) string {
	dir := getenv("DOCKER_CONFIG")
	if dir == "" {
		home := homeDir(getenv)
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".docker")
	}
	return filepath.Join(dir, "config.json")
}

func homeDir(getenv func(string) string) string {
	if home := getenv("HOME"); home != "" || runtime.GOOS != "windows" {
		return home
	}
	return getenv("USERPROFILE")
}
