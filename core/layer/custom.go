package layer

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
	"unicode/utf8"
)

// custom adds what is made in memory.
func (s *scanner) custom(order int, source, target string, into bool, f File) {
	c := f.Custom
	err := checkCustom(c, target, into)
	if err == nil {
		target, err = customPath(c, target)
	}
	if err != nil {
		s.problem(source, f.Target, err, "")
		return
	}
	s.parents(parent(target), source, order)
	folder, n := folderOf(target, source, order)
	n.rank, n.kind, n.mode = rankCustom, c.Type, 0o644
	*n.extra() = more{
		uname: c.Uname, gname: c.Gname, accessTime: timeOf(c.AccessTime), changeTime: timeOf(c.ChangeTime), size: c.Size, open: c.Data, xattrs: c.Xattrs,
	}
	n.override(File{Mode: c.Mode, UID: c.UID, GID: c.GID, ModTime: c.ModTime})
	switch c.Type {
	case TypeDirectory:
		if c.Mode == nil {
			n.mode = 0o755
		}
	case TypeSymlink:
		n.more.text, n.mode = c.LinkPath, 0o777
	case TypeHardlink:
		n.more.text, _ = hardLinkPath(c.LinkPath)
	case TypeWhiteout, TypeOpaque:
		n.kind = TypeFile
	}
	s.add(folder)
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// customPath returns where the entry goes: that of a whiteout is beside its target, that of an opaque whiteout in it.
func customPath(c *Custom, target string) (string, error) {
	base := path.Base(target)
	switch {
	case c.Type == TypeOpaque:
		return path.Join(target, opaqueName), nil
	case target == "":
		return "", errors.New("the root directory cannot be made or removed")
	case c.Type == TypeWhiteout && strings.HasPrefix(base, whiteoutPrefix):
		return "", errWhiteoutName
	case c.Type == TypeWhiteout:
		return path.Join(path.Dir(target), whiteoutPrefix+base), nil
	case strings.HasPrefix(base, whiteoutPrefix) && (c.Type != TypeFile || c.Size != 0):
		return "", fmt.Errorf("%w: only an empty file may have it", errWhiteoutName)
	}
	return target, nil
}

// checkCustom returns what is wrong with the fields of c.
func checkCustom(c *Custom, target string, into bool) error {
	switch {
	case c.Type > TypeOpaque:
		return fmt.Errorf("type %v is not known", c.Type)
	case into && target != "":
		return errors.New(`target ends in "/", and a custom file has no name of its own to put there`)
	case c.Type != TypeFile && (c.Data != nil || c.Size != 0):
		return fmt.Errorf("%v has data", c.Type)
	case c.Size < 0:
		return fmt.Errorf("size %d is negative", c.Size)
	case c.Type == TypeFile && c.Data == nil && c.Size != 0:
		return fmt.Errorf("size is %d and there is no data", c.Size)
	case c.Mode != nil && *c.Mode > 0o7777:
		return fmt.Errorf("mode %#o: want permission bits up to 0o7777", *c.Mode)
	case c.UID != nil && *c.UID < 0 || c.GID != nil && *c.GID < 0:
		return errors.New("uid or gid is negative")
	case !isText(c.Uname) || !isText(c.Gname):
		return errors.New("uname or gname is not text")
	}
	if err := checkLink(c); err != nil {
		return err
	}
	return checkXattrs(c.Xattrs)
}

func checkLink(c *Custom) error {
	switch c.Type {
	case TypeSymlink:
		if c.LinkPath == "" || !isText(c.LinkPath) {
			return fmt.Errorf("link_path %q: want a path", c.LinkPath)
		}
	case TypeHardlink:
		_, err := hardLinkPath(c.LinkPath)
		return err
	default:
		if c.LinkPath != "" {
			return fmt.Errorf("%v has a link_path", c.Type)
		}
	}
	return nil
}

// hardLinkPath returns the path of a hard link's file relative to "/".
func hardLinkPath(link string) (string, error) {
	clean := strings.TrimPrefix(link, "/")
	if !isText(link) || checkLocal("", clean) != nil || clean == "." {
		return "", fmt.Errorf(`link_path %q: want the path of a file in the image without "." and ".."`, link)
	}
	return clean, nil
}

func checkXattrs(attrs map[string]string) error {
	for name := range attrs {
		if name == "" || strings.Contains(name, "=") || !isText(name) {
			return fmt.Errorf(`xattr %q: want a name without "="`, name)
		}
	}
	return nil
}

// isText reports whether s is UTF-8 without NUL, as PAX records have to be.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }
