// Command reference says what BuildKit's own front end makes of Dockerfiles and words.
//
// It reads one JSON question a line from standard input and writes one JSON answer a line. A question has a
// "dockerfile" (base64), and then the answer has the syntax tree, the instructions, and what becomes of them as an
// image config with its warnings; or it has a "word", and the answer is what that expands to.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

type question struct {
	Dockerfile []byte
	Convert    bool
	Lint       bool
	Arguments  map[string]string
	Base       json.RawMessage

	Word       string
	Env        []string
	Escape     string
	RawQuotes  bool
	RawEscapes bool
	NoQuotes   bool
	KeepUnset  bool
}

type node struct {
	Word     string           `json:"word"`
	Flags    []string         `json:"flags"`
	Args     []string         `json:"args"`
	JSON     bool             `json:"json"`
	Original string           `json:"original"`
	Start    int              `json:"start"`
	End      int              `json:"end"`
	Heredocs []parser.Heredoc `json:"heredocs"`
	Comments []string         `json:"comments"`
	Child    *node            `json:"child"`
}

type warning struct {
	Rule string `json:"rule"`
	Line int    `json:"line"`
}

type answer struct {
	Nodes             []*node          `json:"nodes,omitempty"`
	Escape            string           `json:"escape,omitempty"`
	Empty             []int            `json:"empty,omitempty"`
	Syntax            string           `json:"syntax,omitempty"`
	SyntaxLine        int              `json:"syntax_line,omitempty"`
	ParseError        string           `json:"parse_error,omitempty"`
	Instructions      []map[string]any `json:"instructions,omitempty"`
	InstructionsError string           `json:"instructions_error,omitempty"`
	Image             any              `json:"image,omitempty"`
	Warnings          []warning        `json:"warnings,omitempty"`
	ConvertError      string           `json:"convert_error,omitempty"`
	ErrorLine         int              `json:"error_line,omitempty"`

	Text  string   `json:"text"`
	Words []string `json:"words"`
	Unset []string `json:"unset"`
	Error string   `json:"error,omitempty"`
}

func main() {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(output)
	encoder.SetEscapeHTML(false)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_ = encoder.Encode(reply(asked))
		_ = output.Flush()
	}
}

// reply turns a panic of the reference into an error of its own, so that it can be told from a refusal.
func reply(asked question) (found answer) {
	defer func() {
		if problem := recover(); problem != nil {
			found = answer{ParseError: fmt.Sprint("panic: ", problem), Error: fmt.Sprint("panic: ", problem)}
		}
	}()
	if asked.Escape != "" {
		return expand(asked)
	}
	return read(asked)
}

func expand(asked question) answer {
	envs := shell.EnvsFromSlice(asked.Env)
	lex := func() *shell.Lex {
		lexer := shell.NewLex([]rune(asked.Escape)[0])
		lexer.RawQuotes, lexer.RawEscapes = asked.RawQuotes, asked.RawEscapes
		lexer.SkipProcessQuotes, lexer.SkipUnsetEnv = asked.NoQuotes, asked.KeepUnset
		return lexer
	}
	found := answer{}
	result, err := lex().ProcessWordWithMatches(asked.Word, envs)
	if err != nil {
		return answer{Error: err.Error()}
	}
	found.Text = result.Result
	for name := range result.Unmatched {
		found.Unset = append(found.Unset, name)
	}
	sort.Strings(found.Unset)
	found.Words, err = lex().ProcessWords(asked.Word, envs)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return found
}

func read(asked question) answer {
	found := answer{}
	if name, _, place, ok := parser.DetectSyntax(asked.Dockerfile); ok {
		found.Syntax = name
		if len(place) > 0 {
			found.SyntaxLine = place[0].Start.Line
		}
	}
	parsed, err := parser.Parse(bytes.NewReader(asked.Dockerfile))
	if err != nil {
		found.ParseError, found.ErrorLine = err.Error(), line(err)
		return found
	}
	for _, child := range parsed.AST.Children {
		found.Nodes = append(found.Nodes, describe(child))
	}
	for _, problem := range parsed.Warnings {
		found.Empty = append(found.Empty, problem.Location.Start.Line)
	}
	found.Escape = string(parsed.EscapeToken)
	stages, args, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{}))
	if err != nil {
		found.InstructionsError, found.ErrorLine = err.Error(), line(err)
		return found
	}
	if len(stages) == 0 {
		found.InstructionsError = "no stages"
		return found
	}
	for index := range args {
		found.Instructions = append(found.Instructions, shape(&args[index]))
	}
	for _, stage := range stages {
		found.Instructions = append(found.Instructions, map[string]any{
			"kind": "from", "image": stage.BaseName, "name": stage.Name, "platform": stage.Platform,
		})
		for _, command := range stage.Commands {
			found.Instructions = append(found.Instructions, shape(command))
		}
	}
	if asked.Convert {
		convert(asked, &found)
	}
	if asked.Lint {
		check(asked, &found)
	}
	return found
}

func describe(from *parser.Node) *node {
	to := &node{
		Word: from.Value, Flags: from.Flags, JSON: from.Attributes["json"], Original: from.Original,
		Start: from.StartLine, End: from.EndLine, Heredocs: from.Heredocs, Comments: from.PrevComment, Args: []string{},
	}
	for next := from.Next; next != nil; next = next.Next {
		if len(next.Children) == 1 {
			to.Child = describe(next.Children[0])
		} else {
			to.Args = append(to.Args, next.Value)
		}
	}
	return to
}

// line is the first line that an error names, 0 for none.
func line(err error) int {
	var located *parser.LocationError
	if errors.As(err, &located) {
		for _, ranges := range located.Locations {
			if len(ranges) > 0 {
				return ranges[0].Start.Line
			}
		}
	}
	return 0
}

func shape(command any) map[string]any {
	switch c := command.(type) {
	case *instructions.ArgCommand:
		args := [][]any{}
		for _, arg := range c.Args {
			if arg.Value == nil {
				args = append(args, []any{arg.Key, nil})
			} else {
				args = append(args, []any{arg.Key, *arg.Value})
			}
		}
		return map[string]any{"kind": "arg", "args": args}
	case *instructions.EnvCommand:
		return map[string]any{"kind": "env", "pairs": pairs(c.Env)}
	case *instructions.LabelCommand:
		return map[string]any{"kind": "label", "pairs": pairs(c.Labels)}
	case *instructions.AddCommand:
		found := files(c.SourcesAndDest)
		found["kind"], found["chown"], found["chmod"], found["link"] = "add", c.Chown, c.Chmod, c.Link
		found["checksum"], found["exclude"] = c.Checksum, c.ExcludePatterns
		return found
	case *instructions.CopyCommand:
		found := files(c.SourcesAndDest)
		found["kind"], found["chown"], found["chmod"], found["link"] = "copy", c.Chown, c.Chmod, c.Link
		found["from"], found["parents"], found["exclude"] = c.From, c.Parents, c.ExcludePatterns
		return found
	case *instructions.RunCommand:
		return commandLine("run", c.ShellDependantCmdLine)
	case *instructions.CmdCommand:
		return commandLine("cmd", c.ShellDependantCmdLine)
	case *instructions.EntrypointCommand:
		return commandLine("entrypoint", c.ShellDependantCmdLine)
	case *instructions.WorkdirCommand:
		return map[string]any{"kind": "workdir", "path": c.Path}
	case *instructions.UserCommand:
		return map[string]any{"kind": "user", "user": c.User}
	case *instructions.ExposeCommand:
		return map[string]any{"kind": "expose", "ports": c.Ports}
	case *instructions.VolumeCommand:
		return map[string]any{"kind": "volume", "paths": c.Volumes}
	case *instructions.StopSignalCommand:
		return map[string]any{"kind": "stopsignal", "signal": c.Signal}
	case *instructions.ShellCommand:
		return map[string]any{"kind": "shell", "args": []string(c.Shell)}
	case *instructions.MaintainerCommand:
		return map[string]any{"kind": "maintainer", "name": c.Maintainer}
	case *instructions.OnbuildCommand:
		return map[string]any{"kind": "onbuild", "expression": c.Expression}
	case *instructions.HealthCheckCommand:
		return map[string]any{
			"kind": "healthcheck", "test": c.Health.Test, "interval": c.Health.Interval, "timeout": c.Health.Timeout,
			"start_period": c.Health.StartPeriod, "start_interval": c.Health.StartInterval, "retries": c.Health.Retries,
		}
	}
	return map[string]any{"kind": fmt.Sprintf("%T", command)}
}

func pairs(from instructions.KeyValuePairs) [][]string {
	found := [][]string{}
	for _, pair := range from {
		found = append(found, []string{pair.Key, pair.Value})
	}
	return found
}

func files(from instructions.SourcesAndDest) map[string]any {
	documents := [][]any{}
	for _, one := range from.SourceContents {
		documents = append(documents, []any{one.Path, one.Data, one.Expand})
	}
	sources := from.SourcePaths
	if sources == nil {
		sources = []string{}
	}
	return map[string]any{"sources": sources, "documents": documents, "destination": from.DestPath}
}

func commandLine(kind string, from instructions.ShellDependantCmdLine) map[string]any {
	documents := [][]any{}
	for _, file := range from.Files {
		documents = append(documents, []any{file.Name, file.Data, file.Chomp})
	}
	args := []string(from.CmdLine)
	if args == nil {
		args = []string{}
	}
	return map[string]any{"kind": kind, "args": args, "shell": from.PrependShell, "documents": documents}
}

// images answers for every image with one config.
type images struct{ config []byte }

func (i images) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if len(i.config) == 0 {
		return "", "", nil, errors.New("there is no base image")
	}
	return ref, digest.FromBytes(i.config), i.config, nil
}

func options(asked question) dockerfile2llb.ConvertOpt {
	platform := ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	found := dockerfile2llb.ConvertOpt{MetaResolver: images{asked.Base}, TargetPlatform: &platform}
	found.BuildArgs = map[string]string{}
	for name, value := range asked.Arguments {
		found.BuildArgs[name] = value
	}
	found.BuildPlatforms = []ocispecs.Platform{platform}
	return found
}

func convert(asked question, found *answer) {
	result, err := dockerfile2llb.Dockerfile2LLB(context.Background(), asked.Dockerfile, options(asked))
	if err != nil {
		found.ConvertError, found.ErrorLine = err.Error(), line(err)
		return
	}
	found.Image = result.Image
}

func check(asked question, found *answer) {
	config := options(asked)
	config.SourceMap = llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", asked.Dockerfile)
	config.SourceMap.Definition = &llb.Definition{}
	results, err := dockerfile2llb.DockerfileLint(context.Background(), asked.Dockerfile, config)
	if err != nil {
		found.ConvertError = err.Error()
		return
	}
	for _, one := range results.Warnings {
		at := 0
		if one.Location != nil && len(one.Location.Ranges) > 0 {
			at = int(one.Location.Ranges[0].Start.Line)
		}
		found.Warnings = append(found.Warnings, warning{one.RuleName, at})
	}
	if results.Error != nil && found.ConvertError == "" {
		found.ConvertError = results.Error.Message
		if len(results.Error.Location.Ranges) > 0 {
			found.ErrorLine = int(results.Error.Location.Ranges[0].Start.Line)
		}
	}
}
