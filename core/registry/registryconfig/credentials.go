package registryconfig

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/imgscript/imgscript/core/auth"
)

// credentials reads the section of that name. Nothing of an entry but its key is in any error.
func (r *reader) credentials(v value) auth.Map {
	all := auth.Map{}
	names := map[string]string{} // as they were written, by what they mean
	r.entries(v, func(key value) string { return "credentials of " + key.node.Value }, func(key, v value) {
		name := key.node.Value
		key.name = "credentials"
		host, path, _ := strings.Cut(strings.TrimSuffix(name, "/"), "/")
		problem := hostProblem(host)
		if strings.ContainsAny(name, "@") || strings.Contains(name, "://") {
			problem = hostProblem(name)
		}
		if problem != "" {
			r.fail(key, "%s", problem)
			return
		}
		place := canonical(host) + "/" + path
		if other, ok := names[place]; ok {
			r.fail(key, "%s and %s are the same place", name, other)
			return
		}
		names[place] = name
		if path != "" && !pathPattern.MatchString(path) {
			r.fail(key, "the path %s: want the name of a repository, or what it begins with", quote(path))
			return
		}
		if entry, ok := r.credential(v); ok {
			all[name] = entry
		}
	})
	return all
}

// credential reads one entry.
func (r *reader) credential(v value) (auth.Entry, bool) {
	var entry auth.Entry
	before := len(r.errs)
	source := func(read func() (string, error)) {
		if entry.ReadSecret != nil {
			r.fail(v, "password_file and password_env contradict each other: give one")
		}
		entry.ReadSecret = read
	}
	r.fields(v, v.name, fields{
		"username": func(v value) { entry.Username, _ = r.text(v) },
		"password_file": func(v value) {
			if path, ok := r.text(v); ok {
				source(r.passwordFile(v, r.path(path)))
			}
		},
		"password_env": func(v value) {
			if name, ok := r.text(v); ok {
				source(r.passwordEnv(v, name))
			}
		},
		"password": func(v value) {
			r.fail(v, "passwords are not in this file: password_file or password_env says where it is")
		},
	})
	if len(r.errs) > before {
		return entry, false
	}
	switch {
	case entry.Username == "":
		r.fail(v, "username is missing")
	case entry.ReadSecret == nil:
		r.fail(v, "password_file or password_env is missing")
	}
	return entry, len(r.errs) == before
}

// passwordFile reads a password from a file, without the newline at the end that editors put there. It is read once now, so that one that is missing is
// known before something is built.
func (r *reader) passwordFile(v value, path string) func() (string, error) {
	at := r.at(v)
	read := func() (string, error) {
		data, err := r.opts.ReadFile(path, maxPassword)
		if err != nil {
			return "", fmt.Errorf("%s: %q: %w", at, path, reason(err))
		}
		return notEmpty(at, string(bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))))
	}
	if _, err := r.opts.ReadFile(path, maxPassword); err != nil {
		r.fail(v, "%s: %s", quote(path), reason(err))
	}
	return read
}

var envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// passwordEnv reads a password from the environment. Which variables there are depends on where the program runs, so that one that is missing matters only
// when it is needed.
func (r *reader) passwordEnv(v value, name string) func() (string, error) {
	if !envPattern.MatchString(name) {
		r.fail(v, "want the name of a variable of the environment") // it may be the password
	}
	at := r.at(v)
	return func() (string, error) {
		password, ok := r.opts.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("%s: the environment does not have the variable", at)
		}
		return notEmpty(at, password)
	}
}

// at is a place in the file, for errors when a password is needed.
func (r *reader) at(v value) string { return fmt.Sprintf("line %d: password", v.node.Line) }

func notEmpty(at, password string) (string, error) {
	if password == "" {
		return "", errors.New(at + ": it is empty")
	}
	return password, nil
}
