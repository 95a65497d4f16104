package cache

var children = map[string]func(string){}
