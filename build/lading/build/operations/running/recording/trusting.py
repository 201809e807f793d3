"""Where programs look for the authorities that they trust: variables and files of a step, none of them in a layer.

Nothing is put over a file of the image: a package manager that renews the system's own list replaces that file, which
cannot be done to one that is mounted.
"""

from __future__ import annotations

from typing import Final

from lading.build.graph.executor import ExecMount
from lading.build.operations.running.recording.build_authority import JAVA_PASSWORD, BuildAuthority

_FOLDER: Final = "/run/lading"
_CERTIFICATE: Final = f"{_FOLDER}/authority.pem"
_JAVA: Final = f"{_FOLDER}/authority.p12"
_APT: Final = f"{_FOLDER}/apt.conf"
_WGET: Final = f"{_FOLDER}/wgetrc"
_FILE_NAMES: Final = (
    "SSL_CERT_FILE",  # OpenSSL, and with it Python, Ruby, Rust and much else; Go
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",  # yarn
    "NPM_CONFIG_CAFILE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "DENO_CERT",
    "NIX_SSL_CERT_FILE",
)
_JAVA_OPTIONS: Final = f"-Djavax.net.ssl.trustStore={_JAVA} -Djavax.net.ssl.trustStorePassword={JAVA_PASSWORD}"


def variables() -> tuple[tuple[str, str], ...]:
    """What a step sees beside its own variables, in their place where both are there."""
    named = {"APT_CONFIG": _APT, "WGETRC": _WGET, "JAVA_TOOL_OPTIONS": _JAVA_OPTIONS}
    return (*((name, _CERTIFICATE) for name in _FILE_NAMES), *named.items())


def files(authority: BuildAuthority) -> tuple[ExecMount, ...]:
    """The files that these variables name."""
    content = {
        _CERTIFICATE: authority.certificate,
        _JAVA: authority.java_truststore,
        _APT: f'Acquire::https::CaInfo "{_CERTIFICATE}";\n'.encode(),
        _WGET: f"ca_certificate = {_CERTIFICATE}\n".encode(),
    }
    return tuple(ExecMount("file", target, content=data, mode=0o444) for target, data in content.items())
