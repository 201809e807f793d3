from __future__ import annotations

import pytest

from lading.store.errors import InputError
from lading.store.oci.descriptors import Descriptor, Platform
from lading.store.oci.documents import INDEX, MANIFEST, Index
from lading.store.oci.platform_choice import child_for, choose, matches, taken
from lading.store.oci.platforms import host_platform, normalise, parse_platform


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
        ("linux/amd64", ["linux/386"], 0),
        ("linux/amd64", ["linux/386", "linux/amd64/v1"], 1),
        ("linux/amd64/v2", ["linux/386", "linux/amd64"], 1),
        ("linux/arm64", ["linux/arm/v6", "linux/arm/v8"], 1),
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
        (["linux/arm64", "unknown/unknown", "linux/riscv64"], "it has linux/arm64, linux/riscv64"),
        (["linux/arm64", "linux/arm64"], "it has linux/arm64"),
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
        ("amd64", Platform("linux", "amd64")),
        ("linux/aarch64", Platform("linux", "arm64")),
        ("linux/arm64/v8", Platform("linux", "arm64")),
        ("Aarch64", Platform("linux", "arm64")),
        ("linux/arm", Platform("linux", "arm", "v7")),
        ("armel", Platform("linux", "arm", "v6")),
        ("armhf", Platform("linux", "arm", "v7")),
        ("x86_64", Platform("linux", "amd64")),
        ("Linux/x86_64", Platform("linux", "amd64")),
        ("i386", Platform("linux", "386")),
        ("s390x", Platform("linux", "s390x")),
        ("linux/amd64/v1", Platform("linux", "amd64")),
        ("linux/amd64/v3", Platform("linux", "amd64", "v3")),
        ("linux/arm64/9.0", Platform("linux", "arm64", "v9")),
        ("macos/arm64", Platform("darwin", "arm64")),
        ("windows(10.0.17763)/amd64", Platform("windows", "amd64", None, "10.0.17763")),
        ("windows()/amd64", Platform("windows", "amd64")),
        ("linux(+gpu+erofs)/amd64", Platform("linux", "amd64", None, None, ("erofs", "gpu"))),
        ("linux/armv6l", Platform("linux", "arm", "v6")),
        ("linux/arm/7", Platform("linux", "arm", "v7")),
        ("Linux/AMD64", Platform("linux", "amd64")),
        ("linux/riscv64", Platform("linux", "riscv64")),
    ],
)
def test_words_of_uname_and_of_go(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/amd64 ", "linux/\n", "linux(/amd64", "linux/*"])
def test_nonsense(text: str) -> None:
    with pytest.raises(InputError):
        parse_platform(text)


@pytest.mark.parametrize("text", ["bogus", "linux-amd64", "wasip1", "amd64(10)", "bogus(10)", "amd64v2", "unknown"])
def test_a_word_alone_is_a_system_or_an_architecture(text: str) -> None:
    with pytest.raises(InputError, match="unknown operating system or architecture"):
        parse_platform(text)


def test_this_machine_is_a_platform() -> None:
    assert normalise(host_platform()) == host_platform()
    assert host_platform().os == "linux"


def test_a_system_alone_is_of_this_machine() -> None:
    own = host_platform()
    assert parse_platform("windows") == Platform("windows", own.architecture, own.variant)


_ARM = ["linux/arm", *(f"linux/arm/v{level}" for level in (5, 6, 7, 8))]
_ARM64 = [*_ARM, "linux/arm64", "linux/arm64/v8"]


def _v8(last: int) -> list[str]:
    return [*_ARM64, *(f"linux/arm64/v8.{minor}" for minor in range(1, last + 1))]


@pytest.mark.parametrize(
    ("wanted", "taken_", "left"),
    [
        ("linux/amd64", ["linux/amd64", "linux/386"], ["linux/amd64/v2", "linux/arm/v7", "windows/amd64"]),
        ("linux/amd64/v2", ["linux/amd64/v1", "linux/amd64/v2", "linux/386"], ["linux/amd64/v3", "linux/arm64"]),
        ("linux/386", ["linux/386"], ["linux/amd64", "linux/arm/v7", "windows/amd64"]),
        ("windows/amd64", ["windows/amd64", "windows(10.0.17763)/amd64"], ["linux/amd64", "windows/arm"]),
        ("linux/arm/v8", _ARM, ["linux/arm/v4", "linux/arm64", "linux/amd64"]),
        ("linux/arm/v7", _ARM[:4], ["linux/arm/v4", "linux/arm/v8", "linux/arm64"]),
        ("linux/arm/v6", ["linux/arm/v5", "linux/arm/v6"], ["linux/arm", "linux/arm/v4", "linux/arm/v7"]),
        ("linux/arm/v5", ["linux/arm/v5"], ["linux/arm", "linux/arm/v4", "linux/arm/v6"]),
        ("linux/arm/v4", ["linux/arm/v4"], ["linux/arm", "linux/arm/v5"]),
        ("linux/arm64", _ARM64, ["linux/arm/v4", "linux/arm/v9", "linux/arm64/v9", "linux/amd64"]),
        ("linux/arm64/v8.1", _v8(1), ["linux/arm/v9", "linux/arm64/v8.2", "linux/arm64/v9"]),
        ("linux/arm64/v9", [*_v8(5), "linux/arm64/v9", "linux/arm64/v9.0"], ["linux/arm64/v8.6", "linux/arm/v4"]),
        (
            "linux/arm64/v9.6",
            [*_v8(9), *(f"linux/arm64/v9.{minor}" for minor in range(7))],
            ["linux/arm64/v8.10", "linux/arm64/v9.7", "linux/arm/v4"],
        ),
        ("linux/arm64/v10", [], ["linux/arm64/v10", "linux/arm64", "linux/arm"]),
    ],
)
def test_what_a_platform_takes(wanted: str, taken_: list[str], left: list[str]) -> None:
    """The facts of `TestOnly` in containerd's platforms."""
    vector = taken(parse_platform(wanted))
    for text in [*taken_, *left]:
        found = any(matches(parse_platform(text), one) for one in vector)
        assert found == (text in taken_), text


@pytest.mark.parametrize(
    ("host", "image", "runs"),
    [
        (17763, 17763, True),
        (17763, 20348, False),
        (20348, 17763, False),
        (20348, 20348, True),
        (22621, 17763, False),
        (22621, 20348, True),
        (25398, 20348, True),
        (26100, 20348, True),
        (20348, 26100, False),
        (20348, 22621, False),
        (26100, 22621, True),
        (26200, 25398, False),
    ],
)
def test_builds_of_windows(host: int, image: int, runs: bool) -> None:
    """The facts of containerd's table, and one host beyond its last release."""
    wanted = parse_platform(f"windows(10.0.{host})/amd64")
    assert matches(parse_platform(f"windows(10.0.{image}.1)/amd64"), wanted) == runs


def test_of_windows_the_newest_revision() -> None:
    listed = [
        Descriptor(one.media_type, one.digest, one.size, platform=parse_platform(f"windows({version})/amd64"))
        for one, version in zip(
            offer("a/b", "a/b", "a/b"), ("10.0.20348.99", "10.0.26100.2894", "10.0.26100.3000"), strict=True
        )
    ]
    assert choose(listed, parse_platform("windows(10.0.26100)/amd64")) == listed[2]
    assert choose(listed, parse_platform("windows(10.0.20348)/amd64")) == listed[0]


@pytest.mark.parametrize(
    ("wanted", "offers", "chosen"),
    [
        ("linux/amd64", ["linux(+other)/amd64", "linux/amd64"], 1),
        ("linux(+none)/amd64", ["linux(+other)/amd64", "linux/amd64"], 1),
        ("linux(+af+other+zf)/amd64", ["linux/amd64", "linux(+other)/amd64"], 1),
        ("linux(+f1+f2)/amd64", ["linux/amd64", "linux(+f2)/amd64", "linux(+f1+f2)/amd64"], 2),
        ("linux(7.2+other)/amd64", ["linux(7.1)/amd64", "linux(+other)/amd64", "linux(7.2+other)/amd64"], 1),
        ("windows/amd64", ["windows(10.0.17763+win32k)/amd64"], 0),
    ],
)
def test_features_of_a_system(wanted: str, offers: list[str], chosen: int) -> None:
    """The facts of `TestCompareOSFeatures`."""
    listed = [
        Descriptor(one.media_type, one.digest, one.size, platform=parse_platform(text))
        for one, text in zip(offer(*("a/b" for _ in offers)), offers, strict=True)
    ]
    assert choose(listed, parse_platform(wanted)) == listed[chosen]
