package manual

import (
	"slices"
	"strings"

	"github.com/imgscript/imgscript/core/nearest"
	"github.com/imgscript/imgscript/starlib"
)

// Find returns the entries that a name stands for, as people write it: a qualified name, the member of a type or of a variable ("add_files", "img.add_files"), or a parameter; with the call
// behind it or in another language's spelling ("Image.addFiles()"). An exact name finds one entry; else there may be several, or none.
func Find(entries []starlib.Entry, name string) []starlib.Entry {
	q := parseQuery(entries, name)
	if q.member == "" {
		return nil
	}
	named := func(of func(*starlib.Entry) string, want string) []func(*starlib.Entry) bool {
		return []func(*starlib.Entry) bool{
			func(e *starlib.Entry) bool { return of(e) == want },
			func(e *starlib.Entry) bool { return fold(of(e)) == fold(want) },
		}
	}
	ways := named(func(e *starlib.Entry) string { return e.Name }, q.name)
	if !q.known {
		ways = append(ways, named(memberOf, q.member)...)
	}
	if q.owner == "" {
		ways = append(ways, func(e *starlib.Entry) bool { return hasParam(e, q.member) })
	}
	for _, way := range ways {
		if found := filter(entries, way); len(found) > 0 {
			return q.nearest(found)
		}
	}
	return nil
}

// nearest keeps of several entries those whose type the variable seems to be named after, as img is after Image, if there are any.
func (q *query) nearest(found []starlib.Entry) []starlib.Entry {
	if len(found) == 1 || q.owner == "" {
		return found
	}
	named := filter(found, func(e *starlib.Entry) bool { return abbreviates(fold(q.owner), fold(e.Owner())) })
	if len(named) == 0 {
		return found
	}
	return named
}

// abbreviates reports whether a name begins as another one does, and has letters of it in their order.
func abbreviates(short, long string) bool {
	if short == "" || long == "" || short[0] != long[0] {
		return false
	}
	for i := range len(long) {
		if short != "" && long[i] == short[0] {
			short = short[1:]
		}
	}
	return short == ""
}

// Near returns the names that one which Find does not find may be meant for, the nearest first.
func Near(entries []starlib.Entry, name string) []string {
	q := parseQuery(entries, name)
	candidates := filter(entries, func(e *starlib.Entry) bool {
		switch {
		case q.known:
			return fold(e.Owner()) == fold(q.owner)
		case q.owner != "":
			return e.Owner() != ""
		}
		return true
	})
	var members []string
	for _, e := range candidates {
		members = append(members, e.Member())
	}
	var found []starlib.Entry
	for _, near := range slices.Compact(nearest.Names(q.member, members)) {
		found = append(found, filter(candidates, func(e *starlib.Entry) bool { return e.Member() == near })...)
	}
	var names []string
	for _, e := range q.nearest(found) {
		if !slices.Contains(names, e.Name) {
			names = append(names, e.Name)
		}
	}
	return names
}

// Begin returns the entries whose names begin as a name does, for the completion of a shell: members once their owner is there with its dot. Those of a variable that seems to be named
// after a type, such as img, have that variable in their names.
func Begin(entries []starlib.Entry, begun string) []starlib.Entry {
	dots := strings.Count(begun, ".")
	found := filter(entries, func(e *starlib.Entry) bool {
		return strings.HasPrefix(e.Name, begun) && strings.Count(e.Name, ".") == dots
	})
	if q := parseQuery(entries, begun); len(found) == 0 && dots == 1 && !q.known {
		found = filter(entries, func(e *starlib.Entry) bool {
			return strings.HasPrefix(memberOf(e), q.member) && abbreviates(fold(q.owner), fold(e.Owner()))
		})
		for i := range found {
			found[i].Name = q.owner + "." + found[i].Member()
		}
	}
	return found
}

// query is a name as somebody wrote it.
type query struct {
	name, owner, member string
	known               bool // the owner is a type or a module, and no variable of somebody's script
}

func parseQuery(entries []starlib.Entry, name string) query {
	name, _, _ = strings.Cut(strings.TrimSpace(name), "(")
	owner, member, ok := strings.Cut(name, ".")
	if !ok {
		owner, member = "", name
	}
	known := slices.ContainsFunc(entries, func(e starlib.Entry) bool { return owner != "" && fold(e.Owner()) == fold(owner) })
	return query{name, owner, member, known}
}

// hasParam reports whether a function has a parameter of a name.
func hasParam(e *starlib.Entry, name string) bool {
	return slices.ContainsFunc(e.Params, func(p starlib.Param) bool { return fold(p.Name) == fold(name) })
}

// memberOf is the name behind the dot, "" where there is none.
func memberOf(e *starlib.Entry) string {
	if e.Owner() == "" {
		return ""
	}
	return e.Member()
}

// fold makes names equal that differ by style alone.
func fold(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

func filter(entries []starlib.Entry, want func(*starlib.Entry) bool) []starlib.Entry {
	var found []starlib.Entry
	for i := range entries {
		if want(&entries[i]) {
			found = append(found, entries[i])
		}
	}
	return found
}
