"""A stream of experiences: read in the background, opened again when the connection breaks."""

from __future__ import annotations

import atexit
import json
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from .batches import Batch, Decoder
from .errors import ClientError, ConnectionLost, DataLost, error_of


@dataclass(frozen=True)
class Retry:
    """How a broken connection is opened again."""

    seconds: float
    """How long to try before giving up."""
    first: float = 0.05
    """The first pause, in seconds; each one is twice as long as the one before."""
    longest: float = 5.0
    """The longest pause, in seconds."""

    def pauses(self) -> Iterator[float]:
        """Pauses between attempts, a random part shorter so that clients do not come at once."""
        pause = self.first
        while True:
            yield pause * random.uniform(0.5, 1.0)
            pause = min(2 * pause, self.longest)


@dataclass(frozen=True)
class Source:
    """Where rows come from: a server and a ticket."""

    uri: str
    ticket: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    call: Any = None


@dataclass(frozen=True)
class Place:
    """Where in a stream to begin: after so many rows of a run of the server, or with the oldest."""

    after: int | None = None
    run: str | None = None


class Buffer:
    """Batches and errors on their way from background threads to the reader, so many at most."""

    def __init__(self, size: int, producers: int) -> None:
        self._items: deque[Batch | ClientError] = deque()
        self._size, self._producers = size, producers
        self._changed = threading.Condition()
        self._is_closed = False
        self.on_change: Callable[[], None] = lambda: None
        """Called when there is something new to take, from a background thread."""

    def put(self, item: Batch | ClientError) -> bool:
        """Adds an item when there is room; False once nobody reads any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or len(self._items) < self._size)
            if self._is_closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
        self.on_change()
        return True

    def finish(self) -> None:
        """One of the producers has nothing more."""
        with self._changed:
            self._producers -= 1
            self._changed.notify_all()
        self.on_change()

    def pause(self, seconds: float) -> bool:
        """Waits; False once nobody reads any more."""
        with self._changed:
            return not self._changed.wait_for(lambda: self._is_closed, seconds)

    def close(self) -> None:
        """Nobody reads any more."""
        with self._changed:
            self._is_closed = True
            self._items.clear()
            self._changed.notify_all()
        self.on_change()

    def take(self, *, wait: bool) -> Batch | ClientError | None:
        """The next item; None where there is none yet and `wait` is False.

        Raises:
            StopIteration: there is nothing more.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(
                    lambda: self._items or self._producers <= 0 or self._is_closed
                )
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            if self._producers <= 0 or self._is_closed:
                raise StopIteration
            return None


ENDING_SECONDS = 5.0
"""How long the thread of a stream may take to end, when it is closed or the interpreter ends."""

_reading: weakref.WeakSet[_Reading] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    for reading in list(_reading):
        reading.end()


class _Reading:
    """Reads one source into a buffer, on a thread of its own."""

    def __init__(
        self,
        source: Source,
        endpoint: int,
        place: Place,
        decoder: Decoder,
        allow_loss: bool,
        retry: Retry,
        buffer: Buffer,
    ) -> None:
        self.source, self.endpoint = source, endpoint
        self.seq, self.run = place.after, place.run
        self.decoder, self.allow_loss, self.retry, self.buffer = decoder, allow_loss, retry, buffer
        self.reader: flight.FlightStreamReader | None = None
        self.cancelled = threading.Event()

        self.thread = threading.Thread(target=self._work, name="bivouac-stream", daemon=True)

    def start(self) -> None:
        _reading.add(self)
        self.thread.start()

    def end(self) -> None:
        """Stops, and waits for the thread to be out of the library, which ends badly otherwise when the
        interpreter does."""
        self.buffer.close()
        self.cancel()
        if self.thread is not threading.current_thread():
            self.thread.join(ENDING_SECONDS)

    def cancel(self) -> None:
        self.cancelled.set()
        if self.reader is not None:
            self.reader.cancel()

    def _work(self) -> None:
        try:
            self._read_on()
        except ClientError as error:
            self.buffer.put(error)
        except Exception as raised:  # Whatever a batch or a decoder does reaches the reader.
            error = ClientError(f"{type(raised).__name__}: {raised}")
            error.__cause__ = raised
            self.buffer.put(error)
        finally:
            self.buffer.finish()

    def _read_on(self) -> None:
        """Reads to the end, opening the stream again wherever it breaks."""
        pauses, since = self.retry.pauses(), time.monotonic()
        while not self.cancelled.is_set():
            before = self.seq
            try:
                if self._read():
                    return
            except (pa.ArrowException, OSError) as raised:
                error = error_of(raised)
                if not isinstance(error, ConnectionLost) or self.cancelled.is_set():
                    raise error from raised
                if self.seq != before:
                    # It worked for a while.
                    pauses, since = self.retry.pauses(), time.monotonic()
                tried = time.monotonic() - since
                if tried >= self.retry.seconds:
                    message = f"{self.source.uri}: no answer for {tried:.0f} s: {error}"
                    raise ConnectionLost(message) from raised
            if not self.buffer.pause(next(pauses)):
                return

    def _read(self) -> bool:
        """Opens the stream and reads it. True when nobody needs more."""
        ticket = dict(self.source.ticket)
        if self.seq is not None:
            ticket["after"] = self.seq
        if self.run is not None:
            ticket["run"] = self.run
        with flight.connect(self.source.uri, **self.source.options) as client:
            self.reader = client.do_get(flight.Ticket(json.dumps(ticket)), self.source.call)
            try:
                while not self.cancelled.is_set():
                    try:
                        chunk = self.reader.read_chunk()
                    except StopIteration:
                        return True
                    if not self._take(chunk):
                        return True
                return True
            finally:
                self.reader.cancel()
                self.reader = None

    def _take(self, chunk: flight.FlightStreamChunk) -> bool:
        told = json.loads(chunk.app_metadata.to_pybytes()) if chunk.app_metadata else {}
        seq, dropped, run = told["seq"], told["dropped"], told.get("run")
        before, self.seq = self.seq, seq
        lost: DataLost | None = None
        # A server that was stopped and started again may have given all that the last one made.
        if self.run is not None and run != self.run and told.get("continues") != self.run:
            message = (
                f"{self.source.uri}: the server began anew, and what it had made after row "
                f"{before} is gone; iterate further to read what it makes now"
            )
            lost = DataLost(message, dropped=None, seq=before or 0)
        elif dropped > 0:
            message = (
                f"{self.source.uri}: {dropped} rows before row {seq} were lost because this "
                "stream was too slow or came back too late; iterate further to go on after "
                "them, or pass allow_loss=True"
            )
            lost = DataLost(message, dropped=dropped, seq=before or 0)
        self.run = run
        if lost is not None and not self.allow_loss and not self.buffer.put(lost):
            return False
        rows = chunk.data
        if rows is None or (rows.num_rows == 0 and dropped == 0):
            return True
        batch = Batch(
            rows=self.decoder(rows),
            num_rows=rows.num_rows,
            seq=seq,
            dropped=dropped,
            policy_version_min=told.get("policy_version_min"),
            policy_version_max=told.get("policy_version_max"),
            endpoint=self.endpoint,
            run=run,
        )
        return self.buffer.put(batch)


class ExperienceStream:
    """Batches of experiences, one after the other, read ahead in the background.

    Iterate over it; `close` it, or use it in a `with`, when you stop before its end. Batches of
    several servers come mixed, those of one server in their order.
    """

    def __init__(
        self,
        sources: list[Source],
        *,
        place: Place,
        decoder: Decoder,
        buffer: int,
        allow_loss: bool,
        retry: Retry,
    ) -> None:
        """Starts to read; see `Client.experiences`."""
        self._buffer = Buffer(buffer, len(sources))
        self._readings = [
            _Reading(source, i, place, decoder, allow_loss, retry, self._buffer)
            for i, source in enumerate(sources)
        ]
        self.rows = 0
        """Rows that were given out."""
        self.dropped = 0
        """Rows that were lost, as far as servers told."""
        for reading in self._readings:
            reading.start()

    def __iter__(self) -> ExperienceStream:
        return self

    def __next__(self) -> Batch:
        """The next batch.

        Raises:
            DataLost: rows are gone; iterating further goes on after them.
            ConnectionLost: a server cannot be reached any more.
            ClientError: a server refuses the stream.
        """
        item = self._buffer.take(wait=True)
        assert item is not None
        return self._given(item)

    def next_nowait(self) -> Batch | None:
        """The next batch if there is one now, otherwise None; raises as `__next__` does."""
        item = self._buffer.take(wait=False)
        return None if item is None else self._given(item)

    def _given(self, item: Batch | ClientError) -> Batch:
        if isinstance(item, ClientError):
            raise item
        self.rows += item.num_rows
        self.dropped += item.dropped
        return item

    def on_change(self, call: Callable[[], None]) -> None:
        """Calls back, from a background thread, whenever `next_nowait` may give something new."""
        self._buffer.on_change = call

    def close(self) -> None:
        """Stops reading; the server lets go of the stream."""
        self._cancel()
        for reading in self._readings:
            reading.end()

    def _cancel(self) -> None:
        self._buffer.close()
        for reading in self._readings:
            reading.cancel()

    def __enter__(self) -> ExperienceStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # The threads do not hold the stream, so one that is forgotten ends.
        if hasattr(self, "_readings"):
            self._cancel()
