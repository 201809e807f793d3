// What Go's text/template makes of each template in templates.json, with docker's functions:
//
//	go run oracle.go < templates.json > expected.json
//
// The input is {"data": ..., "templates": [...]}; the output maps a template to its text, or to null for an error.
package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

func main() {
	var given struct {
		Data      any
		Templates []string
	}
	decoder := json.NewDecoder(os.Stdin)
	decoder.UseNumber()
	if err := decoder.Decode(&given); err != nil {
		panic(err)
	}
	data := plain(given.Data)
	found := map[string]*string{}
	for _, text := range given.Templates {
		found[text] = render(text, data)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(found); err != nil {
		panic(err)
	}
}

func render(text string, data any) *string {
	parsed, err := template.New("").Funcs(functions).Parse(text)
	if err != nil {
		return nil
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data); err != nil {
		return nil
	}
	written := out.String()
	return &written
}

// Numbers as JSON has them: whole ones are ints.
func plain(value any) any {
	switch value := value.(type) {
	case json.Number:
		if whole, err := value.Int64(); err == nil {
			return int(whole)
		}
		number, _ := value.Float64()
		return number
	case map[string]any:
		for name, item := range value {
			value[name] = plain(item)
		}
	case []any:
		for place, item := range value {
			value[place] = plain(item)
		}
	}
	return value
}

var functions = template.FuncMap{
	"json": func(value any) string {
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			panic(err)
		}
		return strings.TrimSuffix(out.String(), "\n")
	},
	"split": strings.Split,
	"join": func(items []any, between string) string {
		var texts []string
		for _, item := range items {
			texts = append(texts, item.(string))
		}
		return strings.Join(texts, between)
	},
	"title": strings.Title,
	"lower": strings.ToLower,
	"upper": strings.ToUpper,
	"pad": func(text string, before, after int) string {
		if text == "" {
			return text
		}
		return strings.Repeat(" ", before) + text + strings.Repeat(" ", after)
	},
	"truncate": func(text string, limit int) string {
		if len(text) < limit {
			return text
		}
		return text[:limit]
	},
}
