package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"

	"github.com/imgscript/imgscript/core/atomicfile"
)

// MaxRecord is the most bytes that a record's value can have: enough for what is kept of how a layer of 100 GB was made. Larger things are blobs.
const MaxRecord = 32 << 20

var bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// Get returns the value that was last put under key in bucket. What is missing, damaged or unreadable is false: the caller finds
// the value out again.
func (c *Cache) Get(ctx context.Context, bucket, key string) ([]byte, bool) {
	if ctx.Err() != nil || !bucketPattern.MatchString(bucket) {
		return nil, false
	}
	name := recordName(bucket, key)
	f, value, err := c.readRecord(name)
	if err != nil {
		if errors.Is(err, errDamaged) {
			c.root.Remove(name)
		}
		return nil, false
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		_, _ = c.use(name, info) // what is removed meanwhile was read
	}
	return value, true
}

var errDamaged = errors.New("damaged")

// readRecord reads the record name and makes sure that it is whole; otherwise, or when it cannot be read, it is errDamaged. The caller closes the file if there
// is no error.
func (c *Cache) readRecord(name string) (*os.File, []byte, error) {
	f, err := c.root.Open(name)
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, sha256.Size+MaxRecord+1))
	if err != nil || len(data) < sha256.Size || len(data) > sha256.Size+MaxRecord || !bytes.Equal(data[:sha256.Size], checksum(name, data[sha256.Size:])) {
		f.Close()
		return nil, nil, errDamaged
	}
	return f, data[sha256.Size:], nil
}

// Put keeps value, at most [MaxRecord] bytes, under key in bucket, in place of what was there. Buckets are short names of lower-case letters,
// digits and dashes; keys may be any text.
func (c *Cache) Put(ctx context.Context, bucket, key string, value []byte) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if !bucketPattern.MatchString(bucket) {
		return fmt.Errorf("cache: bucket %q: want lower-case letters, digits and dashes", bucket)
	}
	if len(value) > MaxRecord {
		return fmt.Errorf("cache: record %q of %d bytes: the limit is %d", key, len(value), MaxRecord)
	}
	name := recordName(bucket, key)
	data := append(checksum(name, value), value...)
	if err := atomicfile.WriteFile(c.root, tmpDir, name, data, 0o600); err != nil {
		return c.wrap(err)
	}
	c.written.Add(int64(len(data)))
	return nil
}

// Delete removes the record under key in bucket, if there is one.
func (c *Cache) Delete(ctx context.Context, bucket, key string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if !bucketPattern.MatchString(bucket) {
		return nil
	}
	if err := c.root.Remove(recordName(bucket, key)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c.wrap(err)
	}
	return nil
}

// recordName is where the record lies. Keys are hashed, since they may hold any byte and have any length.
func recordName(bucket, key string) string {
	sum := sha256.Sum256([]byte(key))
	name := hex.EncodeToString(sum[:])
	return path.Join("records", bucket, name[:2], name)
}

// checksum covers the name too, in which bucket and key are, so that a record that was moved or copied to another's name is a miss.
func checksum(name string, value []byte) []byte {
	h := sha256.New()
	fmt.Fprintf(h, "imgscript record 2\n%s\n", name)
	h.Write(value)
	return h.Sum(nil)
}
