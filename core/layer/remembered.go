package layer

import (
	"context"
	"fmt"
)

// Recall returns what Remember kept under a name for the same compression, level, limits and version of the package that compresses, if Options.Cache still has it. The blob is wherever it was
// stored then, if nobody has removed it. The name has to say all else that the layer depends on.
func Recall(ctx context.Context, name string, opts *Options) (Layer, bool) {
	o, err := prepared(opts)
	if err != nil || o.Cache == nil {
		return Layer{}, false
	}
	if r := findRecipe(ctx, o.Cache, []string{rememberedKey(name, o)}); r != nil {
		return r.layer, true
	}
	return Layer{}, false
}

// Remember keeps in Options.Cache which layer was made under a name, for Recall. That this fails is no error: then it is made again.
func Remember(ctx context.Context, name string, opts *Options, built Layer) {
	if o, err := prepared(opts); err == nil && o.Cache != nil {
		_ = o.Cache.Put(ctx, rememberedKey(name, o), (&recipe{layer: built}).encode())
	}
}

func rememberedKey(name string, o *Options) string {
	return hashed(fmt.Sprintf("remembered %q\n%s %+v %d %d\n", name, compressorVersion(), o.coding(), o.MaxFiles, o.MaxBytes))
}
