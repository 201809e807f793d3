"""What is remembered of signatures is what was reckoned, and only a launch by the root's own policy asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.host.trust.known_signatures import KnownSignatures
from lading.store.errors import DocumentError
from lading.store.index import Index
from lading.verify.judgement.verifier import Verifier
from lading.verify.keys.keys import PrivateKey, PublicKey
from lading.verify.policy.policy import Policy

KEYS = [PrivateKey.generate() for _ in range(2)]
MESSAGES = [b"", b"1:a", b"a1:", b"a" * 1000]
SIGNED = [(key, message, key.sign(message)) for key in KEYS for message in MESSAGES]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    opened = Index(tmp_path_factory.mktemp("known") / "index.db")
    yield opened
    opened.close()


def rows(index: Index) -> int:
    return int(index.all("SELECT count(*) FROM cache WHERE kind = 'signature'")[0][0])


@given(st.sampled_from(KEYS), st.sampled_from(SIGNED), st.sampled_from(MESSAGES), st.booleans())
def test_it_says_what_the_key_says_however_often_it_is_asked(
    index: Index, key: PrivateKey, signed: tuple[PrivateKey, bytes, bytes], message: bytes, cut: bool
) -> None:
    signature = signed[2][: -1 if cut else None]
    expected = key.public.verify(signature, message)
    for _ in range(2):
        check = KnownSignatures(index)
        assert check(key.public, signature, message) == expected
        check.keep()
    assert rows(index) <= len(SIGNED)


def test_a_key_that_cannot_be_read_is_not_remembered(index: Index) -> None:
    before = rows(index)
    check = KnownSignatures(index)
    for _ in range(2):
        with pytest.raises(DocumentError):
            check(PublicKey(b"no key"), b"signature", b"message")
    check.keep()
    assert rows(index) == before


def test_what_does_not_hold_is_not_written_down(index: Index) -> None:
    before, check = rows(index), KnownSignatures(index)
    for number in range(20):
        assert not check(KEYS[0].public, b"%d" % number, b"")
    check.keep()
    assert rows(index) == before


def test_so_many_are_kept_and_no_more(index: Index) -> None:
    check = KnownSignatures(index, most=5)
    for number in range(20):
        message = b"%d" % number
        assert check(KEYS[0].public, KEYS[0].sign(message), message)
        check.keep()
    assert rows(index) == 5


def test_under_a_floor_nothing_is_remembered(index: Index) -> None:
    policy = Policy("p", scopes={})
    under, free = Verifier(policy, Policy("floor", scopes={})), Verifier(policy)
    assert under.remembering(KnownSignatures(index)) is under
    assert free.remembering(KnownSignatures(index)) is not free
