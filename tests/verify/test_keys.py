from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.store.errors import DocumentError
from lading.verify.keys import secretbox
from lading.verify.keys.encoding import decode64, encode64, read_pem, write_pem
from lading.verify.keys.keyfiles import LABELS, PasswordError, decrypt, encrypt
from lading.verify.keys.keys import PrivateKey, PublicKey
from suites.machine import needs, vectors


def spki(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


RSA = {bits: rsa.generate_private_key(65537, bits) for bits in (1024, 2048)}


def test_a_generated_key_signs_what_its_public_half_verifies() -> None:
    key = PrivateKey.generate()
    signature = key.sign(b"message")
    assert key.public.verify(signature, b"message")
    assert not key.public.verify(signature, b"massage")
    assert not PrivateKey.generate().public.verify(signature, b"message")
    assert key.public.kind == "ECDSA P-256"


@pytest.mark.parametrize(("curve", "digest"), [(ec.SECP256R1(), hashes.SHA256()), (ec.SECP384R1(), hashes.SHA384())])
def test_ecdsa_with_its_own_hash_only(curve: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> None:
    key = ec.generate_private_key(curve)
    public = PublicKey.from_der(spki(key.public_key()))
    assert public.verify(key.sign(b"m", ec.ECDSA(digest)), b"m")
    other = hashes.SHA384() if isinstance(digest, hashes.SHA256) else hashes.SHA256()
    assert not public.verify(key.sign(b"m", ec.ECDSA(other)), b"m")


def test_rsa_pkcs1v15_with_sha256_only() -> None:
    public = PublicKey.from_der(spki(RSA[2048].public_key()))
    assert public.kind == "RSA 2048"
    assert public.verify(RSA[2048].sign(b"m", padding.PKCS1v15(), hashes.SHA256()), b"m")
    assert not public.verify(RSA[2048].sign(b"m", padding.PKCS1v15(), hashes.SHA1()), b"m")
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    assert not public.verify(RSA[2048].sign(b"m", pss, hashes.SHA256()), b"m")


def test_ed25519_is_pure() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    public = PublicKey.from_der(spki(key.public_key()))
    assert public.kind == "Ed25519"
    assert public.verify(key.sign(b"m"), b"m")
    assert not public.verify(key.sign(b"m"), b"n")


@pytest.mark.parametrize(
    ("der", "words"),
    [
        (spki(RSA[1024].public_key()), "RSA key of 1024 bits"),
        (spki(rsa.generate_private_key(3, 2048).public_key()), "exponent 3"),
        (spki(ec.generate_private_key(ec.SECP521R1()).public_key()), "secp521r1"),
        (spki(ec.generate_private_key(ec.SECP256K1()).public_key()), "secp256k1"),
        (b"", "not a public key"),
        (b"\x30\x00", "not a public key"),
        (b"x" * 5000, "more than a public key has"),
    ],
)
def test_weak_strange_and_broken_keys_are_refused(der: bytes, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        PublicKey.from_der(der)


def test_one_key_has_one_encoding() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = spki(key)
    compressed = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    squeezed = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + compressed
    for wrong in (der + b"\0", der[:-1], squeezed, der[:26] + b"\x06" + der[27:], der[:-1] + bytes([der[-1] ^ 1])):
        with pytest.raises(DocumentError):
            PublicKey.from_der(wrong)
    assert PublicKey.from_der(der).fingerprint == PublicKey.from_pem(PublicKey(der).pem).fingerprint


def test_a_signature_has_one_encoding() -> None:
    key = PrivateKey.generate()
    signature = key.sign(b"m")
    size = signature[1]
    long_form = b"\x30\x81" + signature[1:]
    zero = bytes.fromhex("3006020100020100")
    for wrong in (
        signature + b"\0",
        long_form,
        b"\x30" + bytes([size + 1]) + signature[2:] + b"\0",
        zero,
        b"",
        b"\x30",
    ):
        assert not key.public.verify(wrong, b"m")


def test_key_files_round_trip_and_look_like_cosign_s() -> None:
    key = PrivateKey.generate()
    for password in (b"", b"pw", "pässwörd".encode()):
        pem = key.write(password)
        assert PrivateKey.read(pem, password).public == key.public
    label, body = read_pem(pem, LABELS, "key")
    assert label == "ENCRYPTED SIGSTORE PRIVATE KEY"
    held = json.loads(body)
    assert held["kdf"]["params"] == {"N": 65536, "r": 8, "p": 1}
    assert held["cipher"]["name"] == "nacl/secretbox"
    assert "_key" not in repr(key)


def test_a_wrong_password_is_one_clear_line() -> None:
    pem = PrivateKey.generate().write(b"right")
    with pytest.raises(PasswordError, match=r"cosign\.key: the password does not open this key") as caught:
        PrivateKey.read(pem, b"wrong", "cosign.key")
    assert caught.value.hint


def test_cosign_s_own_key_files_open() -> None:
    keys = vectors() / "cosign" / "keys"
    for name in ("alice", "bob", "mallory"):
        key = PrivateKey.read((keys / f"{name}.key").read_bytes(), b"pw")
        assert key.public == PublicKey.from_pem((keys / f"{name}.pub").read_bytes())
    older = (keys / "alice.key").read_bytes().replace(b"SIGSTORE", b"COSIGN")
    assert PrivateKey.read(older, b"pw").public.pem == (keys / "alice.pub").read_bytes()


@pytest.mark.parametrize("name", ["p384", "rsa3072", "ed25519"])
def test_other_private_keys_open_but_do_not_sign(name: str) -> None:
    pem = (vectors() / "cosign" / "keys" / f"{name}.key").read_bytes()
    assert decrypt(pem, b"pw")
    with pytest.raises(DocumentError, match="not an ECDSA P-256 key"):
        PrivateKey.read(pem, b"pw")


@pytest.mark.parametrize(
    "change",
    [
        {"N": 2**30},
        {"N": 65535},
        {"N": 0},
        {"N": 1},
        {"r": 0},
        {"r": 2**20},
        {"p": 0},
        {"p": 9},
        {"N": -65536},
        {"N": True},
        {"r": 1},
        {"N": "65536"},
    ],
)
def test_scrypt_s_parameters_are_capped(change: dict[str, object]) -> None:
    held = json.loads(read_pem(encrypt(b"x", b""), LABELS, "key")[1])
    held["kdf"]["params"].update(change)
    with pytest.raises(DocumentError):
        decrypt(write_pem(LABELS[0], json.dumps(held).encode()), b"")


def test_a_malformed_key_file_is_a_document_error() -> None:
    good = json.loads(read_pem(encrypt(b"not a key", b""), LABELS, "key")[1])
    with pytest.raises(DocumentError, match="no private key"):
        PrivateKey.read(write_pem(LABELS[0], json.dumps(good).encode()), b"")
    for change in (
        {"ciphertext": "AAAA"},
        {"ciphertext": "*"},
        {"kdf": None},
        {"extra": 1},
        {"cipher": {"name": "aes"}},
    ):
        with pytest.raises(DocumentError):
            decrypt(write_pem(LABELS[0], json.dumps(good | change).encode()), b"")


def test_secretbox_is_the_published_one() -> None:
    """The example of "Cryptography in NaCl", §9 (crypto_secretbox), as libsodium's tests have it."""
    key = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
    nonce = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
    message = bytes.fromhex(
        "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f4"
        "1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52"
        "f0a089bc76897040e082f937763848645e0705"
    )
    box = bytes.fromhex(
        "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b"
        "4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da"
        "99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
    )
    assert secretbox.encrypt(key, nonce, message) == box
    assert secretbox.decrypt(key, nonce, box) == message
    assert secretbox.decrypt(key, nonce, bytes([box[0] ^ 1]) + box[1:]) is None


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_base64_has_one_text_for_one_value(data: bytes) -> None:
    assert decode64(encode64(data), "x") == data
    assert decode64(base64.urlsafe_b64encode(data).decode(), "x") == data


@pytest.mark.parametrize(
    "text", ["A", "AA", "AA=", "AB==", "AA==\n", " AA==", "AA==AA==", "+-==", "é", "AAA", "====", "AA.="]
)
def test_sloppy_base64_is_refused(text: str) -> None:
    with pytest.raises(DocumentError):
        decode64(text, "x")


@pytest.mark.parametrize(
    "change",
    [
        lambda pem: b"words before\n" + pem,
        lambda pem: pem + pem,
        lambda pem: pem.replace(b"-----END PUBLIC KEY", b"-----END PRIVATE KEY"),
        lambda pem: pem.replace(b"PUBLIC KEY", b"CERTIFICATE"),
        lambda pem: pem.replace(b"\n", b""),
        lambda _: b"",
        lambda pem: pem + b"x" * 70_000,
    ],
)
def test_a_public_key_file_is_one_block_and_nothing_else(change: object) -> None:
    pem = PrivateKey.generate().public.pem
    assert PublicKey.from_pem(b"\n" + pem.replace(b"\n", b"\r\n") + b"\n")
    with pytest.raises(DocumentError):
        PublicKey.from_pem(change(pem))  # type: ignore[operator]


@needs("openssl")
def test_openssl_agrees(tmp_path: Path) -> None:
    key = PrivateKey.generate()
    (tmp_path / "pub").write_bytes(key.public.pem)
    (tmp_path / "sig").write_bytes(key.sign(b"message"))
    (tmp_path / "message").write_bytes(b"message")
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-verify", "pub", "-signature", "sig", "message"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
