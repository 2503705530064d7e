"""The client of live games for asyncio: creating, joining and playing them, as coroutines.

Lists of games, spectators and what an owner does with a game are in `GameClient` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc

from bivouac.v1 import games_pb2 as wire
from bivouac.v1 import games_pb2_grpc

from .board import Board
from .client import KEEPALIVE, Game, authorization, create_request, orders
from .error import GameError


class AsyncGameClient:
    """A connection to a server, with the arguments of `GameClient`."""

    def __init__(
        self,
        target: str,
        *,
        timeout: float = 30.0,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        self.target = target.split("://")[-1]
        self.metadata = authorization(token)
        if credentials is None:
            self.channel = grpc.aio.insecure_channel(self.target, options=KEEPALIVE)
        else:
            self.channel = grpc.aio.secure_channel(self.target, credentials, options=KEEPALIVE)
        self.stub = games_pb2_grpc.GameServiceStub(self.channel)
        self.timeout = timeout

    async def __aenter__(self) -> "AsyncGameClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection."""
        await self.channel.close()

    async def call(self, method: str, request: Any) -> Any:
        """Calls a method of the service; raises `GameError` if it is refused."""
        try:
            rpc = getattr(self.stub, method)
            return await rpc(request, timeout=self.timeout, metadata=self.metadata)
        except grpc.RpcError as error:
            raise GameError.of(error) from None

    async def create(self, **options: Any) -> Game:
        """Creates a game; see `create_request` for the options."""
        created = await self.call("CreateGame", create_request(**options))
        return Game(created.game_id, created.owner_token, created.seed)

    async def join(self, game_id: str, name: str, seat: int | None = None) -> "AsyncSeat":
        """Takes a seat: the first that is free, unless one is asked for."""
        request = wire.JoinGameRequest(game_id=game_id, name=name, seat=seat)
        joined = await self.call("JoinGame", request)
        return AsyncSeat(self, game_id, joined.seat, joined.token)


class AsyncSeat:
    """A seat of a game. Who has its `token` plays it, from any client."""

    def __init__(self, client: AsyncGameClient, game_id: str, seat: int, token: str) -> None:
        self.client, self.game_id, self.seat, self.token = client, game_id, seat, token

    def _key(self) -> dict[str, str]:
        return {"game_id": self.game_id, "token": self.token}

    async def submit(
        self,
        actions: int | None | Iterable[int | None],
        *,
        expected_tick: int | None = None,
        key: str = "",
        replace: bool = False,
    ) -> wire.SubmitActionResponse:
        """Sends an action, or several that wait in the seat's queue; `None` is a pass."""
        request = wire.SubmitActionRequest(
            **self._key(),
            orders=orders(actions),
            expected_tick=expected_tick,
            idempotency_key=key,
            replace_queue=replace,
        )
        return await self.client.call("SubmitAction", request)

    async def surrender(self) -> None:
        """Gives the game up."""
        await self.client.call("Surrender", wire.SurrenderRequest(**self._key()))

    async def state(self) -> Board:
        """The game as this seat sees it now."""
        answer = await self.client.call("GetGameState", wire.GetGameStateRequest(**self._key()))
        return Board(self.seat).apply(answer.state)

    async def updates(self, *, reconnect: float = 30.0) -> AsyncIterator[Board]:
        """The board after every update, to the end of the game; see `Seat.updates`."""
        board = Board(self.seat)
        deadline = None
        while not board.is_over:
            try:
                request = wire.StreamGameRequest(**self._key())
                stream = self.client.stub.StreamGame(request, metadata=self.client.metadata)
                async for update in stream:
                    deadline = None
                    yield board.apply(update)
                if not board.is_over:
                    return
            except grpc.RpcError as error:
                refusal = GameError.of(error)
                now = asyncio.get_running_loop().time()
                deadline = deadline or now + reconnect
                if not refusal.may_pass or now > deadline:
                    raise refusal from None
                await asyncio.sleep(0.1)
