//go:build unix

package layer

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

const nonBlock = unix.O_NONBLOCK

// maxOpenDirs is how many directories a view keeps open.
const maxOpenDirs = 64

// unixView looks at an OS directory. Every step is one openat of one base name that follows no link, starting from the descriptor of the root, so that no
// swap of a directory for a link leads anywhere else. os.Root gives the same safety; but from the root down it
// takes five times as long on deep paths, and one os.Root for each directory is opened by a call that waits for ever when the directory has
// been swapped for a named pipe.
type unixView struct {
	mu       sync.Mutex
	dirs     map[string]*unixDir
	shuffled bool
}

// unixDir is a directory that a view keeps open while it has users, and for some time after.
type unixDir struct {
	fd      int
	users   int
	reading sync.Mutex // a descriptor has but one place to read from
}

// parallel reports whether files may be read by many goroutines at once and from any offset.
func (t *Tree) parallel() bool { return t.root != nil }

func (t *Tree) osView() view {
	return &unixView{dirs: map[string]*unixDir{".": {fd: int(t.base.Fd()), users: 1}}, shuffled: t.shuffled}
}

// get returns the open directory dir, which the caller gives back by put.
func (v *unixView) get(dir string) (*unixDir, error) {
	if d := v.cached(dir); d != nil {
		return d, nil
	}
	parent, err := v.get(path.Dir(dir))
	if err != nil {
		return nil, err
	}
	defer v.put(parent)
	fd, err := openat(parent.fd, path.Base(dir), unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	return v.keep(dir, fd), nil
}

func (v *unixView) cached(dir string) *unixDir {
	v.mu.Lock()
	defer v.mu.Unlock()
	d := v.dirs[dir]
	if d != nil {
		d.users++
	}
	return d
}

// keep adds a directory that was just opened, unless another goroutine was faster, and closes those that nobody uses when there are many.
func (v *unixView) keep(dir string, fd int) *unixDir {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d := v.dirs[dir]; d != nil {
		unix.Close(fd)
		d.users++
		return d
	}
	if len(v.dirs) >= maxOpenDirs {
		v.evict()
	}
	d := &unixDir{fd: fd, users: 1}
	v.dirs[dir] = d
	return d
}

// evict closes all that nobody uses: one after the other would take a look at all of them each time.
func (v *unixView) evict() {
	for name, d := range v.dirs {
		if d.users == 0 {
			unix.Close(d.fd)
			delete(v.dirs, name)
		}
	}
}

func (v *unixView) put(d *unixDir) {
	v.mu.Lock()
	d.users--
	v.mu.Unlock()
}

// close closes the directories; the root's descriptor is the Tree's.
func (v *unixView) close() {
	for name, d := range v.dirs {
		if name != "." {
			unix.Close(d.fd)
		}
	}
	v.dirs = nil
}

func (v *unixView) readNames(dir string, want stat) (names []string, err error) {
	err = v.readDir(dir, want, func(found []string, _ func(string) (stat, error)) { names = found })
	return names, err
}

func (v *unixView) readDir(dir string, want stat, use func(names []string, lstat func(base string) (stat, error))) error {
	d, err := v.get(dir)
	if err != nil {
		return err
	}
	defer v.put(d)
	if got, err := fstat(d.fd); err != nil {
		return err
	} else if want != (stat{}) && (got.dev != want.dev || got.ino != want.ino) {
		return ErrChanged
	}
	from := d
	if dir == "." { // its descriptor is that of all views
		fd, err := openat(d.fd, ".", unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		from = &unixDir{fd: fd}
	}
	names, err := from.names()
	if err != nil {
		return err
	}
	if v.shuffled {
		shuffle(names)
	}
	slices.Sort(names)
	use(names, func(base string) (stat, error) { return lstatAt(d.fd, base) })
	return nil
}

// names reads the directory from its start.
func (d *unixDir) names() (names []string, err error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	if _, err := unix.Seek(d.fd, 0, io.SeekStart); err != nil {
		return nil, err
	}
	buf := make([]byte, 32<<10)
	for {
		n := 0
		err := retry(func() (err error) { n, err = unix.ReadDirent(d.fd, buf); return })
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

func (v *unixView) lstat(name string) (stat, error) {
	d, err := v.get(path.Dir(name))
	if err != nil {
		return stat{}, err
	}
	defer v.put(d)
	return lstatAt(d.fd, path.Base(name))
}

func lstatAt(dir int, base string) (stat, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return unixStat(&st), err
}

func (v *unixView) readLink(name string) (string, error) {
	d, err := v.get(path.Dir(name))
	if err != nil {
		return "", err
	}
	defer v.put(d)
	for size := 256; ; size *= 2 {
		buf := make([]byte, size)
		n := 0
		err := retry(func() (err error) { n, err = unix.Readlinkat(d.fd, path.Base(name), buf); return })
		if err != nil {
			return "", err
		}
		if n < size {
			return string(buf[:n]), nil
		}
	}
}

func (v *unixView) open(dir, base string) (file, error) {
	d, err := v.get(dir)
	if err != nil {
		return nil, err
	}
	defer v.put(d)
	fd, err := openat(d.fd, base, unix.O_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return &unixFile{fd}, nil
}

// unixFile reads a descriptor without the poller of os.File, which is of no use to regular files and takes three more calls for each.
type unixFile struct{ fd int }

// Read implements io.Reader.
func (f *unixFile) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := 0
	err := retry(func() (err error) { n, err = unix.Read(f.fd, p); return })
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

func (f *unixFile) readAt(p []byte, offset int64) (n int, err error) {
	err = retry(func() (err error) { n, err = unix.Pread(f.fd, p, offset); return })
	if err != nil {
		return 0, err
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (f *unixFile) Close() error { return unix.Close(f.fd) }

func (f *unixFile) stat() (stat, error) { return fstat(f.fd) }

func openat(dir int, base string, flags int) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Openat(dir, base, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW|flags, 0)
		return err
	})
	return fd, err
}

func fstat(fd int) (stat, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstat(fd, &st) })
	return unixStat(&st), err
}

// retry repeats a call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func unixStat(st *unix.Stat_t) stat {
	return stat{
		mode: unixMode(uint32(st.Mode)), size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(),
		dev: uint64(st.Dev), ino: st.Ino, nlink: uint64(st.Nlink),
	}
}

func unixMode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	default:
		mode |= fs.ModeIrregular
	}
	if m&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if m&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if m&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}
