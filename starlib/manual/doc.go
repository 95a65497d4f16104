// Package manual shows the documentation of the language in terminals and makes stubs of it for editors.
//
// What it shows are entries of starlib.API. A program that embeds imgscript puts those of its own names behind them, with starlib.ParseAPI:
//
//	entries, err := starlib.API()
//	…
//	found := manual.Find(entries, "img.add_files")
//	fmt.Print(manual.Text(entries, &found[0], 80))
package manual
