package auth

import "strings"

// challenge is one challenge of a WWW-Authenticate header (RFC 9110, section 11.6.1). Scheme and names of parameters are in lower case. The zero
// value is no challenge.
type challenge struct {
	scheme string
	params map[string]string
	bad    error // of what choose returns: why there is no challenge to answer
}

// parseChallenges reads all challenges of all headers, in order. What does not follow the grammar is skipped up to the next comma, or to the
// end of its header where a quoted string has none: a bad challenge of one scheme must not hide a good one of another.
func parseChallenges(headers []string) []challenge {
	var all []challenge
	for _, h := range headers {
		s := &scanner{rest: h}
		for s.skip(" \t,"); s.rest != ""; s.skip(" \t,") {
			if c, ok := s.challenge(); ok {
				all = append(all, c)
			} else {
				s.skipElement()
			}
		}
	}
	return all
}

// scanner reads a header from its start.
type scanner struct{ rest string }

// skip skips all of the given characters.
func (s *scanner) skip(chars string) { s.rest = strings.TrimLeft(s.rest, chars) }

// token reads a token (RFC 9110, section 5.6.2), "" if there is none.
func (s *scanner) token() string {
	n := 0
	for n < len(s.rest) && isTokenChar(s.rest[n]) {
		n++
	}
	token := s.rest[:n]
	s.rest = s.rest[n:]
	return token
}

func isTokenChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// challenge reads a scheme and what belongs to it: nothing, a token68 or parameters.
func (s *scanner) challenge() (challenge, bool) {
	c := challenge{scheme: strings.ToLower(s.token()), params: map[string]string{}}
	if c.scheme == "" {
		return c, false
	}
	if s.atEnd() {
		return c, true
	}
	if !strings.HasPrefix(s.rest, " ") {
		return c, false
	}
	s.skip(" ")
	if s.token68() {
		return c, true
	}
	return c, s.parameters(c.params)
}

// atEnd reports whether an element of the list ends here.
func (s *scanner) atEnd() bool {
	rest := strings.TrimLeft(s.rest, " \t")
	return rest == "" || rest[0] == ','
}

// token68 skips a token68, the form of credentials of schemes that are not for us, if that is what comes.
func (s *scanner) token68() bool {
	after := &scanner{rest: strings.TrimLeft(s.rest, "/+")}
	for after.token() != "" {
		after.skip("/+")
	}
	after.skip("=")
	if after.rest == s.rest || !after.atEnd() {
		return false
	}
	s.rest = after.rest
	return true
}

// parameters reads name=value pairs up to the next challenge. A name that comes twice makes the challenge ambiguous: it is bad.
func (s *scanner) parameters(params map[string]string) bool {
	for {
		name, value, ok := s.parameter()
		if _, twice := params[name]; !ok || twice || !s.atEnd() {
			return false
		}
		params[name] = value
		if !s.nextParameter() {
			return true
		}
	}
}

// nextParameter moves to the next parameter of the same challenge, and stays where it is if the list has none.
func (s *scanner) nextParameter() bool {
	next := &scanner{rest: strings.TrimLeft(s.rest, " \t,")}
	start := *next
	if next.token() == "" {
		return false
	}
	next.skip(" \t")
	if !strings.HasPrefix(next.rest, "=") {
		return false
	}
	*s = start
	return true
}

// parameter reads one name=value, with the white space around "=" that the grammar calls bad and allows.
func (s *scanner) parameter() (name, value string, ok bool) {
	name = strings.ToLower(s.token())
	s.skip(" \t")
	if name == "" || !strings.HasPrefix(s.rest, "=") {
		return "", "", false
	}
	s.rest = s.rest[1:]
	s.skip(" \t")
	if strings.HasPrefix(s.rest, `"`) {
		value, ok = s.quoted()
		return name, value, ok
	}
	value = s.token()
	return name, value, value != ""
}

// quoted reads a quoted string with its escapes. Without an end it takes all that is left.
func (s *scanner) quoted() (string, bool) {
	var b strings.Builder
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; c {
		case '"':
			s.rest = s.rest[i+1:]
			return b.String(), true
		case '\\':
			if i++; i < len(s.rest) {
				b.WriteByte(s.rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	s.rest = ""
	return "", false
}

// skipElement skips to the next comma that is not in a quoted string.
func (s *scanner) skipElement() {
	for s.rest != "" && s.rest[0] != ',' {
		if s.rest[0] == '"' {
			s.quoted()
		} else {
			s.rest = s.rest[1:]
		}
	}
}
