//go:build !unix

package layer

const nonBlock = 0

// parallel reports whether files may be read by many goroutines at once and from any offset.
func (t *Tree) parallel() bool { return false }

// osView looks at an OS directory through its os.Root, where files cannot be opened one name at a time.
func (t *Tree) osView() view { return fsView{t.root.FS()} }
