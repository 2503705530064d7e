"""What can go wrong with a server, as one tree of exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.flight as flight

from ..errors import BivouacError


class ClientError(BivouacError):
    """Anything that went wrong with a server."""


class InvalidRequest(ClientError, ValueError):
    """A field of the request is wrong; the message names it."""


class NotFound(ClientError, LookupError):
    """There is no such flight, dataset or action; the message says what there is."""


class Unauthenticated(ClientError):
    """The server wants a token, or does not know this one."""


class PermissionDenied(ClientError):
    """The token is known and may not do this; the message names the scope that may."""


class LimitExceeded(ClientError):
    """A limit of the server is reached: streams, environments, bytes or requests in flight."""


class ConnectionLost(ClientError, ConnectionError):
    """The server cannot be reached, and trying again for a while did not help."""


class StreamCancelled(ClientError):
    """An administrator ended the stream or the session: to open it again would go against that."""


class ServerFailed(ClientError):
    """The server reported an error of its own."""


class DataLost(ClientError):
    """Rows are gone that this stream was to carry.

    Iterating further goes on with the rows after the gap.

    Attributes:
        dropped: rows that were lost; None where nobody can know, because the server began anew.
        seq: place in the stream after which they were lost.
    """

    def __init__(self, message: str, *, dropped: int | None, seq: int) -> None:
        super().__init__(message)
        self.dropped = dropped
        self.seq = seq


_CODE = re.compile(r"gRPC client debug context: ([A-Z_]+)")
_REST = re.compile(
    r"(\. Detail: \w+)?(\. (gRPC client debug context|Client context): .*|$)", re.DOTALL
)
# Connections that break are told of with the same code.
_CANCELLED = re.compile(r"an administrator ended this")
_DETAIL = re.compile(r"Detail: (\w+)")
_PREFIX = re.compile(r"^(Flight|gRPC) returned [\w ]+ error, with message: ")
# What is said of errors that have no context.
_RETURNED = re.compile(r"^gRPC returned ([a-z ]+) error")

_BY_CODE: dict[str, type[ClientError]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "FAILED_PRECONDITION": InvalidRequest,
    "ALREADY_EXISTS": InvalidRequest,
    "UNIMPLEMENTED": InvalidRequest,
    "NOT_FOUND": NotFound,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": LimitExceeded,
    "UNAVAILABLE": ConnectionLost,
    "CANCELLED": ConnectionLost,
    "DEADLINE_EXCEEDED": ConnectionLost,
    # The world lost patience with the stream, which can be opened again.
    "ABORTED": ConnectionLost,
}

_BY_DETAIL: dict[str, type[ClientError]] = {
    "Unauthenticated": Unauthenticated,
    "Unauthorized": PermissionDenied,
    "Unavailable": ConnectionLost,
    "TimedOut": ConnectionLost,
    "Cancelled": ConnectionLost,
}

_BY_TYPE: list[tuple[type[BaseException], type[ClientError]]] = [
    (flight.FlightUnauthenticatedError, Unauthenticated),
    (flight.FlightUnauthorizedError, PermissionDenied),
    (flight.FlightUnavailableError, ConnectionLost),
    (flight.FlightTimedOutError, ConnectionLost),
    (flight.FlightCancelledError, ConnectionLost),
    (pa.ArrowKeyError, NotFound),
    (pa.ArrowInvalid, InvalidRequest),
]


def error_of(raised: BaseException) -> ClientError:
    """The exception of this package for one that pyarrow raised."""
    text = str(raised)
    code = _CODE.search(text)
    returned = _RETURNED.search(text)
    named = code or returned
    kind = _BY_CODE.get(named.group(1).replace(" ", "_").upper()) if named else None
    if _CANCELLED.search(text):
        kind = StreamCancelled
    if kind is None:
        # Some calls tell no code, but what kind of failure it was.
        detail = _DETAIL.search(text)
        kind = _BY_DETAIL.get(detail.group(1)) if detail else None
    if kind is None:
        kinds = (ours for theirs, ours in _BY_TYPE if isinstance(raised, theirs))
        kind = next(kinds, ServerFailed)
    return kind(_PREFIX.sub("", _REST.sub("", text)))


@contextmanager
def translated() -> Iterator[None]:
    """Raises errors of pyarrow as those of this package."""
    try:
        yield
    except (pa.ArrowException, OSError) as raised:
        raise error_of(raised) from raised
