"""The client of live games for asyncio: that of `GameClient`, as coroutines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import grpc

from bivouac.v1 import games_pb2 as wire
from bivouac.v1 import games_pb2_grpc

from . import protocol
from .board import Board
from .error import GameError
from .protocol import Call, Following, Game, Sitting, T


class AsyncGameClient:
    """A connection to a server, with the arguments of `GameClient`."""

    def __init__(
        self,
        target: str,
        *,
        timeout: float = 30.0,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        tls_root_certs: bytes | str | Path | None = None,
    ) -> None:
        self.target = target
        host, credentials = protocol.address(target, credentials, tls_root_certs)
        self.metadata = protocol.authorization(token)
        options = protocol.KEEPALIVE
        if credentials is None:
            self.channel = grpc.aio.insecure_channel(host, options=options)
        else:
            self.channel = grpc.aio.secure_channel(host, credentials, options=options)
        self.stub = games_pb2_grpc.GameServiceStub(self.channel)
        self.timeout = timeout

    async def __aenter__(self) -> "AsyncGameClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection."""
        await self.channel.close()

    async def do(self, call: Call[T]) -> T:
        """Sends a request and returns what its answer means; raises `GameError` if it is refused."""
        try:
            rpc = getattr(self.stub, call.method)
            answer = await rpc(call.request, timeout=self.timeout, metadata=self.metadata)
        except grpc.RpcError as error:
            raise GameError.of(error) from None
        return call.read(answer)

    async def create(self, **options: Any) -> Game:
        """Creates a game; see `create_request` for the options."""
        return await self.do(protocol.create(**options))

    async def join(self, game_id: str, name: str, seat: int | None = None) -> "AsyncSeat":
        """Takes a seat: the first that is free, unless one is asked for."""
        return AsyncSeat(self, game_id, *await self.do(protocol.join(game_id, name, seat)))

    async def create_and_join(
        self, name: str, seat: int | None = None, **options: Any
    ) -> "tuple[Game, AsyncSeat]":
        """Creates a game and takes a seat of it in one request; see `create_request` for the options."""
        game, number, token = await self.do(protocol.create_and_join(name, seat, **options))
        return game, AsyncSeat(self, game.id, number, token)

    async def create_many(
        self, games: Iterable[Mapping[str, Any]]
    ) -> "list[tuple[Game, list[AsyncSeat]] | GameError]":
        """Creates up to 1,000 games in one request; the options of each are those of `create_request`.

        Gives for each the game and the seats of its players (`join_as`, `further_players`), or the error
        for which it was not created. What is wrong with one keeps no other from being created."""
        made = await self.do(protocol.create_many(games))
        return [
            one
            if isinstance(one, GameError)
            else (one[0], [AsyncSeat(self, one[0].id, *seat) for seat in one[1]])
            for one in made
        ]

    async def list(self, phases: Iterable[str] = ()) -> AsyncIterator[wire.GameInfo]:
        """The public games, oldest first."""
        phases, token = tuple(phases), ""
        while True:
            games, token = await self.do(protocol.page(phases, token))
            for game in games:
                yield game
            if not token:
                return

    async def spectate(self, game_id: str, *, reconnect: float = 30.0) -> AsyncIterator[Board]:
        """The whole board, after every update, where the game allows it; see `Seat.updates`."""
        following = Following.of_game(game_id, reconnect)
        async for board in self.follow(following):
            yield board

    async def follow(self, following: Following) -> AsyncIterator[Board]:
        """The board after every update, to the end of the game, over however many streams."""
        while not following.is_over:
            broke = None
            try:
                async for update in following.open(self):
                    yield following.apply(update)
            except grpc.RpcError as error:
                broke = error
            await asyncio.sleep(following.wait(broke, asyncio.get_running_loop().time()))

    async def delete(self, game: Game) -> None:
        """Removes a game."""
        await self.do(protocol.delete(game))

    async def pause(self, game: Game) -> None:
        """Stops a game's clock."""
        await self.do(protocol.pause(game))

    async def resume(self, game: Game) -> None:
        """Lets a paused game go on."""
        await self.do(protocol.resume(game))


class AsyncSeat(Sitting):
    """A seat of a game. Who has its `token` plays it, from any client."""

    client: AsyncGameClient

    async def submit(
        self, actions: int | None | Iterable[int | None], **options: Any
    ) -> wire.SubmitActionResponse:
        """Sends an action, or several that wait in the seat's queue; see `Seat.submit`."""
        return await self.client.do(self.submission(actions, **options))

    async def clear_queue(self) -> int:
        """Takes back all orders that wait, and returns how many did."""
        return await self.client.do(self.clearing())

    async def surrender(self) -> None:
        """Gives the game up."""
        await self.client.do(self.surrendering())

    async def leave(self) -> None:
        """Gives the seat up."""
        await self.client.do(self.leaving())

    async def state(self) -> Board:
        """The game as this seat sees it now."""
        return await self.client.do(self.looking())

    async def info(self) -> wire.GameInfo:
        """The settings of the game, and who plays."""
        return await self.client.do(self.asking())

    async def updates(self, *, reconnect: float = 30.0) -> AsyncIterator[Board]:
        """The board after every update, to the end of the game; see `Seat.updates`."""
        async for board in self.client.follow(Following.of_seat(self, reconnect)):
            yield board
