"""Whole builds, from a folder to an image in a store."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.build.errors import DockerfileError, StepError
from lading.store.archives.compression import MEDIA_TYPES
from lading.store.archives.layers import open_archive, write_layer
from lading.store.archives.trees import scan
from lading.store.content.blobs import read_blob
from lading.store.errors import DocumentError, InputError
from lading.store.exchange.rewritten_layers import rewrite_layer
from lading.store.oci.descriptors import Descriptor
from lading.verify.keys.keys import PrivateKey
from suites.building import Bench, Key, busybox, write
from suites.images import put_manifest
from suites.machine import needs
from suites.patience import until

pytestmark = needs("root", "overlay", "busybox")


@pytest.fixture
def key() -> Key:
    return Key(PrivateKey.generate())


@pytest.fixture
def bench(tmp_path: Path, key: Key) -> Iterator[Bench]:
    bench = Bench(tmp_path / "store", key)
    yield bench
    bench.close()


@pytest.fixture
def based(bench: Bench, tmp_path: Path) -> Bench:
    bench.build(busybox(tmp_path / "base"), names=("localhost/base:latest",))
    bench.executor.runs = 0
    return bench


def _config(bench: Bench, context: Path, **options: object) -> dict[str, object]:
    image = bench.build(context, **options).descriptor
    return dict(json.loads(read_blob(bench.store.blobs, bench.manifest(image).config.digest)))


def test_a_file_on_nothing(bench: Bench, tmp_path: Path, key: Key) -> None:
    context = write(tmp_path / "context", {"Dockerfile": "FROM scratch\nCOPY hello /greeting/\n", "hello": "hi\n"})
    built = bench.build(context, names=("localhost/app:latest",))
    files = bench.files(built.descriptor)
    assert files["greeting"] == ("0o40755", 0, 0, None)
    assert files["greeting/hello"][3] == b"hi\n"
    found = bench.store.reference("localhost/app:latest")
    assert found
    assert found.descriptor.digest == built.descriptor.digest
    assert len(bench.store.referrers(built.descriptor.digest)) == 3
    opened = key.opened
    again = bench.build(context, names=("localhost/app:latest",))
    assert again.reused
    assert again.descriptor == built.descriptor
    assert again.attestations == built.attestations
    assert key.opened == opened


def test_config_and_history(bench: Bench, tmp_path: Path) -> None:
    text = """\
        FROM scratch
        ARG VERSION=1
        ENV A=$VERSION B="two words"
        LABEL a=b
        COPY --chown=1:2 hello /h
        WORKDIR /w
        USER 5:6
        EXPOSE 80 53/udp
        VOLUME /data
        SHELL ["/bin/bash", "-c"]
        ENTRYPOINT ["/h"]
        CMD echo x
        STOPSIGNAL SIGINT
        HEALTHCHECK --interval=90s --retries=2 CMD /h
        MAINTAINER me
        """
    context = write(tmp_path / "c", {"Dockerfile": text.replace("        ", ""), "hello": ""})
    config = _config(bench, context, labels={"c": "d"}, arguments={"VERSION": "7"})
    assert config["architecture"] == "amd64"
    assert config["author"] == "me"
    assert config["created"] == "1980-01-01T00:00:00Z"
    assert config["config"] == {
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=7", "B=two words"],
        "Labels": {"a": "b", "c": "d"},
        "WorkingDir": "/w",
        "User": "5:6",
        "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}},
        "Shell": ["/bin/bash", "-c"],
        "Entrypoint": ["/h"],
        "Cmd": ["/bin/bash", "-c", "echo x"],
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD-SHELL", "/h"], "Interval": 90_000_000_000, "Retries": 2},
    }
    history = config["history"]
    assert isinstance(history, list)
    assert [entry["created_by"] for entry in history] == [
        "ARG VERSION=7",
        "ENV A=7 B=two words",
        "LABEL a=b",
        "COPY --chown=1:2 hello /h",
        "WORKDIR /w",
        "USER 5:6",
        "EXPOSE [53/udp 80/tcp]",
        "VOLUME [/data]",
        "SHELL [/bin/bash -c]",
        'ENTRYPOINT ["/h"]',
        'CMD ["/bin/bash" "-c" "echo x"]',
        "STOPSIGNAL SIGINT",
        "HEALTHCHECK {Test:[CMD-SHELL /h] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}",
        "MAINTAINER me",
    ]
    assert [entry.get("empty_layer", False) for entry in history] == [True] * 3 + [False] * 2 + [True] * 9


@pytest.mark.parametrize("told", [0, 1, 2])
def test_history_stands_beside_its_layers_where_a_base_has_none(bench: Bench, tmp_path: Path, told: int) -> None:
    """Who reads an image counts the lines that are not empty; a base may lack some or all."""
    below = write(tmp_path / "below", {"Dockerfile": "FROM scratch\nCOPY a /\nCOPY b /\n", "a": "", "b": ""})
    manifest = bench.manifest(bench.build(below).descriptor)
    config = json.loads(read_blob(bench.store.blobs, manifest.config.digest))
    config["history"] = config["history"][:told]
    layers = [layer.json() for layer in manifest.layers]
    base = put_manifest(bench.store, json.dumps(config).encode(), manifest.config.media_type, layers)
    bench.store.tag("localhost/base:latest", base)
    above = write(tmp_path / "above", {"Dockerfile": "FROM base\nENV A=1\nCOPY c /\n", "c": ""})
    history = _config(bench, above)["history"]
    assert isinstance(history, list)
    lines = [entry.get("created_by") for entry in history if not entry.get("empty_layer")]
    assert lines == ["COPY a /", "COPY b /"][:told] + [None] * (2 - told) + ["COPY c /"]


def test_runs_commands_on_a_base(based: Bench, tmp_path: Path) -> None:
    text = """\
FROM base AS make
ARG TOKEN=none
RUN echo "$GREETING $TOKEN $SOURCE_DATE_EPOCH" > out && rm /etc/group
RUN ["sh", "-c", "pwd > where; id -u > who"]
FROM base
COPY --from=make --chown=web:logs /work /made/
RUN true
USER web
RUN touch /tmp/x || touch x || true
"""
    context = write(tmp_path / "c", {"Dockerfile": text})
    built = based.build(context, arguments={"TOKEN": "t"})
    files = based.files(built.descriptor)
    assert files["made"][1:3] == (1000, 2000)
    assert files["made/out"] == ("0o100644", 1000, 2000, b"hello t 315532800\n")
    assert files["made/where"][3] == b"/work\n"
    assert "etc/group" in files
    assert len(based.manifest(built.descriptor).layers) == 3, "RUN true makes no layer"
    assert based.executor.runs == 4
    assert [base.reference for base in built.bases] == ["localhost/base:latest"]
    assert based.build(context, arguments={"TOKEN": "t"}).reused
    assert based.executor.runs == 4


def test_a_run_that_makes_the_same_again_invalidates_nothing(based: Bench, tmp_path: Path) -> None:
    text = "FROM base\nCOPY in /\nRUN echo same > /out; rm /in\nRUN cat /out > /copy\n"
    context = write(tmp_path / "c", {"Dockerfile": text, "in": "1"})
    based.build(context)
    runs = based.executor.runs
    write(context, {"Dockerfile": text.replace("echo same", "echo same ")})
    built = based.build(context)
    assert based.executor.runs == runs + 1
    assert [report.cached for report in built.steps] == [True, False, True]


def test_only_visible_variables_count(based: Bench, tmp_path: Path) -> None:
    text = "FROM base\nRUN echo a > /a\nARG V\nRUN echo b > /b\n"
    context = write(tmp_path / "c", {"Dockerfile": text})
    based.build(context, arguments={"V": "1"})
    built = based.build(context, arguments={"V": "2", "HTTP_PROXY": "http://localhost:1"})
    assert [report.cached for report in built.steps] == [True, False]


def test_no_cache_executes_everything(based: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM base\nRUN echo a > /a\n"})
    first = based.build(context)
    again = based.build(context, no_cache=True)
    assert again.descriptor == first.descriptor
    assert not again.steps[0].cached


def test_stages_not_needed_are_not_built(based: Bench, tmp_path: Path) -> None:
    text = "FROM nowhere AS a\nRUN false\nFROM base AS b\nRUN echo b > /b\nFROM b AS c\nRUN false\n"
    context = write(tmp_path / "c", {"Dockerfile": text})
    built = based.build(context, target="b")
    assert based.files(built.descriptor)["b"][3] == b"b\n"
    with pytest.raises(InputError, match=r"no stage 'bb' \(did you mean b\?\)"):
        based.build(context, target="bb")


def test_a_failing_step_is_named_and_leaves_nothing(based: Bench, tmp_path: Path) -> None:
    text = "FROM base\nRUN echo fine > /fine\n\nRUN echo one; echo two >&2; \\\n  exit 3\n"
    context = write(tmp_path / "c", {"Dockerfile": text})
    with pytest.raises(StepError) as caught:
        based.build(context, names=("localhost/x:latest",))
    assert caught.value.message.startswith("Dockerfile:4: RUN echo one; echo two >&2;")
    assert caught.value.message.endswith("exit code 3")
    assert caught.value.log == ("one", "two")
    assert based.store.reference("localhost/x:latest") is None
    assert not list((based.root / "cache" / "work").iterdir())
    assert not [line for line in Path("/proc/self/mounts").read_text().split("\n") if str(based.root) in line]
    assert not based.store.index.all("SELECT key FROM snapshot WHERE committed = 0")
    runs = based.executor.runs
    write(context, {"Dockerfile": text.replace("exit 3", "exit 0")})
    based.build(context)
    assert based.executor.runs == runs + 1


def test_heredocs(based: Bench, tmp_path: Path) -> None:
    text = "FROM base\nENV WHO=you\nCOPY <<one <<'two' /d/\nhi $WHO\none\n$WHO\ntwo\n"
    text += "RUN <<EOF\necho a > /a\necho b > /b\nEOF\n"
    built = based.build(write(tmp_path / "c", {"Dockerfile": text}))
    files = based.files(built.descriptor)
    assert [files[name][3] for name in ("d/one", "d/two", "a", "b")] == [b"hi you\n", b"$WHO\n", b"a\n", b"b\n"]


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_one_digest_whatever_folder_times_and_umask(based: Bench, tmp_path: Path, compression: str) -> None:
    text = "FROM base\nCOPY . /app/\nRUN mkdir /x && touch /x/y\n"
    digests = set()
    for number, umask in enumerate((0o022, 0o077)):
        before = os.umask(umask)
        try:
            context = write(tmp_path / f"context {number}", {"Dockerfile": text, "a/b": "c", "z": ""})
            for folder, folders, files in os.walk(context):
                for name in folders + files:
                    path = os.path.join(folder, name)
                    os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)
                    os.utime(path, (number, number))
            os.chmod(context, 0o755)
            other = Bench(tmp_path / f"store {number}")
            other.build(busybox(tmp_path / f"base {number}"), names=("localhost/base:latest",), normal_modes=True)
            digests.add(other.build(context, compression=compression).descriptor.digest)
            other.close()
        finally:
            os.umask(before)
    assert len(digests) == 1


def test_the_epoch_is_in_every_time(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY a /\n", "a": ""})
    first, second = bench.build(context, epoch=1), bench.build(context, arguments={"SOURCE_DATE_EPOCH": "2"})
    assert first.descriptor != second.descriptor
    config = _config(bench, context, epoch=2)
    assert config["created"] == "1970-01-01T00:00:02Z"
    assert bench.build(context, epoch=2).descriptor == second.descriptor


def test_another_time_or_compression_executes_nothing_and_gives_the_image_of_a_build_anew(
    based: Bench, tmp_path: Path
) -> None:
    text = "FROM base\nCOPY f /srv/f\nRUN stat -c %Y /srv/f > /seen && touch -d @5 /old && ln -s old /link\n"
    long_name = "n" * 120
    context = write(tmp_path / "c", {"Dockerfile": f"{text}COPY {long_name} /\n", "f": "x" * 3000, long_name: "y"})
    based.build(context)
    ran = based.executor.runs
    for epoch, compression in ((1_700_000_000, "zstd"), (1_700_000_000, "gzip"), (315532800, "gzip"), (0, "none")):
        warm = based.build(context, epoch=epoch, compression=compression)
        assert all(report.cached for report in warm.steps)
        assert based.executor.runs == ran
        cold = based.build(context, epoch=epoch, compression=compression, no_cache=True)
        assert not any(report.cached for report in cold.steps)
        ran = based.executor.runs
        assert warm.descriptor == cold.descriptor
        names = _layer_times(based, warm.descriptor)
        assert names == dict.fromkeys(names, epoch)
    assert based.files(warm.descriptor)["seen"][3] == b"315532800\n"


def test_the_time_of_the_call_is_in_the_key_where_a_stage_asks_for_it(based: Bench, tmp_path: Path) -> None:
    text = "FROM base\nRUN echo $SOURCE_DATE_EPOCH > /a\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH > /b\n"
    context = write(tmp_path / "c", {"Dockerfile": text})
    based.build(context, epoch=8)
    built = based.build(context, epoch=9)
    assert [report.cached for report in built.steps] == [True, False]
    files = based.files(built.descriptor)
    assert (files["a"][3], files["b"][3]) == (b"315532800\n", b"9\n")


def test_a_layer_is_written_anew_as_it_would_have_been_written(bench: Bench, tmp_path: Path) -> None:
    folder = write(tmp_path / "t", {"a": "x" * 1000, "d/" + "n" * 120: b"\0" * 5000, "d/e": ""})
    (folder / "l").symlink_to("t" * 150)
    os.setxattr(folder / "a", "user.note", b"n" * 700)
    blobs = bench.store.blobs
    first = write_layer(scan(folder), blobs)
    for epoch, compression in ((7, "none"), (2**33 - 1, "none"), (7, "zstd"), (7, "gzip")):
        expected = write_layer(scan(folder), blobs, epoch=epoch, compression=compression)
        again = rewrite_layer(blobs, first.descriptor, first.diff_id, epoch=epoch, compression=compression)
        assert again == (expected.descriptor, expected.diff_id)


@pytest.mark.parametrize("record", [b"0 size=1\n", b"9 size=x\n", b"99 size=1\n", b"x", b" "])
def test_a_layer_in_another_form_is_not_written_anew(bench: Bench, record: bytes) -> None:
    head = tarfile.TarInfo("x")
    head.type, head.size = b"x", len(record)
    data = head.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0") + bytes(1024)
    with bench.store.blobs.writer() as writer:
        writer.write(data)
        digest = writer.commit()
    layer = Descriptor(MEDIA_TYPES["none"], digest, len(data))
    with pytest.raises(DocumentError, match="is not a layer in the form that is written here"):
        rewrite_layer(bench.store.blobs, layer, digest, epoch=7, compression="none")


def _layer_times(bench: Bench, image: Descriptor) -> dict[str, float]:
    """Every entry of the layers that were built here, as tarfile reads it."""
    manifest = bench.manifest(image)
    diff_ids = bench.store.config(manifest).diff_ids
    found: dict[str, float] = {}
    for layer, diff_id in list(zip(manifest.layers, diff_ids, strict=True))[2:]:
        with open_archive(bench.store.blobs, layer, diff_id) as archive:
            data = b"".join(iter(lambda: archive.read(1 << 20), b""))
        with tarfile.open(fileobj=io.BytesIO(data)) as opened:
            found |= {f"{diff_id} {one.name}": one.mtime for one in opened}
    return found


def test_an_image_that_has_to_be_unpacked_first_is_named(based: Bench, tmp_path: Path) -> None:
    text = "FROM base\nWORKDIR /new\nRUN echo done\nFROM base\nCOPY --from=base /etc/passwd /p\n"
    context = write(tmp_path / "c", {"Dockerfile": text})
    based.build(context)
    assert b"unpacking" not in based.listener.output
    base = based.store.reference("localhost/base:latest")
    assert base
    for row in based.store.index.all("SELECT key FROM snapshot ORDER BY rowid DESC"):
        based.store.snapshots.remove(row[0])
    based.build(context, no_cache=True)
    assert based.listener.output.count(b"unpacking localhost/base:latest\n") == 1


def test_an_unchanged_context_is_not_read_again(bench: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nCOPY . /\n", "a": "x", "b/c": "y"})

    def remembered() -> set[str]:
        bench.build(context)
        row = bench.store.index.one("SELECT value FROM cache WHERE kind = 'stat'")
        return set(json.loads(row[0])) if row else set()

    # A file that has just changed is read again by the next build.
    until(lambda: remembered() == {"Dockerfile", "a", "b/c"}, "a digest of every file")
    os.utime(context / "a", (1, 1))
    (context / "a").write_text("z")
    os.utime(context / "a", (1, 1))
    built = bench.build(context)
    assert bench.files(built.descriptor)["a"][3] == b"z"


def test_a_mode_is_not_for_the_folder_that_an_archive_goes_to(bench: Bench, tmp_path: Path) -> None:
    """As BuildKit 0.34 has it; the members keep their own."""
    context = write(tmp_path / "c", {"Dockerfile": "FROM scratch\nADD --chmod=600 --chown=5:6 a.tar /x/y/\n"})
    with tarfile.open(context / "a.tar", "w") as archive:
        member = tarfile.TarInfo("f")
        member.mode = 0o640
        archive.addfile(member)
    files = bench.files(bench.build(context).descriptor)
    assert {name: mode for name, (mode, *_) in files.items()} == {"x": "0o40755", "x/y": "0o40755", "x/y/f": "0o100640"}


def test_folders_on_the_way_of_a_mode_get_its_permissions_alone(bench: Bench, tmp_path: Path) -> None:
    """As BuildKit 0.34 has it: sticky and set-id bits are for what is copied."""
    copies = "COPY --chmod=07777 a /x/y/\nCOPY --chmod=4711 d /z\n"
    context = write(tmp_path / "c", {"Dockerfile": f"FROM scratch\n{copies}", "a": "", "d/e/f": ""})
    files = bench.files(bench.build(context).descriptor)
    assert {name: mode for name, (mode, *_) in files.items()} == {
        "x": "0o40777",
        "x/y": "0o40777",
        "x/y/a": "0o107777",
        "z": "0o40711",
        "z/e": "0o44711",
        "z/e/f": "0o104711",
    }


def test_ownership_by_name_must_be_known(based: Bench, tmp_path: Path) -> None:
    context = write(tmp_path / "c", {"Dockerfile": "FROM base\nCOPY --chown=nobody a /\n", "a": ""})
    with pytest.raises(DockerfileError, match=r"Dockerfile:2: COPY: user 'nobody' is not in the image's /etc/passwd"):
        based.build(context)
