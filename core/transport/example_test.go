package transport_test

import (
	"fmt"

	"github.com/imgscript/imgscript/core/transport"
)

func ExampleParse() {
	for _, s := range []string{"node:lts-slim", "localhost:5000/team/app", "oci:out/image:v1", "Node"} {
		ref, err := transport.Parse(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(ref, ref.Host, ref.Repository, ref.Path, ref.Identifier())
	}
	// Output:
	// docker.io/library/node:lts-slim docker.io library/node  lts-slim
	// localhost:5000/team/app localhost:5000 team/app  latest
	// oci:out/image:v1   out/image v1
	// reference "Node": invalid: repository names are lower case; write "node"
}
