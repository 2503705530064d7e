"""Client of a `bivouac serve`: experiences as they are made, closed datasets, statistics.

`connect` opens a client; `bivouac.client.aio` has the same for asyncio. Needs pyarrow and numpy.
"""

from .batches import Batch
from .connection import Client, Flight, Taken, connect
from .errors import (
    ClientError,
    ConnectionLost,
    DataLost,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    PermissionDenied,
    ServerFailed,
    StreamCancelled,
    Unauthenticated,
)
from .session import EnvSession
from .stream import ExperienceStream

__all__ = [
    "Batch",
    "Client",
    "ClientError",
    "ConnectionLost",
    "DataLost",
    "EnvSession",
    "ExperienceStream",
    "Flight",
    "InvalidRequest",
    "LimitExceeded",
    "NotFound",
    "PermissionDenied",
    "ServerFailed",
    "StreamCancelled",
    "Taken",
    "Unauthenticated",
    "connect",
]
