"""The client for asyncio: `async for batch in client.experiences(…)`.

    async with bivouac.client.aio.connect("grpc://127.0.0.1:50051") as client:
        async for batch in client.experiences(to="numpy"):
            ...
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ..data import Format
from .batches import Batch
from .connection import DEFAULT_URI, Client, Flight, Taken
from .connection import connect as _connect
from .session import Answer, EnvSession
from .stream import ExperienceStream


def connect(uri: str | Sequence[str] = DEFAULT_URI, **options: Any) -> AsyncClient:
    """Opens a client; the arguments are those of `bivouac.connect`."""
    return AsyncClient(_connect(uri, **options))


class AsyncClient:
    """`bivouac.Client` for asyncio; arguments and errors are the same."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await asyncio.to_thread(self.client.close)

    async def flights(self) -> list[Flight]:
        """See `Client.flights`."""
        return await asyncio.to_thread(self.client.flights)

    async def schema(self, dataset: str | None = None) -> pa.Schema:
        """See `Client.schema`."""
        return await asyncio.to_thread(self.client.schema, dataset)

    async def action(self, name: str, **arguments: Any) -> Any:
        """See `Client.action`."""
        return await asyncio.to_thread(lambda: self.client.action(name, **arguments))

    async def stats(self, games: Iterable[int] | str | None = None) -> dict[str, Any]:
        """See `Client.stats`."""
        return await asyncio.to_thread(self.client.stats, games)

    async def snapshot(self) -> bytes:
        """See `Client.snapshot`."""
        return await asyncio.to_thread(self.client.snapshot)

    async def restore(self, snapshot: bytes) -> int:
        """See `Client.restore`."""
        return await asyncio.to_thread(self.client.restore, snapshot)

    async def analytics(self) -> pa.Table:
        """See `Client.analytics`."""
        return await asyncio.to_thread(self.client.analytics)

    async def actions(self) -> dict[str, str]:
        """See `Client.actions`."""
        return await asyncio.to_thread(self.client.actions)

    async def cancel(self, *, stream: int | None = None, session: int | None = None) -> bool:
        """See `Client.cancel`."""
        return await asyncio.to_thread(lambda: self.client.cancel(stream=stream, session=session))

    async def format(self) -> Format:
        """See `Client.format`."""
        return await asyncio.to_thread(lambda: self.client.format)

    async def submit(self, batches: Iterable[pa.RecordBatch]) -> list[Taken]:
        """See `Client.submit`."""
        return await asyncio.to_thread(self.client.submit, batches)

    async def open_envs(self, opening: dict[str, Any], **options: Any) -> AsyncEnvSession:
        """See `Client.open_envs`."""
        open_envs = self.client.open_envs
        return AsyncEnvSession(await asyncio.to_thread(lambda: open_envs(opening, **options)))

    def experiences(self, **options: Any) -> AsyncExperienceStream:
        """See `Client.experiences`. What it raises is raised by the first batch."""
        return AsyncExperienceStream(self.client, options)


class AsyncEnvSession:
    """`EnvSession` for asyncio; arguments and errors are the same. One request at a time."""

    def __init__(self, session: EnvSession) -> None:
        self.session = session
        self.about, self.format = session.about, session.format

    async def __aenter__(self) -> AsyncEnvSession:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def send(self, actions: np.ndarray, group: int = 0, **options: Any) -> None:
        """See `EnvSession.send`."""
        await asyncio.to_thread(lambda: self.session.send(actions, group, **options))

    async def receive(self) -> Answer:
        """See `EnvSession.receive`."""
        return await asyncio.to_thread(self.session.receive)

    async def ask(self, name: str, group: int = 0, **fields: Any) -> Answer:
        """See `EnvSession.ask`."""
        return await asyncio.to_thread(lambda: self.session.ask(name, group, **fields))

    async def close(self) -> None:
        """See `EnvSession.close`."""
        await asyncio.to_thread(self.session.close)


class AsyncExperienceStream:
    """Batches of experiences as an asynchronous iterator; see `ExperienceStream`."""

    def __init__(self, client: Client, options: dict[str, Any]) -> None:
        self._client, self._options = client, options
        self._stream: ExperienceStream | None = None
        self._changed = asyncio.Event()

    def __aiter__(self) -> AsyncExperienceStream:
        return self

    async def __anext__(self) -> Batch:
        """The next batch; raises what `ExperienceStream.__next__` raises."""
        stream = self._stream or await self._open()
        while True:
            # Cleared before looking, so that nothing new is missed.
            self._changed.clear()
            try:
                batch = stream.next_nowait()
            except StopIteration:
                raise StopAsyncIteration from None
            if batch is not None:
                return batch
            await self._changed.wait()

    async def _open(self) -> ExperienceStream:
        stream = await asyncio.to_thread(lambda: self._client.experiences(**self._options))
        loop, changed = asyncio.get_running_loop(), self._changed

        def wake() -> None:
            # A loop that was closed waits for nothing.
            if not loop.is_closed():
                loop.call_soon_threadsafe(changed.set)

        stream.on_change(wake)
        self._stream = stream
        return stream

    async def close(self) -> None:
        """Stops reading; the server lets go of the stream."""
        if self._stream is not None:
            self._stream.close()

    async def __aenter__(self) -> AsyncExperienceStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
