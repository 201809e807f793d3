"""What the kernel is told about system calls: the compiled filter, executed here, against the profile."""

from __future__ import annotations

import base64
import ctypes
import json
import platform
import struct

import pytest

from lading.runtime.spec import capabilities
from lading.runtime.spec.allowed_syscalls import BY_CAPABILITY, NUMBERS
from lading.runtime.spec.seccomp import profile
from lading.runtime.spec.seccomp_bpf import compiled

X86_64, ALLOW, EPERM, ENOSYS = 0xC000003E, 0x7FFF0000, 0x00050001, 0x00050026
NEWUSER, NEWNS = 0x10000000, 0x00020000

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86_64")


def verdict(program: bytes, number: int, *arguments: int) -> int:
    """What a filter says of a call: the part of classic BPF that filters use (linux/filter.h)."""
    data = struct.pack("=iIQ6Q", number, X86_64, 0, *arguments, *[0] * (6 - len(arguments)))
    code, at, a = list(struct.iter_unpack("=HBBI", program)), 0, 0
    jumps = {0x15: int.__eq__, 0x25: int.__gt__, 0x35: int.__ge__, 0x45: int.__and__}
    while True:
        what, true, false, k = code[at]
        at += 1
        if what == 0x06:
            return k
        if what == 0x20:
            (a,) = struct.unpack_from("=I", data, k)
        elif what == 0x54:
            a &= k
        elif what == 0x05:
            at += k
        else:
            at += true if jumps[what](a, k) else false


@pytest.fixture(scope="module", params=["default", "none", "all"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[frozenset[str], bytes]:
    held = {"default": capabilities.DEFAULT, "none": (), "all": capabilities.ALL}[request.param]
    rules = profile(held)
    text = compiled(rules, json.dumps(rules).encode(), tmp_path_factory.mktemp("filters"))
    if text is None:
        pytest.skip("needs libseccomp")
    return frozenset(held), base64.b64decode(text)


def name_of(number: int) -> str | None:
    """By the library, and for what is newer than it by ours."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_char_p
    found = library.seccomp_syscall_resolve_num_arch(X86_64, number)
    return found.decode() if found else {known: name for name, known in NUMBERS.items()}.get(number)


def expected(held: frozenset[str]) -> dict[str, int]:
    """By name, for what is decided whatever the arguments."""
    rules = profile(held)["syscalls"]
    assert isinstance(rules, list)
    errors = {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_ERRNO": EPERM}
    return {name: errors[rule["action"]] for rule in rules if "args" not in rule for name in rule["names"]}


def test_every_number(case: tuple[frozenset[str], bytes]) -> None:
    held, program = case
    known = expected(held)
    conditional = {"socket", "personality", "mknod", "mknodat", *(() if "CAP_SYS_ADMIN" in held else ("clone",))}
    seen = {number: verdict(program, number) for number in range(601)}
    wanted = {
        number: ALLOW if (name := name_of(number)) in conditional else known.get(name or "", ENOSYS) for number in seen
    }
    assert seen == wanted
    assert {number: seen[number] for number in range(470, 601)} == dict.fromkeys(range(470, 601), ENOSYS)


def test_what_is_known_and_newer_than_the_library_goes_by_number(case: tuple[frozenset[str], bytes]) -> None:
    held, program = case
    for name in ("statmount", "listmount", "mseal", "setxattrat", "getxattrat", "listxattrat", "removexattrat"):
        assert verdict(program, NUMBERS[name]) == ALLOW
    for name in ("lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules"):
        assert name in BY_CAPABILITY["CAP_SYS_ADMIN"]
        assert verdict(program, NUMBERS[name]) == (ALLOW if "CAP_SYS_ADMIN" in held else EPERM)


def test_arguments_decide(case: tuple[frozenset[str], bytes]) -> None:
    held, program = case
    for family in range(60):
        assert verdict(program, 41, family) == (EPERM if family in (38, 40) else ALLOW)
    for flags in (NEWUSER, NEWNS, NEWUSER | NEWNS, NEWNS | 0x11):
        assert verdict(program, 56, flags) == (ALLOW if "CAP_SYS_ADMIN" in held else EPERM)
    assert verdict(program, 56, 0x11) == ALLOW
    for number, before in ((133, (0, 0)), (259, (0, 0, 0))):
        for device in (0, 0x103, 0x500, 0x502, 0x10501, 0x80000501, 0xFFFFFFFF):
            assert verdict(program, number, *before, device) == ALLOW
        for above in (0, 1 << 32, 0xFF << 56):  # the kernel takes 32 bits
            assert verdict(program, number, *before, above | 0x501) == EPERM
    assert [verdict(program, 135, value) for value in (0, 8, 0x20008, 0xFFFFFFFF, 1)] == [ALLOW] * 4 + [ENOSYS]


def test_another_instruction_set_does_not_get_in(case: tuple[frozenset[str], bytes]) -> None:
    """A call by x32 numbers is none of ours."""
    _, program = case
    for number in (0, 41, 462):
        assert verdict(program, 0x40000000 | number) != ALLOW
