# What .ci/run and .ci/nightly share; sourced by both from the project's root.
#
# Every tool has a pinned version or is the distribution's. What is built here goes to .ci/tools, which git ignores.

tools=$PWD/.ci/tools
export PATH="$tools/bin:$PATH"

# Debian's packages, by a command that each brings.
declare -A packages=(
  [docker-registry]=docker-registry
  [skopeo]=skopeo
  [umoci]=umoci
  [buildah]=buildah
  [busybox]=busybox-static
  [bsdtar]=libarchive-tools
  [pigz]=pigz
  [zstd]=zstd
  [gcc]=gcc
  [python3]=python3
  [mypy]=mypy
)

# Go's tools, by the command that each is. The oldest distribution in use is in Debian, the newest is this one.
declare -A modules=(
  [registry]=github.com/distribution/distribution/v3/cmd/registry@v3.1.2
  [crane]=github.com/google/go-containerregistry/cmd/crane@v0.22.1
  [conformance]=github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111
  [staticcheck]=honnef.co/go/tools/cmd/staticcheck@v0.8.2
)

# section says what comes next, and how many seconds have passed.
section() {
  printf '\n== %s (%d s)\n' "$*" "$SECONDS"
}

# as_root runs a command as root.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

# install_packages installs what is missing of the packages above. The C library's headers, which the race detector needs, are named by no command.
install_packages() {
  local missing=() command
  for command in "${!packages[@]}"; do
    type -P "$command" >/dev/null || missing+=("${packages[$command]}")
  done
  [ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)
  [ ${#missing[@]} -gt 0 ] || return 0
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# install_modules builds what is missing of the modules above, or is there in another version.
install_modules() {
  local command module
  for command in "${!modules[@]}"; do
    module=${modules[$command]}
    if [ "$(built_from "$tools/bin/$command")" != "$module" ]; then
      echo "building $module"
      GOBIN="$tools/bin" GOFLAGS= go install "$module"
    fi
  done
}

# built_from prints the package and version that a Go program was built from, or nothing.
built_from() {
  [ -x "$1" ] || return 0
  go version -m "$1" | awk '$1 == "path" { path = $2 } $1 == "mod" { print path "@" $3 }'
}

# need fails when a command is missing.
need() {
  local command missing=0
  for command in "$@"; do
    if ! type -P "$command" >/dev/null; then
      echo "missing: $command" >&2
      missing=1
    fi
  done
  return $missing
}

# install_tools installs all of them, and fails when one is missing afterwards.
install_tools() {
  install_packages
  install_modules
  need "${!packages[@]}" "${!modules[@]}"
}
