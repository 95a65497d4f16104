package cache

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/imgscript/imgscript/core/atomicfile"
)

// sizeFile has the size of the cache as it was when it was last listed, and below that a line with what each run has written since: adding a line is whole or
// not at all, also when several processes do it at once. The sum is too high rather than too low, since some of it took the place of something else.
const sizeFile = "size"

// maxSizeFile is how long that file grows, some hundred lines, before the cache is listed again.
const maxSizeFile = 4 << 10

// addSize adds what was written to the size of the cache, and returns that. ok is false when nobody knows it.
func (c *Cache) addSize(written int64) (total int64, ok bool) {
	f, err := c.root.OpenFile(sizeFile, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%d\n", written); err != nil {
		return 0, false
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return 0, false
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSizeFile+1))
	if err != nil || len(data) > maxSizeFile {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		n, err := strconv.ParseInt(strings.TrimSuffix(line, "\n"), 10, 64)
		if err != nil || n < 0 || total+n < 0 {
			return 0, false
		}
		total += n
	}
	return total, true
}

// setSize keeps what the cache was listed to have.
func (c *Cache) setSize(total int64) error {
	if err := atomicfile.WriteFile(c.root, tmpDir, sizeFile, fmt.Appendf(nil, "%d\n", total), 0o600); err != nil {
		return c.wrap(err)
	}
	return nil
}
