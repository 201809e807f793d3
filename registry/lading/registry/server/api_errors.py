"""The errors of the protocol (distribution-spec 1.1.1, "Error Codes")."""

from __future__ import annotations

import json
from typing import Final

from lading.store.system.sqlite import is_full, is_read_only

_STATUS: Final = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 404,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "RANGE_INVALID": 416,
    "SIZE_INVALID": 413,
    "TAG_INVALID": 400,
    "UNAUTHORIZED": 401,
    "DENIED": 403,
    "TOOMANYREQUESTS": 429,
    "UNSUPPORTED": 405,
    "NOT_FOUND": 404,
    "PRECONDITION_FAILED": 412,
    "REQUEST_TIMEOUT": 408,
    "UNAVAILABLE": 507,
    "UNKNOWN": 500,
}


class ApiError(Exception):
    """An answer that is an error. `headers` are added to it."""

    def __init__(
        self, code: str, message: str, *, status: int | None = None, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS[code]
        self.headers = headers

    def body(self) -> bytes:
        """The JSON that clients show."""
        return json.dumps({"errors": [{"code": self.code, "message": self.message}]}).encode()


def of_exception(error: BaseException) -> ApiError:
    """What a client is told of a fault of ours: never a path of this machine, never a traceback."""
    if is_full(error):
        return ApiError("UNAVAILABLE", "the registry's disk is full")
    if is_read_only(error):
        return ApiError("UNAVAILABLE", "the registry's disk can only be read")
    return ApiError("UNKNOWN", "the registry failed at this; its log says why")
