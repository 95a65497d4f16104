package registryconfig

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/imgscript/imgscript/core/auth"
	"github.com/imgscript/imgscript/core/registry"
)

const (
	maxConfig   = 1 << 20  // bytes of a configuration
	maxPEM      = 1 << 20  // of a file with certificates
	maxPassword = 64 << 10 // of a file with a password
)

// Config is what a file says.
type Config struct {
	// Hosts are for registry.Options and build.EngineOptions.
	Hosts map[string]registry.HostOptions
	// Keychain knows the credentials of the file, with "registry config PATH" as their source. It is never nil. It belongs before auth.Default in an
	// auth.Chain.
	Keychain auth.Keychain
}

// Options are the surroundings of a configuration. nil and the zero value are the process's own.
type Options struct {
	// ReadFile reads a file of at most limit bytes; nil reads regular files of the file system.
	ReadFile func(path string, limit int64) ([]byte, error)
	// LookupEnv reads the variables that password_env names; nil is os.LookupEnv.
	LookupEnv func(name string) (string, bool)
}

func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.ReadFile == nil {
		opts.ReadFile = readFile
	}
	if opts.LookupEnv == nil {
		opts.LookupEnv = os.LookupEnv
	}
	return opts
}

// Load reads the configuration in a file, and the certificates that it names. Its errors are those of the file system, and [Errors] for what is wrong
// in it.
func Load(path string, opts *Options) (*Config, error) {
	o := opts.withDefaults()
	data, err := o.ReadFile(path, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("registry config %q: %w", path, reason(err))
	}
	return Parse(path, data, &o)
}

// Parse is Load for the text of the file at path, which need not exist: it is what errors call the text, and its directory is where relative paths
// begin. The error is an [Errors]. A text without anything is a configuration that says nothing.
func Parse(path string, data []byte, opts *Options) (*Config, error) {
	r := &reader{file: path, opts: opts.withDefaults()}
	root := r.document(data)
	config := &Config{Hosts: map[string]registry.HostOptions{}}
	credentials := auth.Map{}
	r.fields(root, "", fields{
		"hosts":       func(v value) { config.Hosts = r.hosts(v) },
		"credentials": func(v value) { credentials = r.credentials(v) },
	})
	if len(r.errs) > 0 {
		return nil, r.errors()
	}
	var err error
	config.Keychain, err = credentials.Keychain(&auth.MapOptions{Source: "registry config " + path})
	return config, err
}

// readFile reads a regular file: others, such as a FIFO, could block for ever.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is no regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("it has more than %d bytes", limit)
	}
	return data, err
}

// reason is the reason of a file system's error, without the path, which is said already.
func reason(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// path is a path in the configuration as the system knows it.
func (r *reader) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(r.file), p)
}
