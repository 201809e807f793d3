from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.registry.reference import InvalidReferenceError, Reference
from suites.machine import needs

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"

# The rows of distribution/reference's own tests that this syntax has (text, full name, familiar).
VALID = [
    ("app", "docker.io/library/app:latest", "app:latest"),
    ("app:1.2", "docker.io/library/app:1.2", "app:1.2"),
    ("team/app", "docker.io/team/app:latest", "team/app:latest"),
    ("library/app", "docker.io/library/app:latest", "app:latest"),
    ("docker.io/app", "docker.io/library/app:latest", "app:latest"),
    ("docker.io/library/app", "docker.io/library/app:latest", "app:latest"),
    ("index.docker.io/library/app", "docker.io/library/app:latest", "app:latest"),
    ("docker.io/a/b/c", "docker.io/a/b/c:latest", "a/b/c:latest"),
    ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
    ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
    ("localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"),
    ("example.com/app", "example.com/app:latest", "example.com/app:latest"),
    ("example.com:8080/a/b:t", "example.com:8080/a/b:t", "example.com:8080/a/b:t"),
    ("127.0.0.1:5000/app", "127.0.0.1:5000/app:latest", "127.0.0.1:5000/app:latest"),
    ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
    ("[2001:db8::1]/app", "[2001:db8::1]/app:latest", "[2001:db8::1]/app:latest"),
    ("app:1/b", "app:1/b:latest", "app:1/b:latest"),
    ("HOST/app", "HOST/app:latest", "HOST/app:latest"),
    ("app@" + DIGEST, f"docker.io/library/app@{DIGEST}", f"app@{DIGEST}"),
    ("app:1@" + DIGEST, f"docker.io/library/app@{DIGEST}", f"app:1@{DIGEST}"),
    ("foo__bar", "docker.io/library/foo__bar:latest", "foo__bar:latest"),
    ("foo---bar", "docker.io/library/foo---bar:latest", "foo---bar:latest"),
    ("a.b", "docker.io/library/a.b:latest", "a.b:latest"),
    ("docker.io/localhost/app", "docker.io/localhost/app:latest", "docker.io/localhost/app:latest"),
    ("docker.io/a.b/app", "docker.io/a.b/app:latest", "docker.io/a.b/app:latest"),
    ("xn--n3h.com/app", "xn--n3h.com/app:latest", "xn--n3h.com/app:latest"),
    ("app:" + "t" * 128, "docker.io/library/app:" + "t" * 128, "app:" + "t" * 128),
    ("example.com/" + "a" * 243, "example.com/" + "a" * 243 + ":latest", "example.com/" + "a" * 243 + ":latest"),
]
INVALID = [
    "", "/", "/app", "app/", "a//b", ":1", "app:", "app@", "App", "team/App", "example.com/App", "app:-1", "app:.1",
    "app:" + "t" * 129, "app:1:2", "-app", "app-", ".app", "a..b", "a.-b", "a___b", "a b", "app\n", " app",
    "app@sha256:abc", "app@md5:" + "a" * 32, "app@" + DIGEST.upper(), f"app@{DIGEST}@{DIGEST}", HEX, "example.com/",
    "docker.io/", "docker.io/library/", "-host.com/app", "host-.com/app", "example.com:/app", "example.com:a/app",
    "user@example.com/app", "https://example.com/app", "example..com/app", "[::1/app", "a/../b", "a%2fb", "äpp",
    "example.com/" + "a" * 244, "app:1@", "a@b", "example.com:5000", "app\0", "\u0661app",
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "familiar"), VALID)
def test_is_normalised(text: str, name: str, familiar: str) -> None:
    ref = Reference.parse(text)
    assert (ref.name, ref.familiar) == (name, familiar)


@pytest.mark.parametrize("text", [text for text in INVALID if text != "example.com:5000"])
def test_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InvalidReferenceError) as refused:
        Reference.parse(text)
    assert "not an image reference" in refused.value.message
    assert "\n" not in refused.value.message


def test_a_host_and_port_alone_is_a_name_and_a_tag_as_docker_has_it() -> None:
    assert Reference.parse("example.com:5000").name == "docker.io/library/example.com:5000"


def test_a_tag_beside_a_digest_is_shown_but_names_nothing() -> None:
    ref = Reference.parse(f"example.com/app:1@{DIGEST}")
    assert ref.selector == DIGEST
    assert str(ref) == f"example.com/app:1@{DIGEST}"
    assert ref.name == f"example.com/app@{DIGEST}"


def test_another_tag_is_checked() -> None:
    ref = Reference.parse("example.com/app:1")
    assert ref.tagged("2").name == "example.com/app:2"
    with pytest.raises(InvalidReferenceError):
        ref.tagged("a/b")


_WORD = st.from_regex(r"[a-z0-9]{1,6}(([._]|__|-{1,2})[a-z0-9]{1,4}){0,2}", fullmatch=True)
_HOST = st.one_of(
    st.sampled_from(["docker.io", "localhost", "localhost:5000", "[::1]:80", "Host", "index.docker.io"]),
    st.from_regex(r"[a-z0-9]{1,5}(\.[a-z0-9]{1,4}){1,2}(:[0-9]{1,5})?", fullmatch=True),
)
_TAG = st.one_of(st.none(), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True))


@settings(max_examples=200)
@given(host=_HOST, path=st.lists(_WORD, min_size=1, max_size=3), tag=_TAG, digest=st.sampled_from(["", f"@{DIGEST}"]))
def test_every_way_to_write_it_reads_back(host: str, path: list[str], tag: str | None, digest: str) -> None:
    ref = Reference.parse(f"{host}/{'/'.join(path)}{f':{tag}' if tag else ''}{digest}")
    assert Reference.parse(str(ref)) == ref
    assert Reference.parse(ref.familiar) == ref
    assert Reference.parse(ref.name).name == ref.name


@settings(max_examples=300)
@given(st.text(alphabet="aB1./:@-_[]\n é", max_size=20))
def test_anything_is_a_reference_or_an_error(text: str) -> None:
    try:
        ref = Reference.parse(text)
    except InvalidReferenceError:
        return
    assert Reference.parse(ref.name).name == ref.name


@needs("skopeo", "netns")
def test_accepts_and_refuses_what_skopeo_does() -> None:
    """Without a network, what skopeo can read fails later, for another reason."""
    texts = [text for text, _, _ in VALID if not (":" in text and "@" in text.split(":1", 1)[-1])]
    texts += [text for text in INVALID if text and "\0" not in text and text != HEX]
    loop = 'for ref in "$@"; do skopeo inspect "docker://$ref" 2>&1 </dev/null | tr "\\n" " "; echo; done'
    ran = subprocess.run(
        ["unshare", "-n", "timeout", "60", "sh", "-c", loop, "sh", *texts], capture_output=True, text=True, check=False
    )
    lines = ran.stdout.splitlines()
    assert len(lines) == len(texts)
    # What Debian 12 has knows neither IPv6 literals nor upper-case hosts yet; docker's own code does.
    for text, line in zip(texts, lines, strict=True):
        words = ("invalid reference", "invalid repository", "invalid image", "unsupported digest", "must not be more")
        refused = any(word in line.lower() for word in words)
        if text.startswith(("[", "HOST")):
            continue
        assert refused == _refuses(text), (text, line)


def _refuses(text: str) -> bool:
    try:
        Reference.parse(text)
    except InvalidReferenceError:
        return True
    return False
