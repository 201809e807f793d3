from __future__ import annotations

import pytest

from lading.registry.platforms import child_for, choose, host_platform, normalise, parse_platform
from lading.store.errors import InputError
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.documents import INDEX, MANIFEST, Index


def offer(*texts: str | None) -> list[Descriptor]:
    found: list[Descriptor] = []
    for text in texts:
        parts = text.split("/") if text else None
        platform = Platform(parts[0], parts[1], parts[2] if len(parts) > 2 else None) if parts else None
        plain = Descriptor.of((text or "none").encode() + bytes([len(found)]), MANIFEST)
        found.append(Descriptor(plain.media_type, plain.digest, plain.size, platform=platform))
    return found


@pytest.mark.parametrize(
    ("wanted", "offers", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], 1),
        ("linux/amd64", ["linux/x86_64"], 0),
        ("linux/amd64", ["windows/amd64"], None),
        ("linux/amd64", ["linux/amd64/v2"], None),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64"], 1),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"], 1),
        ("linux/arm64", ["linux/arm64/v8"], 0),
        ("linux/arm64/v8", ["linux/arm64"], 0),
        ("linux/arm64", ["linux/arm64/v9"], None),
        ("linux/arm64/v9", ["linux/arm64/v8", "linux/arm64/v8.2"], 1),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], 1),
        ("linux/arm", ["linux/arm/v6", "linux/arm/v7", "linux/arm/v8"], 1),
        ("linux/arm/v6", ["linux/arm/v7"], None),
        ("linux/arm/v5", ["linux/arm/v5", "linux/arm/v5"], 0),
        ("linux/386", ["linux/amd64"], None),
        ("linux/amd64", ["unknown/unknown"], None),
        ("linux/amd64", ["unknown/unknown", "linux/amd64"], 1),
        ("linux/amd64", [None], 0),
        ("linux/amd64", [None, "linux/arm64"], None),
        ("linux/amd64", [], None),
        ("linux/amd64", ["linux/amd64/strange"], None),
    ],
)
def test_choice(wanted: str, offers: list[str | None], chosen: int | None) -> None:
    listed = offer(*offers)
    expected = None if chosen is None else listed[chosen]
    assert choose(listed, parse_platform(wanted)) == expected


def test_attestations_are_no_images_whatever_their_platform() -> None:
    (image,) = offer("linux/amd64")
    paper = Descriptor(
        image.media_type,
        image.digest,
        image.size,
        {"vnd.docker.reference.type": "attestation-manifest"},
        platform=image.platform,
    )
    assert choose([paper], parse_platform("linux/amd64")) is None


@pytest.mark.parametrize(
    ("offers", "hint"),
    [
        (["linux/arm64", "unknown/unknown", "linux/386"], "it has linux/arm64, linux/386"),
        ([], "it has none that names a platform"),
    ],
)
def test_an_index_without_the_platform_says_what_it_has(offers: list[str | None], hint: str) -> None:
    index = Index(b"", INDEX, tuple(offer(*offers)), None, None, {})
    with pytest.raises(InputError, match="example: has no image for linux/amd64") as caught:
        child_for(index, parse_platform("linux/amd64"), "example")
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("amd64", Platform("linux", "amd64", "v1")),
        ("linux/aarch64", Platform("linux", "arm64", "v8")),
        ("linux/armv6l", Platform("linux", "arm", "v6")),
        ("linux/arm/7", Platform("linux", "arm", "v7")),
        ("Linux/AMD64", Platform("linux", "amd64", "v1")),
        ("linux/riscv64", Platform("linux", "riscv64")),
    ],
)
def test_words_of_uname_and_of_go(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/amd64 ", "linux/\n"])
def test_nonsense(text: str) -> None:
    with pytest.raises(InputError):
        parse_platform(text)


def test_this_machine_is_a_platform() -> None:
    assert normalise(host_platform()) == host_platform()
    assert host_platform().os == "linux"
