"""The errors of the registry's client, by what went wrong.

::

    RegistryError               (lading.store.errors)
    ├── UnreachableError        no connection, a broken one, or no answer in time
    │   └── CertificateError    it answers, but its certificate is not trusted
    ├── ProtocolError           it answered something the protocol does not allow, or other bytes than asked for
    └── StatusError             it refused; carries the status and the registry's own error codes
        ├── NotFoundError       404
        ├── UnauthorizedError   401: it wants a login, or another one
        ├── DeniedError         403
        └── BusyError           429 and 503, after all retries
"""

from __future__ import annotations

from lading.store.errors import RegistryError


class UnreachableError(RegistryError):
    """The registry could not be reached, or the connection broke, or it was too slow."""


class CertificateError(UnreachableError):
    """The registry's certificate is not trusted."""


class ProtocolError(RegistryError):
    """The registry broke the protocol, or sent bytes that are not those of the digest asked for."""


class StatusError(RegistryError):
    """The registry refused a request."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        codes: tuple[str, ...] = (),
        retry_after: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.codes = codes
        self.retry_after = retry_after
        """Seconds that the registry asks to wait, where it does."""


class NotFoundError(StatusError):
    """The registry does not have it, or does not say so to this user."""


class UnauthorizedError(StatusError):
    """The registry wants a login, or did not accept this one."""


class DeniedError(StatusError):
    """The registry knows who asks, and refuses."""


class BusyError(StatusError):
    """The registry asks to come back later, and did so until patience ended."""
