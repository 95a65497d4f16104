package content_test

import (
	"testing"

	"github.com/imgscript/imgscript/core/content"
	"github.com/imgscript/imgscript/core/content/contenttest"
)

func TestMemoryConformance(t *testing.T) {
	contenttest.TestStore(t, func(*testing.T) content.Store { return new(content.Memory) }, nil)
	contenttest.TestRepository(t, func(*testing.T) content.Repository { return new(content.Memory) }, nil)
	contenttest.TestIngester(t, func(*testing.T) content.Ingester { return new(content.Memory) })
}

func TestOverlayConformance(t *testing.T) {
	open := func() content.Repository { return new(content.Overlay).Over(new(content.Memory)) }
	contenttest.TestStore(t, func(*testing.T) content.Store { return open() }, &contenttest.Options{Unread: true})
	contenttest.TestRepository(t, func(*testing.T) content.Repository { return open() }, nil)
}
