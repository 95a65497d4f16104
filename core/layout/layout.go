package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/semaphore"

	"github.com/imgscript/imgscript/core/atomicfile"
	"github.com/imgscript/imgscript/core/content"
)

// Options changes how a layout is opened. nil and the zero value read and write.
type Options struct {
	// ReadOnly makes every write an error that is content.ErrUnsupported.
	ReadOnly bool
	// OpenDir opens the layout's directory each time that it is used, and with create makes it first if it is missing: the place for who must not be led
	// elsewhere by a link. It is fs.ErrNotExist where there is none. The layout closes what it gets. nil opens the directory by its path.
	OpenDir func(create bool) (*os.Root, error)
}

// Layout is an OCI image layout directory. Its methods may be called by many goroutines at once, also of many Layouts of
// one directory. It holds nothing open, so that there is nothing to close.
type Layout struct {
	dir      string
	openDir  func(create bool) (*os.Root, error)
	readOnly bool
	turn     *semaphore.Weighted // writers of index.json in this process, who then need not poll for the lock
}

const (
	layoutFile = ocispec.ImageLayoutFile
	indexFile  = ocispec.ImageIndexFile
	blobsDir   = ocispec.ImageBlobsDir
	lockFile   = "index.json.lock"

	filePerm = 0o644 // and the umask
	dirPerm  = 0o755
)

// Open opens the layout in the directory dir, which may not exist yet; it is looked at when it is used. A file in its place is an error.
func Open(dir string, opts *Options) (*Layout, error) {
	if dir == "" {
		return nil, fmt.Errorf("open oci layout: the path is empty: %w", content.ErrInvalid)
	}
	l := &Layout{dir: dir, turn: semaphore.NewWeighted(1)}
	if opts != nil {
		l.readOnly, l.openDir = opts.ReadOnly, opts.OpenDir
	}
	if l.openDir == nil {
		l.openDir = func(create bool) (*os.Root, error) { return openPath(dir, create) }
	}
	root, err := l.openDir(false)
	switch {
	case err == nil:
		root.Close()
	case errors.Is(err, syscall.ENOTDIR):
		return nil, fmt.Errorf("open oci layout %q: it is a file, not a directory: %w", dir, content.ErrInvalid)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open oci layout: %w", err)
	}
	return l, nil
}

// openPath opens a directory by its path. What is asked for is what is in it, so that a named pipe in its place is an error and is not waited for.
func openPath(dir string, create bool) (*os.Root, error) {
	if create {
		if err := os.MkdirAll(dir, dirPerm); err != nil {
			return nil, err
		}
	}
	return os.OpenRoot(dir + string(os.PathSeparator) + ".")
}

// Dir is the layout's directory, as given to Open.
func (l *Layout) Dir() string { return l.dir }

// errorf makes an error that names the layout.
func (l *Layout) errorf(format string, args ...any) error {
	return fmt.Errorf("oci layout %q: "+format, append([]any{l.dir}, args...)...)
}

// reading opens the directory of a layout that is there. The caller closes it.
func (l *Layout) reading(ctx context.Context) (*os.Root, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	root, err := l.openDir(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, l.errorf("no such directory: %w", content.ErrNotFound)
	}
	if err != nil {
		return nil, l.errorf("%w", err)
	}
	if err := l.checkVersion(root); err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// checkVersion looks for the file that marks a directory as a layout (image-layout.md, "oci-layout file").
func (l *Layout) checkVersion(root *os.Root) error {
	data, err := readFile(root, layoutFile)
	if errors.Is(err, fs.ErrNotExist) {
		return l.errorf("this is no image layout, it has no file %s: %w", layoutFile, content.ErrNotFound)
	}
	if err != nil {
		return l.errorf("%w", err)
	}
	var layout ocispec.ImageLayout
	if err := json.Unmarshal(data, &layout); err != nil {
		return l.errorf("%w %s: %w", content.ErrInvalid, layoutFile, err)
	}
	if !strings.HasPrefix(layout.Version, "1.") {
		return l.errorf("%w %s: version %q, want 1.0.0", content.ErrInvalid, layoutFile, layout.Version)
	}
	return nil
}

// writing opens the directory for writing and makes the layout if there is none. The caller closes it.
func (l *Layout) writing(ctx context.Context) (*os.Root, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if l.readOnly {
		return nil, l.errorf("it was opened for reading alone: %w", content.ErrUnsupported)
	}
	root, err := l.openDir(true)
	if err != nil {
		return nil, l.errorf("%w", err)
	}
	err = l.checkVersion(root)
	if errors.Is(err, content.ErrNotFound) {
		err = l.create(ctx, root)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// Writable returns, as an error, why the first write to the directory would be refused, as far as reading it tells. It writes nothing: it is for plans.
func (l *Layout) Writable(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	root, err := l.openDir(false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return l.errorf("%w", err)
	}
	defer root.Close()
	if err = l.checkVersion(root); errors.Is(err, content.ErrNotFound) {
		return l.checkEmpty(root)
	}
	return err
}

// create makes an empty layout. The file that marks it as one comes last.
func (l *Layout) create(ctx context.Context, root *os.Root) error {
	if err := l.checkEmpty(root); err != nil {
		return err
	}
	if err := l.update(ctx, root, func(*index) error { return nil }); err != nil {
		return err
	}
	data, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return l.errorf("%w", err)
	}
	if err := atomicfile.WriteFile(root, ".", layoutFile, data, filePerm); err != nil {
		return l.errorf("%w", err)
	}
	return nil
}

// checkEmpty refuses a directory with other things in it: somebody's sources were meant as an input or by mistake. What an
// interrupted creation left is fine.
func (l *Layout) checkEmpty(root *os.Root) error {
	dir, err := root.Open(".")
	if err != nil {
		return l.errorf("%w", err)
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(100)
		for _, name := range names {
			switch {
			case name == blobsDir, name == indexFile, name == lockFile, name == layoutFile, strings.HasPrefix(name, atomicfile.Prefix):
			default:
				return l.errorf("%w target: the directory is no image layout and holds other files, such as %q", content.ErrInvalid, name)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return l.errorf("%w", err)
		}
	}
}

// openFile opens a regular file for reading. Anything else is an error; opening a FIFO must not wait for its writer.
func openFile(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%q: %w: not a regular file", name, content.ErrInvalid)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// readFile reads a JSON file of at most content.MaxDocument bytes.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, _, err := openFile(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, content.MaxDocument+1))
	if err == nil && len(data) > content.MaxDocument {
		err = fmt.Errorf("%q: %w: more than the limit of %d bytes", name, content.ErrInvalid, content.MaxDocument)
	}
	return data, err
}
