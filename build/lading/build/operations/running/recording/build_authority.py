"""A certificate authority for one build, whose key lies in memory alone and ends with the build."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

JAVA_PASSWORD: Final = "changeit"  # noqa: S105 - Java's own default; the file holds one public certificate
_NAME: Final = "Lading, for one build"
_BEFORE, _AFTER = timedelta(days=1), timedelta(days=7)
_MOST_NAMES: Final = 4096


class BuildAuthority:
    """Speaks TLS for any host, to programs that trust `certificate`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        self._certificate = (
            self._builder(self._subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @property
    def certificate(self) -> bytes:
        """What has to be trusted, in PEM."""
        return self._certificate.public_bytes(Encoding.PEM)

    @property
    def java_truststore(self) -> bytes:
        """The same as a PKCS#12 file that Java reads, under `JAVA_PASSWORD`."""
        encryption = BestAvailableEncryption(JAVA_PASSWORD.encode())
        return serialize_java_truststore([PKCS12Certificate(self._certificate, b"lading")], encryption)

    def server(self, host: str, named: Callable[[str], None]) -> ssl.SSLContext:
        """For one connection to `host`; `named` is told how the client calls it, where it does."""
        context = self._made(host)

        def call(made: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            if name:
                named(name)
                made.context = self.context(name)

        context.sni_callback = call
        return context

    def context(self, host: str) -> ssl.SSLContext:
        """That of a server called `host`, or as the client calls it."""
        with self._lock:
            if host not in self._contexts:
                if len(self._contexts) >= _MOST_NAMES:
                    self._contexts.clear()
                self._contexts[host] = self._made(host)
            return self._contexts[host]

    def _made(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        chain = self._leaf(host).public_bytes(Encoding.PEM) + self._leaf_key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        place = os.memfd_create("leaf", os.MFD_CLOEXEC)  # the library takes files alone
        try:
            os.write(place, chain)
            context.load_cert_chain(f"/proc/self/fd/{place}")
        finally:
            os.close(place)
        return context

    def _leaf(self, host: str) -> x509.Certificate:
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            self._builder(x509.Name([]), self._leaf_key.public_key())
            .add_extension(x509.SubjectAlternativeName([_general(host)]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(own, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BEFORE)
            .not_valid_after(now + _AFTER)
        )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
