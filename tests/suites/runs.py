"""Dockerfiles about what a RUN has mounted and how it is executed, and about ONBUILD; what BuildKit makes of each.

A case is a Dockerfile after `HEAD`, which makes the stage `base`. What its steps saw is in files that they wrote.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lading.build.graph.request import StepSecrets
from lading.runtime.lifecycle.lifecycle import RuntimeConfig
from lading.runtime.sandbox import Sandbox
from suites.building import Bench, listing, write

HEAD = """\
FROM scratch AS base
COPY root /
ENV PATH=/bin
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -m 1777 /tmp
FROM base
"""
FILES: dict[str, str | None] = {
    "root/etc/passwd": "root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\n",
    "root/etc/group": "root:x:0:\nweb:x:1001:\n",
    ".dockerignore": "ignored\n",
    "ignored": "no\n",
    "file": "of the context\n",
    "dir/a": "a\n",
    "dir/sub/b": "b\n",
}
SECRETS = {"tok": b"the-value-of-tok\n", "other": b"the-value-of-other"}
OUTSIDE = ("bin", "dev", "proc", "sys", "etc", "tmp")
"""What is not compared: this machine's busybox, and what engines mount."""


@dataclass(frozen=True)
class Case:
    """`secrets` are the ids of those given; `allow` what the call lets steps ask for; `first` makes an image "
    "`onbase`."""

    name: str
    text: str
    secrets: tuple[str, ...] = ()
    arguments: dict[str, str] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    target: str | None = None
    first: str | None = None

    @property
    def dockerfile(self) -> str:
        return whole(self.text)


def whole(text: str) -> str:
    """A Dockerfile with what all of them begin with."""
    if text.startswith("ONBASE\n"):
        return text.replace("ONBASE\n", "FROM onbase\n", 1)
    return text.replace("HEAD\n", HEAD[: -len("FROM base\n")]) if "HEAD\n" in text else HEAD + text


def context(folder: Path, case: Case, text: str | None = None) -> Path:
    """A context for it, with another Dockerfile where one is given."""
    write(folder, {**FILES, "Dockerfile": whole(text) if text else case.dockerfile})
    (folder / "root/bin").mkdir()
    program = shutil.which("busybox")
    assert program
    shutil.copy(program, folder / "root/bin/busybox")
    (folder / "root/bin/sh").symlink_to("busybox")
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.name == "busybox" else 0o644)
    return folder


def seen(root: Path) -> dict[str, list[object]]:
    """What is compared of a root file system: type and mode, owner, content."""
    return compared(listing(root))


def compared(files: Mapping[str, tuple[object, ...]]) -> dict[str, list[object]]:
    """What is compared of a listing."""
    return {
        path: [mode, uid, gid, what.decode() if isinstance(what, bytes) else what]
        for path, (mode, uid, gid, what) in sorted(files.items())
        if path.split("/")[0] not in OUTSIDE
    }


def told(config: dict[str, Any]) -> dict[str, object]:
    """What is compared of an image's config: what it says of running, and its history, as both write it."""
    run = {name: value for name, value in config["config"].items() if value and name != "ArgsEscaped"}
    lines = [entry["created_by"].removesuffix(" # buildkit") for entry in config["history"]]
    return {"config": run, "history": lines}


class SandboxBench(Bench):
    """A store whose builds run their steps in the sandbox, as everybody's do."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.sandbox = Sandbox(RuntimeConfig(self.store.root, root.parent / "run"), None)
        self.environment = replace(self.environment, executor=self.sandbox)

    def lend(self, values: dict[str, bytes], agents: dict[str, str] | None = None) -> None:
        """What the next builds are given."""
        self.environment = replace(self.environment, secrets=StepSecrets(values, agents or {}))


def left(root: Path) -> Iterator[str]:
    """Mounts and folders of work that a build should have taken away."""
    yield from (line for line in Path("/proc/self/mounts").read_text().splitlines() if str(root) in line)
    work = root / "cache/work"
    yield from os.listdir(work) if work.is_dir() else ()


def _case(name: str, text: str, *secrets: str, **more: object) -> Case:
    return Case(name, text, secrets, **more)  # type: ignore[arg-type]


_LOOK = "find /m | sort > /r; stat -c '%a %u %g %n' /m >> /r"
MOUNTED = (
    _case("bind of the context", f"RUN --mount=target=/m {_LOOK}; cat /m/file >> /r\n"),
    _case("bind of a folder", f"RUN --mount=type=bind,source=dir,target=/m {_LOOK}\n"),
    _case("bind of a file", "RUN --mount=source=file,target=/m/x cat /m/x > /r; stat -c '%a %u %g' /m/x >> /r\n"),
    _case("bind is read-only", "RUN --mount=target=/m touch /m/x 2>/dev/null || echo no > /r\n"),
    _case(
        "bind that is written is thrown away",
        "RUN --mount=target=/m,rw echo x > /m/file; cat /m/file > /r\n"
        "RUN --mount=target=/m,readwrite=true cat /m/file > /s\nCOPY file /t\n",
    ),
    _case("bind ro=false", "RUN --mount=target=/m,ro=0 echo x > /m/n && cat /m/n > /r\n"),
    _case(
        "bind of a stage",
        "HEAD\nFROM base AS one\nRUN mkdir -p /out/d && echo 1 > /out/d/f && ln -s d /out/l && chmod 700 /out\n"
        "FROM base\nRUN --mount=from=one,src=/out,dst=/m find /m | sort > /r; stat -c '%a %u' /m >> /r; cat "
        "/m/l/f >> /r\n",
    ),
    _case(
        "bind of a stage through a link",
        "HEAD\nFROM base AS one\nRUN mkdir /out && echo 1 > /out/f && ln -s /out /link\n"
        "FROM base\nRUN --mount=from=one,source=link,destination=/m cat /m/f > /r\n",
    ),
    _case(
        "bind of a whole stage, written",
        "HEAD\nFROM base AS one\nRUN echo 1 > /one\n"
        "FROM base\nRUN --mount=from=ONE,target=/m,rw cat /m/one > /r; echo 2 > /m/one; cat /m/one >> /r\n"
        "FROM one\nCOPY --from=2 /r /r\n",
    ),
    _case(
        "bind of a later stage",
        "HEAD\nFROM base AS two\nRUN --mount=from=three,target=/m true\nFROM base AS three\nFROM two\n",
    ),
    _case("bind of its own stage", "HEAD\nFROM base AS two\nRUN --mount=from=two,target=/m true\n"),
    _case("bind from scratch", f"RUN --mount=from=scratch,target=/m {_LOOK}\n"),
    _case("bind from scratch, written", "RUN --mount=from=scratch,target=/m,rw echo 1 > /m/a; cat /m/a > /r\n"),
    _case("bind of nothing", "RUN --mount=source=nowhere,target=/m true\n"),
    _case("bind of what is ignored", "RUN --mount=source=ignored,target=/m true\n"),
    _case("relative target", "WORKDIR /w\nRUN --mount=source=dir,target=x find /w/x | sort > /r\n"),
    _case("no target", "WORKDIR /w\nRUN --mount=source=dir find /w | sort > /r\n"),
    _case("no target at the root", "RUN --mount=source=dir find /w\n"),
    _case("target is the root", "RUN --mount=source=dir,target=/ true\n"),
    _case(
        "target over a folder of the image",
        "RUN mkdir -m 711 /m && echo 1 > /m/a\nRUN --mount=source=dir,target=/m ls /m > /r\nRUN ls /m > /s\n",
    ),
    _case(
        "a mount in a mount",
        "RUN --mount=source=dir,target=/m,rw --mount=type=tmpfs,target=/m/t --mount=source=file,target=/m/sub/c"
        " find /m | sort > /r\n",
    ),
    _case(
        "a mount in a mount that cannot be", "RUN --mount=source=dir,target=/m --mount=type=tmpfs,target=/m/t true\n"
    ),
    _case("two of one target", "RUN --mount=source=dir,target=/m --mount=source=dir/sub,target=/m ls /m > /r\n"),
    _case(
        "variables",
        "ARG WHERE=/m\nENV KIND=bind D=dir\nRUN --mount=type=$KIND,source=${D}/sub,target=${WHERE:-x} ls /m > /r\n",
    ),
    _case("variables not in from", "ARG S=base\nRUN --mount=from=$S,target=/m true\n"),
    _case(
        "quoted fields",
        """RUN --mount='type=bind,"source=dir","target=/m,n"' find "/m,n" | sort > /r\n""",
    ),
    _case(
        "tmpfs",
        "RUN --mount=type=tmpfs,target=/m,size=2m echo 1 > /m/a; stat -c '%a %u %g' /m > /r; df -k /m | tail "
        "-1 | tr -s ' ' | cut -d' ' -f2 >> /r\nRUN ls /m > /s 2>&1 || true\n",
    ),
    _case(
        "tmpfs over a folder",
        "RUN mkdir -m 711 /m && echo 1 > /m/a\nRUN --mount=type=tmpfs,target=/m stat -c %a /m > /r; ls /m >> /r\n",
    ),
    _case("tmpfs, read-only", "RUN --mount=type=tmpfs,target=/m,ro touch /m/a 2>/dev/null || echo no > /r\n"),
    _case("tmpfs with a from", "RUN --mount=type=tmpfs,from=base,target=/m ls /m > /r\n"),
    _case("tmpfs with a source", "RUN --mount=type=tmpfs,source=/x,target=/m true\n"),
    _case(
        "cache",
        "RUN --mount=type=cache,target=/m stat -c '%a %u %g' /m > /r; echo 1 > /m/a\n"
        "RUN --mount=type=cache,target=/m cat /m/a > /s\nRUN --mount=type=cache,id=other,target=/m ls /m > /t\n"
        "RUN --mount=type=cache,id=/m,target=/n,sharing=locked cat /n/a > /u\n",
    ),
    _case(
        "cache of somebody", "RUN --mount=type=cache,target=/m,uid=1000,gid=1001,mode=0700 stat -c '%a %u %g' /m > /r\n"
    ),
    _case("cache with a sticky mode", "RUN --mount=type=cache,target=/m,mode=1777 stat -c '%a %u %g' /m > /r\n"),
    _case(
        "cache from a stage",
        "HEAD\nFROM base AS one\nRUN mkdir -m 750 /out && echo 1 > /out/a && chown 5:6 /out\n"
        "FROM base\nRUN --mount=type=cache,from=one,source=/out,target=/m stat -c '%a %u %g' /m > /r; cat "
        "/m/a >> /r; echo 2 > /m/a\n"
        "RUN --mount=type=cache,from=one,source=/out,target=/m cat /m/a > /s\n",
    ),
    _case("cache, read-only", "RUN --mount=type=cache,target=/m,ro touch /m/a 2>/dev/null || echo no > /r\n"),
    _case(
        "cache twice in one step",
        "RUN --mount=type=cache,id=x,target=/m,sharing=locked --mount=type=cache,id=x,target=/n,sharing=locked"
        " echo 1 > /m/a; cat /n/a > /r\n",
    ),
    _case(
        "secret",
        "RUN --mount=type=secret,id=tok cat /run/secrets/tok > /dev/null && stat -c '%a %u %g' /run/secrets/tok > /r\n",
        "tok",
    ),
    _case(
        "secret elsewhere",
        "RUN --mount=type=secret,id=tok,target=/m/s,mode=0440,uid=1,gid=2 stat -c '%a %u %g' /m/s > /r; wc -c "
        "< /m/s >> /r\n",
        "tok",
    ),
    _case("secret by its target", "RUN --mount=type=secret,target=/m/tok stat -c '%a' /m/tok > /r\n", "tok"),
    _case("secret by its source", "RUN --mount=type=secret,source=tok,mode=0600 ls /run/secrets > /r\n", "tok"),
    _case("secret, relative", "WORKDIR /w\nRUN --mount=type=secret,id=tok,target=s ls /w > /r\n", "tok"),
    _case("secret not given", "RUN --mount=type=secret,id=tok ls /run/secrets > /r 2>/dev/null || echo none > /r\n"),
    _case("secret required", "RUN --mount=type=secret,id=tok,required true\n"),
    _case(
        "secret required and given",
        "RUN --mount=type=secret,id=tok,required=true wc -c < /run/secrets/tok > /r\n",
        "tok",
    ),
    _case(
        "secret as a variable",
        'RUN --mount=type=secret,id=tok,env=TOK printf "%s" "$TOK" | wc -c > /r; ls /run/secrets > /s '
        "2>/dev/null || true\n",
        "tok",
    ),
    _case(
        "secret as both",
        'RUN --mount=type=secret,id=tok,env=TOK,target=/m/s printf "%s" "$TOK" | cmp - /m/s && echo same > /r\n',
        "tok",
    ),
    _case("secret as a variable, not given", 'RUN --mount=type=secret,id=tok,env=TOK echo "${TOK-unset}." > /r\n'),
    _case(
        "secret over a variable",
        'ENV TOK=plain\nRUN --mount=type=secret,id=other,env=TOK printf "%s" "$TOK" | wc -c > /r\n',
        "other",
    ),
    _case(
        "secret cannot be written",
        "RUN --mount=type=secret,id=tok,mode=0666 echo x > /run/secrets/tok || echo no > /r\n",
        "tok",
    ),
    _case(
        "secret of a user",
        "USER web\nRUN --mount=type=secret,id=tok,uid=1000 cat /run/secrets/tok > /dev/null && echo 1 > /tmp/r\n",
        "tok",
    ),
    _case(
        "ssh not given",
        'RUN --mount=type=ssh echo "$SSH_AUTH_SOCK" > /r; ls /run/buildkit >> /r 2>/dev/null || echo none >> /r\n',
    ),
    _case(
        "ssh not given, two", 'RUN --mount=type=ssh,id=a --mount=type=ssh,id=b,target=/m/s echo "$SSH_AUTH_SOCK" > /r\n'
    ),
    _case("ssh required", "RUN --mount=type=ssh,required true\n"),
    _case("flags after one another", "RUN --mount=target=/m --network=none cat /m/file > /r\n"),
)
"""What has a root file system, or is refused when it is built."""

_STATUS = "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status"
EXECUTED = (
    _case("network none", "RUN --network=none ls /sys/class/net | sort > /r\n"),
    _case("network host, not allowed", "RUN --network=host true\n"),
    _case("network host", "RUN --network=host readlink /proc/self/ns/net | cut -c1-4 > /r\n", allow=("network.host",)),
    _case("network of another kind", "RUN --network=bridge true\n"),
    _case(
        "security sandbox",
        f"RUN --security=sandbox {_STATUS} > /r; mount -t tmpfs x /tmp 2>/dev/null || echo no >> /r\n",
    ),
    _case("security insecure, not allowed", "RUN --security=insecure true\n"),
    _case(
        "security insecure",
        f"RUN --security=insecure {_STATUS} > /r; mount -t tmpfs x /tmp && echo yes >> /r; umount /tmp; "
        "touch /proc/sys/kernel/domainname && echo yes >> /r; ls /dev/kmsg /dev/loop-control >> /r; "
        "grep CapEff /proc/self/status | cut -c10-14 >> /r; mount | grep ' /sys ' | grep -c '(rw' >> /r\n",
        allow=("security.insecure",),
    ),
    _case("security of another kind", "RUN --security=none true\n"),
    _case("interpreter", "RUN <<EOF\n#!/bin/sh\necho $0 > /r\nstat -c '%a %u %g' $0 >> /r\nEOF\n"),
    _case(
        "interpreter of another kind",
        'RUN <<EOF\n#!/bin/cat\n\nhi\nEOF\nRUN <<PROG\n#!/bin/awk -f\nBEGIN { print 6 * 7 > "/r" }\nPROG\n',
    ),
    _case(
        "interpreter, expanded or not",
        "ENV A=1\nRUN <<EOF\n#!/bin/sh\necho $A ${A} \\$A > /r\nEOF\nRUN <<'EOF'\n#!/bin/sh\necho $A \\$A > /s\nEOF\n",
    ),
    _case("interpreter, chomped", "RUN <<-EOF\n\t#!/bin/sh\n\techo 1 > /r\n\t\techo 2 >> /r\n\tEOF\n"),
    _case("interpreter, chomped late", "RUN <<-EOF\n\t #!/bin/sh\n\techo 1 > /r\n\tEOF\n"),
    _case("interpreter and a command", "RUN cat <<EOF > /r\n#!/bin/sh\necho 1 > /s\nEOF\n"),
    _case("interpreter and another heredoc", "RUN <<EOF <<OTHER\n#!/bin/sh\necho 1 > /s\nEOF\nx\nOTHER\n"),
    _case("interpreter and a shell", 'SHELL ["/bin/busybox", "env"]\nRUN <<EOF\n#!/bin/sh\necho 1 > /r\nEOF\n'),
    _case(
        "interpreter, of a user and a folder",
        "USER web\nWORKDIR /tmp\nRUN <<EOF\n#!/bin/sh\nid -u > /tmp/r; pwd >> /tmp/r\nEOF\nUSER root\nRUN cp "
        "/tmp/r /r\n",
    ),
    _case("interpreter that is not there", "RUN <<EOF\n#!/bin/nope\nEOF\n"),
    _case("interpreter, name is a path", "RUN <<a/b\n#!/bin/sh\na/b\n"),
    _case("interpreter and a mount", "RUN --mount=source=dir,target=/m <<EOF\n#!/bin/sh\nls /m > /r\nEOF\n"),
    _case(
        "interpreter reads itself",
        "RUN <<EOF\n#!/bin/sh\ncat /dev/pipes/EOF > /r; ls /dev/pipes >> /r; touch /dev/pipes/EOF 2>/dev/null "
        "|| echo no >> /r\nEOF\n",
    ),
)
"""How a command is executed."""

_TRIGGERS = "ONBUILD RUN echo 1 >> /r\nONBUILD ENV A=b\nONBUILD RUN echo $A >> /r\n"
BUILT_ON = (
    _case("onbuild is kept", f"{_TRIGGERS}ONBUILD COPY --chown=1:2 file /f\nonbuild   workdir   /w \n"),
    _case(
        "onbuild over several lines",
        "ONBUILD RUN echo 1 \\\n  # comment\n  && echo 2\nONBUILD RUN <<EOF\necho 3\nEOF\n",
    ),
    _case("onbuild of a stage", f"HEAD\nFROM base AS one\n{_TRIGGERS}RUN echo 0 > /r\nFROM one\nRUN echo 2 >> /r\n"),
    _case(
        "onbuild is for the next stage alone",
        f"HEAD\nFROM base AS one\n{_TRIGGERS}FROM one AS two\nRUN echo 2 >> /r\nFROM two\nRUN echo 3 >> /r\n",
    ),
    _case(
        "onbuild twice",
        "HEAD\nFROM base AS one\nONBUILD RUN echo 1 >> /r\nFROM one AS two\nONBUILD RUN echo 2 >> /r\nFROM "
        "two\nRUN echo 3 >> /r\n",
    ),
    _case(
        "onbuild of a stage that is not needed",
        "HEAD\nFROM base AS one\nONBUILD RUN false\nFROM one AS two\nFROM base\nRUN echo 1 > /r\n",
    ),
    _case(
        "onbuild arguments",
        "HEAD\nFROM base AS one\nONBUILD ARG A=1\nONBUILD RUN echo $A $B > /r\nFROM one\nARG B=2\nRUN echo $A "
        "$B > /s\n",
        arguments={"A": "given"},
    ),
    _case(
        "onbuild does not see its stage",
        'HEAD\nFROM base AS one\nARG A=1\nENV B=2\nONBUILD RUN echo "$A.$B" > /r\nFROM one\nRUN echo "$A.$B" > /s\n',
    ),
    _case(
        "onbuild with a stage of its own",
        "HEAD\nFROM base AS other\nRUN echo 1 > /o\nFROM base AS one\nONBUILD COPY --from=other /o /r\nONBUILD "
        "RUN --mount=from=other,target=/m cat /m/o > /s\nFROM one\n",
    ),
    _case(
        "onbuild with a later stage",
        "HEAD\nFROM base AS one\nONBUILD COPY --from=other /o /r\nFROM one AS two\nFROM base AS other\nRUN echo "
        "1 > /o\nFROM two\n",
    ),
    _case("onbuild of its own stage", "HEAD\nFROM base AS one\nONBUILD COPY --from=two /o /r\nFROM one AS two\n"),
    _case("onbuild with nothing", "ONBUILD\n"),
    _case("onbuild onbuild", "ONBUILD ONBUILD RUN x\n"),
    _case("onbuild from", "ONBUILD FROM x\n"),
    _case("onbuild maintainer", "ONBUILD MAINTAINER x\n"),
    _case("onbuild of what is unknown", "ONBUILD RUNN x\n"),
    _case("onbuild of what is unknown, carried out", "HEAD\nFROM base AS one\nONBUILD RUNN x\nFROM one\n"),
    _case("onbuild with a wrong flag", "ONBUILD --x RUN x\n"),
    _case("onbuild with a wrong flag inside", "ONBUILD RUN --x x\n"),
    _case(
        "onbuild of an image",
        "ONBASE\nUSER root\nRUN echo 2 >> /r\n",
        first=f"{_TRIGGERS}ONBUILD COPY file /f\nRUN echo 0 > /r\nONBUILD USER web\n",
    ),
    _case(
        "onbuild of an image, with a heredoc",
        "ONBASE\nRUN cat /r > /s\n",
        first="ONBUILD RUN <<EOF\n#!/bin/sh\necho 1 > /r\nEOF\nONBUILD COPY <<EOF /c\nhi $A\nEOF\nENV A=x\n",
    ),
    _case(
        "onbuild of an image, everything",
        "ONBASE\n",
        first=(
            'ONBUILD LABEL a=b\nONBUILD EXPOSE 80\nONBUILD VOLUME /v\nONBUILD CMD ["x"]\nONBUILD ENTRYPOINT '
            "y\nONBUILD STOPSIGNAL 9\n"
            'ONBUILD HEALTHCHECK CMD z\nONBUILD SHELL ["/bin/sh", "-ec"]\nONBUILD ARG Q=1\nONBUILD WORKDIR '
            "/w\nONBUILD ADD file /a/\n"
        ),
    ),
)
"""ONBUILD; of these the config is compared, too."""

_KEYS = (
    *("type=bnd,target=/m", "target=/m,foo=bar", "target=/m,foo", "target", "source", "", '"target=/m', 'tar"get=/m'),
    *("target=/m,ro=maybe", "target=/m,rw=2", "target=/m,required", "type=cache,target=/m,required=true"),
    *(
        "type=secret,id=a,required=perhaps",
        "required,type=secret,id=a",
        "target=/m,size=1",
        "type=tmpfs,target=/m,size=x",
    ),
    *("type=tmpfs,target=/m,size=-1", "type=tmpfs,target=/m,size=1.5k", "type=tmpfs,target=/m,size=1kib"),
    *("type=tmpfs,target=/m,size=1kk", "type=tmpfs,target=/m,size=1 k", "type=tmpfs,target=/m,size="),
    *("type=cache,target=/m,sharing=some", "type=cache,target=/m,sharing=LOCKED", "target=/m,sharing=shared"),
    *("target=/m,mode=0700", "target=/m,uid=1", "type=tmpfs,target=/m,gid=1", "type=cache,target=/m,mode=9"),
    *("type=cache,target=/m,mode=x", "type=cache,target=/m,uid=-1", "type=cache,target=/m,uid=4294967296"),
    *("type=cache,target=/m,gid=a", "type=secret", "type=secret,id=a,source=b", "type=secret,id=a,from=base"),
    *("type=secret,id=a,sharing=shared", "type=secret,id=a,env", "type=secret,id=a,env=", "type=ssh,source=x"),
    *("type=ssh,sharing=locked", "TYPE=tmpfs,TARGET=/m", "type=TMPFS,target=/m", "type=tmpfs,target=/proc/x"),
    *("type=tmpfs,target=/proc", "type=tmpfs,target=/dev/m", "type=tmpfs,target=/m/../n", "from=ba$e,target=/m"),
    *("from=base$,target=/m", "type=cache,from=nowhere/x,target=/m", "type=cache,source=/x,target=/m"),
    *("type=tmpfs,target=/m,id=x", "target=/m,env=X", "type=tmpfs,target=/m,,", "type=tmpfs,readonly,target=/m,rw"),
)
KEYS = tuple(_case(words, f"RUN --mount='{words}' true\n") for words in _KEYS)
"""Of which it is only asked whether they are taken."""
