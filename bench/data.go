//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// sizes are how much data jobs have.
type sizes struct {
	node        bool  // the tree is a real node_modules, not one made here
	base        bool  // the base is made of Debian's packages
	layers      int   // of the image that is copied
	layerSize   int64 // of each of them
	curve       []int // files
	big         int64 // the size of the one big file
	services    int
	sharedFiles int // in the directories that all services have
	tree        int // files of the tree, if it is made here
}

var (
	fullSizes  = sizes{node: true, base: true, layers: 10, layerSize: 64 << 20, curve: []int{1_000, 10_000, 100_000, 1_000_000}, big: 5 << 30, services: 100, sharedFiles: 2_000}
	quickSizes = sizes{layers: 10, layerSize: 1 << 20, curve: []int{100, 300, 1_000, 3_000}, big: 64 << 20, services: 5, sharedFiles: 100, tree: 1_000}
)

// The packages of npm that the tree has, with the versions and digests of all that they need. Those that are optional are left out: they are other ones on other machines.
var (
	//go:embed testdata/package.json
	packageJSON []byte
	//go:embed testdata/package-lock.json
	packageLock []byte
)

// debian are the packages that the base consists of.
const debian = "base-files base-passwd bash ca-certificates coreutils dash debianutils diffutils findutils grep gzip hostname libacl1 libattr1 libc-bin libc6 " +
	"libcrypt1 libgcc-s1 libgmp10 libicu72 libpcre2-8-0 libselinux1 libssl3 libstdc++6 libtinfo6 login mount openssl perl-base sed tar tzdata util-linux zlib1g"

// made returns a directory below data, which make fills unless that was done already. The key stands for what is in it.
func (l *lab) made(name, key string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(l.data(), name)
	stamp := dir + ".done"
	if old, err := os.ReadFile(stamp); err == nil && string(old) == key {
		return dir, nil
	}
	l.progress("making %s", name)
	if err := errors.Join(os.RemoveAll(stamp), os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return "", err
	}
	if err := fill(dir); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return dir, os.WriteFile(stamp, []byte(key), 0o644)
}

// data is where the data is.
func (l *lab) data() string {
	if l.quick {
		return filepath.Join(l.dir, "quick-data")
	}
	return filepath.Join(l.dir, "data")
}

// tree makes the directory with the application: app, with node_modules in it.
func (l *lab) tree(ctx context.Context) (string, error) {
	if !l.size.node {
		return l.made("tree", fmt.Sprint(l.size.tree), func(dir string) error {
			return writeFiles(filepath.Join(dir, "app/node_modules"), l.size.tree, 16<<10)
		})
	}
	key := sha256.Sum256(append(packageJSON, packageLock...))
	return l.made("tree", hex.EncodeToString(key[:]), func(dir string) error {
		app := filepath.Join(dir, "app")
		err := errors.Join(os.Mkdir(app, 0o755), os.WriteFile(filepath.Join(app, "package.json"), packageJSON, 0o644),
			os.WriteFile(filepath.Join(app, "package-lock.json"), packageLock, 0o644))
		if err != nil {
			return err
		}
		c := command{args: []string{"npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"}, dir: app, env: os.Environ()}
		_, err = c.run(ctx)
		return err
	})
}

// baseTree makes the files of the base image: what the packages install, without their documentation.
func (l *lab) baseTree(ctx context.Context) (string, error) {
	if !l.size.base {
		return l.made("base", "files", func(dir string) error { return writeFiles(filepath.Join(dir, "usr/share"), 100, 8<<10) })
	}
	return l.made("base", debian, func(dir string) error {
		debs := filepath.Join(l.dir, "debs")
		if err := errors.Join(os.RemoveAll(debs), os.MkdirAll(debs, 0o755)); err != nil {
			return err
		}
		script := fmt.Sprintf(`
cd %q
apt-get download -qq -o APT::Sandbox::User=root %s
for deb in *.deb; do dpkg-deb -x "$deb" %q; done
rm -rf %[3]q/usr/share/{doc,man,locale,info}`, debs, debian, dir)
		_, err := command{args: shell(script), env: os.Environ()}.run(ctx)
		return err
	})
}

// many makes a directory of n small files, of 2 KiB on average.
func (l *lab) many(n int) (string, error) {
	return l.made(fmt.Sprintf("files-%d", n), "2 KiB", func(dir string) error { return writeFiles(filepath.Join(dir, "app"), n, 2<<10) })
}

// big makes a directory with one file that does not compress.
func (l *lab) big() (string, error) {
	return l.made("big", fmt.Sprint(l.size.big), func(dir string) error {
		return writeRandom(filepath.Join(dir, "app", "big"), l.size.big, 1)
	})
}

// layers makes the files of the image that is copied, one for each layer.
func (l *lab) layers() (string, error) {
	return l.made("layers", fmt.Sprint(l.size.layers, l.size.layerSize), func(dir string) error {
		for n := range l.size.layers {
			if err := writeRandom(filepath.Join(dir, fmt.Sprint(n)), l.size.layerSize, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// services makes what many services have: two directories that they share, lib and assets, and one for each.
func (l *lab) services() (string, error) {
	return l.made("services", fmt.Sprint(l.size.services, l.size.sharedFiles), func(dir string) error {
		err := errors.Join(writeFiles(filepath.Join(dir, "lib"), l.size.sharedFiles, 16<<10), writeFiles(filepath.Join(dir, "assets"), l.size.sharedFiles/4, 32<<10))
		for n := range l.size.services {
			err = errors.Join(err, writeFiles(filepath.Join(dir, "app", fmt.Sprint(n)), 10+n%3, 4<<10))
		}
		return err
	})
}

// writeFiles writes n files below dir, a hundred to a directory, whose sizes are exponential with the mean given. They compress like text, and are the same on every machine.
func writeFiles(dir string, n, mean int) error {
	random := rand.New(rand.NewPCG(uint64(n), uint64(mean)))
	words := make([]string, 4096)
	for i := range words {
		words[i] = fmt.Sprintf("%x", random.Uint64()>>(8*random.IntN(7)))
	}
	var text strings.Builder
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("%03d", i/10_000), fmt.Sprintf("%02d", i/100%100), fmt.Sprintf("file-%d.js", i))
		if i%100 == 0 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
		}
		text.Reset()
		for size := int(random.ExpFloat64() * float64(mean)); text.Len() < size; {
			text.WriteString(words[int(random.ExpFloat64()*300)%len(words)])
			text.WriteByte(" \n=.;"[random.IntN(5)])
		}
		if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// writeRandom writes a file of random bytes, the same on every machine.
func writeRandom(path string, size int64, seed int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(f, 1<<20)
	_, err = io.CopyN(out, rand.NewChaCha8([32]byte{byte(seed)}), size)
	return errors.Join(err, out.Flush(), f.Close())
}
