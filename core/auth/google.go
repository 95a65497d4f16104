package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const (
	googleSource = "google default credentials"
	// googleUser is the user name with which Google's registries take an access token as password.
	googleUser = "oauth2accesstoken"
)

// GoogleOptions are the surroundings of Google's default credentials. nil and the zero value are the process's own.
type GoogleOptions struct {
	// Getenv reads GOOGLE_APPLICATION_CREDENTIALS, HOME, GCE_METADATA_HOST and what tells of Google's platforms; nil is os.Getenv.
	Getenv func(string) string
	// Client exchanges keys for access tokens; nil is a client with the default transport. The metadata server is asked without it, as neither a
	// proxy nor a ban on link-local addresses is meant for that.
	Client *http.Client
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// ProductName is the file that tells of a Google machine; "" is /sys/class/dmi/id/product_name.
	ProductName string
}

// Google returns the keychain of Google's application default credentials (https://cloud.google.com/docs/authentication/application-default-credentials),
// which knows gcr.io, hosts below gcr.io and hosts below pkg.dev, and no others. It looks for a key file named by
// GOOGLE_APPLICATION_CREDENTIALS, then for the one that "gcloud auth application-default login" writes, and then asks the metadata
// server, but only where something local says that there is one (GCE_METADATA_HOST, Cloud Run's K_SERVICE or CLOUD_RUN_JOB,
// App Engine's GAE_SERVICE, the machine's product name), and for 5 seconds at most: elsewhere that address hangs. Access
// tokens are kept until shortly before they expire.
//
// Without credentials it knows nothing; credentials that do not work are [ErrUnavailable].
func Google(opts *GoogleOptions) Keychain {
	g := &google{}
	if opts != nil {
		g.opts = *opts
	}
	if g.opts.Getenv == nil {
		g.opts.Getenv = os.Getenv
	}
	if g.opts.ProductName == "" {
		g.opts.ProductName = "/sys/class/dmi/id/product_name"
	}
	g.exchange = newGoogleExchange(g.opts.Client, g.opts.Now)
	return g
}

type google struct {
	opaque
	opts     GoogleOptions
	exchange *googleExchange
}

// googleHost reports whether a host is a registry of Google's. A lax test here would send Google's tokens to others.
func googleHost(host string) bool {
	return host == "gcr.io" || strings.HasSuffix(host, ".gcr.io") || strings.HasSuffix(host, ".pkg.dev")
}

// Credential implements Keychain.
func (g *google) Credential(ctx context.Context, host, _ string) (Credential, error) {
	if !googleHost(strings.ToLower(host)) {
		Note(ctx, Step{Source: googleSource, Detail: "for gcr.io, *.gcr.io and *.pkg.dev alone"})
		return Credential{}, nil
	}
	where, cred, err := g.find(ctx)
	Note(ctx, Step{Source: googleSource, Detail: where, Credential: cred, Err: err})
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%s for %s: %w: %w", googleSource, host, ErrUnavailable, prefix(err, "%s", where))
	}
	return cred, err
}

// Forget implements Forgetter.
func (g *google) Forget(cred Credential) bool { return g.exchange.forget(cred) }

// find returns the credential and where it was found or looked for.
func (g *google) find(ctx context.Context) (where string, cred Credential, err error) {
	if path := g.opts.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); path != "" {
		cred, err := g.file(ctx, path)
		return "GOOGLE_APPLICATION_CREDENTIALS", cred, err
	}
	if path := g.wellKnownFile(); path != "" {
		cred, err := g.file(ctx, path)
		if !errors.Is(err, fs.ErrNotExist) {
			return "gcloud's file", cred, err
		}
	}
	if host := g.metadataHost(); host != "" {
		cred, err := g.exchange.metadata(ctx, host)
		return fmt.Sprintf("metadata server %q", host), cred, err
	}
	return "no key file, and no sign of a metadata server", Credential{}, nil
}

// file exchanges the key in a file.
func (g *google) file(ctx context.Context, path string) (Credential, error) {
	data, _, err := readSmallFile(path)
	if err != nil {
		return Credential{}, err
	}
	cred, err := g.exchange.credential(ctx, data, googleSource)
	return cred, prefix(err, "%q", path)
}

// wellKnownFile is where gcloud leaves the default credentials.
func (g *google) wellKnownFile() string {
	const name = "application_default_credentials.json"
	if runtime.GOOS == "windows" {
		if dir := g.opts.Getenv("APPDATA"); dir != "" {
			return filepath.Join(dir, "gcloud", name)
		}
		return ""
	}
	if home := g.opts.Getenv("HOME"); home != "" {
		return filepath.Join(home, ".config", "gcloud", name)
	}
	return ""
}

// metadataHost is the host of the metadata server, or "" if nothing says that there is one.
func (g *google) metadataHost() string {
	if host := g.opts.Getenv("GCE_METADATA_HOST"); host != "" {
		return host
	}
	for _, name := range []string{"K_SERVICE", "CLOUD_RUN_JOB", "GAE_SERVICE"} {
		if g.opts.Getenv(name) != "" {
			return metadataAddress
		}
	}
	product, _, err := readSmallFile(g.opts.ProductName)
	if err == nil && strings.HasPrefix(strings.TrimSpace(string(product)), "Google") {
		return metadataAddress
	}
	return ""
}
