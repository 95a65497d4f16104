package check_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/imgscript/imgscript/starlib/check"
)

func ExampleFiles() {
	files := fstest.MapFS{
		"build.star":       {Data: []byte("load(\"lib/service.star\", \"service\")\n\nservice(image(\"alpine:3\"), nam = \"cart\")\n")},
		"lib/service.star": {Data: []byte("def service(base, name):\n    return base.frok(\"reg.example.com/\" + name).save()\n")},
	}
	problems, err := check.Files(context.Background(), files, []string{"build.star"}, nil)
	if err != nil {
		fmt.Println(err)
	}
	for _, p := range problems {
		fmt.Printf("%s:%d:%d: %s: %s\n", p.File, p.Line, p.Col, p.Rule, p.Message)
	}
	// Output:
	// build.star:3:1: call: function service missing 1 argument (name)
	// build.star:3:28: call: function service got an unexpected keyword argument "nam" (did you mean name?)
	// lib/service.star:2:17: attribute: Image has no .frok field or method (did you mean .fork?)
}
