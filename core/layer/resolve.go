package layer

import (
	"io/fs"
	"path"
	"strings"
)

// maxLinks is how many links one path may go through, as in Linux.
const maxLinks = 40

// resolver finds where a path leads, one name at a time.
type resolver struct {
	tree  *Tree
	view  view
	at    string   // how far it came; has no link in it
	todo  []string // the names still to go, the next one last
	links int
}

// resolve follows text, the text of a link in directory dir of t, through every link on its way. The name that it returns has no link in it. Where
// the way ends early the error is fs.ErrNotExist; where it leaves the root, ErrOutside.
func resolve(t *Tree, v view, dir, text string) (string, stat, error) {
	r := &resolver{tree: t, view: v, at: dir}
	if err := r.push(text); err != nil {
		return "", stat{}, err
	}
	for len(r.todo) > 0 {
		if err := r.step(); err != nil {
			return "", stat{}, err
		}
	}
	st, err := v.lstat(r.at)
	return r.at, st, err
}

// push puts the names of a link's text before those still to go.
func (r *resolver) push(text string) error {
	if strings.HasPrefix(text, "/") {
		inside, ok := r.tree.inside(text)
		if !ok {
			return ErrOutside
		}
		r.at, text = ".", inside
	}
	parts := strings.Split(text, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] != "" && parts[i] != "." {
			r.todo = append(r.todo, parts[i])
		}
	}
	return nil
}

func (r *resolver) step() error {
	name := r.todo[len(r.todo)-1]
	r.todo = r.todo[:len(r.todo)-1]
	if name == ".." {
		if r.at == "." {
			return ErrOutside
		}
		r.at = path.Dir(r.at)
		return nil
	}
	next := path.Join(r.at, name)
	st, err := r.view.lstat(next)
	switch {
	case err != nil:
		return err
	case st.isLink():
		return r.follow(next)
	case !st.isDir() && len(r.todo) > 0:
		return fs.ErrNotExist
	}
	r.at = next
	return nil
}

func (r *resolver) follow(link string) error {
	if r.links++; r.links > maxLinks {
		return ErrLoop
	}
	text, err := r.view.readLink(link)
	if err != nil {
		return err
	}
	return r.push(text)
}
