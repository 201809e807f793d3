// What go-rpmdb, with which syft and trivy read the databases of rpm, finds in those that are named.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	rpmdb "github.com/knqyf263/go-rpmdb/pkg"
)

type found struct {
	Name, Version, Arch, Source string
	Files                       []string
}

func main() {
	all := map[string][]found{}
	for _, path := range os.Args[1:] {
		database, err := rpmdb.Open(path)
		if err != nil {
			panic(fmt.Sprint(path, ": ", err))
		}
		packages, err := database.ListPackages()
		if err != nil {
			panic(fmt.Sprint(path, ": ", err))
		}
		for _, one := range packages {
			version := one.Version + "-" + one.Release
			if one.Epoch != nil {
				version = fmt.Sprint(*one.Epoch, ":", version)
			}
			files, err := one.InstalledFileNames()
			if err != nil {
				panic(err)
			}
			all[path] = append(all[path], found{one.Name, version, one.Arch, one.SourceRpm, files})
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		panic(err)
	}
}
