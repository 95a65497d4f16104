package registry

// WithSmall changes the size up to which a blob counts as small, so that tests of what happens to big ones move few bytes.
func (c *Client) WithSmall(bytes int64) *Client {
	c.shared.small = bytes
	return c
}

// WithFirstPart changes the size of the first part of uploads to a host, for the same reason.
func (c *Client) WithFirstPart(host string, bytes int64) *Client {
	c.shared.host(host).intake.start = bytes
	return c
}
