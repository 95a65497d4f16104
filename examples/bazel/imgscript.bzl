"""Images that are built by imgscript, as targets of Bazel.

    load("//:imgscript.bzl", "imgscript_image")

    imgscript_image(
        name = "image",
        script = "image.star",
        srcs = [":server", "//base"],
    )

The output is an OCI layout. The script is given its path as var("out"), and sees the files of srcs where they are in the
workspace, generated ones too.
"""

# Bazel's inputs are links to files elsewhere, and imgscript reads what is below its root alone: they are copied to a root first.
_COMMAND = """
set -eu
imgscript=$PWD/$1 script=$2 out=$PWD/$3
shift 3
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
while [ $# -gt 0 ]; do
    mkdir -p "$root/$(dirname "$2")"
    cp -RL "$1" "$root/$2"
    shift 2
done
"$imgscript" run "$root/$script" --root "$root" --allow-out "$out" --hermetic --offline --no-cache --progress quiet \
    --var "out=$out" >"$out.saved"
"""

def _path_and_place(file):
    return [file.path, file.short_path]

def _imgscript_image(ctx):
    layout = ctx.actions.declare_directory(ctx.label.name)
    saved = ctx.actions.declare_file(ctx.label.name + ".saved")
    inputs = [ctx.file.script] + ctx.files.srcs
    if ctx.file.lock:
        inputs.append(ctx.file.lock)
    args = ctx.actions.args()
    args.add(ctx.executable.imgscript)
    args.add(ctx.file.script.short_path)
    args.add(layout.path)
    args.add_all(inputs, map_each = _path_and_place, expand_directories = False)
    ctx.actions.run_shell(
        outputs = [layout, saved],
        inputs = inputs,
        tools = [ctx.executable.imgscript],
        command = _COMMAND,
        arguments = [args],
        mnemonic = "Imgscript",
        progress_message = "Building image %s" % ctx.label,
        execution_requirements = {"block-network": "1"},
    )
    return [DefaultInfo(files = depset([layout, saved]))]

imgscript_image = rule(
    implementation = _imgscript_image,
    doc = "An OCI layout, and NAME.saved with a line REFERENCE@DIGEST for each image in it.",
    attrs = {
        "script": attr.label(allow_single_file = [".star"], mandatory = True),
        "srcs": attr.label_list(allow_files = True, doc = "All that the script reads: files, directories, modules, base layouts."),
        "lock": attr.label(allow_single_file = ["imgscript.lock"], doc = "The lock file, if a base comes from a registry."),
        "imgscript": attr.label(
            default = "//tools:imgscript",
            allow_single_file = True,
            executable = True,
            cfg = "host",
        ),
    },
)
