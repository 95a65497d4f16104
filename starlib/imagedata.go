package starlib

import (
	"bytes"
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/imgscript/imgscript/core/build"
)

// imageData are the dicts of a manifest and a config which a script may edit. From the moment that they are handed out they are the truth: what the
// script changes in them is found when the image is next looked at, and what it sets on the image is written into them.
type imageData struct {
	from             *build.Data
	manifest, config *starlark.Dict
	lastM, lastC     []byte // the JSON of the dicts as the image underneath knows it
	at               site
}

func (i *imageValue) getImageData(thread *starlark.Thread, _ *noArgs) (starlark.Value, error) {
	d, err := i.refresh(thread, "get_image_data")
	if err != nil {
		return nil, err
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{"manifest": d.manifest, "config": d.config}), nil
}

func (i *imageValue) getImageConfig(thread *starlark.Thread, _ *noArgs) (starlark.Value, error) {
	d, err := i.refresh(thread, "get_image_config")
	if err != nil {
		return nil, err
	}
	return d.inner()
}

// inner is the dict of the config's config object, made when the config has none.
func (d *imageData) inner() (starlark.Value, error) {
	v, found, err := d.config.Get(starlark.String("config"))
	if err != nil {
		return nil, err
	}
	if dict, ok := v.(*starlark.Dict); found && ok {
		return dict, nil
	}
	dict := new(starlark.Dict)
	return dict, d.config.SetKey(starlark.String("config"), dict)
}

// refresh brings the dicts up to date with all that was done to the image.
func (i *imageValue) refresh(thread *starlark.Thread, op string) (*imageData, error) {
	if err := i.flush(); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	from, err := i.b.Data(here(thread), op)
	if err != nil {
		return nil, i.s.waitError(op, err)
	}
	for _, m := range i.kin.members {
		m.commit()
	}
	d := i.data()
	if d == nil {
		d = &imageData{manifest: new(starlark.Dict), config: new(starlark.Dict)}
	}
	d.from, d.at = from, here(thread)
	if err := i.s.charge(thread, 2*jsonSteps*int64(len(from.Image.Manifest())+len(from.Image.Config()))); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if err := d.show(from.Image.Manifest(), from.Image.Config()); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if i.frozen {
		d.manifest.Freeze()
		d.config.Freeze()
		return d, nil
	}
	i.setData(d)
	return d, nil
}

// show puts JSON into the dicts, which stay the same objects at every level.
func (d *imageData) show(manifest, config []byte) (err error) {
	if err := updateFromJSON(d.manifest, manifest); err != nil {
		return err
	}
	if err := updateFromJSON(d.config, config); err != nil {
		return err
	}
	if d.lastM, err = namedToJSON("manifest", d.manifest); err != nil {
		return err
	}
	d.lastC, err = namedToJSON("config", d.config)
	return err
}

func updateFromJSON(dict *starlark.Dict, data []byte) error {
	v, err := jsonToValue(data)
	if err != nil {
		return err
	}
	fresh, ok := v.(*starlark.Dict)
	if !ok {
		return fmt.Errorf("want a JSON object, got %s", typeOf(v))
	}
	return updateDict(dict, fresh)
}

// updateDict gives old the content and the order of fresh. Dicts in it that are in both stay the same objects, since the script may have them.
func updateDict(old, fresh *starlark.Dict) error {
	kept := map[string]*starlark.Dict{}
	for _, item := range old.Items() {
		if inner, ok := item[1].(*starlark.Dict); ok {
			kept[item[0].String()] = inner
		}
	}
	if err := old.Clear(); err != nil {
		return err
	}
	for _, item := range fresh.Items() {
		value := item[1]
		if inner, ok := value.(*starlark.Dict); ok && kept[item[0].String()] != nil {
			same := kept[item[0].String()]
			if err := updateDict(same, inner); err != nil {
				return err
			}
			value = same
		}
		if err := old.SetKey(item[0], value); err != nil {
			return err
		}
	}
	return nil
}

// json is what the dicts hold now.
func (d *imageData) json() (manifest, config []byte, err error) {
	if manifest, err = namedToJSON("manifest", d.manifest); err != nil {
		return nil, nil, err
	}
	config, err = namedToJSON("config", d.config)
	if emptied := bytes.Replace(config, []byte(`,"config":{}`), nil, 1); bytes.Equal(emptied, d.lastC) {
		config = d.lastC // only the empty object that inner made
	}
	return manifest, config, err
}

// absorb gives the image underneath what the script changed in the dicts.
func (i *imageValue) absorb() error {
	d := i.data()
	if d == nil {
		return nil
	}
	manifest, config, err := d.json()
	if err == nil {
		err = i.s.charge(i.s.thread, int64(len(manifest)+len(config)))
	}
	if err != nil {
		return err
	}
	if bytes.Equal(manifest, d.lastM) && bytes.Equal(config, d.lastC) {
		return nil
	}
	d.lastM, d.lastC = manifest, config
	i.b.Replace(d.at, "editing the image's data", d.from, manifest, config)
	return nil
}

// writeThrough writes an attribute that was set into the dicts, if the script has them, so that the later of two edits wins. What is said of the image in an index is in none.
func (i *imageValue) writeThrough(name string) error {
	d := i.data()
	if d == nil || name == "entry_annotations" || name == "index_annotations" {
		return nil
	}
	now := i.state()
	only := state{set: map[string]starlark.Value{}, dicts: map[string]map[string]string{name: now.dicts[name]}, order: now.order}
	if v, ok := now.set[name]; ok {
		only.set[name] = v
	}
	changes, err := only.changes()
	if err != nil {
		return err
	}
	manifest, config, err := d.json()
	if err != nil {
		return err
	}
	img, err := d.from.Image.WithJSON(manifest, config)
	if err != nil {
		return err
	}
	if img, err = img.With(&changes); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	lastM, lastC := d.lastM, d.lastC
	if err := d.show(img.Manifest(), img.Config()); err != nil {
		return err
	}
	d.lastM, d.lastC = lastM, lastC // absorb finds the difference
	i.committed.set[name], i.committed.dicts[name] = now.set[name], now.dicts[name]
	return nil
}
