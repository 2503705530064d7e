"""A session of remote environments: requests sent ahead, answers in their order."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

from ..data import Format
from ..errors import InvalidState
from .errors import (
    ClientError,
    ConnectionLost,
    InvalidRequest,
    LimitExceeded,
    NotFound,
    ServerFailed,
    error_of,
)
from .stream import Retry

ACTIONS = pa.schema([("action", pa.int32())])

_BY_CODE: dict[str, type[ClientError]] = {
    "InvalidArgument": InvalidRequest,
    "NotFound": NotFound,
    "ResourceExhausted": LimitExceeded,
}


@dataclass
class Answer:
    """What a session answered to one request."""

    about: dict[str, Any]
    """What it says, as JSON told it."""
    rows: list[pa.RecordBatch] = field(default_factory=list)
    """The rows of the group, a row for each agent of each environment; empty for commands."""
    final_rows: list[pa.RecordBatch] = field(default_factory=list)
    """The last rows of the episodes that ended, where the next ones have begun."""
    final_envs: list[int] = field(default_factory=list)
    """The environments that those are of."""


class EnvSession:
    """Groups of environments on a server, played by this client.

    `send` and `command` do not wait, so that one group is played while another is thought about;
    `receive` gives the answers in the order of the requests. A connection that breaks is opened
    again, and nothing is lost or played twice. Not for use by several threads at a time.
    """

    def __init__(
        self,
        uri: str,
        opening: dict[str, Any],
        *,
        options: dict[str, Any] | None = None,
        call: Any = None,
        reconnect_seconds: float = 60.0,
    ) -> None:
        """Opens the environments; see `RemoteVectorEnv` for what can be asked for.

        Raises:
            InvalidRequest: a field of the opening is wrong; the message names it.
            LimitExceeded: the server has no room for so many environments.
            ConnectionLost: the server cannot be reached.
        """
        self._uri, self._options, self._call = uri, options or {}, call
        self._retry = Retry(seconds=reconnect_seconds)
        self._unanswered: deque[tuple[bytes | None, pa.RecordBatch | None]] = deque()
        self._sent = self._received = 0
        self._writer: Any = None
        self._reader: Any = None
        self._client: Any = None
        self._is_closed = False
        try:
            self.about = self._connect({"open": opening})
        except (pa.ArrowException, OSError) as raised:
            raise error_of(raised) from raised
        self.name: str = self.about["session"]
        """Its name, which gets it back after a broken connection."""
        self.format: Format = Format.of(self._reader.schema, kind="env")

    def _connect(self, command: dict[str, Any]) -> dict[str, Any]:
        """Begins a connection, and returns what the server says of the session."""
        self._disconnect()
        client = flight.connect(self._uri, **self._options)
        descriptor = flight.FlightDescriptor.for_path("env")
        self._client = client
        self._writer, self._reader = client.do_exchange(descriptor, self._call)
        self._writer.begin(ACTIONS)
        self._writer.write_metadata(json.dumps(command).encode())
        chunk = self._reader.read_chunk()
        about = json.loads(chunk.app_metadata.to_pybytes())
        _raise_error(about)
        return about

    def _disconnect(self) -> None:
        if self._client is not None:
            try:
                if self._reader is not None:
                    self._reader.cancel()
                    self._writer.close()
            except (pa.ArrowException, OSError):
                # What it had not sent is sent again, or is not wanted any more.
                pass
            self._client.close()
            self._client = None

    @property
    def in_flight(self) -> int:
        """Requests that are not answered yet."""
        return len(self._unanswered)

    def send(
        self, actions: np.ndarray, group: int = 0, policy_version: int | None = None
    ) -> None:
        """Asks for a step of a group.

        Args:
            actions: int32 `[envs * seats]`; -1 passes.
            group: which group.
            policy_version: the version of the policy that chose them, from 0, which the answer's
                `about["policy_version"]` says again.
        """
        column = pa.array(np.ascontiguousarray(actions, dtype=np.int32).reshape(-1))
        batch = pa.RecordBatch.from_arrays([column], schema=ACTIONS)
        about = {"group": group} if group else {}
        if policy_version is not None:
            about["policy_version"] = int(policy_version)
        self._request(json.dumps(about).encode() if about else None, batch)

    def command(self, name: str, group: int = 0, **fields: Any) -> None:
        """Asks for something else: reset, snapshot, restore, forget, copy, policy, stats, close."""
        given = {key: value for key, value in fields.items() if value is not None}
        self._request(json.dumps({name: given, "group": group}).encode(), None)

    def ask(self, name: str, group: int = 0, **fields: Any) -> Answer:
        """Sends a command and returns its answer; nothing else may be in flight.

        Raises:
            RuntimeError: requests are in flight, whose answers come first.
        """
        if self._unanswered:
            raise InvalidState(f"{name}: receive the {self.in_flight} answers in flight first")
        self.command(name, group, **fields)
        return self.receive()

    def _request(self, metadata: bytes | None, batch: pa.RecordBatch | None) -> None:
        if self._is_closed:
            raise InvalidState("the session is closed")
        if len(self._unanswered) >= self.about["window"]:
            raise InvalidState(
                f"{self.in_flight} requests are in flight, as many as the server keeps answers "
                "of: receive one first"
            )
        self._unanswered.append((metadata, batch))
        self._sent += 1
        try:
            self._write(metadata, batch)
        except (pa.ArrowException, OSError):
            # Whoever receives the answer opens the connection again.
            pass

    def _write(self, metadata: bytes | None, batch: pa.RecordBatch | None) -> None:
        if batch is None:
            self._writer.write_metadata(metadata)
        elif metadata is None:
            self._writer.write_batch(batch)
        else:
            self._writer.write_with_metadata(batch, metadata)

    def receive(self) -> Answer:
        """The answer to the oldest request in flight.

        Raises:
            InvalidRequest: the request was wrong; the session goes on.
            ConnectionLost: the server cannot be reached, or gave the session up.
            RuntimeError: nothing is in flight.
        """
        if not self._unanswered:
            raise InvalidState("nothing is in flight: send a request first")
        pauses, since = self._retry.pauses(), time.monotonic()
        while True:
            try:
                answer = self._read()
                break
            except StopIteration:
                error: ClientError = ConnectionLost(f"{self._uri}: the server ended the session")
            except (pa.ArrowException, OSError) as raised:
                error = error_of(raised)
            self._attach(error, pauses, since)
        self._unanswered.popleft()
        self._received += 1
        _raise_error(answer.about)
        return answer

    def _read(self) -> Answer:
        answer = Answer({})
        while True:
            chunk = self._reader.read_chunk()
            about = json.loads(chunk.app_metadata.to_pybytes())
            if "final_envs" in about:
                answer.final_envs = about["final_envs"]
                answer.final_rows.append(chunk.data)
            elif chunk.data is not None:
                answer.rows.append(chunk.data)
            if not about.get("more", False):
                answer.about = about
                return answer

    def _attach(self, error: ClientError, pauses: Any, since: float) -> None:
        """Gets the session back, and sends again what did not arrive."""
        while True:
            tried = time.monotonic() - since
            if not isinstance(error, ConnectionLost) or tried >= self._retry.seconds:
                raise error
            time.sleep(next(pauses))
            try:
                told = self._connect({"attach": {"session": self.name, "received": self._received}})
                for metadata, batch in list(self._unanswered)[told["answered"] - self._received :]:
                    self._write(metadata, batch)
                return
            except StopIteration:
                error = ConnectionLost(f"{self._uri}: the server is ending")
            except (pa.ArrowException, OSError) as raised:
                error = error_of(raised)
            except NotFound as gone:
                raise ConnectionLost(f"{self._uri}: {gone}") from gone

    def close(self) -> None:
        """Frees the environments."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            # Answers that are in flight are read, and thrown away.
            self._writer.write_metadata(b'{"close": {}}')
            self._writer.done_writing()
            while True:
                self._reader.read_chunk()
        except (StopIteration, pa.ArrowException, OSError):
            pass
        self._disconnect()

    def __del__(self) -> None:
        if getattr(self, "_client", None) is not None:
            self._disconnect()


def _raise_error(about: dict[str, Any]) -> None:
    if "error" in about:
        error = about["error"]
        raise _BY_CODE.get(error["code"], ServerFailed)(error["message"])
