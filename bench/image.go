//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os/exec"
	"path"
	"strings"

	kgzip "github.com/klauspost/compress/gzip"
)

// descriptor is how a manifest names a blob.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// manifest is what is needed of an image's manifest.
type manifest struct {
	digest string
	Config descriptor   `json:"config"`
	Layers []descriptor `json:"layers"`
}

// accept are the media types of the manifests of one image.
var accept = []string{"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}

// get asks a registry for something. The body must be closed.
func get(ctx context.Context, host, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/v2/"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header["Accept"] = accept
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close() // what it says is not needed
		return nil, fmt.Errorf("GET %s: %s", req.URL, resp.Status)
	}
	return resp.Body, nil
}

// readManifest reads the manifest of the image with the tag 1.
func readManifest(ctx context.Context, host, repository string) (*manifest, error) {
	body, err := get(ctx, host, repository+"/manifests/1")
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(data)
	m := &manifest{digest: "sha256:" + hex.EncodeToString(digest[:])}
	return m, json.Unmarshal(data, m)
}

// verifyBlob reads a blob and checks its digest and size.
func verifyBlob(ctx context.Context, host, repository string, d descriptor) error {
	body, err := get(ctx, host, repository+"/blobs/"+d.Digest)
	if err != nil {
		return err
	}
	defer body.Close()
	hash := sha256.New()
	n, err := io.Copy(hash, body)
	if err == nil && (n != d.Size || "sha256:"+hex.EncodeToString(hash.Sum(nil)) != d.Digest) {
		err = fmt.Errorf("blob %s of %d bytes has other bytes", d.Digest, d.Size)
	}
	return err
}

// contents are what layers hold above a base, with what tools do in different ways.
type contents struct {
	files  tree
	size   int64 // of the layers as they are stored
	owners map[string]int
	timed  int // entries with another time than 1970
	twice  int // paths that had been there
}

// readImage reads the layers of an image but for the base's, which is the first.
func readImage(ctx context.Context, host, repository string) (*contents, error) {
	m, err := readManifest(ctx, host, repository)
	if err != nil {
		return nil, err
	}
	if len(m.Layers) < 2 {
		return nil, fmt.Errorf("%d layers, want the base's and more", len(m.Layers))
	}
	c := &contents{files: tree{}, owners: map[string]int{}}
	for _, layer := range m.Layers[1:] {
		c.size += layer.Size
		if err := unpacked(ctx, host, repository, layer, c.read); err != nil {
			return nil, fmt.Errorf("layer %s: %w", layer.Digest, err)
		}
	}
	return c, nil
}

// unpacked gives the archive of a layer to a function, which reads all of it.
func unpacked(ctx context.Context, host, repository string, layer descriptor, use func(io.Reader) error) error {
	body, err := get(ctx, host, repository+"/blobs/"+layer.Digest)
	if err != nil {
		return err
	}
	defer body.Close()
	switch {
	case strings.HasSuffix(layer.MediaType, "zstd"):
		return unzstd(ctx, body, use)
	case strings.HasSuffix(layer.MediaType, "gzip"):
		archive, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		return use(archive)
	}
	return use(body)
}

// unzstd decompresses with the reference implementation.
func unzstd(ctx context.Context, blob io.Reader, use func(io.Reader) error) error {
	cmd := exec.CommandContext(ctx, "zstd", "-dc")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = blob, &stderr
	archive, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return err
	}
	err = use(archive)
	_, draining := io.Copy(io.Discard, archive) // so that it ends
	if ended := cmd.Wait(); ended != nil {
		ended = fmt.Errorf("zstd: %w: %s", ended, stderr.String())
		return errors.Join(err, ended)
	}
	return errors.Join(err, draining)
}

// read reads an archive to its end.
func (c *contents) read(archive io.Reader) error {
	for files := tar.NewReader(archive); ; {
		header, err := files.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, archive) // a damaged end is an error, too
			return err
		}
		if err != nil {
			return err
		}
		if err := c.entry(header, files); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

// entry takes one file of an archive.
func (c *contents) entry(header *tar.Header, data io.Reader) error {
	name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
	if name == "" {
		return nil // the root
	}
	if _, ok := c.files[name]; ok && header.Typeflag != tar.TypeDir {
		c.twice++
	}
	c.owners[fmt.Sprintf("%d:%d", header.Uid, header.Gid)]++
	if header.ModTime.Unix() != 0 {
		c.timed++
	}
	f := file{mode: header.FileInfo().Mode()}
	switch header.Typeflag {
	case tar.TypeReg:
		hash := sha256.New()
		n, err := io.Copy(hash, data)
		if err != nil {
			return err
		}
		f.size, f.digest = n, [sha256.Size]byte(hash.Sum(nil))
	case tar.TypeSymlink:
		f.mode, f.link = fs.ModeSymlink, header.Linkname
	case tar.TypeLink:
		f = c.files[strings.TrimPrefix(path.Clean("/"+header.Linkname), "/")]
	case tar.TypeDir:
	default:
		return fmt.Errorf("type %q", header.Typeflag)
	}
	c.files[name] = f
	return nil
}

// differs says what a tool does otherwise than the specification of the comparison demands: owners, times, directories.
func (c *contents) differs(want tree) []string {
	var notes []string
	for owner := range c.owners {
		if owner != "0:0" {
			notes = append(notes, "owner "+owner)
		}
	}
	if c.timed > 0 {
		notes = append(notes, "times of the files are kept")
	}
	if c.twice > 0 {
		notes = append(notes, fmt.Sprintf("%d files are there twice", c.twice))
	}
	missing := 0
	for name, f := range want {
		if _, ok := c.files[name]; !ok && f.mode.IsDir() {
			missing++
		}
	}
	if missing > 0 {
		notes = append(notes, fmt.Sprintf("%d directories have no entry", missing))
	}
	return notes
}

// oneStream is how many bytes the archive of an image's last layer has when it is compressed as one stream, with the compressor and at the level of imgscript.
func oneStream(ctx context.Context, host, repository string) (int64, error) {
	m, err := readManifest(ctx, host, repository)
	if err != nil {
		return 0, err
	}
	counted := &counter{}
	err = unpacked(ctx, host, repository, m.Layers[len(m.Layers)-1], func(archive io.Reader) error {
		compressor, err := kgzip.NewWriterLevel(counted, 1)
		if err != nil {
			return err
		}
		_, err = io.Copy(compressor, archive)
		return errors.Join(err, compressor.Close())
	})
	return counted.n, err
}

// counter counts what is written to it.
type counter struct{ n int64 }

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
