"""Small Dockerfiles, most of them with something that a build check finds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from lading.build.checks.examine import Examiner
from lading.build.convert.dockerfile_graph import ConvertOptions, resolve
from lading.build.convert.trace import Trace
from lading.build.dockerfile.ignore import Ignore
from lading.build.dockerfile.ignore import read as read_ignore
from lading.build.dockerfile.instructions import Dockerfile
from lading.build.errors import DockerfileError, Place
from lading.build.graph.check_finding import CheckReport
from lading.build.graph.steps.chain import WantedImage
from lading.store.oci.descriptors import Platform
from lading.store.oci.documents import ImageConfig, parse_config

PLATFORM: Final = Platform("linux", "amd64")
BASE: Final[Mapping[str, Any]] = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["PATH=/bin", "LANG=C"], "WorkingDir": "/base", "Shell": ["/bin/bash", "-c"], "Cmd": ["sh"]},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "1" * 64]},
    "history": [{"created_by": "x"}],
}
OTHER: Final[Mapping[str, Any]] = {**BASE, "architecture": "arm64", "config": {}}

CASES: Final[dict[str, str]] = {
    "nothing": 'FROM scratch\nCOPY a /a\nCMD ["/a"]\n',
    "stage-name-casing": "FROM scratch AS Build\nFROM Build\n",
    "stage-name-copied": "FROM scratch AS Build\nCOPY a /\nFROM scratch\nCOPY --from=Build /a /\n",
    "from-as-lower": "FROM scratch as a\nCOPY x /\n",
    "from-as-upper": "from scratch AS a\ncopy x /\n",
    "from-as-mixed": "FROM scratch As a\nCOPY x /\n",
    "from-mixed-itself": "From scratch as a\nCOPY x /\n",
    "empty-continuation": "FROM scratch\nENV A=1 \\\n\n  B=2\nENV C=\\\n# only a comment\n3\n",
    "two-empty-continuations": "FROM scratch\nENV A=1 \\\n\n\n  B=2\n\nLABEL a=\\\n\nb\n",
    "casing-one-lower": "FROM scratch\nCOPY a /\nrun x\n",
    "casing-mostly-lower": "from scratch\ncopy a /\nENV A=1\nenv B=2\n",
    "casing-mixed": "FROM scratch\nCopy a /\nCOPY a /b\n",
    "casing-tie": "FROM scratch\nenv A=1\nenv B=1\nENV C=2\n",
    "casing-global-arg": "arg A=1\nFROM scratch\nCOPY a /\n",
    "casing-onbuild": "FROM scratch\nonbuild RUN x\nCOPY a /\n",
    "duplicate-stage": "FROM scratch AS a\nFROM scratch AS b\nFROM scratch AS A\n",
    "reserved-scratch": "FROM scratch AS scratch\nCOPY a /\n",
    "reserved-context": "FROM scratch AS context\nCOPY a /\n",
    "json-args": "FROM scratch\nENTRYPOINT x\nCMD y\n",
    "json-args-fine": 'FROM scratch\nENTRYPOINT ["x"]\nCMD []\n',
    "json-args-broken": "FROM scratch\nCMD ['x']\n",
    "json-args-shell": 'FROM scratch\nSHELL ["/x"]\nCMD y\n',
    "json-args-shell-of-stage": 'FROM scratch AS a\nSHELL ["/x"]\nFROM a\nCMD y\n',
    "json-args-shell-of-base": "FROM base\nCMD y\n",
    "json-args-no-shell": "FROM other\nCMD y\nENTRYPOINT z\n",
    "maintainer": "FROM scratch\nMAINTAINER me\nmaintainer you\n",
    "undefined-arg-in-from": "FROM ${X:-scratch}\n",
    "undefined-arg-near": "ARG VERSION=scratch\nFROM ${VERSIN:-scratch}\n",
    "undefined-arg-declared": "ARG X\nFROM ${X:-scratch}\n",
    "undefined-arg-in-platform": "FROM --platform=${P:-linux/amd64} scratch\n",
    "undefined-arg-known": "FROM --platform=$BUILDPLATFORM scratch\n",
    "undefined-arg-two": "FROM ${X:-scratch}${Y}\n",
    "workdir-relative": "FROM scratch\nWORKDIR a\nWORKDIR b\n",
    "workdir-absolute-first": "FROM scratch\nWORKDIR /a\nWORKDIR b\n",
    "workdir-of-stage": "FROM scratch AS a\nWORKDIR /a\nFROM a\nWORKDIR b\n",
    "workdir-of-base": "FROM base\nWORKDIR b\n",
    "workdir-variable": "FROM scratch\nARG A=/x\nWORKDIR $A\nFROM scratch\nARG A=x\nWORKDIR $A\n",
    "undefined-var": "FROM scratch\nENV A=$B\nLABEL a=${C}\n",
    "undefined-var-near": "FROM scratch\nENV PATH=$PAHT:/x\n",
    "undefined-var-default": "FROM scratch\nENV A=${B:-x} C=${D+x}\n",
    "undefined-var-declared": "FROM scratch\nARG B\nENV A=$B\nENV C=$C\n",
    "undefined-var-global-only": "ARG G=1\nFROM scratch\nENV A=$G\n",
    "undefined-var-in-copy": "FROM scratch\nCOPY $A $B\nCOPY --chown=$U a /\nADD --chmod=$M a /\n",
    "undefined-var-in-arg": "FROM scratch\nARG A=$B C=$A\n",
    "undefined-var-in-run": 'FROM scratch\nRUN echo $A\nCMD ["$A"]\nHEALTHCHECK CMD ["$A"]\n',
    "undefined-var-elsewhere": "FROM scratch\nUSER $A\nVOLUME $A/x\nEXPOSE ${A:-80}\nWORKDIR /$A\n",
    "undefined-var-heredoc": "FROM scratch\nCOPY <<E /x\n$A ${B}\nE\nCOPY <<'E' /y\n$C\nE\n",
    "undefined-var-quoted": "FROM scratch\nENV A='$B' C=\\$D\n",
    "undefined-var-base": "FROM base\nENV A=$LANG B=$NOPE\n",
    "undefined-var-stage": "FROM scratch AS a\nARG A=1\nENV B=2\nFROM a\nENV C=$A D=$B\n",
    "undefined-var-platform": "FROM scratch\nENV A=$TARGETPLATFORM\nARG TARGETARCH\nENV B=$TARGETARCH\n",
    "multiple-cmd": 'FROM scratch\nCMD ["a"]\nCMD ["b"]\nCMD ["c"]\n',
    "multiple-others": 'FROM scratch\nENTRYPOINT ["a"]\nENTRYPOINT ["b"]\nHEALTHCHECK NONE\nHEALTHCHECK CMD ["x"]\n',
    "multiple-stages": 'FROM scratch AS a\nCMD ["a"]\nFROM a\nCMD ["b"]\n',
    "legacy-env": "FROM scratch\nENV A b c\nLABEL a b\nENV C=d\n",
    "platform-of-base": "FROM other\nCOPY a /\n",
    "redundant-platform": "FROM --platform=$TARGETPLATFORM scratch\n",
    "redundant-platform-braced": "FROM --platform=${TARGETPLATFORM:-x} scratch\n",
    "redundant-platform-more": "FROM --platform=$TARGETPLATFORM$X scratch\n",
    "const-platform": "FROM --platform=linux/amd64 scratch\n",
    "const-platform-named": "FROM --platform=linux/amd64 scratch AS build_amd64\n",
    "const-platform-named-os": "FROM --platform=linux/amd64 scratch AS on-linux\n",
    "const-platform-arch-alone": "FROM --platform=amd64 scratch\n",
    "secrets": "FROM scratch\nARG API_KEY PASSWORD=x\nENV GITHUB_TOKEN=x my_secret=y\n",
    "secrets-allowed": "FROM scratch\nARG PUBLIC_KEY KEY_FILE TOKEN_VERSION\nENV KEYS=a MONKEY=b authority=c\n",
    "secrets-global": "ARG PASSWORD=x\nFROM scratch\n",
    "secrets-variable-name": "FROM scratch\nARG A=AUTH\nENV $A=1\n",
    "default-arg-empty": "ARG X\nFROM $X\n",
    "default-arg-half": "ARG X=Y\nFROM ${X}\n",
    "default-arg-fine": "ARG X=scratch\nFROM $X\n",
    "default-arg-bad-tag": "ARG X\nFROM ${X:-scratch}:${X}\n",
    "copy-ignored": "FROM scratch\nCOPY a /\nADD b/c /\nCOPY d /\n# ignore: a\n# ignore: b\n",
    "copy-ignored-parent": "FROM scratch\nCOPY b/c/d /\nCOPY ./b/ /x\n# ignore: b\n",
    "copy-ignored-taken-back": "FROM scratch\nCOPY a /\n# ignore: *\n# ignore: !a\n",
    "copy-ignored-dot": "FROM scratch\nCOPY . /\n# ignore: *.x\n",
    "copy-ignored-everything": "FROM scratch\nCOPY . /\nCOPY / /b\n# ignore: **\n",
    "copy-ignored-glob": "FROM scratch\nCOPY *.x /\nCOPY a.x /\n# ignore: *.x\n",
    "copy-ignored-url": "FROM scratch\nADD http://example.com/a /\n# ignore: **\n",
    "copy-ignored-stage": "FROM scratch AS s\nCOPY b /\nFROM scratch\nCOPY --from=s /a /\n# ignore: a\n",
    "copy-ignored-slash": "FROM scratch\nCOPY /a /\n# ignore: /a\n",
    "description-off": "# nothing about it\nARG A=1\nFROM scratch\n",
    "description": "# check=experimental=all\n# nothing about it\nARG A=1\n# A is it\nARG A=2\n"
    "#\n# away\n\n#\nFROM scratch AS b\n",
    "description-stage": "# check=experimental=InvalidDefinitionDescription\nFROM scratch AS a\n# b is it\n"
    "FROM a AS b\n# other\nFROM b AS c\n",
    "expose-casing": "FROM scratch\nEXPOSE 80/TCP 81/udp\nEXPOSE 90-91/Sctp\n",
    "expose-format": "FROM scratch\nEXPOSE 127.0.0.1:80:80 8080:80\nEXPOSE :80 ::80\n",
    "expose-variable": "FROM scratch\nARG P=80:81/Tcp\nEXPOSE $P\n",
    "skip-one": "# check=skip=JSONArgsRecommended\nFROM scratch\nCMD x\nMAINTAINER me\n",
    "skip-two": "# check=skip=JSONArgsRecommended, MaintainerDeprecated\nFROM scratch\nCMD x\nMAINTAINER me\n",
    "skip-two-tight": "# check=skip=JSONArgsRecommended,MaintainerDeprecated\nFROM scratch\nCMD x\nMAINTAINER me\n",
    "skip-all": "# check=skip=all\nFROM scratch\nCMD x\nMAINTAINER me\n",
    "skip-unknown": "# check=skip=Nope;error=false\nFROM scratch\nCMD x\n",
    "skip-here": "FROM scratch\n# check=skip=JSONArgsRecommended\nCMD x\nENTRYPOINT x\n",
    "skip-here-among-comments": "FROM scratch\n# why\n# check=skip=JSONArgsRecommended\n# more\nCMD x\n",
    "skip-here-wrong": "FROM scratch\n# check=nope\nCMD x\n",
    "skip-casing-here": "FROM scratch\n# check=skip=ConsistentInstructionCasing\ncopy a /\nCOPY a /\n",
    "skip-multiple-here": 'FROM scratch\n# check=skip=all\nCMD ["a"]\nCMD ["b"]\n',
    "skip-multiple-there": 'FROM scratch\nCMD ["a"]\n# check=skip=all\nCMD ["b"]\n',
    "error": "# check=error=true\nFROM scratch\nCMD x\n",
    "error-nothing": '# check=error=true\nFROM scratch\nCMD ["x"]\n',
    "check-after-escape": "# escape=`\n# check=skip=all\nFROM scratch\nCMD x\n",
    "check-too-late": "# hello\n# check=skip=all\nFROM scratch\nCMD x\n",
    "check-after-shebang": "#!/usr/bin/x\n# check=skip=all\nFROM scratch\nCMD x\n",
    "check-indented": " # check=skip=all\nFROM scratch\nCMD x\n",
    "check-broken": "# check=skip\nFROM scratch\nCMD x\n",
    "check-broken-error": "# check=error=maybe\nFROM scratch\nCMD x\n",
    "error-in-the-file": "FROM scratch AS A\nMAINTAINER me\nNOPE\nMAINTAINER you\n",
    "error-unparsed": "FROM scratch AS A\nENV A=1 \\\n\nB=2\nRUN <<E\n",
    "unneeded-stage": "FROM scratch AS a\nCMD x\nFROM scratch\nCOPY a /\n",
}
"""What stands behind ``# ignore:`` at the end of one is its ignore file."""

_IGNORE: Final = re.compile(r"(?m)^# ignore: (.*)\n")


def split(case: str) -> tuple[str, str]:
    """The Dockerfile and the ignore file of a case."""
    return _IGNORE.sub("", case), "".join(f"{line}\n" for line in _IGNORE.findall(case))


def base(case: str) -> Mapping[str, Any] | None:
    """The config of every image that a case begins with; None where it begins with none."""
    return BASE if "FROM base" in case else OTHER if "FROM other" in case else None


def checked(text: bytes, ignore: str = "", config: Mapping[str, Any] | None = None) -> CheckReport:
    """What our checks find."""

    def image(wanted: WantedImage, place: Place) -> ImageConfig:
        if config is None:
            raise DockerfileError(place, f"{wanted.name}: there is no base image")
        return parse_config(json.dumps(config).encode(), wanted.name)

    def evaluate(dockerfile: Dockerfile, trace: Trace) -> None:
        resolve(dockerfile, ConvertOptions({}, PLATFORM, PLATFORM, everything=True), image, trace)

    return Examiner(text, "Dockerfile", lambda: Ignore(read_ignore(ignore))).check(evaluate)


def rows(report: CheckReport) -> list[list[Any]]:
    """Rules and lines."""
    return sorted([rule, line] for rule, line in {(found.rule, found.place.line) for found in report.findings})
