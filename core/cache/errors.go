package cache

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrFull is what an error is that says that the cache could not be written for want of room on its disk, or within the user's share of it.
var ErrFull = errors.New("there is no room for the cache")

// wrap says of an error where the cache is.
func (c *Cache) wrap(err error) error {
	if full := fullError(c.Dir(), err); full != err {
		return full
	}
	return fmt.Errorf("cache %q: %w", c.Dir(), err)
}

// fullError makes an error of a full disk one that says what is full; others stay as they are.
func fullError(dir string, err error) error {
	if errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	return fmt.Errorf("%w in %q: %w", ErrFull, dir, err)
}
