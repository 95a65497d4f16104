// Package build runs programs that make images: it is all that a script can do, for Go code, with the same calls and the same concurrency.
//
//	engine, err := build.NewEngine(&build.EngineOptions{CacheDir: dir})
//	defer engine.Close()
//	report, err := engine.Do(ctx, &build.Options{Root: "."}, func(run *build.Run) error {
//		img, err := run.Image(build.Caller(), "node:lts-slim", &build.ImageOptions{Target: "reg.example/app"})
//		if err != nil {
//			return err
//		}
//		img.AddFiles(build.Caller(), []build.File{{Target: "/app", Local: "dist"}}, nil)
//		img.Save(build.Caller(), nil)
//		return nil
//	})
//
// # Engine, run, image
//
// An [Engine] holds what outlives a run: the cache, the registry client, the credentials and the limits. A process needs one, and runs may share it.
// [Engine.Do] makes a [Run], calls a function with it, and returns when everything that the function started has ended. An [Image] is a
// builder in a run: a base, and what is done to it. Its methods change it in place; [Image.Fork] makes another one that starts
// from its present state, and costs nothing. Run, Image, Layer and Client belong to the goroutine that Do called.
//
// # Steps
//
// Image, AddFiles, AddLayerRef, LayerFromTar, Rebase, Append, Flatten, RemoveFiles, Fetch, Sync, Save and Copy start a step and return at once. Steps have a place in program order, the order of the
// calls, and run beside the program and each other. A [Future], or a [Layer], waits for one. The rules:
//
//   - A step takes its arguments as they are at the call. A Save takes the image as it is at the call.
//   - Layers keep the order of the calls, whatever is finished first.
//   - Blobs go out as soon as they are there, those of a layer while it is being built. Manifests under their tags go out in program order, and only
//     after all steps before succeeded: a failed run leaves the tags that a serial program would have left.
//   - A blob is sent to a repository once in a run, and to a registry once where its repositories can mount it.
//   - The error of a run is the first in program order: a [*StepError] with the place of the step and the place of what needed it first. It
//     does not depend on timing or on EngineOptions.Jobs. A failure ends the steps after it that have effects; those before it go on.
//   - A change that nothing came of, since no save, no other image and no question followed it, is a [*LostChangeError] of a run that succeeded
//     otherwise.
//   - Images with ImageOptions.Template start nothing until something uses them, and lose no changes.
//
// # Platforms
//
// An image is of one platform or, with ImageOptions.Platforms, of several: one chain of changes, worked out for each. A layer that is put on all is built and sent once. [Image.On] is a view of one
// platform: what is done to it is done to that platform, in program order with the rest. What each platform may answer in another way is asked of a view. Save writes an index of the kind that the base has,
// in which only what was changed changes; [Run.Index] makes one of images and of references.
//
// An [Origin] is a place in the program, for errors; [Caller] is that of the calling line.
//
// # Bytes
//
// An image that was not changed, and has no platform or format of its own, is saved as exactly what its base's reference names: an index with
// all its children, byte for byte. A change picks the platform, and edits the raw JSON of the manifest and the config as package image does. What is read
// by digest is verified; what is only mounted is held to its size.
//
// [Run.Copy] copies between any two references without a look at what it copies: all tags of a repository, some platforms of an index, signatures and SBOMs
// with their images.
//
// Manifests, configs and layers that were built are kept in the cache. Layers of a base are not read unless they have to be sent to another registry, or somebody looks into them.
//
// [Image.Tree], [Image.ReadFile], [Image.WriteFile] and [Image.Export] look into an image: at the files that its layers make together (package rootfs). They read as little as they must, and the
// cache keeps what is in layers that were read to their ends.
//
// # Plans
//
// A run with Options.Plan writes nothing but the cache. Report.Plan says what it would write: every blob with its digest and how it would come to its target, every
// tag with what it was and what it would be. What such a run reads later is as if it had written: a planned tag names the planned image, also as a
// base, and one that would be deleted is missing. A run holds itself to an earlier plan by planning again and comparing ([Plan.Diff]).
//
// # Tags
//
// A tag may stand for something else tomorrow. With [LockOptions] a run starts from what a lock file (package lock) says that the tags of its bases stand for, and its report says what
// the file lacks. What the lock forbids is [ErrLocked], and what a run can't do that is offline is [ErrOffline].
//
// # What a run may touch
//
// Local paths are relative to Options.Dir, or with "//" to the root, and are read below the root alone, whatever links say. A [Policy] is asked
// before anything outside the root is read, a layout is written, a host is spoken to, or a repository is pushed to; [DefaultPolicy] allows the
// network, and [Permissions] makes a policy of lists. What it forbids is [ErrPolicy].
//
// A path that a program names may lead outside through links where the policy allows the place to which they lead. Links that are found in a directory never do: what is
// packed or listed stays in the root, or in the directory outside of it that was named. That holds while others make links and swap
// directories meanwhile. A hard link is the file itself, and no one can tell where its other names are; devices and named pipes are not read.
//
// # Limits and inputs
//
// [Limits] bound the time of a run and what a layer may hold; they are guard rails and no security boundary. Going beyond one is [ErrLimit]. With Options.Inputs the report lists
// all that a run read, with digests. [Compare] says what differs between what two runs of one program made.
//
// # Where things are
//
//   - run.go, step.go: the scope, its steps, which error is reported; lost.go: lost changes.
//   - image.go: images; state.go: what they are as chains of changes, worked out once and shared by forks; base.go: reading a base; platforms.go: its images of several
//     platforms; views.go: one platform of an image; layers.go: layers being built; search.go: layers that exist somewhere.
//   - surgery.go: bases that are replaced and images that are appended; derived.go: layers that are made of the files of an image, flattened ones and those that remove files.
//   - save.go: one save; composed.go: what it saves, an image or an index; early.go: what is sent before that is known; index.go: indexes of images; target.go: blobs on their way to a repository; flight.go: each once; failures.go: which failure of several is told.
//   - copy.go: copies of one reference or of all tags; related.go: what refers to what is copied.
//   - locked.go: the lock, what it says of bases and what a run finds beside it; lockerror.go: what it forbids; offline.go: runs without a network; live.go: reads by
//     clients that may be answered differently tomorrow.
//   - client.go: calls of the registry protocol in program order; fetch.go: files behind URLs; source.go: local paths.
//   - plan.go: what a run would write; planned.go: repositories as they would be; plannedwrite.go: what saves and copies say of themselves; plandiff.go: what
//     differs in two plans.
//   - policy.go: the policy, and all that asks it; permissions.go, hostname.go: a policy made of lists; outside.go: what is read outside the root, and
//     the directories of layouts.
//   - files.go: looks into images; look.go: at what references name.
//   - event.go: what goes on, for progress bars; engine.go: what runs share.
package build
