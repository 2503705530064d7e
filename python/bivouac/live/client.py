"""The client of live games."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc

from bivouac.v1 import games_pb2 as wire
from bivouac.v1 import games_pb2_grpc

from . import protocol
from .board import Board
from .error import GameError
from .protocol import Call, Following, Game, Sitting, T


class GameClient:
    """A connection to a server; `timeout` in seconds is for every call.

    `target` is "grpc://host:port", or "grpc+tls://host:port" for a server with a certificate, which
    has to be signed by whom the system trusts, or by `tls_root_certs` (PEM, or the path of a
    file). "host:port" alone is not encrypted. `token` is for servers that ask for one (with the
    scope "drive"), `credentials` (`grpc.ssl_channel_credentials(...)`) for those that want a
    certificate of the client's.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = 30.0,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
        tls_root_certs: bytes | str | Path | None = None,
    ) -> None:
        #: Where the server is.
        self.target = target
        host, credentials = protocol.address(target, credentials, tls_root_certs)
        self.metadata = protocol.authorization(token)
        options = protocol.KEEPALIVE
        if credentials is None:
            self.channel = grpc.insecure_channel(host, options=options)
        else:
            self.channel = grpc.secure_channel(host, credentials, options=options)
        self.stub = games_pb2_grpc.GameServiceStub(self.channel)
        self.timeout = timeout

    def __enter__(self) -> "GameClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self.channel.close()

    def do(self, call: Call[T]) -> T:
        """Sends a request and returns what its answer means; raises `GameError` if it is refused."""
        try:
            rpc = getattr(self.stub, call.method)
            answer = rpc(call.request, timeout=self.timeout, metadata=self.metadata)
        except grpc.RpcError as error:
            raise GameError.of(error) from None
        return call.read(answer)

    def create(self, **options: Any) -> Game:
        """Creates a game; see `create_request` for the options."""
        return self.do(protocol.create(**options))

    def join(self, game_id: str, name: str, seat: int | None = None) -> "Seat":
        """Takes a seat: the first that is free, unless one is asked for."""
        return Seat(self, game_id, *self.do(protocol.join(game_id, name, seat)))

    def create_and_join(
        self, name: str, seat: int | None = None, **options: Any
    ) -> "tuple[Game, Seat]":
        """Creates a game and takes a seat of it in one request; see `create_request` for the options."""
        game, number, token = self.do(protocol.create_and_join(name, seat, **options))
        return game, Seat(self, game.id, number, token)

    def create_many(
        self, games: Iterable[Mapping[str, Any]]
    ) -> "list[tuple[Game, list[Seat]] | GameError]":
        """Creates up to 1,000 games in one request; the options of each are those of `create_request`.

        Gives for each the game and the seats of its players (`join_as`, `further_players`), or the error
        for which it was not created. What is wrong with one keeps no other from being created."""
        made = self.do(protocol.create_many(games))
        return [
            one
            if isinstance(one, GameError)
            else (one[0], [Seat(self, one[0].id, *seat) for seat in one[1]])
            for one in made
        ]

    def list(self, phases: Iterable[str] = ()) -> Iterator[wire.GameInfo]:
        """The public games, oldest first."""
        phases, token = tuple(phases), ""
        while True:
            games, token = self.do(protocol.page(phases, token))
            yield from games
            if not token:
                return

    def spectate(self, game_id: str, *, reconnect: float = 30.0) -> Iterator[Board]:
        """The whole board, after every update, where the game allows it; see `Seat.updates`."""
        return self.follow(Following.of_game(game_id, reconnect))

    def follow(self, following: Following) -> Iterator[Board]:
        """The board after every update, to the end of the game, over however many streams."""
        while not following.is_over:
            broke = None
            try:
                for update in following.open(self):
                    yield following.apply(update)
            except grpc.RpcError as error:
                broke = error
            time.sleep(following.wait(broke, time.monotonic()))

    def delete(self, game: Game) -> None:
        """Removes a game."""
        self.do(protocol.delete(game))

    def pause(self, game: Game) -> None:
        """Stops a game's clock."""
        self.do(protocol.pause(game))

    def resume(self, game: Game) -> None:
        """Lets a paused game go on."""
        self.do(protocol.resume(game))


class Seat(Sitting):
    """A seat of a game. Who has its `token` plays it, from any client."""

    client: GameClient

    def submit(
        self, actions: int | None | Iterable[int | None], **options: Any
    ) -> wire.SubmitActionResponse:
        """Sends an action, or several that wait in the seat's queue; `None` is a pass.

        Options: `expected_tick`, which has to be the game's; `key`, under which the same request
        is granted once however often it is sent; `replace` the orders that wait.
        """
        return self.client.do(self.submission(actions, **options))

    def clear_queue(self) -> int:
        """Takes back all orders that wait, and returns how many did."""
        return self.client.do(self.clearing())

    def surrender(self) -> None:
        """Gives the game up."""
        self.client.do(self.surrendering())

    def leave(self) -> None:
        """Gives the seat up."""
        self.client.do(self.leaving())

    def state(self) -> Board:
        """The game as this seat sees it now."""
        return self.client.do(self.looking())

    def info(self) -> wire.GameInfo:
        """The settings of the game, and who plays."""
        return self.client.do(self.asking())

    def updates(self, *, reconnect: float = 30.0) -> Iterator[Board]:
        """The board after every update, to the end of the game.

        A connection that breaks is opened again for `reconnect` seconds; the first board after it
        is a whole view. The same object is yielded each time.
        """
        return self.client.follow(Following.of_seat(self, reconnect))
