package registrytest

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// ParseFlags reads Options from the words of a script, so that a command of testscript or of another language can start a server. It returns the words that
// follow the flags. The flags, each of which but the first may be given several times:
//
//	-profile NAME             the quirks of a registry: see [Profile]
//	-quirk NAME[=VALUE]       one more: a field of [Quirks], as in close-on-401 or patch-status=201
//	-fault NAME[=VALUE],…     a field or more of one [Fault], as in class=blob,nth=2,status=503,header=Retry-After:7 or stall,times=-1
//	-auth basic|bearer        what it asks for
//	-user NAME:PASSWORD       who it lets in; without any, that is ann with the password "secret"
//	-right USER:REPOSITORY:ACTIONS  one that it grants, as in ann:app:pull,push; each part may be empty
//	-latency DURATION         before every answer
//	-tls                      HTTPS
//	-allow-missing            manifests may lack their blobs
//
// Names of fields are written in any case, with hyphens or without. A number of bytes or a status is decimal.
func ParseFlags(words []string) (*Options, []string, error) {
	o := &Options{}
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		flag := words[0]
		words = words[1:]
		switch flag {
		case "-tls":
			o.TLS = true
			continue
		case "-allow-missing":
			o.AllowMissing = true
			continue
		}
		if len(words) == 0 {
			return nil, nil, fmt.Errorf("%s: a value is missing", flag)
		}
		if err := o.set(flag, words[0]); err != nil {
			return nil, nil, fmt.Errorf("%s %s: %w", flag, words[0], err)
		}
		words = words[1:]
	}
	if o.Auth != AuthNone && o.Users == nil {
		o.Users = map[string]string{"ann": "secret"}
	}
	return o, words, nil
}

// set takes one flag with its value.
func (o *Options) set(flag, value string) (err error) {
	switch flag {
	case "-profile":
		quirks, ok := Profile(value)
		if !ok {
			return fmt.Errorf("want one of %s", strings.Join(Profiles(), ", "))
		}
		o.Quirks = quirks
	case "-quirk":
		return setField(&o.Quirks, value)
	case "-fault":
		var f Fault
		for field := range strings.SplitSeq(value, ",") {
			if err := setField(&f, field); err != nil {
				return err
			}
		}
		o.Faults = append(o.Faults, f)
	case "-auth":
		mode, ok := map[string]AuthMode{"basic": AuthBasic, "bearer": AuthBearer}[value]
		if !ok {
			return fmt.Errorf("want basic or bearer")
		}
		o.Auth = mode
	case "-user":
		name, password, _ := strings.Cut(value, ":")
		if o.Users == nil {
			o.Users = map[string]string{}
		}
		o.Users[name] = password
	case "-right":
		user, rest, _ := strings.Cut(value, ":")
		repository, actions, _ := strings.Cut(rest, ":")
		o.Rights = append(o.Rights, Right{user, repository, actions})
	case "-latency":
		o.Latency, err = time.ParseDuration(value)
	default:
		return fmt.Errorf("there is no such flag")
	}
	return err
}

// setField sets a field of the struct that into points to, from "name" or "name=value".
func setField(into any, text string) error {
	name, value, given := strings.Cut(text, "=")
	field := reflect.ValueOf(into).Elem().FieldByNameFunc(func(field string) bool {
		return strings.EqualFold(field, strings.ReplaceAll(name, "-", ""))
	})
	if !field.IsValid() {
		return fmt.Errorf("there is no %q", name)
	}
	if !given && field.Kind() == reflect.Bool {
		value = "true"
	}
	var err error
	switch of := field.Addr().Interface().(type) {
	case *bool:
		*of, err = strconv.ParseBool(value)
	case *int:
		*of, err = strconv.Atoi(value)
	case *int64:
		*of, err = strconv.ParseInt(value, 10, 64)
	case *time.Duration:
		*of, err = time.ParseDuration(value)
	case *string:
		*of = value
	case *Class:
		*of = Class(value)
	case *http.Header:
		key, line, _ := strings.Cut(value, ":")
		if *of == nil {
			*of = http.Header{}
		}
		of.Add(key, strings.TrimSpace(line))
	default:
		err = fmt.Errorf("%s can't be said in words", name)
	}
	return err
}
