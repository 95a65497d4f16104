package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmeHasTheCommands holds the table of the README and the program together.
func TestReadmeHasTheCommands(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Commands\n")
	table, _, _ = strings.Cut(table, "\n## ")
	var listed []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") || len(cells) != 2 {
			continue
		}
		for _, m := range regexp.MustCompile("`(?:imgscript )?([a-z]+)").FindAllStringSubmatch(cells[0], -1) {
			listed = append(listed, m[1])
		}
	}
	commands := []string{"help"} // which the library adds when it runs
	for _, cmd := range newRootCommand().Commands() {
		commands = append(commands, cmd.Name())
	}
	for _, name := range commands {
		if !slices.Contains(listed, name) {
			t.Errorf("the README does not have the command %s", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(commands, name) {
			t.Errorf("the README has %s, which is no command", name)
		}
	}
}
