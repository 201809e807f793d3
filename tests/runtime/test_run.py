"""Containers in the foreground: what goes in, what comes out, and that nothing is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lading.runtime.cgroups.groups import ResourceLimits
from lading.runtime.containers.volumes import Volumes
from lading.runtime.oci.oci_runtime import StartError
from lading.runtime.options import RunOptions, VolumeMount
from lading.store.errors import InputError, LadingError, MachineError, UsageError
from lading.store.fastclass import replace
from lading.store.snapshots.seals import SealError
from suites.executor_images import Harbour, put_tree
from suites.machine import needs
from suites.small_disk import small_disk

pytestmark = needs("root", "overlay", "crun", "conmon", "busybox")


def test_output_code_and_nothing_left(harbour: Harbour) -> None:
    out = harbour.run("sh", "-c", "echo out; echo err >&2; exit 7", remove=True)
    assert (out.stdout, out.stderr, out.code) == ("out\n", "err\n", 7)
    assert harbour.gone() == []


def test_input_ends(harbour: Harbour) -> None:
    data = os.urandom(100_000).hex().encode()
    out = harbour.run("cat", stdin=data, remove=True)
    assert out.stdout.encode() == data


def test_without_interactive_input_is_empty(harbour: Harbour) -> None:
    assert harbour.run("wc", "-c", remove=True).stdout.strip() == "0"


def test_much_output_is_whole(harbour: Harbour) -> None:
    out = harbour.run("sh", "-c", "yes abcdefghij | head -n 200000; exec printf end", remove=True)
    assert out.stdout == "abcdefghij\n" * 200_000 + "end"


@pytest.mark.parametrize(("command", "code"), [("/bin/nope", 127), ("nope", 127), ("/bin/plain", 126), ("/etc", 126)])
def test_what_cannot_be_started(harbour: Harbour, command: str, code: int) -> None:
    with pytest.raises(StartError) as caught:
        harbour.run(command)
    assert caught.value.code == code
    assert command in caught.value.message
    assert harbour.gone() == []


def test_killed_by_a_signal(harbour: Harbour) -> None:
    assert harbour.run("sh", "-c", "sh -c 'kill -TERM $$'; exit $?", remove=True).code == 143


def test_environment_and_defaults(harbour: Harbour) -> None:
    out = harbour.run("env", env=("A=b=c", "CARGO=rum"), hostname="ship", remove=True)
    env = dict(line.split("=", 1) for line in out.stdout.splitlines())
    assert env == {"PATH": "/bin", "HOSTNAME": "ship", "HOME": "/root", "CARGO": "rum", "A": "b=c"} | {
        name: env[name] for name in ("SHLVL", "PWD") if name in env
    }


def test_entrypoint_rules(harbour: Harbour) -> None:
    image = put_tree(harbour.store, harbour.tree, {"Entrypoint": ["echo", "entry"], "Cmd": ["cmd"]})
    assert harbour.run(image=image, remove=True).stdout == "entry cmd\n"
    assert harbour.run("arg", image=image, remove=True).stdout == "entry arg\n"
    assert harbour.run(image=image, entrypoint=("echo", "-n"), remove=True).stdout == ""
    assert harbour.run("echo", "x", image=image, entrypoint=("",), remove=True).stdout == "x\n"
    with pytest.raises(UsageError, match="no command"):
        harbour.run(image=image, entrypoint=("",))
    assert harbour.gone() == []


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "0 0 0 1003 /root"),
        ("sailor", "1000 1001 1001 1002 1003 /home/sailor"),
        ("1000", "1000 1001 1001 1002 1003 /home/sailor"),
        ("sailor:deck", "1000 1002 1002 /home/sailor"),
        ("4242", "4242 0 0 /"),
        ("4242:77", "4242 77 77 /"),
        (":crew", "0 1001 1001 /root"),
    ],
)
def test_users(harbour: Harbour, user: str, expected: str) -> None:
    out = harbour.run("sh", "-c", "echo $(id -u) $(id -g) $(id -G) $HOME", user=user, remove=True)
    uid, gid, *groups, home = out.stdout.split()
    found = " ".join([uid, gid, *dict.fromkeys(groups), home])
    assert sorted(found.split()) == sorted(expected.split())


def test_unknown_user(harbour: Harbour) -> None:
    with pytest.raises(InputError, match="unable to find user pirate"):
        harbour.run("true", user="pirate")
    assert harbour.gone() == []


@pytest.mark.parametrize("user", ["²", "9" * 5000, "0:²", "0:" + "9" * 5000])
def test_a_user_that_is_no_number_for_c(harbour: Harbour, user: str) -> None:
    with pytest.raises(InputError, match="unable to find"):
        harbour.run("true", user=user)


def test_odd_lines_in_the_images_passwd_are_passed_over(harbour: Harbour) -> None:
    (harbour.tree / "etc/passwd").write_text(f"a:x:²:0::/:/bin/sh\nb:x:{'9' * 5000}:0::/:/bin/sh\n")
    image = put_tree(harbour.store, harbour.tree)
    with pytest.raises(InputError, match="unable to find user b"):
        harbour.run("true", user="b", image=image)


def test_digits_are_a_number_whoever_has_them_as_a_name(harbour: Harbour) -> None:
    """As docker, podman and BuildKit have it."""
    (harbour.tree / "etc/passwd").write_text("12:x:77:78::/:/bin/sh\nsailor:x:5:6::/:/bin/sh\n")
    (harbour.tree / "etc/group").write_text("6:x:66:\ncrew:x:88:12,sailor\n")
    image = put_tree(harbour.store, harbour.tree)
    for user, expected in {"12": "12 0 0", "12:6": "12 6 6", "sailor:6": "5 6 6", "77": "77 78 78 88"}.items():
        out = harbour.run("sh", "-c", "echo $(id -u) $(id -g) $(id -G)", user=user, image=image, remove=True)
        assert out.stdout == f"{expected}\n", user


def test_a_container_as_deep_as_it_cares_to_be_is_removed(harbour: Harbour) -> None:
    dig = "i=0; while [ $i -lt 1300 ]; do mkdir a && cd a || exit 1; i=$((i+1)); done"
    assert harbour.run("sh", "-c", dig, remove=True).code == 0
    assert harbour.gone() == []
    assert harbour.run("true", remove=True).code == 0


def test_the_image_cannot_make_the_hosts_files_be_read(harbour: Harbour, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("pirate:x:0:0::/:/bin/sh\n")
    (harbour.tree / "etc/passwd").unlink()
    (harbour.tree / "etc/passwd").symlink_to(tmp_path / "passwd")
    image = put_tree(harbour.store, harbour.tree)
    with pytest.raises(InputError, match="pirate"):
        harbour.run("true", user="pirate", image=image)


def test_workdir_is_made(harbour: Harbour) -> None:
    assert harbour.run("pwd", workdir="/made/here", remove=True).stdout == "/made/here\n"
    image = put_tree(harbour.store, harbour.tree, {"WorkingDir": "/data/deep"})
    assert harbour.run("cat", "file", image=image, remove=True).stdout == "from the image\n"


def test_a_link_in_the_image_does_not_lead_the_workdir_out(harbour: Harbour, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (harbour.tree / "out").symlink_to(tmp_path / "outside")
    image = put_tree(harbour.store, harbour.tree, {"WorkingDir": "/out/dir"})
    harbour.run("true", image=image, remove=True)
    assert list((tmp_path / "outside").iterdir()) == []


def test_readonly_root(harbour: Harbour) -> None:
    out = harbour.run("sh", "-c", "touch /x; touch /tmp/x && echo ok", readonly=True, tmpfs={"/tmp": ""}, remove=True)
    assert out.stdout == "ok\n"
    assert "Read-only" in out.stderr


def test_host_files(harbour: Harbour) -> None:
    out = harbour.run("cat", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", hostname="ship", remove=True)
    assert out.stdout.startswith("ship\n127.0.0.1\tlocalhost\n")
    assert "\tship\n" in out.stdout


class TestVolumes:
    def test_bind(self, harbour: Harbour, tmp_path: Path) -> None:
        (tmp_path / "given").mkdir()
        (tmp_path / "given/file").write_text("from the host")
        volume = VolumeMount.parse(f"{tmp_path}/given:/mnt/a:ro")
        out = harbour.run("sh", "-c", "cat /mnt/a/file; touch /mnt/a/x", volumes=(volume,), remove=True)
        assert out.stdout == "from the host"
        assert "Read-only" in out.stderr
        writable = VolumeMount.parse(f"{tmp_path}/made:/mnt/b")
        harbour.run("touch", "/mnt/b/x", volumes=(writable,), remove=True)
        assert (tmp_path / "made/x").exists()

    @pytest.mark.parametrize("wrong", [{"user": "pirate"}, {"cap_drop": ("NOPE",)}, {"cap_add": ("NOPE",)}])
    def test_nothing_is_made_for_a_container_that_cannot_be(
        self, harbour: Harbour, tmp_path: Path, wrong: dict[str, Any]
    ) -> None:
        """As with podman: no named volume and no host folder is left of a call that is refused."""
        volumes = (VolumeMount.parse("cargo:/data"), VolumeMount.parse(f"{tmp_path}/made:/mnt/b"))
        with pytest.raises(LadingError):
            harbour.run("true", volumes=volumes, **wrong)
        assert not (harbour.root / "volumes/cargo").exists()
        assert not (tmp_path / "made").exists()
        assert harbour.gone() == []

    def test_nothing_hides_proc(self, harbour: Harbour) -> None:
        for target in ("/proc", "/proc/self", "/a/../proc/sys"):
            with pytest.raises(UsageError, match="/proc"):
                VolumeMount.parse(f"/etc:{target}")
        image = put_tree(harbour.store, harbour.tree, {"Volumes": {"/proc": {}}})
        with pytest.raises(InputError, match="/proc"):
            harbour.run("true", image=image)

    def test_named_volume_takes_over_what_the_image_has(self, harbour: Harbour) -> None:
        volume = VolumeMount.parse("cargo:/data")
        look = ("sh", "-c", "stat -c '%u %g %a' /data; cat /data/link; echo more >> /data/deep/file")
        first = harbour.run(*look, volumes=(volume,), remove=True)
        assert first.stdout == "1000 1001 750\nfrom the image\n"
        second = harbour.run("cat", "/data/link", volumes=(volume,), remove=True)
        assert second.stdout == "from the image\nmore\n"
        assert (harbour.root / "volumes/cargo/_data/deep/file").exists()

    def test_anonymous_volumes_go_with_rm(self, harbour: Harbour) -> None:
        image = put_tree(harbour.store, harbour.tree, {"Volumes": {"/data": {}}})
        out = harbour.run(
            "sh", "-c", "cat /data/link; grep ' /data ' /proc/self/mountinfo | wc -l", image=image, remove=True
        )
        assert out.stdout.split("\n")[:2] == ["from the image", "1"]
        assert harbour.gone() == []
        kept = harbour.run("true", image=image)
        assert len(list((harbour.root / "volumes").iterdir())) == 1
        harbour.runtime.remove(kept.ran.name, volumes=True)
        assert harbour.gone() == []

    def test_a_link_in_the_image_does_not_copy_the_host(self, harbour: Harbour, tmp_path: Path) -> None:
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret/key").write_text("key")
        (harbour.tree / "trap").symlink_to(tmp_path / "secret")
        image = put_tree(harbour.store, harbour.tree)
        harbour.run("true", image=image, volumes=(VolumeMount.parse("v:/trap"),), remove=True)
        assert list((harbour.root / "volumes/v/_data").iterdir()) == []

    @pytest.mark.parametrize("place", ["/", "/proc", "/proc/sys", "/proc/self/attr"])
    @pytest.mark.parametrize("how", ["-v", "VOLUME", "--tmpfs", "hosts"])
    def test_a_mount_through_a_link_is_judged_by_where_it_settles(self, harbour: Harbour, how: str, place: str) -> None:
        trap = "/etc/hosts" if how == "hosts" else "/trap"
        link = harbour.tree / trap[1:]
        link.symlink_to(place)
        image = put_tree(harbour.store, harbour.tree, {"Volumes": {"/trap": {}}} if how == "VOLUME" else {})
        volumes = (VolumeMount.parse("v:/trap"),) if how == "-v" else ()
        tmpfs = {"/trap": "rw"} if how == "--tmpfs" else {}
        with pytest.raises(InputError, match=trap):
            harbour.run("true", image=image, volumes=volumes, tmpfs=tmpfs)
        assert harbour.runtime.list(every=True) == []

    @pytest.mark.parametrize("place", ["/proc", "/sys"])
    def test_the_kernels_files_are_not_led_elsewhere(self, harbour: Harbour, place: str) -> None:
        (harbour.tree / place[1:]).rmdir()
        (harbour.tree / place[1:]).symlink_to("/data")
        with pytest.raises(InputError, match=f"{place} is not a folder"):
            harbour.run("true", image=put_tree(harbour.store, harbour.tree))
        assert harbour.gone() == []

    def test_a_volume_of_the_image_yields_to_what_is_given_at_its_place(self, harbour: Harbour, tmp_path: Path) -> None:
        (harbour.tree / "var").mkdir()
        (harbour.tree / "var/data").symlink_to("/data")
        image = put_tree(harbour.store, harbour.tree, {"Volumes": {"/var/data": {}}})
        (tmp_path / "given").mkdir()
        (tmp_path / "given/mine").touch()
        given = (VolumeMount.parse(f"{tmp_path}/given:/data"),)
        assert harbour.run("ls", "/var/data", image=image, volumes=given, remove=True).stdout == "mine\n"
        with pytest.raises(InputError, match="another mount"):
            harbour.run("true", image=image, volumes=(*given, VolumeMount.parse("v:/var/data")))

    def test_a_volume_that_is_empty_takes_over_what_an_image_has(self, harbour: Harbour) -> None:
        """As docker, and podman since 4.0, have it; who has it mounted meanwhile sees it, too."""
        harbour.start("sleep", "1000", name="anna", volumes=(VolumeMount.parse("cargo:/elsewhere"),))
        look = ("sh", "-c", "stat -c '%u %g %a' /data; cat /data/link; echo more > /data/deep/file")
        for options in (":nocopy", ""):
            out = harbour.run(*look, volumes=(VolumeMount.parse(f"cargo:/data{options}"),), remove=True)
        assert out.stdout == "1000 1001 750\nfrom the image\n"
        process = harbour.runtime.find("anna").process
        assert process is not None
        assert Path(f"/proc/{process.pid}/root/elsewhere/deep/file").read_text() == "more\n"

    def test_a_volume_that_stays_empty_keeps_its_owner(self, harbour: Harbour) -> None:
        for place, owner in (("first", 5), ("second", 6)):
            (harbour.tree / place).mkdir()
            os.chown(harbour.tree / place, owner, owner)
        image = put_tree(harbour.store, harbour.tree)
        for place in ("first", "second"):
            look = ("stat", "-c", "%u", f"/{place}")
            out = harbour.run(*look, image=image, volumes=(VolumeMount.parse(f"cargo:/{place}"),), remove=True)
            assert out.stdout == "5\n"

    @pytest.mark.parametrize(("empty", "killed_at"), [(False, "*/f*"), (True, "_new/f*"), (True, "_data/f*")])
    def test_a_named_volume_is_seen_whole_or_not_at_all(self, harbour: Harbour, empty: bool, killed_at: str) -> None:
        """By runs side by side, and after a kill -9 in the middle of the copy."""
        _, many = harbour.store, 3000
        for number in range(many):
            (harbour.tree / "data" / f"f{number}").write_text("x")
        expected = len(list((harbour.tree / "data").iterdir()))
        volumes = Volumes(harbour.root)
        (placed,) = volumes.place((VolumeMount.parse("cargo:/data"),), (), (), harbour.tree)

        if empty:
            placed.source.mkdir(parents=True)

        def make() -> int:
            volumes.make(placed, harbour.tree)
            return len(list(placed.source.iterdir()))

        child = os.fork()
        if not child:
            make()
            os._exit(0)
        while not (found := list(placed.source.parent.glob(killed_at))):
            pass
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert len(found) <= expected
        with ThreadPoolExecutor(3) as pool:
            assert list(pool.map(lambda _: make(), range(3))) == [expected] * 3
        assert sorted(entry.name for entry in placed.source.parent.iterdir()) == ["_data"]

    @pytest.mark.parametrize("killed", [False, True])
    def test_what_a_volume_takes_over_stays_in_it(self, harbour: Harbour, tmp_path: Path, killed: bool) -> None:
        """A container that has the empty volume already puts a link to a folder of the host in the way."""
        (harbour.tree / "data/sub").mkdir()
        _, many = harbour.store, 1000
        for number in range(many):
            (harbour.tree / f"data/sub/f{number}").touch()
        (tmp_path / "host").mkdir()
        volumes = Volumes(harbour.root)
        (placed,) = volumes.place((VolumeMount.parse("cargo:/data"),), (), (), harbour.tree)
        placed.source.mkdir(parents=True)
        trap = placed.source / "sub"
        if killed:
            trap.symlink_to(tmp_path / "host")
            shutil.copytree(harbour.tree / "data", placed.source.with_name("_full"))
        child = os.fork()
        if not child:
            while not trap.exists():
                pass
            trap.rename(placed.source / "aside")
            trap.symlink_to(tmp_path / "host")
            os._exit(0)
        volumes.make(placed, harbour.tree)
        os.waitpid(child, 0)
        assert list((tmp_path / "host").iterdir()) == []
        assert trap.is_symlink()

    def test_a_volume_that_cannot_be_copied_is_not_there(self, harbour: Harbour, tmp_path: Path) -> None:
        (harbour.tree / "data/large").write_bytes(bytes(1 << 20))
        with small_disk(tmp_path / "small", "600k") as place:
            volumes = Volumes(place)
            (placed,) = volumes.place((VolumeMount.parse("cargo:/data"),), (), (), harbour.tree)
            with pytest.raises(MachineError, match="No space left"):
                volumes.make(placed, harbour.tree)
            assert list(placed.source.parent.iterdir()) == []

    @pytest.mark.parametrize("text", ["", ":", "a:b:c:d", "a:rel", "a:/", "/a:/b:nope", "bad/name:/x", "x::ro"])
    def test_bad_notation(self, text: str) -> None:
        with pytest.raises(UsageError, match=r"^volume "):
            VolumeMount.parse(text)

    def test_two_on_one_target(self, harbour: Harbour) -> None:
        with pytest.raises(UsageError, match="same target"):
            harbour.run("true", volumes=(VolumeMount.parse("a:/x"), VolumeMount.parse("b:/x")))


class TestLimits:
    def test_memory(self, harbour: Harbour) -> None:
        out = harbour.run(
            "sh",
            "-c",
            "yes | tr -d '\\n' | dd bs=200M count=1 iflag=fullblock >/dev/null; echo $?",
            limits=ResourceLimits(memory=32 << 20),
        )
        found = harbour.runtime.inspect(out.ran.name)
        assert found["State"]["OOMKilled"] is True  # type: ignore[index]
        assert found["HostConfig"]["Memory"] == 32 << 20  # type: ignore[index]

    def test_processes(self, harbour: Harbour) -> None:
        fork = "for i in 1 2 3 4 5 6 7 8 9; do sleep 600 & done; wait"
        assert "fork" in harbour.run("sh", "-c", fork, limits=ResourceLimits(pids=4), remove=True).stderr

    def test_cpus(self, harbour: Harbour) -> None:
        quota = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cat /sys/fs/cgroup/cpu.max"
        assert harbour.run("sh", "-c", quota, limits=ResourceLimits(cpus=0.5), remove=True).stdout.startswith("50000")

    def test_bad(self, harbour: Harbour) -> None:
        for limits in (
            ResourceLimits(cpus=0.001),
            ResourceLimits(cpus=float("nan")),
            ResourceLimits(cpus=float("inf")),
            ResourceLimits(memory=1),
            ResourceLimits(memory=10**30),
            ResourceLimits(pids=10**30),
        ):
            with pytest.raises(UsageError):
                harbour.run("true", limits=limits)


class TestTampering:
    @pytest.mark.parametrize("options", [{}, {"volumes": ("kept:/etc",)}, {"detach": True}, {"remove": True}])
    def test_of_a_changed_tree_nothing_is_run_and_nothing_is_kept(
        self, harbour: Harbour, options: dict[str, Any]
    ) -> None:
        """The tree is compared while the OCI runtime makes the container, which must leave nothing of it either."""
        assert harbour.run("true", remove=True).code == 0
        file = next((harbour.root / "snapshots").glob("*/fs/etc/group"))
        file.write_text(file.read_text().replace("root", "toor", 1))
        volumes = tuple(map(VolumeMount.parse, options.get("volumes", ())))
        wanted = replace(RunOptions("busybox", ("true",), network="none"), **{**options, "volumes": volumes})
        for _ in range(3):
            with pytest.raises(SealError, match="etc/group"):
                harbour.runtime.run(harbour.verdict(), wanted)
            assert harbour.gone() == []
        assert not list((harbour.root / "volumes").glob("kept/**/group"))

    @pytest.mark.parametrize(
        ("change", "options"),
        [
            ("sed -i s/root/toor/ etc/passwd", {"user": "root"}),
            ("rm -r proc; ln -s etc proc", {}),
            ("rm bin/true; ln -s nowhere bin/true", {}),
            ("rm -r etc; ln -s bin etc", {}),
        ],
    )
    def test_of_a_changed_tree_the_change_is_what_is_wrong(
        self, harbour: Harbour, change: str, options: dict[str, Any]
    ) -> None:
        """Whatever else came of it while the container was made."""
        assert harbour.run("true", remove=True, **options).code == 0
        tree = next((harbour.root / "snapshots").glob("*/fs/etc/group")).parents[1]
        subprocess.run(["sh", "-ec", change], cwd=tree, check=True)
        with pytest.raises(SealError, match="was changed"):
            harbour.run("true", **options)
        assert harbour.gone() == []

    def test_a_changed_blob_is_refused(self, harbour: Harbour) -> None:
        assert harbour.run("true", remove=True).code == 0
        manifest = harbour.store.document(harbour.busybox)
        path = harbour.store.blobs.path(manifest.layers[0].digest)  # type: ignore[union-attr]
        path.chmod(0o600)
        data = bytearray(path.read_bytes())
        data[1000] ^= 1
        path.write_bytes(data)
        with pytest.raises(SealError):
            harbour.run("true")

    @pytest.mark.parametrize("which", ["manifest", "config"])
    def test_changed_documents_are_refused(self, harbour: Harbour, which: str) -> None:
        verdict = harbour.verdict()
        manifest = harbour.store.document(harbour.busybox)
        digest = manifest.config.digest if which == "config" else harbour.busybox.digest  # type: ignore[union-attr]
        path = harbour.store.blobs.path(digest)
        path.chmod(0o600)
        path.write_bytes(path.read_bytes().replace(b"linux", b"Linux").replace(b"schemaVersion", b"schemaversion"))
        from lading.runtime.options import RunOptions
        from lading.store.errors import DocumentError

        with pytest.raises(DocumentError):
            harbour.runtime.run(verdict, RunOptions("busybox", ("true",), network="none", detach=True))
        assert harbour.gone() == []


def test_only_a_verdict_opens_the_door(harbour: Harbour) -> None:
    from lading.runtime.options import RunOptions
    from lading.verify.judgement.verdict import Verdict

    class Lookalike:
        manifest = harbour.busybox.digest

    for forged in (Verdict(), Lookalike(), harbour.busybox, str(harbour.busybox.digest)):
        with pytest.raises(TypeError):
            harbour.runtime.run(forged, RunOptions("busybox", ("true",), network="none"))  # type: ignore[arg-type]


def test_names(harbour: Harbour) -> None:
    first = harbour.run("true", name="anna")
    with pytest.raises(InputError, match="a container has this name"):
        harbour.run("true", name="anna")
    for text in ("anna", "/anna", first.ran.id, first.ran.id[:12], first.ran.id[:5]):
        assert harbour.runtime.find(text).id == first.ran.id
    harbour.runtime.remove("anna")
    for text in ("anna", "", ".", "..", "names", "../names"):
        with pytest.raises(InputError, match="no such container"):
            harbour.runtime.find(text)
    assert harbour.run("true", name="anna", remove=True).code == 0
    with pytest.raises(UsageError):
        harbour.run("true", name="../x")
    assert harbour.gone() == []


def test_without_a_driver_there_is_no_default_network(harbour: Harbour) -> None:
    with pytest.raises(MachineError, match="network driver"):
        harbour.run("true", network="default")
    assert harbour.gone() == []


def test_networks_none_and_host(harbour: Harbour) -> None:
    assert harbour.run(
        "sh",
        "-c",
        "ip -o link | wc -l; ping -c1 127.0.0.1 >/dev/null 2>&1; ip -o addr show lo | grep -c 127",
        remove=True,
    ).stdout.split() == ["1", "1"]
    out = harbour.run("cat", "/proc/net/dev", network="host", remove=True)
    assert out.stdout.count("\n") == Path("/proc/net/dev").read_text().count("\n")
    assert harbour.run("hostname", network="host", remove=True).stdout.strip() == os.uname().nodename
