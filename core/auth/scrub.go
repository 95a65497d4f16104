package auth

// Scrub takes secrets out of a text that somebody else wrote, as they are and as URLs escape them, and everything that looks like a JSON Web Token. Secrets of at
// most three bytes stay: without them the text would be unreadable, and show where they were. It is for servers that repeat what they were sent.
func Scrub(text string, secrets ...string) string { return scrub(text, secrets...) }
