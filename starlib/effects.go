package starlib

// effect is what a function of the language does beside making values of values. The policy of the run is asked before each but the first, when the function is called
// or by the work that it starts.
type effect string

const (
	effectPure effect = "pure" // nothing: no file, host or registry is touched, and nobody is asked
	effectRead effect = "read" // local files are read; those of the root without asking
	effectNet  effect = "net"  // a host is spoken to
	effectPush effect = "push" // a repository of a registry is written, which takes effectNet too
	effectOut  effect = "out"  // a layout is written
)

// effects declares what each function, method and module of api.star does. Attributes, and methods that are pure here, may wait for what was begun by a call, or
// begin what a call put off: an image that was made while a module was loaded is read when it is first used, with the effects of image.
func effects() map[string][]effect {
	pure := []effect{effectPure}
	read := []effect{effectRead}
	reach := []effect{effectNet}
	write := []effect{effectNet, effectPush}
	save := []effect{effectNet, effectPush, effectOut}
	return map[string][]effect{
		"struct": pure, "json": pure, "math": pure, "module": pure,
		"re.match": pure, "re.search": pure, "re.findall": pure, "re.sub": pure,
		"Match.group": pure, "Match.groups": pure, "Match.start": pure, "Match.end": pure,

		"custom_file": pure, "file": pure, "whiteout": pure, "opaque": pure, // names, for what takes them
		"var": pure, "secret": pure, // who runs the program gave them
		"read_file": read, "glob": read, "digest": read, "layer_from_tar": read,
		"fetch":  reach,
		"auth":   {effectRead, effectNet}, // key files; token servers and credential helpers
		"client": {effectRead, effectNet, effectPush},
		"image":  {effectRead, effectNet},
		"index":  {effectRead, effectNet}, // what its references name

		"Image.add_files": read,
		"Image.add_layer": {effectRead, effectNet}, // where the layer may be
		"Image.save":      save, "Image.sync": save, "Index.save": save,
		"Image.rebase": {effectRead, effectNet}, "Image.append": {effectRead, effectNet}, // of other images
		"Image.flatten": pure, "Image.remove_files": pure,
		"Image.client":       write,
		"Image.remove_layer": pure, "Image.layers": pure, "Image.fork": pure, "Image.on": pure, "Image.files": pure, "Image.read": pure,
		"Image.get_env": pure, "Image.get_image_config": pure, "Image.get_image_data": pure,

		"Client.resolve": reach, "Client.manifest": reach, "Client.tags": reach, "Client.blob_exists": reach, "Client.blob": reach, "Client.referrers": reach,
		"Client.mount": write, "Client.copy_blob": write, "Client.delete": write,
		"Client.upload": {effectRead, effectNet, effectPush}, "Client.manifest_upload": {effectRead, effectNet, effectPush}, // of a local file
	}
}

// permissionsOf lists the flags of permissions that a function may need.
func permissionsOf(name string) []string {
	var flags []string
	for _, e := range effects()[name] {
		if e != effectPure {
			flags = append(flags, "--allow-"+string(e))
		}
	}
	return flags
}
