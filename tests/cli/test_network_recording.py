"""`build --network-record`, `build --network-replay` and `rebuild`, in a network namespace with a web server in it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from suites.building import busybox, write
from suites.commands import Lading
from suites.machine import needs
from suites.patience import PATIENCE

pytestmark = needs("root", "overlay", "netns", "crun", "ip", "nft", "busybox")

_SCRIPT = """
set -e
ip link set lo up
ip addr add 192.0.2.99/32 dev lo
lading() { "$PYTHON" -c "from lading.cli.main import main; main()" "$@"; }
lading keygen < /dev/null > /dev/null
lading build -q -t localhost/base base > /dev/null
busybox httpd -f -p 192.0.2.99:8000 -h www &
server=$!
until busybox nc 192.0.2.99 8000 < /dev/null > /dev/null 2>&1; do :; done
lading build -q --network-record -t localhost/app app > recorded
kill $server
wait $server || true
lading provenance localhost/app > told
lading blame localhost/app file > blamed
lading blame localhost/app > shares
lading build -q --network-replay localhost/app -t localhost/again app > replayed
lading provenance localhost/again > replay
lading rebuild localhost/app > rebuilt
lading bake -q -f app.hcl --network-replay localhost/app app > baked
lading bake -q -f app.hcl --network-replay app=localhost/app app > named
! lading bake -q -f app.hcl --network-replay app=localhost/app other 2> unknown
! lading bake -q -f app.hcl --network-replay localhost/app other 2> others
! lading build -q --network-replay localhost/app other 2> missed
! lading build -q --network-replay localhost/base app 2> none
! lading build -q --network-replay localhost/app --network-record app 2> both
"""


def test_recorded_replayed_rebuilt(tmp_path: Path) -> None:
    busybox(tmp_path / "base")
    run = "FROM localhost/base\nRUN busybox wget -q -O /file http://192.0.2.99:8000/"
    files = {"app/Dockerfile": f"{run}file\n", "other/Dockerfile": f"{run}other\n", "www/file": "content\n"}
    files["app.hcl"] = 'target "app" {\n  context = "app"\n}\ntarget "other" {\n  context = "other"\n}\n'
    write(tmp_path, dict(files))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHON": sys.executable,
        "LADING_ROOT": str(tmp_path / "root"),
        "LADING_PASSWORD": "",
        "COSIGN_PASSWORD": "",
    }
    words = ["unshare", "-n", "sh", "-c", _SCRIPT]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    names = ("recorded", "replayed", "rebuilt", "missed", "none", "both", "told", "baked", "named", "unknown", "others")
    said = {name: (tmp_path / name).read_text() for name in (*names, "replay", "blamed", "shares")}
    assert said["recorded"].startswith("sha256:") and said["replayed"] == said["recorded"]
    assert "  executed under oci\n  contacted tcp 192.0.2.99:8000\n" in said["told"]
    assert "  contacted nothing, but for what was recorded\n" in said["replay"]
    assert said["rebuilt"].startswith("reproduced ")
    assert said["baked"] == said["named"] == f"{said['recorded'].strip()}  app\n"
    assert "no target 'app' is built" in said["unknown"]
    assert "target other: " in said["others"] and "/other was not recorded" in said["others"]
    assert "replayed: GET http://192.0.2.99:8000/other was not recorded" in said["missed"]
    assert "was built without a record of its network" in said["none"]
    assert "give one of them" in said["both"]
    digest = hashlib.sha256(b"content\n").hexdigest()
    assert f"  input    url:http://192.0.2.99:8000/file sha256:{digest}\n" in said["blamed"]
    assert (
        "  source   recorded: made of inputs and of answers of the web that are all on record by digest\n"
        in said["blamed"]
    )
    files = said["shares"].partition(" of ")[0].rpartition(" ")[2]
    assert f": {files} of {files} files, 100.0 % of " in said["shares"]
    assert (tmp_path / "root/blobs/sha256" / digest).exists()


def test_a_step_on_the_hosts_network_is_said_to_be_in_no_recording(tmp_path: Path) -> None:
    lading = Lading(tmp_path / "root")
    lading.ok("keygen")
    busybox(tmp_path / "base")
    lading.ok("build", "-q", "-t", "localhost/base", tmp_path / "base")
    write(tmp_path / "app", {"Dockerfile": "FROM localhost/base\nRUN --network=host true\nRUN true\n"})
    words = ("build", "--no-cache", "--allow", "network.host", "-t", "localhost/app", tmp_path / "app")
    recorded = lading.call(*words, "--network-record")
    assert "warning: Dockerfile:2: RUN has the host's network, and nothing of it is recorded\n" in recorded.err
    replayed = lading.call(*words, "--network-replay", "localhost/app")
    assert "warning: Dockerfile:2: RUN has the host's network, and asks it instead of the recording\n" in replayed.err
    assert (recorded.code, replayed.code) == (0, 0)
    for said in (recorded.err, replayed.err):
        assert "Dockerfile:3: RUN" not in said
