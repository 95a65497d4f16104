//go:build linux

package main

// The commands of each tool are scripts of a shell with these variables:
//
//	BASE    the base image            IMAGE   the image to be made or written
//	TREE    the directory with app    NAME    its name
//	DATA    the directory above it    SCRIPTS the files below, in a directory
//	HOST    the registry              SOURCE  the image to be copied, in another registry
//	STATE   what a tool keeps         TMP     for files that are in the way; emptied before each run
//	SOCKET  of the tool's daemon      COUNT   of services

// files are what the tools read besides: scripts of imgscript, and Dockerfiles.
var files = map[string]string{
	"build.star": `img = image(var("base"), var("image"))
img.add_files({"/app": var("tree")}, compression = var("compression", "gzip"))
img.cmd = ["node", "/app/index.js"]
img.save()
`,
	"base.star": `img = image("scratch", var("image"))
img.add_files({"/": "../base"}, symlinks = "keep", preserve_mode = True)
img.save()
`,
	"layers.star": `img = image("scratch", var("image"))
for n in range(int(var("count"))):
    img.add_files({"/data/%d" % n: "../layers/%d" % n})
img.save()
`,
	"services.star": `for n in range(int(var("count"))):
    img = image(var("base"), "%s/service-%d:1" % (var("repository"), n))
    img.add_files({"/lib": "../services/lib"})
    img.add_files({"/assets": "../services/assets"})
    img.add_files({"/app": "../services/app/%d" % n})
    img.cmd = ["node", "/app/index.js"]
    img.save()
`,
	"empty.star": "",
	"build/Dockerfile": `ARG BASE
FROM $BASE
COPY app /app
CMD ["node", "/app/index.js"]
`,
	"services/Dockerfile": `ARG BASE
FROM $BASE
ARG SERVICE
COPY lib /lib
COPY assets /assets
COPY app/$SERVICE /app
CMD ["node", "/app/index.js"]
`,
}

const (
	// sortedTar makes an archive that is the same every time, as imgscript does.
	sortedTar = `tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0`

	craneMutate = `crane mutate --cmd node,/app/index.js -t "$IMAGE" "$IMAGE"`

	buildahHome = `buildah --root "$STATE/root" --runroot "$STATE/run" --storage-driver overlay`
	buildahPull = buildahHome + ` pull -q --tls-verify=false "$BASE"`
	buildahMake = buildahHome + ` build -q --layers --tls-verify=false --build-arg BASE="$BASE" -f "$SCRIPTS/build/Dockerfile" -t "$IMAGE" "$TREE"` + "\n" +
		buildahHome + ` push -q --tls-verify=false %s"$IMAGE" "docker://$IMAGE"`

	buildkitDaemon = `exec buildkitd --root "$STATE/root" --addr "unix://$SOCKET" --oci-worker-snapshotter overlayfs --oci-worker-net host \
  --oci-worker-gc=false --containerd-worker=false`
	// buildkitPull makes it pull and unpack the base, which it does not do before it needs it.
	buildkitPull = `mkdir -p "$STATE/prime/app"
buildctl --addr "unix://$SOCKET" build --frontend dockerfile.v0 --local context="$STATE/prime" --local dockerfile="$SCRIPTS/build" \
  --opt build-arg:BASE="$BASE" --output type=image,name=prime`
	buildkitMake = `buildctl --addr "unix://$SOCKET" build --frontend dockerfile.v0 --local context="$TREE" --local dockerfile="$SCRIPTS/build" \
  --opt build-arg:BASE="$BASE" --output type=image,name="$IMAGE",push=true,oci-mediatypes=true%s`

	regctlPlain = `regctl registry set --tls disabled "$HOST" >/dev/null` + "\n" + `regctl registry set --tls disabled "${SOURCE%%/*}" >/dev/null`

	umociPull = `skopeo copy -q --insecure-policy --src-tls-verify=false "docker://$BASE" "oci:$STATE/layout:base"`
	umociMake = `umoci insert --image "$STATE/layout:base" --tag app "$TREE/app" /app
umoci config --image "$STATE/layout:app" --config.cmd node --config.cmd /app/index.js
skopeo copy -q --insecure-policy --dest-tls-verify=false "oci:$STATE/layout:app" "docker://$IMAGE"`

	imgscriptMake = `imgscript run "$SCRIPTS/build.star" --root "$DATA" --cache-dir "$STATE/cache" --progress quiet \
  --var base="$BASE" --var image="$IMAGE" --var tree="../$NAME/app"`
)

// The scripts for many services: what they share is put on the base once, and then they are made four at a time.
const (
	imgscriptServices = `imgscript run "$SCRIPTS/services.star" --root "$DATA" --cache-dir "$STATE/cache" --progress quiet \
  --var base="$BASE" --var repository="$HOST/$REPOSITORY" --var count="$COUNT"`

	tarServices = sortedTar + ` -C "$TREE" -cf "$TMP/lib.tar" lib
` + sortedTar + ` -C "$TREE" -cf "$TMP/assets.tar" assets
`
	tarService = `  ` + sortedTar + ` -C "$TREE/app/$1" --transform 's,^\.,app,' -cf "$TMP/$1.tar" .
`
	eachService = `export -f service
seq 0 $((COUNT - 1)) | xargs -P 4 -I N bash -euo pipefail -c 'service N'`

	craneServices = tarServices + `crane append -b "$BASE" -f "$TMP/lib.tar" -f "$TMP/assets.tar" -t "$HOST/$REPOSITORY/shared:1"
service() {
` + tarService + `  crane append -b "$HOST/$REPOSITORY/shared:1" -f "$TMP/$1.tar" -t "$HOST/$REPOSITORY/service-$1:1"
  crane mutate --cmd node,/app/index.js -t "$HOST/$REPOSITORY/service-$1:1" "$HOST/$REPOSITORY/service-$1:1"
}
` + eachService

	regctlServices = tarServices + `regctl image mod "$BASE" --create "$HOST/$REPOSITORY/shared:1" --layer-add tar="$TMP/lib.tar" --layer-add tar="$TMP/assets.tar"
service() {
` + tarService + `  regctl image mod "$HOST/$REPOSITORY/shared:1" --create "$HOST/$REPOSITORY/service-$1:1" \
    --layer-add tar="$TMP/$1.tar" --config-cmd '["node", "/app/index.js"]'
}
` + eachService

	buildkitServices = `service() {
  buildctl --addr "unix://$SOCKET" build --frontend dockerfile.v0 --local context="$TREE" --local dockerfile="$SCRIPTS/services" \
    --opt build-arg:BASE="$BASE" --opt build-arg:SERVICE="$1" --output type=image,name="$HOST/$REPOSITORY/service-$1:1",push=true,oci-mediatypes=true
}
` + eachService

	buildahServices = `service() {
  ` + buildahHome + ` build -q --layers --tls-verify=false --build-arg BASE="$BASE" --build-arg SERVICE="$1" \
    -f "$SCRIPTS/services/Dockerfile" -t "$HOST/$REPOSITORY/service-$1:1" "$TREE"
  ` + buildahHome + ` push -q --tls-verify=false "$HOST/$REPOSITORY/service-$1:1" "docker://$HOST/$REPOSITORY/service-$1:1"
}
service 0
` + eachService
)
