package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxPassword bounds what is read as a password, in bytes: keys of Google's are a few thousand.
const maxPassword = 64 << 10

// readPassword reads a password to the end of r, without the newline that ends it.
func readPassword(ctx context.Context, r io.Reader) (string, error) {
	return waitFor(ctx, func() (string, error) {
		data, err := io.ReadAll(io.LimitReader(r, maxPassword+1))
		if err == nil && len(data) > maxPassword {
			err = fmt.Errorf("the password on standard input has more than %d bytes", maxPassword)
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), err
	})
}

// prompter asks the user on a terminal.
type prompter struct {
	in  *os.File
	out io.Writer
}

// newPrompter refuses input that is no terminal: a password would be echoed, or come from a file that is meant for something else.
func newPrompter(in io.Reader, out io.Writer) (*prompter, error) {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, usagef("there is no terminal to ask for a password").withHint("give -u USER --password-stdin, and the password on standard input")
	}
	return &prompter{f, out}, nil
}

// line asks for a line.
func (p *prompter) line(ctx context.Context, prompt string) (string, error) {
	fmt.Fprint(p.out, prompt)
	return waitFor(ctx, func() (string, error) {
		var line []byte
		for one := make([]byte, 1); len(line) < maxPassword; { // byte by byte: what follows is the password
			n, err := p.in.Read(one)
			if n == 0 || one[0] == '\n' {
				if errors.Is(err, io.EOF) {
					err = nil
				}
				return strings.TrimSpace(string(line)), err
			}
			line = append(line, one[0])
		}
		return "", errors.New("the line is too long")
	})
}

// secret asks for a line that the terminal does not show. When ctx ends, the terminal shows again what is typed.
func (p *prompter) secret(ctx context.Context, prompt string) (string, error) {
	fd := int(p.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(p.out, prompt)
	text, err := waitFor(ctx, func() (string, error) {
		data, err := term.ReadPassword(fd)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return string(data), err
	})
	fmt.Fprintln(p.out) // the one that was typed is not shown
	if ctx.Err() != nil {
		err = errors.Join(err, term.Restore(fd, before))
	}
	return text, err
}

// waitFor returns what read returns, or the error of ctx when that ends: a read of a terminal cannot be ended, but goes with the program.
func waitFor(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	done := make(chan answer, 1)
	go func() {
		text, err := read()
		done <- answer{text, err}
	}()
	select {
	case got := <-done:
		return got.text, got.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
