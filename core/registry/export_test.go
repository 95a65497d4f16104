package registry

// WithSmall changes the size up to which a blob counts as small, so that tests of what happens to big ones move few bytes.
func (c *Client) WithSmall(bytes int64) *Client {
	c.shared.small = bytes
	return c
}
