"""Seccomp profiles compiled once and kept, because crun compiles them anew for every container (12 of its 20 ms).

crun takes a compiled filter in an annotation and then leaves `linux.seccomp` alone; other runtimes do the reverse.
It is made by the same libseccomp with the same calls, so it is the same filter, but for calls that are newer than that
libseccomp: these are decided by number, in a few instructions before its own. Where the library cannot be had, or the
result not be kept, there is no annotation and crun compiles as ever, by which the new calls are not known.
"""

from __future__ import annotations

import base64
import ctypes
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from lading.runtime.spec.allowed_syscalls import NUMBERS
from lading.store.system.atomic import new_file
from lading.store.system.hashing import sha256

ANNOTATION: Final = "run.oci.seccomp_bpf_data"

_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_FORM: Final = b"2 "
"""Changes with what is made of a profile."""
_UNKNOWN: Final = -1
_LOAD_NUMBER, _AT_LEAST, _EQUAL, _RETURN = 0x20, 0x35, 0x15, 0x06
_OPERATORS: Final = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")


class _Argument(ctypes.Structure):
    _fields_ = (
        ("index", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("value_two", ctypes.c_uint64),
    )


def compiled(profile: Mapping[str, object], raw: bytes, folder: Path) -> str | None:
    """The filter of `profile` (whose JSON is `raw`) in base64, from `folder` where it was kept; None without one."""
    file = folder / f"{sha256(_FORM + raw).hexdigest()}.bpf"
    try:
        return file.read_text()
    except OSError:
        pass
    try:
        text = base64.b64encode(_compile(profile)).decode()
        folder.mkdir(mode=0o700, exist_ok=True)
        with new_file(file) as stream:
            stream.write(text.encode())
    except (OSError, AttributeError, ValueError):
        return None
    return text


def _compile(profile: Mapping[str, object]) -> bytes:
    """Raises `OSError`, `AttributeError` or `ValueError` where libseccomp is not there or does not agree."""
    library: Any = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_action(profile, "defaultAction", "defaultErrnoRet")))
    if not context:
        raise ValueError("seccomp_init")
    try:
        for name in cast("list[str]", profile["architectures"]):
            token = library.seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode())
            if library.seccomp_arch_add(context, token) not in (0, -17):
                raise ValueError(name)
        rules = cast("list[dict[str, object]]", profile["syscalls"])
        for rule in rules:
            _add(library, context, rule)
        return _newer(library, rules) + _export(library, context)
    finally:
        library.seccomp_release(context)


def _newer(library: Any, rules: list[dict[str, object]]) -> bytes:
    """Instructions that decide the calls which the library does not know, and hand the others on (linux/filter.h)."""
    found = {
        NUMBERS[name]: _action(rule, "action", "errnoRet")
        for rule in rules
        for name in cast("list[str]", rule["names"])
        if name in NUMBERS and "args" not in rule and library.seccomp_syscall_resolve_name(name.encode()) == _UNKNOWN
    }
    if not found:
        return b""
    code = [(_LOAD_NUMBER, 0, 0, 0), (_AT_LEAST, 0, 2 * len(found), min(found))]
    for number, action in found.items():
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, action)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _action(rule: Mapping[str, object], action: str, errno: str) -> int:
    if rule[action] == "SCMP_ACT_ALLOW":
        return _ALLOW
    if rule[action] == "SCMP_ACT_ERRNO":
        return _ERRNO | cast("int", rule[errno])
    raise ValueError(rule[action])


def _add(library: Any, context: ctypes.c_void_p, rule: dict[str, object]) -> None:
    arguments = [_argument(item) for item in cast("list[dict[str, Any]]", rule.get("args", []))]
    array = (_Argument * len(arguments))(*arguments)
    action = _action(rule, "action", "errnoRet")
    for name in cast("list[str]", rule["names"]):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != _UNKNOWN and library.seccomp_rule_add_array(context, action, number, len(arguments), array):
            raise ValueError(name)


def _argument(item: Mapping[str, Any]) -> _Argument:
    operator = _OPERATORS.index(str(item["op"]).removeprefix("SCMP_CMP_")) + 1
    return _Argument(item["index"], operator, item["value"], item.get("valueTwo", 0))


def _export(library: Any, context: ctypes.c_void_p) -> bytes:
    fd = os.memfd_create("filter", os.MFD_CLOEXEC)
    try:
        if library.seccomp_export_bpf(context, fd):
            raise ValueError("seccomp_export_bpf")
        with suppress(OSError):
            os.lseek(fd, 0, os.SEEK_SET)
        found = b""
        while block := os.read(fd, 1 << 16):
            found += block
        return found
    finally:
        os.close(fd)
