package imgscript_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/imgscript/imgscript/docs/doctest"
	"github.com/imgscript/imgscript/starlib/check"
)

// comingFrom is the document that puts other tools beside ours.
const comingFrom = "docs/coming-from.md"

// frame begins the script of which a row is a part.
const frame = `img = image("reg.example.com/app:v1", "reg.example.com/app:v2")` + "\n"

// TestComingFrom runs our side of every row of its tables, each for itself: scripts as blocks are run and checked, commands with --help.
func TestComingFrom(t *testing.T) {
	program, rows := buildProgram(t), 0
	for _, row := range doctest.Rows(read(t, comingFrom)) {
		if row.Ours == "" {
			continue
		}
		rows++
		t.Run(fmt.Sprintf("%s:%d", comingFrom, row.Line), func(t *testing.T) {
			t.Parallel()
			b := block{file: comingFrom, line: row.Line, lang: "python", text: frame + row.Ours + "\n"}
			if words := strings.Fields(row.Ours); words[0] == "imgscript" { // --help checks the flags that stand before it
				if help := command(t, ".", program, append(words[1:], "--help")...); !strings.Contains(help, "imgscript "+words[1]+" ") {
					t.Errorf("there is no command %s", words[1])
				}
				return
			}
			runScript(t, b)
			checkPart(t, b)
		})
	}
	if rows < 150 {
		t.Errorf("only %d rows", rows)
	}
}

// checkPart finds nothing wrong in a part of a script, but for what is missing: parts save and name elsewhere.
func checkPart(t *testing.T, b block) {
	t.Helper()
	name := fmt.Sprintf("%s:%d.star", strings.ReplaceAll(b.file, "/", "-"), b.line)
	problems, err := check.Files(t.Context(), fstest.MapFS{name: {Data: []byte(b.text)}}, []string{name}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range problems {
		undefined, ok := strings.CutPrefix(problems[i].Message, "undefined: ")
		if problems[i].Rule != check.RuleLostChange && !(ok && strings.Contains(given, undefined)) {
			t.Error(problems[i].Detail())
		}
	}
}

// flagsOf are the options of other tools that the document must answer, by the heading under which it does. Those of crane are asked of crane itself, by TestComingFromCrane.
var flagsOf = map[string]string{
	"regctl image mod": `--create --replace --annotation --annotation-base --annotation-promote --author --buildarg-rm --buildarg-rm-regex --config-cmd --config-entrypoint
		--config-platform --config-time --config-time-max --data-max --digest-algo --env --expose-add --expose-rm --external-urls-rm --file-tar-time --file-tar-time-max --label
		--label-to-annotation --layer-add --layer-compress --layer-rm-created-by --layer-rm-index --layer-strip-file --layer-time --layer-time-max --rebase --rebase-ref --reproducible
		--time --time-max --to-docker --to-oci --to-oci-referrers --user --volume-add --volume-rm --workdir`,
	"Dockerfile": "FROM ARG RUN COPY ADD ENV LABEL MAINTAINER EXPOSE VOLUME USER WORKDIR CMD ENTRYPOINT SHELL HEALTHCHECK ONBUILD STOPSIGNAL .dockerignore " +
		"--platform --chown --chmod --link --exclude --parents --from --checksum --mount --interval",
	"jib": `from.image from.auth from.platforms to.image to.tags to.auth container.appRoot container.args container.creationTime container.entrypoint container.environment
		container.extraClasspath container.expandClasspathDependencies container.filesModificationTime container.format container.jvmFlags container.labels container.mainClass
		container.ports container.user container.volumes container.workingDirectory extraDirectories.paths extraDirectories.permissions containerizingMode`,
}

// TestComingFromIsComplete: nobody looks for an option in vain.
func TestComingFromIsComplete(t *testing.T) {
	theirs := map[string]string{}
	for _, row := range doctest.Rows(read(t, comingFrom)) {
		theirs[row.Heading] += " " + strings.NewReplacer("\n", " ", "=", " ", ",", " ").Replace(row.Theirs) + " "
	}
	for heading, flags := range flagsOf {
		for _, flag := range strings.Fields(flags) {
			if !strings.Contains(theirs[heading], " "+flag+" ") {
				t.Errorf("%s: under %q there is no %s", comingFrom, heading, flag)
			}
		}
	}
}
