package manual_test

import (
	"fmt"
	"log"

	"github.com/imgscript/imgscript/starlib"
	"github.com/imgscript/imgscript/starlib/manual"
)

// A program that gives scripts a function of its own documents it beside those of imgscript.
func Example() {
	entries, err := starlib.API()
	if err != nil {
		log.Fatal(err)
	}
	own, err := starlib.ParseAPI("own.star", `
def stamped(img, *, team = "red"):
    """Forks an image, with a file that names the team.

    Args:
      img (Image): the image.
      team (str): who it is for.

    Returns:
      Image: the fork.
    """
    pass
`)
	if err != nil {
		log.Fatal(err)
	}
	entries = append(entries, own...)
	for _, e := range manual.Find(entries, "stamped()") {
		fmt.Print(manual.Text(entries, &e, 60))
	}
	// Output:
	// stamped(img, *, team = "red") -> Image
	//
	//     Forks an image, with a file that names the team.
	//
	// Parameters:
	//     img: Image, needed
	//         the image.
	//     team: str, default "red", by name
	//         who it is for.
	//
	// Returns Image:
	//     the fork.
	//
	// See also:
	//     Image
}
