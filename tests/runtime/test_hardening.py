"""What a container may not do, tried inside one, and the documents that say so."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.runtime.spec import capabilities, spec
from lading.runtime.spec.allowed_syscalls import ALWAYS, ARCHITECTURES, BY_CAPABILITY
from lading.runtime.spec.seccomp import profile
from lading.store.errors import UsageError
from suites.executor_images import Harbour, put_tree
from suites.machine import needs

inside = needs("root", "overlay", "crun", "conmon", "busybox")

PROBE = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *arguments)
    return "ok" if result >= 0 else errno.errorcode[ctypes.get_errno()]
print(call(int(sys.argv[1]), *(ctypes.c_ulong(int(word, 0)) for word in sys.argv[2:])))
"""


@inside
class TestInside:
    def status(self, harbour: Harbour, **options: object) -> dict[str, str]:
        out = harbour.run("cat", "/proc/self/status", remove=True, **options).stdout
        return dict(line.split(":\t", 1) for line in out.splitlines() if ":\t" in line)

    def test_capabilities_and_no_new_privileges(self, harbour: Harbour) -> None:
        found = self.status(harbour)
        bits = sum(1 << number for number, name in enumerate(capabilities.ALL) if name in capabilities.DEFAULT)
        for name in ("CapPrm", "CapEff", "CapBnd"):
            assert int(found[name], 16) == bits
        assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0
        assert found["NoNewPrivs"] == "1"
        assert found["Seccomp"] == "2"

    def test_a_user_has_none(self, harbour: Harbour) -> None:
        assert int(self.status(harbour, user="sailor")["CapEff"], 16) == 0

    def test_add_and_drop(self, harbour: Harbour) -> None:
        found = self.status(harbour, cap_add=("net_raw",), cap_drop=("ALL",))
        assert int(found["CapEff"], 16) == 1 << capabilities.ALL.index("CAP_NET_RAW")

    @pytest.mark.parametrize(
        "command",
        [
            "mount -t tmpfs none /tmp",
            "mknod /tmp/disk b 8 0",
            "unshare -m true",
            "unshare -U true",
            "hostname other",
            "! date -s 2020-01-01 2>&1 | grep -q 'not permitted'",
            "echo 1 > /proc/sys/kernel/panic",
            "echo b > /proc/sysrq-trigger",
            "echo 1 > /sys/kernel/profiling",
            "cd /sys/fs/cgroup/pids || cd /sys/fs/cgroup; mkdir x",
            "umount /proc/kcore",
            "test -s /proc/kcore",
            "test -s /proc/keys",
            "test -n \"$(ls /sys/firmware)\"",
            "test -n \"$(ls /proc/acpi 2>/dev/null)\"",
        ],
    )  # fmt: skip
    def test_forbidden(self, harbour: Harbour, command: str) -> None:
        assert harbour.run("sh", "-c", command, remove=True).code != 0

    def test_the_hosts_devices_are_out_of_reach(self, harbour: Harbour) -> None:
        """A node in the image opens nothing: the devices controller denies it."""
        os.mknod(harbour.tree / "disk", 0o60666, os.makedev(7, 0))
        os.mknod(harbour.tree / "mem", 0o20666, os.makedev(1, 1))
        image = put_tree(harbour.store, harbour.tree)
        for node in ("disk", "mem"):
            out = harbour.run("sh", "-c", f"dd if=/{node} of=/dev/null count=1", image=image, remove=True)
            assert out.code != 0
            assert "not permitted" in out.stderr
        assert harbour.run("sh", "-c", "dd if=/dev/zero of=/dev/null count=1 2>/dev/null", remove=True).code == 0

    def test_namespaces_are_its_own(self, harbour: Harbour) -> None:
        kinds = ("pid", "ipc", "uts", "mnt", "net", "cgroup")
        out = harbour.run("sh", "-c", f"for n in {' '.join(kinds)}; do readlink /proc/self/ns/$n; done", remove=True)
        for kind, text in zip(kinds, out.stdout.split(), strict=True):
            assert text != os.readlink(f"/proc/self/ns/{kind}")

    def test_nothing_of_ours_is_open(self, harbour: Harbour) -> None:
        """Not even what whoever called us left open: it could be a way out (CVE-2024-21626)."""
        folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        os.set_inheritable(folder, True)
        try:
            out = harbour.run("sh", "-c", "ls /proc/self/fd; ls /proc/1/fd", remove=True)
            assert set(out.stdout.split()) <= {"0", "1", "2", "3"}
            for number in range(3, 12):
                way = f"/proc/self/fd/{number}"
                image = put_tree(harbour.store, harbour.tree, {"WorkingDir": way})
                try:
                    out = harbour.run(
                        "sh", "-c", "ls ../../../../../root 2>/dev/null; pwd; ls .", image=image, remove=True
                    )
                except Exception:
                    continue
                assert out.stdout.count("\n") < 20
                assert "snapshots" not in out.stdout
        finally:
            os.close(folder)

    @needs("unshare")
    @pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86_64")
    def test_system_calls(self, harbour: Harbour) -> None:
        """By number, through a Python of this machine that is bound into the container."""
        from lading.runtime.options import VolumeMount

        volumes = tuple(
            VolumeMount.parse(f"{path}:{path}:ro") for path in ("/usr", "/lib64", "/lib") if Path(path).exists()
        )
        script = harbour.root.parent / "probe.py"
        script.write_text(PROBE)
        volumes += (VolumeMount.parse(f"{script}:/probe.py:ro"),)

        def probe(*words: object) -> str:
            command = ("/usr/bin/python3", "/probe.py", *map(str, words))
            return harbour.run(*command, volumes=volumes, remove=True).stdout.strip()

        if not Path("/usr/bin/python3").exists():
            pytest.skip("needs /usr/bin/python3")
        assert probe(435, 0, 0) == "ENOSYS"  # clone3
        assert probe(425, 1, 0) == "EPERM"  # io_uring_setup
        assert probe(250, 0, 0) == "EPERM"  # keyctl
        assert probe(323, 0) == "EPERM"  # userfaultfd
        assert probe(41, 38, 5, 0) == "EPERM"  # socket(AF_ALG)
        assert probe(41, 40, 1, 0) == "EPERM"  # socket(AF_VSOCK)
        assert probe(41, 2, 1, 0) == "ok"  # socket(AF_INET)
        assert probe(56, "0x10000000", 0, 0, 0, 0) == "EPERM"  # clone(CLONE_NEWUSER)
        assert probe(135, "0xffffffff") == "ok"  # personality(query)
        assert probe(135, "0x0040000") == "ENOSYS"  # personality(ADDR_NO_RANDOMIZE), as podman has it
        # mseal, newer than this machine's libseccomp may be: as the kernel answers it outside
        outside = subprocess.run(["/usr/bin/python3", script, "462", "0", "0", "255"], capture_output=True, text=True)
        assert probe(462, 0, 0, 255) == outside.stdout.strip()
        assert probe(39) == "ok"  # getpid


class TestProfile:
    def allowed(self, *held: str, machine: str = "x86_64") -> set[str]:
        rules = profile(held, machine)["syscalls"]
        assert isinstance(rules, list)
        return {
            name
            for rule in rules
            if rule["action"] == "SCMP_ACT_ALLOW" and "args" not in rule
            for name in rule["names"]
        }

    @settings(max_examples=30)
    @given(st.sets(st.sampled_from(capabilities.ALL)), st.sampled_from(sorted(ARCHITECTURES)))
    def test_more_capabilities_never_allow_less(self, held: set[str], machine: str) -> None:
        assert self.allowed(machine=machine) <= self.allowed(*held, machine=machine)
        assert json.dumps(profile(held, machine))

    def test_each_condition(self) -> None:
        for capability, names in BY_CAPABILITY.items():
            assert set(names.split()) <= self.allowed(capability)
        assert not {"mount", "bpf", "clone3", "keyctl", "io_uring_setup", "unshare", "setns"} & self.allowed()
        assert {"arch_prctl", "modify_ldt"} <= self.allowed()
        assert "arch_prctl" not in self.allowed(machine="aarch64")
        assert len(ALWAYS) > 350

    def test_clone_on_s390_has_its_flags_second(self) -> None:
        rules = profile((), "s390x")["syscalls"]
        assert isinstance(rules, list)
        assert {rule["args"][0]["index"] for rule in rules if rule["names"] == ["clone"]} == {1}


class TestCapabilities:
    bound = frozenset(capabilities.ALL)

    def test_names_as_docker_takes_them(self) -> None:
        assert capabilities.resolve(bound=self.bound) == sorted(capabilities.DEFAULT)
        assert "CAP_NET_ADMIN" in capabilities.resolve(["net_admin"], bound=self.bound)
        assert capabilities.resolve(["ALL"], bound=self.bound) == sorted(capabilities.ALL)
        assert capabilities.resolve([], ["all"], bound=self.bound) == []
        assert capabilities.resolve(["CAP_CHOWN"], ["ALL"], bound=self.bound) == ["CAP_CHOWN"]

    def test_bad(self) -> None:
        with pytest.raises(UsageError, match="no such"):
            capabilities.resolve(["CAP_PIRACY"], bound=self.bound)
        with pytest.raises(UsageError, match="does not hold"):
            capabilities.resolve(["SYS_ADMIN"], bound=frozenset())

    def test_never_more_than_the_caller_has(self) -> None:
        assert capabilities.resolve(["ALL"], bound=frozenset({"CAP_KILL"})) == ["CAP_KILL"]


def test_open_files_within_the_callers_own() -> None:
    import resource

    assert spec.open_files()["hard"] <= resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # type: ignore[operator]
