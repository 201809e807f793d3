"""The command line: its frame, its errors, its exit codes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from importlib import import_module
from inspect import getdoc
from pathlib import Path

import pytest

from lading.cli.calls.command_table import COMMANDS
from lading.cli.display.output import age, escape, size
from lading.cli.display.sizes import byte_count
from lading.store.errors import UsageError
from suites.commands import LADING, Lading, context
from suites.patience import PATIENCE
from suites.screen import lading_at

HERE = [name for name, entry in COMMANDS.items() if not entry.later and not entry.commands]
GROUPS = [name for name, entry in COMMANDS.items() if entry.commands]


@pytest.fixture
def lading(tmp_path: Path) -> Lading:
    return Lading(tmp_path / "root")


@pytest.mark.parametrize("name", HERE)
def test_the_table_says_what_the_command_says(name: str) -> None:
    module = import_module(f"lading.cli.commands.{COMMANDS[name].module}")
    assert (getdoc(getattr(module, COMMANDS[name].function)) or "").splitlines()[0].rstrip(".") == COMMANDS[name].help


@pytest.mark.parametrize("name", HERE)
def test_every_command_has_help_without_a_root(lading: Lading, name: str) -> None:
    said = lading.call(name, "--help")
    assert said.code == 0
    assert said.out.startswith(f"Usage: lading {name}")
    assert not lading.root.exists()


@pytest.mark.parametrize("name", [name for name, entry in COMMANDS.items() if entry.later])
def test_what_is_not_built_says_so(lading: Lading, name: str) -> None:
    line = lading.fails(COMMANDS[name].failure or 2, name, "--whatever", "x")
    assert "not built yet" in line


def test_words_too_many_and_too_few(lading: Lading) -> None:
    assert lading.fails(2, "ps", "a", "b") == "lading: more words than it takes: a b"
    assert lading.fails(2, "tag", "a") == "lading: missing argument 'NAME...'"


@pytest.mark.parametrize("name", GROUPS)
def test_groups_list_what_they_have(lading: Lading, name: str) -> None:
    commands = COMMANDS[name].commands
    assert commands
    listed = lading.ok(name).partition("Commands:")[2]
    for word, entry in commands.items():
        assert (f"\n  {word} " in listed) is not entry.later
    for word in [word for word, entry in commands.items() if not entry.later]:
        assert lading.ok(name, word, "--help").startswith(f"Usage: lading {name} {word}")
    assert "unknown command 'nope'" in lading.fails(2, name, "nope")
    assert not lading.root.exists()


def test_groups_do_what_the_commands_do(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    lading.ok("image", "build", "-q", "-t", "app", context(tmp_path / "c", "FROM scratch\nCOPY f /f\n", f="x"))
    shown = ("--format", "{{.ID}} {{.Repository}} {{.CreatedAt}}")
    assert lading.ok("image", "ls", *shown) == lading.ok("images", *shown)
    assert lading.ok("image", "inspect", "app") == lading.ok("inspect", "app")
    assert "container 'app'" in lading.fails(1, "container", "inspect", "app")
    lading.fails(125, "container", "run", "--nope")
    assert "Untagged: app:latest" in lading.ok("image", "rm", "app")


def test_flags_may_have_a_value(lading: Lading) -> None:
    assert lading.call("ps", "--all=false", "--no-trunc=true").out == lading.ok("ps") + "\n"
    assert "expected true or false" in lading.fails(2, "ps", "--all=perhaps")
    lading.fails(2, "ps", "--nope=true")
    assert lading.call("ps", "-a=false", "-n=3").out == lading.ok("ps") + "\n"
    assert "expected true or false" in lading.fails(2, "ps", "-a=3")
    assert "--last many" in lading.fails(2, "ps", "-n=many")
    assert "--filter =x: " in lading.fails(2, "ps", "-f==x")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("images >&-", 1),
        ("images >&- 2>&-", 1),
        ("images <&-", 0),
        ("images 2>&-", 0),
        ("nothing 2>&-", 2),
        ("rmi nothing 2>&- >&- <&-", 1),
        ("load <&-", 1),
        ("login -u x localhost:1 <&-", 2),
        ("images >/dev/full", 1),
    ],
)
def test_streams_that_the_caller_closed(lading: Lading, words: str, code: int) -> None:
    lading.ok("images")
    environment = {"PATH": os.environ["PATH"], "LADING_ROOT": str(lading.root), "HOME": str(lading.root)}
    done = subprocess.run(
        ["sh", "-c", f"{LADING} {words}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "internal error" not in done.stderr
    assert "Traceback" not in done.stderr


def test_help_as_a_word(lading: Lading) -> None:
    assert lading.ok("help") == lading.ok("--help")
    assert lading.ok("help", "run") == lading.ok("run", "--help")


def test_a_mistyped_command(lading: Lading) -> None:
    said = lading.call("biuld")
    assert said.code == 2
    assert "unknown command 'biuld'" in said.err
    assert "did you mean `lading build`?" in said.err


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (2, ["images", "--nope"]),
        (2, ["verify"]),
        (2, ["verify", "x", "--local", "--remote"]),
        (2, ["verify", "x", "--type", "vuln"]),
        (2, ["build", ".", "--compression", "lzma"]),
        (2, ["build", ".", "-o", "type=nonsense,dest=x"]),
        (1, ["build", "https://localhost:1/x.git"]),
        (2, ["images", "--format", "xml"]),
        (125, ["run"]),
        (125, ["run", "--nope", "x"]),
        (125, ["run", "--network", "nope", "x"]),
        (125, ["run", "--memory", "much", "x"]),
        (125, ["run", "-p", "http:80", "x"]),
        (125, ["run", "-v", "relative", "x"]),
        (125, ["exec", "nobody", "true"]),
        (1, ["rm", "nobody"]),
        (1, ["stop", "nobody"]),
        (1, ["logs", "nobody"]),
        (1, ["tag", "nothing", "x"]),
        (1, ["rmi", "nothing"]),
        (1, ["inspect", "nothing"]),
        (1, ["tag", "UPPER", "x"]),
        (1, ["save", "nothing", "-o", "oci:x"]),
        (1, ["sign", "nothing"]),
        (1, ["build", "nowhere"]),
        (1, ["logout", "registry.example.com"]),
        (5, ["verify", "localhost:1/nothing"]),
        (2, ["registry", "serve", "--listen", "nowhere"]),
        (1, ["registry", "serve", "--listen", "0.0.0.0:0"]),
        (2, ["login", "registry.example.com"]),
    ],
)
def test_bad_calls_get_one_line_and_their_code(lading: Lading, code: int, words: list[str]) -> None:
    lading.ok("keygen")
    lading.fails(code, *words)


def test_a_build_without_a_key_or_a_terminal_says_what_to_do(lading: Lading, tmp_path: Path) -> None:
    said = lading.call("build", context(tmp_path / "c", "FROM scratch\nLABEL a=b\n"))
    assert said.code == 1
    assert "no key to sign" in said.err
    assert "lading keygen" in said.err
    assert "--sign-key" in said.err


def test_a_dockerfile_error_names_file_line_and_word(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    line = lading.fails(1, "build", context(tmp_path / "c", "FROM scratch\nRUNN true\n"))
    assert "Dockerfile:2" in line
    assert "RUNN" in line


def test_keygen_overwrites_nothing(lading: Lading) -> None:
    lading.ok("keygen")
    keys = {path: path.read_bytes() for path in (lading.root / "keys").iterdir()}
    assert (lading.root / "keys/cosign.key").stat().st_mode & 0o777 == 0o600
    lading.fails(1, "keygen")
    assert {path: path.read_bytes() for path in (lading.root / "keys").iterdir()} == keys
    (lading.root / "keys/cosign.key").unlink()
    (lading.root / "keys/cosign.pub").unlink()
    (lading.root / "policy.yaml").write_text("mine")
    assert "kept as it was" in lading.ok("keygen")
    assert (lading.root / "policy.yaml").read_text() == "mine"


def test_a_wrong_password_is_one_line(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    folder = context(tmp_path / "c", "FROM scratch\nCOPY file /file\n", file="x")
    assert "password" in lading.fails(1, "build", folder, LADING_PASSWORD="wrong")


def test_the_last_line_of_a_build_is_the_digest(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    folder = context(tmp_path / "c", "FROM scratch\nCOPY file /file\n", file="x")
    said = lading.call("build", "-t", "app", "--iidfile", tmp_path / "iid", folder)
    assert said.code == 0
    assert said.out.splitlines() == [(tmp_path / "iid").read_text()]
    assert said.out.startswith("sha256:")
    assert lading.ok("images", "-q", "--digests") == said.out.strip()
    assert lading.ok("build", "-q", folder) == said.out.strip()
    events = [json.loads(line) for line in lading.call("build", "--progress", "json", folder).err.splitlines()]
    assert {event["event"] for event in events} == {"planned", "finished", "built"}


def test_a_quiet_build_says_its_digest_alone(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    folder = context(tmp_path / "c", "FROM scratch\nCOPY f /f\n", f="x")
    said = lading.call("build", "-q", "--progress", "json", folder)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", said.out)
    assert said.err == ""


def test_images_and_inspect(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    digest = lading.ok(
        "build", "-q", "-t", "app", context(tmp_path / "c", 'FROM scratch\nCOPY f /f\nCMD ["/f"]\n', f="x")
    )
    lading.ok("tag", "app", "registry.example.com/team/app:2")
    rows = lading.ok("images").splitlines()
    assert [row.split()[:2] for row in rows[1:]] == [["registry.example.com/team/app", "2"], ["app", "latest"]]
    (shown,) = json.loads(lading.ok("inspect", digest[7:19]))
    assert shown["Id"] == digest
    assert shown["Config"]["Cmd"] == ["/f"]
    assert len(shown["Referrers"]) == 3
    assert "Untagged: app:latest" in lading.ok("rmi", "app")
    assert "Deleted" in lading.ok("rmi", digest)
    assert lading.ok("images", "-q") == ""


def test_images_tell_when_they_were_built(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    folder = context(tmp_path / "c", "FROM scratch\nCOPY f /f\n", f="x")
    lading.ok("build", "-q", "-t", "app", folder)
    lading.ok("build", "-q", "-t", "dated", folder, SOURCE_DATE_EPOCH="1700000000")
    statements = json.loads(lading.ok("provenance", "--format", "json", "app"))
    assert lading.ok("provenance", "-o", "json", "app") == lading.ok("provenance", "--json", "app")
    finished = next(
        item["statement"]["predicate"]["runDetails"]["metadata"]["finishedOn"]
        for item in statements
        if item["type"] == "slsaprovenance1"
    )
    shown = lading.ok("images", "--format", "{{.Repository}} {{.CreatedAt}}").splitlines()
    assert sorted(shown) == [f"app {finished}", "dated 2023-11-14T22:13:20Z"]
    assert json.loads(lading.ok("inspect", "app"))[0]["Created"] == "1980-01-01T00:00:00Z"
    (lading.root / "policy.yaml").unlink()  # nothing is judged for that, and nobody is asked
    assert f"app {finished}" in lading.ok("images", "--format", "{{.Repository}} {{.CreatedAt}}")


def test_verify_tells_three_failures_apart(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    folder = context(tmp_path / "c", "FROM scratch\nCOPY f /f\n", f="x")
    lading.ok("build", "-q", "-t", "app", folder)
    assert lading.ok("verify", "app").splitlines() == [
        "app  accepted by scope default (policy.yaml), from the local store",
        "  ok       signature by 'own'",
        "  base     stands on no base image: every layer was made by this build",
    ]
    assert "the manifest sha256:" in lading.ok("verify", "-v", "app")
    other = Lading(tmp_path / "other")
    other.ok("keygen")
    key = other.root / "keys/cosign.pub"
    refused = lading.call("verify", "--key", key, "app")
    assert refused.code == 3
    assert refused.err.splitlines() == [
        "lading: app  refused by scope default (cosign.pub)",
        f"  MISSING  signature by '{key}': 1 is attached, signed by a key this policy does not name",
        f"  hint: with -v, everything that was looked at is listed: `lading -v verify --key {key} app`",
    ]
    assert "does not count" in lading.call("-v", "verify", "--key", key, "app").err
    lading.fails(5, "verify", "--local", "nothing")
    lading.fails(5, "verify", "--policy", tmp_path / "none.yaml", "app")
    assert "hint" not in lading.call("verify", "--policy", tmp_path / "none.yaml", "app").err
    (tmp_path / "bad.yaml").write_text("version: 1\nversion: 1\n")
    lading.fails(5, "verify", "--policy", tmp_path / "bad.yaml", "app")
    said = lading.call("verify", "app", "nothing", "--local", "--key", key)
    assert said.code == 5


@pytest.mark.parametrize("option", ["--format", "--output", "-o"])
def test_verdicts_for_programs(lading: Lading, tmp_path: Path, option: str) -> None:
    lading.ok("keygen")
    other = Lading(tmp_path / "other")
    other.ok("keygen")
    lading.ok("build", "-q", "-t", "app", context(tmp_path / "c", "FROM scratch\nCOPY f /f\n", f="x"))

    def verdicts(*words: object) -> list[tuple[str, str, int, bool]]:
        said = lading.call("verify", option, "json", "--local", *words)
        found = [json.loads(line) for line in said.out.splitlines()]
        assert all(isinstance(one["reason"], str) for one in found)
        return [(one["image"], one["outcome"], one["exit_code"], one["accepted"]) for one in found]

    assert verdicts("app") == [("app", "accepted", 0, True)]
    refused = verdicts("--key", other.root / "keys/cosign.pub", "app", "nothing")
    assert refused == [("app", "refused", 3, False), ("nothing", "uncheckable", 5, False)]
    assert verdicts("--policy", tmp_path / "none.yaml", "app") == [("app", "uncheckable", 5, False)]
    (lading.root / "policy.yaml").write_text("version: 1\nscopes: {example.com: {reject: true}}\n")
    assert verdicts("app") == [("app", "refused", 3, False)]


def test_an_image_is_named_as_typed_and_as_understood(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"127.0.0.1:{server.getsockname()[1]}/app"
    for words in (("verify", gone), ("run", gone), ("build", context(tmp_path / "c", f"FROM {gone}\n"))):
        line = lading.fails(125 if words[0] == "run" else 5, *words)
        assert f"{gone} is not here, and {gone}:latest cannot be fetched: " in line
    assert f"{gone}:latest cannot be fetched: " in lading.fails(1, "pull", gone)
    assert "no image 'nosuch' here (docker.io/library/nosuch:latest)" in lading.fails(1, "tag", "nosuch", "x")
    (lading.root / "policy.yaml").write_text("version: 1\nscopes: {example.com: {reject: true}}\n")
    assert "nosuch: no scope of " in lading.fails(3, "verify", "nosuch")


def test_sign_and_attest_where_verify_looks(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    other = Lading(tmp_path / "other")
    other.ok("keygen")
    key, public = other.root / "keys/cosign.key", other.root / "keys/cosign.pub"
    lading.ok("build", "-q", "-t", "app", context(tmp_path / "c", "FROM scratch\nCOPY f /f\n", f="x"))
    lading.ok("sign", "--key", key, "-a", "env=prod", "app")
    assert "accepted" in lading.ok("verify", "--key", public, "-a", "env=prod", "app")
    lading.fails(3, "verify", "--key", public, "-a", "env=test", "app")
    (tmp_path / "predicate.json").write_text('{"scanner": "none"}')
    lading.ok("attest", "--key", key, "--type", "vuln", "--predicate", tmp_path / "predicate.json", "app")
    assert "accepted" in lading.ok("verify", "--key", public, "--type", "vuln", "app")
    (tmp_path / "predicate.json").write_text("[]")
    lading.fails(1, "attest", "--predicate", tmp_path / "predicate.json", "app")
    predicate = ("--predicate", tmp_path / "predicate.json")
    refused = lading.fails(2, "attest", "--type", "https://sigstore.dev/cosign/sign/v1", *predicate, "app")
    assert "signed, not attested" in refused


def test_provenance_in_words_as_json_and_drawn(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "app", context(tmp_path / "c", "FROM scratch\nCOPY f /f\n", f="x"))
    words = lading.ok("provenance", "app")
    assert "trusted by the policy" in words
    assert "urn:lading:builder:local" in words
    assert "COPY f /f" in words
    statements = json.loads(lading.ok("provenance", "--format", "json", "app"))
    assert lading.ok("provenance", "-o", "json", "app") == lading.ok("provenance", "--json", "app")
    assert {item["type"] for item in statements} == {"signature", "slsaprovenance1", "dag"}
    assert "COPY f /f" in lading.ok("provenance", "--graph", "app")
    lading.ok("provenance", "--svg", tmp_path / "dag.svg", "app")
    assert "COPY f /f" in (tmp_path / "dag.svg").read_text()


def test_provenance_tells_what_is_trusted_first(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    folder = context(tmp_path / "c", "FROM scratch\nCOPY f /f\n", f="x")
    for number in range(3):
        lading.ok("keygen", "-o", tmp_path / f"other{number}")
        lading.ok("build", "-q", "--no-cache", "-t", "app", "--sign-key", tmp_path / f"other{number}.key", folder)
    lading.ok("build", "-q", "--no-cache", "-t", "app", folder)
    words = lading.ok("provenance", "app")
    assert words.startswith("app: the manifest sha256:")
    assert words.rindex("trusted by the policy") < words.index("merely present")
    builds = re.findall(r"^Built \(([0-9a-f]{12})(, an untrusted statement)?\):$", words, re.MULTILINE)
    assert [said for _, said in builds] == ["", *[", an untrusted statement"] * 3]
    assert words.index("named by a trusted provenance") < words.index("NOT named by a trusted provenance")
    # Each is told with the steps that it names, and is one of the statements above.
    shown = re.findall(r"^(Built|Steps) \(([0-9a-f]{12})", words, re.MULTILINE)
    assert [kind for kind, _ in shown] == ["Built", "Steps"] * 4
    assert all(f"slsaprovenance1 ({digest})" in words for digest, _ in builds)
    named = {item["digest"][7:19]: item for item in json.loads(lading.ok("provenance", "--json", "app"))}
    for (_, build), (_, steps) in zip(shown[::2], shown[1::2], strict=True):
        byproducts = named[build]["statement"]["predicate"]["runDetails"]["byproducts"]
        assert byproducts[0]["digest"]["sha256"].startswith(steps)


def test_steps_have_the_numbers_that_the_build_told(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    text = "FROM scratch AS made\nARG A\nCOPY f /f\nENV B=c\nWORKDIR /\nWORKDIR /srv\n"
    folder = context(tmp_path / "c", f"{text}FROM scratch\nLABEL x=y\nCOPY --from=made /f /g\nCMD x\n", f="x")
    told = re.findall(
        r"^\[(\d)/3\] (?!done)\S+  (.*)$", lading.call("build", "--progress", "plain", "-t", "app", folder).err, re.M
    )
    assert told == [("1", "COPY f /f"), ("2", "WORKDIR /srv"), ("3", "COPY --from=made /f /g")]
    lines = lading.ok("provenance", "app").partition("\nSteps (")[2].splitlines()[1:]
    assert [(line[2:5].strip(), line[7:].split("  ")[0]) for line in lines if line[2:5].strip()] == told
    assert [line[:7] for line in lines if line[7:].startswith(("FROM", "ENV", "LABEL", "CMD"))] == [" " * 7] * 5
    drawn = lading.ok("provenance", "--graph", "app")
    assert "├■ 3: COPY --from=made /f /g" in drawn
    assert "◁ 2 (mount:from)" in drawn
    for number, words in told:
        assert lading.ok("why", "app", number).splitlines()[0] == f"{number:>3}  {words}"


def test_a_drawing_keeps_its_lanes_at_a_terminal(lading: Lading, tmp_path: Path) -> None:
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "app", context(tmp_path / "c", f"FROM scratch\nCOPY {'f ' * 60}/d/\n", f="x"))
    with lading_at(lading, "provenance", "--graph", "app") as shown:
        assert shown.end() == 0
    assert max(map(len, shown.lines)) < 80
    assert all(line[0] in "┌├│└" for line in shown.lines)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(lading: Lading, shell: str) -> None:
    assert "_LADING_COMPLETE" in lading.ok("completion", shell)


def test_a_missing_shell_is_one_line(lading: Lading) -> None:
    assert lading.fails(2, "completion") == "lading: missing argument 'bash|zsh|fish'"


def test_bash_completes_commands_and_options() -> None:
    def complete(words: str, position: int) -> list[str]:
        said = subprocess.run(
            [LADING],
            env={"_LADING_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(position), "HOME": "/"},
            capture_output=True,
            text=True,
            check=False,
        )
        return said.stdout.split()

    assert complete("lading bu", 1) == ["build", "builder"]
    assert "--no-cache" in complete("lading build --no", 2)


def test_a_closed_pipe_is_no_error(lading: Lading) -> None:
    script = f"{LADING} --help | true; echo ${{PIPESTATUS[0]}}"
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.strip() in ("0", "1", "141")
    assert "Traceback" not in said.stderr


def test_outside_words_cannot_draw_on_the_terminal() -> None:
    assert escape("a\x1b[31mb\u202ec\nd\x9be\u200bf") == "a\\x1b[31mb\\u202ec\\nd\\x9be\\u200bf"
    assert escape("\u00fcml\u00e4ut \u2713") == "\u00fcml\u00e4ut \u2713"


@pytest.mark.parametrize(
    ("text", "base", "count"),
    [
        ("0", 1000, 0),
        ("20GB", 1000, 20 * 10**9),
        ("20 GiB", 1000, 20 << 30),
        ("1.5m", 1024, 3 << 19),
        (".5g", 1024, 1 << 29),
        ("64K", 1024, 64 << 10),
        ("1tb", 1024, 1 << 40),
        ("1099511627776b", 1024, 1 << 40),
    ],
)
def test_sizes_as_they_are_given(text: str, base: int, count: int) -> None:
    assert byte_count(text, "--size", base=base) == count


@pytest.mark.parametrize("text", ["", "k", "-1", "1e9", "1kk", "1 0", "٣", "9" * 20, "."])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--size=.*: expected a size"):
        byte_count(text, "--size")
    with pytest.raises(UsageError, match=r"^--memory .*: expected a number and b, k, m or g"):
        byte_count(text, "--memory", base=1024)


def test_sizes_and_ages_as_docker_shows_them() -> None:
    assert [size(count) for count in (0, 999, 1000, 1_500_000, 2_340_000_000)] == [
        "0B",
        "999B",
        "1kB",
        "1.5MB",
        "2.34GB",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [  # what docker's own HumanDuration says
        (-5, "Less than a second"),
        (0.5, "Less than a second"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "About an hour"),
        (5399, "About an hour"),
        (5400, "2 hours"),
        (86400 * 2 - 1801, "47 hours"),
        (86400 * 2 - 1800, "2 days"),
        (86400 * 14 - 3600, "13 days"),
        (86400 * 14, "2 weeks"),
        (86400 * 59, "8 weeks"),
        (86400 * 60, "2 months"),
        (86400 * 729, "24 months"),
        (86400 * 730, "2 years"),
        (86400 * (365 * 46 + 3), "46 years"),
    ],
)
def test_ages_as_docker_shows_them(seconds: float, shown: str) -> None:
    assert age(seconds) == shown


def test_help_is_made_without_the_heavy_parts() -> None:
    code = "import sys\nfrom lading.cli.main import call\ncall(['--help'])\nprint('MODULES', *sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(said.rpartition("MODULES")[2].split())
    assert not loaded & {"httpx", "rich", "zstandard", "yaml", "cryptography", "granian", "lading.host.host"}
