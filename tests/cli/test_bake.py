"""`lading bake`: images of a bake file, built together, signed each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suites.commands import Lading, busybox, context
from suites.machine import needs
from suites.registry_server import start_server

pytestmark = needs("root", "overlay")

TWO = {
    "group": {"default": {"targets": ["one", "two"]}},
    "variable": {"TAG": {"default": "v"}},
    "target": {
        "one": {"context": "a", "tags": ["localhost/one:1"], "labels": {"kind": "${TAG}"}},
        "two": {"context": "b", "contexts": {"base": "target:one"}, "tags": ["localhost/two:${TAG}"]},
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    lading = Lading(tmp_path_factory.mktemp("bake") / "root")
    lading.ok("keygen")
    return lading


@pytest.fixture
def lading(made: Lading, tmp_path: Path) -> Lading:
    context(tmp_path / "a", "FROM scratch\nCOPY f /f\n", f="first")
    context(tmp_path / "b", "FROM base\nCOPY g /g\n", g="second")
    return Lading(made.root, folder=tmp_path)


def written(lading: Lading, text: str, name: str = "docker-bake.hcl") -> Lading:
    assert lading.folder is not None
    (lading.folder / name).write_text(text)
    return lading


def built(said: str) -> dict[str, str]:
    """Digests by target."""
    return {line.split()[1]: line.split()[0] for line in said.splitlines()}


def test_two_targets_are_built_and_signed_and_one_stands_on_the_other(lading: Lading) -> None:
    written(lading, json.dumps(TWO), "docker-bake.json")
    digests = built(lading.ok("bake", "--metadata-file", "out.json", TAG="w"))
    assert set(digests) == {"one", "two"}
    lading.ok("verify", "localhost/one:1", "localhost/two:w")
    (two,) = json.loads(lading.ok("inspect", "localhost/two:w"))
    assert two["Id"] == digests["two"] or two["Digest"] == digests["two"]
    assert lading.folder is not None
    told = json.loads((lading.folder / "out.json").read_text())
    assert {name: one["containerimage.digest"] for name, one in told.items()} == digests
    (one,) = json.loads(lading.ok("inspect", "localhost/one:1"))
    assert two["RootFS"]["Layers"][:1] == one["RootFS"]["Layers"]
    assert built(lading.ok("bake", "two", TAG="w")) == {"two": digests["two"]}


def test_several_platforms_make_an_index_and_what_stands_on_it_takes_its_own(lading: Lading) -> None:
    written(
        lading,
        'target "base" {\n  context = "a"\n  platforms = ["linux/amd64", "linux/arm64"]\n}\n'
        'target "default" {\n  context = "b"\n  contexts = { base = "target:base" }\n'
        '  platforms = ["linux/arm64"]\n  tags = ["localhost/arm:1"]\n}\n',
    )
    lading.ok("bake")
    (found,) = json.loads(lading.ok("inspect", "localhost/arm:1"))
    assert found["Architecture"] == "arm64"
    assert len(found["RootFS"]["Layers"]) == 2
    digest = built(lading.ok("bake", "base"))["base"]
    kinds = json.loads(lading.ok("inspect", "--raw", digest))
    assert [one["platform"]["architecture"] for one in kinds["manifests"]] == ["amd64", "arm64"]


def test_compose_files_are_baked(lading: Lading) -> None:
    written(
        lading,
        "services:\n  web:\n    image: localhost/web:1\n    build:\n      context: b\n"
        "      additional_contexts: {base: 'service:db'}\n  db:\n    build: a\n",
        "compose.yaml",
    )
    assert set(built(lading.ok("bake"))) == {"db", "web"}
    lading.ok("verify", "localhost/web:1")


@pytest.mark.parametrize(
    "fields",
    [
        'context = "http://../../../../../../../../etc"',
        'context = "a"\n  contexts = { x = "http://../../../../../../../../etc" }',
        'context = "a"\n  contexts = { x = "cwd:///etc" }',
        'context = "a"\n  dockerfile = "/etc/passwd"',
        'context = "a"\n  dockerfile = "link"',
        'context = "a"\n  secret = ["id=x,src=/etc/passwd"]',
        'context = "a"\n  secret = ["id=/etc/passwd"]',
        'context = "a"\n  cache-from = ["type=local,src=/etc"]',
        'context = "a"\n  cache-to = ["type=local,dest=/etc/x"]',
        'context = "a"\n  output = ["/etc"]',
    ],
)
def test_no_field_leads_out_of_the_folder(lading: Lading, tmp_path: Path, fields: str) -> None:
    """Not a name that looks like a URL either."""
    (tmp_path / "http:").mkdir()
    (tmp_path / "a/link").symlink_to("/etc/passwd")
    written(lading, f'target "default" {{\n  {fields}\n}}\n')
    assert "which is outside of this folder" in lading.fails(1, "bake")


def test_whose_ssh_keys_a_file_names_is_for_the_caller_to_allow(lading: Lading) -> None:
    written(lading, 'target "default" {\n  context = "a"\n  ssh = ["default=/etc/passwd"]\n}\n')
    assert "asks for ssh" in lading.fails(1, "bake")
    assert "wants to read /etc/passwd, which is outside" in lading.fails(1, "bake", "--allow", "ssh")
    said = lading.fails(2, "bake", "--allow", "ssh", "--allow", "fs.read=/etc/passwd")
    assert "/etc/passwd: neither the socket of an agent nor a private key" in said


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ('ssh = ["default"]', "asks for ssh"),
        ('network = "host"', "asks for network.host"),
        ('entitlements = ["security.insecure"]', "asks for security.insecure"),
        ('entitlements = ["device"]', "device is not supported"),
        ("policy = []", "policy is not supported"),
        ('call = "outline"', "call outline is not supported"),
        ('attest = ["type=vuln"]', "attest vuln is not supported"),
        ('context = "-"', "standard input is neither"),
    ],
)
def test_refused_by_name(lading: Lading, fields: str, said: str) -> None:
    written(lading, f'target "default" {{\n  {fields}\n}}\n')
    assert said in lading.fails(1, "bake")


def test_a_failure_is_told_with_its_place(lading: Lading) -> None:
    written(lading, 'target "default" {\n  context = "a"\n  tags = [nothing]\n}\n')
    said = lading.fails(1, "bake")
    assert said == "lading: docker-bake.hcl:3:11: there is no variable named 'nothing'"


def test_no_file_and_no_target(lading: Lading) -> None:
    assert "there is no bake file here" in lading.fails(1, "bake")
    written(lading, 'target "app" {\n  context = "a"\n}\n')
    assert "there is no target 'default'" in lading.fails(1, "bake")
    assert "there is no target 'apq' (did you mean app?)" in lading.fails(1, "bake", "apq")


def test_what_lies_outside_is_for_the_caller_to_allow(lading: Lading, tmp_path: Path) -> None:
    outside = context(tmp_path.parent / f"{tmp_path.name}-outside", "FROM scratch\nCOPY f /f\n", f="x")
    written(lading, f'target "default" {{\n  context = "{outside}"\n}}\n')
    assert "wants to read" in lading.fails(1, "bake")
    assert set(built(lading.ok("bake", "--allow", f"fs.read={outside}"))) == {"default"}


def test_what_a_compose_file_names_outside_is_for_the_caller_to_allow_too(lading: Lading, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside.env"
    outside.write_text("TOKEN=verysecret\n")
    compose = f"services: {{a: {{build: {{context: ., args: [TOKEN]}}, env_file: {outside}}}}}\n"
    written(lading, compose, "compose.yaml")
    said = lading.fails(1, "bake", "--print")
    assert f"a Compose file wants to read {outside}, which is outside of this folder" in said
    assert "verysecret" in lading.ok("bake", "--print", "--allow", f"fs.read={outside}")
    outside.write_text("verysecret words\n")
    assert "verysecret" not in lading.fails(1, "bake", "--print", "--allow", f"fs.read={outside}")


def test_outputs_are_written_and_bounded(lading: Lading, tmp_path: Path) -> None:
    written(lading, 'target "default" {\n  context = "a"\n  output = ["type=local,dest=out"]\n}\n')
    lading.ok("bake")
    assert (tmp_path / "out/f").read_text() == "first"
    written(lading, 'target "default" {\n  context = "a"\n  output = ["type=local,dest=/elsewhere"]\n}\n')
    assert "wants to write /elsewhere" in lading.fails(1, "bake")


def test_what_targets_share_is_executed_once(lading: Lading, tmp_path: Path) -> None:
    """Also where nothing of the cache may be used."""
    context(
        tmp_path / "c",
        "FROM scratch AS shared\nCOPY f /f\nFROM shared AS x\nCOPY f /x\nFROM shared AS y\nCOPY f /y\n",
        f="c",
    )
    written(
        lading,
        'group "default" {\n  targets = ["x", "y"]\n}\n'
        'target "x" {\n  context = "c"\n  target = "x"\n}\n'
        'target "y" {\n  context = "c"\n  target = "y"\n}\n',
    )
    said = lading.call("bake", "--no-cache", "--progress", "json").err
    events = [json.loads(line) for line in said.splitlines()]
    built_events = [event for event in events if event["event"] == "built"]
    assert [event["target"] for event in built_events] == ["x", "y"]
    assert all(event["digest"].startswith("sha256:") for event in built_events)
    assert {event["stage"].partition("/")[0] for event in events if event["event"] == "finished"} == {"x", "y"}
    started = [event["text"] for event in events if event["event"] == "started"]
    assert len([text for text in started if "/f" in text]) == 1, started


def test_the_first_failure_is_the_one_that_is_told_and_ends_the_others(lading: Lading, tmp_path: Path) -> None:
    busybox(tmp_path / "d", "RUN exit 3\n")
    busybox(tmp_path / "e", "RUN sleep 1000\n")
    written(
        lading,
        'group "default" {\n  targets = ["long", "wrong"]\n}\n'
        'target "long" {\n  context = "e"\n}\ntarget "wrong" {\n  context = "d"\n}\n',
    )
    said = lading.fails(1, "bake", "--jobs", "4")
    assert said.startswith("lading: target wrong: ")
    assert "RUN exit 3: exit code 3" in said


@pytest.mark.parametrize(
    "fields",
    [
        'context = "a"\n  tags = ["UPPER"]',
        'context = "a"\n  platforms = ["a/b/c/d"]',
        'context = "a"\n  annotations = ["index:a=b"]',
        'context = "a"\n  ulimits = ["nofile=x"]',
        'context = "a"\n  output = ["type=what"]',
        'context = "ssh://x/y.git#-ref"',
        'context = "a"\n  dockerfile-inline = "FROM"',
        'context = "a"\n  output = ["type=oci,dest=a"]',
        'context = "a"\n  tags = ["localhost:1/x:1"]\n  output = ["type=registry"]',
    ],
)
def test_an_error_says_whose_it_is(lading: Lading, fields: str) -> None:
    """Of what a file says, of the build, and of where its image goes."""
    written(lading, f'target "app" {{\n  {fields}\n}}\n')
    said = lading.call("bake", "app")
    assert said.code in (1, 2)
    (line,) = [line for line in said.err.splitlines() if line.startswith("lading: ")]
    assert line.startswith("lading: target app: ")


@pytest.mark.parametrize(
    "words",
    [
        ["https://user:secret@example.com/app.git#main", "app"],
        ["git@example.com:app.git"],
        ["-f", "https://example.com/docker-bake.hcl"],
    ],
)
def test_files_that_are_elsewhere_are_not_read(lading: Lading, words: list[str]) -> None:
    said = lading.fails(2, "bake", *words)
    assert "not from a URL or a git repository" in said
    assert "secret" not in said


def test_steps_are_executed_under_the_isolation_of_the_call(lading: Lading, tmp_path: Path) -> None:
    busybox(tmp_path / "d", "RUN echo x > /x\n")
    written(lading, 'target "default" {\n  context = "d"\n  tags = ["localhost/changed:1"]\n}\n')
    assert "expected one of auto" in lading.fails(2, "bake", "--isolation", "what")
    lading.ok("bake", "--isolation", "chroot")
    assert "executed under chroot" in lading.ok("provenance", "localhost/changed:1")


def test_checks_of_what_stands_on_others_need_no_build(lading: Lading, tmp_path: Path) -> None:
    (tmp_path / "b/Dockerfile").write_text("from base\nCOPY g /g\n")
    written(lading, json.dumps(TWO), "docker-bake.json")
    said = lading.call("bake", "--check")
    assert said.code == 1
    assert "ConsistentInstructionCasing" in said.out or "FromAsCasing" in said.out, said.out
    (tmp_path / "b/Dockerfile").write_text("FROM base\nCOPY g /g\n")
    assert lading.call("bake", "--check").code == 0


def test_lists(lading: Lading) -> None:
    written(
        lading,
        'variable "TAG" {\n  default = "x"\n  description = "the tag"\n}\nvariable "L" {\n  type = list(string)\n}\n'
        'group "all" {\n  targets = ["b", "a"]\n}\n'
        'target "a" {\n  description = "first"\n}\ntarget "b" {}\ntarget "_private" {}\n',
    )
    rows = [line.split() for line in lading.ok("bake", "--list", "targets").splitlines()]
    assert rows == [["TARGET", "DESCRIPTION"], ["a", "first"], ["all", "a,", "b"], ["b"]]
    assert [line.split() for line in lading.ok("bake", "--list", "groups").splitlines()[1:]] == [["all", "a,", "b"]]
    found = json.loads(lading.ok("bake", "--list", "type=variables,format=json"))
    assert found == [
        {"name": "L", "type": "list of string"},
        {"name": "TAG", "value": "x", "description": "the tag"},
    ]
    assert "expected targets, variables or groups" in lading.fails(2, "bake", "--list", "what")


def test_pushed_under_every_tag_with_the_key_of_the_call(lading: Lading, tmp_path: Path) -> None:
    server = start_server(tmp_path / "registry")
    try:
        names = [f"{server.address}/x:1", f"{server.address}/y:2"]
        written(lading, f'target "default" {{\n  context = "a"\n  tags = {json.dumps(names)}\n}}\n')
        lading.ok("bake", "--push", "--sbom")
        lading.ok("verify", "--remote", *names)
    finally:
        server.stop()


@needs("crun", "conmon", "busybox")
@pytest.mark.parametrize("secret", ['"type=env,id=S"', '"id=S"', '{ type = "env", id = "S" }'])
def test_a_secret_named_by_its_id_alone_is_the_variable_of_that_name(lading: Lading, secret: str) -> None:
    assert lading.folder is not None
    busybox(lading.folder / "c", "RUN --mount=type=secret,id=S,env=S test $S = hey\n")
    written(lading, f'target "default" {{\n  context = "c"\n  secret = [{secret}]\n}}\n')
    lading.ok("bake", S="hey")


def test_platforms_may_stand_in_one_word(lading: Lading) -> None:
    fields = 'platforms = ["linux/amd64,linux/arm64"]\n  output = ["type=local,dest=out"]'
    written(lading, f'target "default" {{\n  context = "a"\n  {fields}\n}}\n')
    lading.ok("bake")
    assert lading.folder is not None
    assert sorted(path.name for path in (lading.folder / "out").iterdir()) == ["linux_amd64", "linux_arm64"]
    lading.ok("bake", "--set", "*.platform=local,linux/arm64")
    assert "'bogus': unknown operating system" in lading.fails(1, "bake", "--set", "*.platform=linux/amd64,bogus")
