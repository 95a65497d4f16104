package layer

import (
	"cmp"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/imgscript/imgscript/core/content"
)

// folder is a directory of the layer as one source fills it. What its nodes have in common is here, since a layer may have a million of them.
type folder struct {
	place
	hash  uint64 // of its path in the layer, to be continued
	nodes []node // sorted by name
}

func newFolder(p place) *folder {
	f := &folder{place: p, hash: fnvOffset}
	if p.target != "" {
		f.hash = pathHash(pathHash(fnvOffset, p.target), "/")
	}
	return f
}

// folderOf returns a folder of one node, whose path in the layer is target, and the node.
func folderOf(target, source string, order int) (*folder, *node) {
	dir, base := split(target)
	f := newFolder(place{target: dir, source: source, order: order})
	f.nodes = []node{{in: f, base: base}}
	return f, &f.nodes[0]
}

// split cuts a path of the layer; the root, "", is in itself.
func split(target string) (dir, base string) {
	dir, base = path.Split(target)
	return strings.TrimSuffix(dir, "/"), base
}

// node is an entry in the making.
type node struct {
	in     *folder
	base   string
	more   *more // what few have; nil is none
	looks  looks // of a local file
	mode   uint16
	kind   Type
	rank   rank
	status status
}

// status is what became of a node.
type status uint8

const (
	isLocal status = 1 << iota
	dropped        // a link in whose place nothing comes
	refused        // in conflict with another source's, which was reported
)

// looks is a stat in less memory.
type looks struct {
	size, mtime, ctime int64
	dev, ino           uint64
	mode               fs.FileMode
	nlink              uint32 // 2 stands for more
}

// more is what only few nodes have.
type more struct {
	local                  *placed // where the file stands when it is not where the folder says
	link                   *link   // set while a symbolic link may still be replaced by what it points to
	text                   string  // of a link: of a symbolic one, or the path of a hard one's file
	uid, gid               *int    // nil: those of the call, as with modTime
	modTime                *time.Time
	accessTime, changeTime time.Time
	uname, gname           string
	size                   int64 // of data
	xattrs                 map[string]string
	open                   content.Opener
	data                   []byte // what was read of it in advance
}

// placed is where a local file stands.
type placed struct {
	tree      *Tree
	name, rel string
}

// extra is n.more, made if need be.
func (n *node) extra() *more {
	if n.more == nil {
		n.more = &more{}
	}
	return n.more
}

func (n *node) has(s status) bool { return n.status&s != 0 }

// path is where it goes in the layer.
func (n *node) path() string { return below(n.in.target, n.base) }

// below is path.Join of clean paths, of which the first may be empty.
func below(dir, base string) string {
	switch {
	case dir == "" || dir == ".":
		return base
	case base == "":
		return dir
	}
	return dir + "/" + base
}

func (n *node) text() string {
	if n.more == nil {
		return ""
	}
	return n.more.text
}

func (n *node) undecided() *link {
	if n.more == nil {
		return nil
	}
	return n.more.link
}

// placed is where the local file stands.
func (n *node) placed() placed {
	if n.more != nil && n.more.local != nil {
		return *n.more.local
	}
	return placed{n.in.tree, below(n.in.local, n.base), below(n.in.rel, n.base)}
}

// dirAndBase is where the local file stands in its tree.
func (n *node) dirAndBase() (dir, base string) {
	if n.more != nil && n.more.local != nil {
		return path.Dir(n.more.local.name), path.Base(n.more.local.name)
	}
	return n.in.local, n.base
}

func (n *node) tree() *Tree {
	if n.more != nil && n.more.local != nil {
		return n.more.local.tree
	}
	return n.in.tree
}

func (n *node) setLooks(st stat) {
	n.status |= isLocal
	n.looks = looks{st.size, st.mtime, st.ctime, st.dev, st.ino, st.mode, uint32(min(st.nlink, 2))}
}

func (l *looks) stat() stat {
	return stat{mode: l.mode, size: l.size, mtime: l.mtime, ctime: l.ctime, dev: l.dev, ino: l.ino, nlink: uint64(l.nlink)}
}

// size is that of the contents of a file.
func (n *node) size() int64 {
	switch {
	case n.kind != TypeFile:
		return 0
	case n.has(isLocal):
		return n.looks.size
	case n.more != nil:
		return n.more.size
	}
	return 0
}

// comparePaths compares where two nodes go.
func comparePaths(a, b *node) int { return compareJoined(a.in.target, a.base, b.in.target, b.base) }

// compareJoined compares two paths by their bytes, each given as the directory and the name in it.
func compareJoined(dir1, base1, dir2, base2 string) int {
	n := min(len(dir1), len(dir2))
	if c := cmp.Compare(dir1[:n], dir2[:n]); c != 0 {
		return c
	}
	switch {
	case len(dir1) == len(dir2):
		return cmp.Compare(base1, base2)
	case len(dir1) == n:
		return compareBelow(n, base1, dir2[n:])
	default:
		return -compareBelow(n, base2, dir1[n:])
	}
}

// compareBelow compares the name base in a directory whose path has n bytes with a path that goes on after that directory's by rest, a slash and a name.
func compareBelow(n int, base, rest string) int {
	if n > 0 {
		if rest[0] != '/' {
			return cmp.Compare('/', rest[0])
		}
		rest = rest[1:]
	}
	m := min(len(base), len(rest))
	switch c := cmp.Compare(base[:m], rest[:m]); {
	case c != 0:
		return c
	case m == len(base):
		return -1
	}
	return cmp.Compare(base[m], '/')
}

// list is what goes into a layer: a source of entries that takes little memory.
type list struct {
	nodes   []*node
	opts    *Options
	ignores []Source // the ignore files that were read
}

func (l *list) len() int { return len(l.nodes) }

func (l *list) weight(i int) (uint64, int64) {
	n := l.nodes[i]
	size := n.size()
	return mixed(pathHash(n.in.hash, n.base)), blockSize + size + padding(size)
}

func (l *list) streamed(i int) bool {
	n := l.nodes[i]
	if n.has(isLocal) {
		return n.kind == TypeFile && !n.tree().parallel()
	}
	return n.more != nil && n.more.open != nil && n.more.data == nil
}

func (l *list) tree(i int) *Tree {
	if n := l.nodes[i]; n.has(isLocal) {
		return n.tree()
	}
	return nil
}

// at implements source. It uses the memory of e.local again, which it made for an entry before.
func (l *list) at(i int, e *Entry) {
	n, found := l.nodes[i], e.local
	*e = Entry{
		Path: n.path(), Type: n.kind, Mode: uint32(n.mode), UID: l.opts.UID, GID: l.opts.GID, ModTime: l.opts.ModTime, Size: n.size(), Source: n.in.source,
	}
	if n.has(isLocal) {
		if found == nil {
			found = &local{}
		}
		*found = local{node: n, stat: n.looks.stat()}
		e.local = found
	}
	if m := n.more; m != nil {
		m.set(e)
	}
}

// set sets what differs from the other entries.
func (m *more) set(e *Entry) {
	e.Link, e.Uname, e.Gname, e.AccessTime, e.ChangeTime, e.Xattrs, e.Data, e.data = m.text, m.uname, m.gname, m.accessTime, m.changeTime, m.xattrs, m.open, m.data
	if m.uid != nil {
		e.UID = *m.uid
	}
	if m.gid != nil {
		e.GID = *m.gid
	}
	if m.modTime != nil {
		e.ModTime = *m.modTime
	}
}
