"""A repository of a running registry, by plain HTTP: the few requests that tests of the server repeat."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from suites.patience import PATIENCE

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def descriptor(data: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def code_of(answer: httpx.Response) -> str:
    """The one error of an answer, which has the form that the specification asks for."""
    [error] = answer.json()["errors"]
    assert set(error) == {"code", "message"}
    assert answer.headers["content-type"] == "application/json"
    return str(error["code"])


@dataclass
class Repository:
    """`client` speaks to the registry; `name` is the repository."""

    client: httpx.Client
    name: str

    def request(self, method: str, rest: str, **more: object) -> httpx.Response:
        return self.client.request(method, f"/v2/{self.name}/{rest}", **more)  # type: ignore[arg-type]

    def get(self, rest: str, **headers: str) -> httpx.Response:
        return self.request("GET", rest, headers={key.replace("_", "-"): value for key, value in headers.items()})

    def begin(self) -> str:
        """A new upload's location."""
        answer = self.request("POST", "blobs/uploads/")
        assert answer.status_code == 202, answer.text
        return str(answer.headers["location"])

    def push(self, data: bytes, algorithm: str = "sha256") -> str:
        """A blob; its digest."""
        digest = digest_of(data, algorithm)
        answer = self.client.put(self.begin(), params={"digest": digest}, content=data)
        assert answer.status_code == 201, answer.text
        return digest

    def put(self, reference: str, raw: bytes, media_type: str = MANIFEST, **headers: str) -> httpx.Response:
        given = {"content-type": media_type, **{key.replace("_", "-"): value for key, value in headers.items()}}
        return self.request("PUT", f"manifests/{reference}", content=raw, headers=given)

    def manifest(self, content: bytes = b"layer", **more: object) -> bytes:
        """A manifest whose blobs are pushed."""
        for data in (b"{}", content):
            self.push(data)
        return manifest(content, **more)

    def put_image(self, tag: str, content: bytes = b"layer", **more: object) -> str:
        """An image; its digest."""
        answer = self.put(tag, self.manifest(content, **more))
        assert answer.status_code == 201, answer.text
        return str(answer.headers["docker-content-digest"])


def manifest(content: bytes = b"layer", **more: object) -> bytes:
    value = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(b"{}", CONFIG),
        "layers": [descriptor(content, LAYER)],
    }
    return json.dumps({key: item for key, item in (value | more).items() if item is not None}).encode()


def index(children: list[dict[str, object]], **more: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children, **more}).encode()


def raw_request(
    address: str, line: str, headers: Mapping[str, str] | None = None, body: bytes = b"", patience: float = PATIENCE
) -> bytes:
    """Sends a request as it is written, and returns everything that is answered until the server closes."""
    host, _, port = address.rpartition(":")
    given = {"Host": address, "Connection": "close", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    with socket.create_connection((host, int(port)), timeout=patience) as link:
        link.sendall(f"{line} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body)
        answer = b""
        while piece := link.recv(65536):
            answer += piece
    return answer
