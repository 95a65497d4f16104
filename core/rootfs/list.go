package rootfs

import (
	"bytes"
	"compress/flate"
	"encoding/gob"
	"io"
)

// encodeList writes what a layer has for a store of Lists.
func encodeList(list []File) []byte {
	var b bytes.Buffer
	z, _ := flate.NewWriter(&b, flate.BestSpeed) // the level is one
	_ = gob.NewEncoder(z).Encode(list)           // memory takes everything
	_ = z.Close()
	return b.Bytes()
}

// maxList is how many bytes a list may have when it is not compressed: a damaged or foreign one must not fill the memory.
const maxList = 1 << 30

// decodeList reads what encodeList wrote; nil where it did not.
func decodeList(data []byte) []File {
	list := []File{}
	in := io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxList)
	if err := gob.NewDecoder(in).Decode(&list); err != nil || list == nil {
		return nil
	}
	return list
}
