package layout

var children = map[string]func(string){}
