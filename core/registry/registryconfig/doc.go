// Package registryconfig reads the file that says what is special about registries: the --registry-config of the program. It becomes
// [registry.HostOptions] and an [auth.Keychain]; everything that it can say can be said in Go with these.
//
// The file is YAML, of which JSON is a part. All of it is optional:
//
//	hosts:                              # by the name that references have, with the port if they have one
//	  docker.io:
//	    mirrors:                        # asked first, in order; HOST[:PORT][/PATH]
//	      - mirror.lan:5000/hub
//	  reg.lan:5000:
//	    insecure: true                  # may speak plain HTTP
//	    ca: certs/corp.pem              # certificates, trusted beside the system's
//	    client_certificate: certs/me.pem
//	    client_key: certs/me.key
//	    requests_per_second: 20
//	    transfers: 2                    # blobs on their way at once, in each direction
//	    chunk_size: 8MiB                # of uploads in parts
//	    allow_private: true             # may lead to private addresses, though its own is public
//	    auth_realms: [auth.example.com] # token servers of other domains that get its credentials
//	  "*":                              # what holds for all hosts that don't say otherwise
//	    ca: certs/proxy.pem
//	credentials:                        # by host, or host and path; the longest key that fits
//	  reg.lan:5000/team:
//	    username: builder
//	    password_env: REG_PASSWORD      # or password_file: a file that holds it
//
// Paths are relative to the directory of the file. For "*" only ca, requests_per_second, transfers and chunk_size can be said: the rest is about one host.
//
// Certificates are read when the file is. A password is read each time that it is needed, so that it may change meanwhile, and is never in the file
// itself, which is one to be shared. Errors tell of everything that is wrong, each with its line, and show no value that could be a secret.
//
// The parser is go.yaml.in/yaml: its effort is bounded by the length of the file, where others take quadratic time for deep nesting.
package registryconfig
