"""What `images`, `history`, `inspect`, `ps` and `version` show: docker's columns, fields, filters and templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from suites.commands import Lading, busybox, context
from suites.machine import needs
from suites.screen import lading_at

DOCKERFILE = """FROM scratch
COPY f /f
LABEL a=1 b.c="two words"
ENV X=y
COPY g /a/rather/long/name/that/is/cut/where/a/list/shows/it
CMD ["/f", "x"]
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Lading:
    folder = tmp_path_factory.mktemp("lists")
    made = Lading(folder / "root")
    made.ok("keygen")
    made.ok("build", "-q", "-t", "app", context(folder / "context", DOCKERFILE, f="x", g="y" * 1500))
    made.ok("tag", "app", "localhost/other:v1")
    return made


def test_images_as_docker_lists_them(images: Lading) -> None:
    whole = images.ok("images", "-q", "--no-trunc").strip()
    short = whole.removeprefix("sha256:")[:12]
    heads, *rows = images.ok("images").splitlines()
    assert heads.split("  ")[0] == "REPOSITORY"
    assert [row.split()[:3] for row in rows] == [["localhost/other", "v1", short], ["app", "latest", short]]
    assert whole in images.ok("images", "--digests").splitlines()[1]
    assert images.ok("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "app") == f"app:latest {short}"
    assert images.ok("images", "--format", "table {{.Tag}}\\t{{.Digest}}").splitlines()[0] == "TAG       DIGEST"
    rows = [json.loads(line) for line in images.ok("images", "--format", "json").splitlines()]
    assert {(row["Repository"], row["ID"]) for row in rows} == {("app", short), ("localhost/other", short)}


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["reference=app"], ["app"]),
        (["reference=localhost/*"], ["localhost/other"]),
        (["reference=*/*:v?"], ["localhost/other"]),
        (["reference=*"], ["app"]),
        (["reference=nothing"], []),
        (["label=a"], ["localhost/other", "app"]),
        (["label=a=1", "label=b.c=two words"], ["localhost/other", "app"]),
        (["label=a=1", "label=nope"], []),
        (["label!=nope", "label!=a=2"], ["localhost/other", "app"]),
        (["label!=nope", "label!=a"], []),
        (["dangling=true"], []),
        (["dangling=false", "reference=app"], ["app"]),
        (["until=1h30m"], []),
        (["until=2999-12-31T00:00:00Z"], ["localhost/other", "app"]),
        (["until=1979-12-31T00:00:00Z"], []),
        (["since=app"], []),
    ],
)
def test_images_filters(images: Lading, filters: list[str], found: list[str]) -> None:
    words = [word for text in filters for word in ("--filter", text)]
    assert images.ok("images", *words, "--format", "{{.Repository}}").split() == found


@pytest.mark.parametrize("verb", ["images", "ps"])
@pytest.mark.parametrize("word", ["nope=1", "label", "dangling=perhaps", "status=perhaps", "until=soon", "name=*"])
def test_a_filter_that_means_nothing(images: Lading, verb: str, word: str) -> None:
    images.fails(2, verb, "--filter", word)


def test_history_as_docker_lists_it(images: Lading) -> None:
    short = images.ok("images", "-q")
    heads, *rows = images.ok("history", "app").splitlines()
    assert re.split(r" {2,}", heads) == ["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]
    cells = [re.split(r" {2,}", row) for row in rows]
    assert [row[0] for row in cells] == [short, *["<missing>"] * 4]
    assert [row[2].split()[0] for row in cells] == ["CMD", "COPY", "ENV", "LABEL", "COPY"]
    assert cells[1][2] == "COPY g /a/rather/long/name/that/is/cut/where…"
    assert [row[3] == "0B" for row in cells] == [True, False, True, True, False]
    assert images.ok("history", "-q", "app").split() == [short, *["<missing>"] * 4]
    plain = [json.loads(line) for line in images.ok("history", "--no-human", "--format", "json", "app").splitlines()]
    (shown,) = json.loads(images.ok("inspect", "app"))
    assert [int(row["Size"]) for row in plain if row["Size"] != "0"] == [part["size"] for part in shown["Layers"]][::-1]
    assert "by/a/list" not in images.ok("history", "app")
    assert "/where/a/list/shows/it" in images.ok("history", "--no-trunc", "--format", "{{.CreatedBy}}", "app")


def test_templates_of_an_image(images: Lading) -> None:
    def shown(template: str) -> str:
        return images.ok("inspect", "-f", template, "app")

    digest = images.ok("images", "-q", "--no-trunc")
    assert shown("{{.Id}} {{.ID}}") == f"{digest} {digest}"
    assert shown('{{index .Config.Labels "b.c"}} {{.Config.Labels.a}} {{len .Layers}}') == "two words 1 2"
    assert shown("{{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.Volumes}}") == "[] [/f x] map[]"
    assert "X=y" in shown("{{range .Config.Env}}{{println .}}{{end}}").splitlines()
    assert json.loads(shown("{{json .RootFS.Layers}}"))[0].startswith("sha256:")
    assert json.loads(images.ok("inspect", "--format", "json", "app"))[0]["Id"] == digest


def test_the_rest_is_shown_where_one_is_unknown(images: Lading) -> None:
    said = images.call("inspect", "-f", "{{.Os}}", "nothing", "app", "none", "localhost/other:v1")
    assert (said.code, said.out) == (1, "linux\nlinux\n")
    assert [line[:7] for line in said.err.splitlines()] == ["lading:", "lading:"]
    said = images.call("inspect", "nothing", "app")
    assert (said.code, len(json.loads(said.out))) == (1, 1)
    said = images.call("inspect", "nothing")
    assert (said.code, json.loads(said.out)) == (1, [])
    images.fails(1, "inspect", "--type", "container", "app")
    images.fails(2, "inspect", "--type", "cake", "app")


@pytest.mark.parametrize("template", ["{{.Nope}}", "{{.Config.Nope}}", "{{index .Layers 9}}", "{{.Os.Nope}}"])
def test_a_template_that_does_not_fit(images: Lading, template: str) -> None:
    assert "--format: " in images.fails(1, "inspect", "-f", template, "app")


@pytest.mark.parametrize("verb", [["inspect", "app", "-f"], ["images", "--format"], ["ps", "--format"]])
def test_a_template_that_is_none_is_said_before_anything_is_done(images: Lading, verb: list[str]) -> None:
    images.fails(2, *verb, "{{.ID")
    if verb[0] != "inspect":
        images.fails(2, *verb, "xml")


def test_a_label_draws_on_no_terminal_and_reaches_a_program_whole(images: Lading, tmp_path: Path) -> None:
    wild = "\x1b[31mred\u202e"
    images.ok(
        "build", "-q", "-t", "wild", "--label", f"w={wild}", context(tmp_path, "FROM scratch\nCOPY f /f\n", f="x")
    )
    words = ["inspect", "-f", '{{index .Config.Labels "w"}}', "wild"]
    assert images.ok(*words) == wild
    with lading_at(images, *words) as shown:
        assert shown.end() == 0
        assert shown.raw.decode() == "\\x1b[31mred\\u202e\r\n"
    images.ok("rmi", "wild")


def test_version_by_a_template(images: Lading) -> None:
    number = images.ok("version").split()[1]
    assert images.ok("version", "--format", "{{.Client.Version}} {{.Server.Version}}") == f"{number} {number}"
    assert json.loads(images.ok("version", "-f", "json"))["Client"]["Version"] == number


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lading]:
    folder = tmp_path_factory.mktemp("containers")
    made = Lading(folder / "root")
    made.ok("keygen")
    made.ok("build", "-q", "-t", "bb", busybox(folder / "context", "LABEL of=image\n"))
    run = ["run", "--network", "none"]
    made.ok(
        *run, "-d", "--name", "web", "--label", "x=1", "-v", "kept:/data", "bb", "sh", "-c", "echo hi >/f; sleep 999"
    )
    assert made.call(*run, "--name", "three", "bb", "sh", "-c", "exit 3").code == 3
    assert made.call(*run, "--name", "nought", "bb", "true").code == 0
    yield made
    for container in made.ok("ps", "-aq").split():
        made.call("rm", "-fv", container)


def names(lading: Lading, *words: str) -> list[str]:
    return lading.ok("ps", *words, "--format", "{{.Names}}").split()


@needs("root", "overlay", "crun", "conmon", "busybox")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], ["web"]),
        (["-a"], ["nought", "three", "web"]),
        (["-l"], ["nought"]),
        (["-n", "2"], ["nought", "three"]),
        (["-f", "status=exited"], ["nought", "three"]),
        (["-f", "status=exited", "-f", "status=running"], ["nought", "three", "web"]),
        (["-f", "exited=3"], ["three"]),
        (["-a", "-f", "name=^t"], ["three"]),
        (["-a", "-f", "label=of=image", "-f", "label=x"], ["web"]),
        (["-a", "-f", "label!=x", "-f", "label=of"], ["nought", "three"]),
        (["-a", "-f", "ancestor=docker.io/library/bb:latest"], ["nought", "three", "web"]),
        (["-a", "-f", "ancestor=bb", "-f", "volume=kept"], ["web"]),
        (["-a", "-f", "volume=/data"], ["web"]),
        (["-a", "-f", "network=none"], ["nought", "three", "web"]),
        (["-a", "-f", "network=default"], []),
        (["-a", "-f", "before=three"], ["web"]),
        (["-a", "-f", "since=three"], ["nought"]),
        (["-a", "-f", "publish=80"], []),
    ],
)
def test_which_containers_are_listed(containers: Lading, words: list[str], found: list[str]) -> None:
    assert names(containers, *words) == found


@needs("root", "overlay", "crun", "conmon", "busybox")
def test_containers_by_id_and_template(containers: Lading) -> None:
    whole = containers.ok("ps", "-q", "--no-trunc")
    assert names(containers, "-f", f"id={whole[:5]}") == ["web"]
    assert (
        containers.ok("ps", "--format", '{{.ID}} {{.State}} {{.Label "x"}} {{.Mounts}}')
        == f"{whole[:12]} running 1 kept"
    )
    table = containers.ok("ps", "-a", "--format", 'table {{.Names}}\\t{{.Label "x"}}').splitlines()
    assert table == ["NAMES     x", "nought    ", "three     ", "web       1"]
    assert containers.ok("ps", "--format", "{{range .}}<{{.Names}}>{{end}}") == "<web>"
    assert json.loads(containers.ok("ps", "--format", "json"))["Names"] == "web"
    heads, row = containers.ok("ps", "-s").splitlines()
    assert heads.endswith("SIZE")
    assert re.search(r"3B \(virtual \d\S*B\)$", row)
    said = containers.ok(
        "inspect", "-s", "-f", "{{.State.Running}} {{.SizeRw}} {{range .Mounts}}{{.Name}}{{end}}", "web"
    )
    assert said == "true 3 kept"


def test_a_table_fits_a_narrow_window(images: Lading) -> None:
    step = "COPY g /a/rather/long/name/that/is/cut/where/a/list/shows/it"
    with lading_at(images, "history", "app", columns=80) as shown:
        assert shown.end() == 0
    assert len(shown.lines) == len(images.ok("history", "app").splitlines())
    assert max(map(len, shown.lines)) <= 80
    assert step[:10] in shown.text
    with lading_at(images, "history", "--no-trunc", "app", columns=250) as shown:
        assert shown.end() == 0
    assert step in shown.text
    assert f"{step[:44]}…" in images.ok("history", "app")


def test_what_takes_room_fits_a_narrow_window(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    folder = context(tmp_path / ("long" * 20), "FROM scratch\nCOPY f /f\n", f="x")
    while " context " not in lading.ok("system", "df", "-v"):  # a folder that changed just now is not remembered
        lading.ok("build", "-q", folder)
    with lading_at(lading, "system", "df", "-v", rows=60) as shown:
        assert shown.end() == 0
    assert max(map(len, shown.lines)) <= 80
    assert " context " in shown.text
    assert "long" * 20 in lading.ok("system", "df", "-v")


def test_history_shows_when_a_reproducible_image_was_built(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    lading.ok("build", "-q", "-t", "app", context(tmp_path / "c", "FROM scratch\nCOPY file /file\n", file="x"))
    config = json.loads(lading.ok("inspect", "--format", "{{.Created | json}}", "app"))
    assert config.startswith("1980")
    ((made, *_),) = {tuple(lading.ok("images", "--format", "{{.CreatedAt}}").splitlines())}
    assert lading.ok("history", "--format", "{{.CreatedAt}}", "app").splitlines() == [made]
    assert not made.startswith("1980")
