"""The client of live games."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from bivouac.v1 import games_pb2 as wire
from bivouac.v1 import games_pb2_grpc

from .board import Board
from .error import GameError

#: A client whose server is gone finds out within this time, in milliseconds.
KEEPALIVE = [("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_timeout_ms", 10_000)]


@dataclass(frozen=True)
class Game:
    """A game that was created."""

    id: str
    #: What deletes, pauses and resumes it.
    owner_token: str
    seed: int


def create_request(
    *,
    size: tuple[int, int] | None = None,
    map: str | None = None,
    players: int = 0,
    teams: Iterable[int] = (),
    ruleset: str = "",
    fog: bool = True,
    pace: str = "timed",
    turn_ms: int = 0,
    max_ticks: int = 0,
    policies: Iterable[str] = (),
    seed: int | None = None,
    private: bool = False,
    spectators: bool = False,
    spectator_delay: int = 0,
    record: bool = True,
    collect_experiences: bool = False,
) -> wire.CreateGameRequest:
    """The request for a game: `size` is (rows, columns), `map` a map as text or JSON, `pace` timed,
    lockstep or free, `policies` play the last seats, and with `collect_experiences` the rows of all
    seats join the server's streams, with `int(game.id, 16)` as their episode."""
    choice = None
    if map is not None:
        is_json = map.lstrip().startswith("{")
        choice = wire.MapChoice(json=map) if is_json else wire.MapChoice(text=map)
    elif size is not None:
        choice = wire.MapChoice(size=wire.BoardSize(height=size[0], width=size[1]))
    return wire.CreateGameRequest(
        map=choice,
        players=players,
        teams=list(teams),
        ruleset=ruleset,
        without_fog=not fog,
        pace=wire.Pace.Value(f"PACE_{pace.upper()}"),
        turn_ms=turn_ms,
        max_ticks=max_ticks,
        policies=list(policies),
        seed=seed,
        is_private=private,
        allow_spectators=spectators,
        spectator_delay=spectator_delay,
        without_record=not record,
        collect_experiences=collect_experiences,
    )


def orders(actions: int | None | Iterable[int | None]) -> list[wire.Order]:
    """Orders of the wire for actions; `None` is a pass."""
    if actions is None or isinstance(actions, int):
        actions = [actions]
    return [wire.Order() if action is None else wire.Order(action=action) for action in actions]


def authorization(token: str | None) -> list[tuple[str, str]]:
    """The metadata that shows a server's token."""
    return [] if token is None else [("authorization", f"Bearer {token}")]


class GameClient:
    """A connection to a server. `target` is "host:port"; `timeout` in seconds is for every call.

    `token` is for servers that ask for one (with the scope "drive"), `credentials` (such as
    `grpc.ssl_channel_credentials()`) for those with TLS.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = 30.0,
        token: str | None = None,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        #: Where the server is.
        self.target = target.split("://")[-1]
        self.metadata = authorization(token)
        if credentials is None:
            self.channel = grpc.insecure_channel(self.target, options=KEEPALIVE)
        else:
            self.channel = grpc.secure_channel(self.target, credentials, options=KEEPALIVE)
        self.stub = games_pb2_grpc.GameServiceStub(self.channel)
        self.timeout = timeout

    def __enter__(self) -> "GameClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self.channel.close()

    def call(self, method: str, request: Any) -> Any:
        """Calls a method of the service; raises `GameError` if it is refused."""
        try:
            return getattr(self.stub, method)(request, timeout=self.timeout, metadata=self.metadata)
        except grpc.RpcError as error:
            raise GameError.of(error) from None

    def create(self, **options: Any) -> Game:
        """Creates a game; see `create_request` for the options."""
        created = self.call("CreateGame", create_request(**options))
        return Game(created.game_id, created.owner_token, created.seed)

    def join(self, game_id: str, name: str, seat: int | None = None) -> "Seat":
        """Takes a seat: the first that is free, unless one is asked for."""
        joined = self.call("JoinGame", wire.JoinGameRequest(game_id=game_id, name=name, seat=seat))
        return Seat(self, game_id, joined.seat, joined.token)

    def list(self, phases: Iterable[str] = ()) -> Iterator[wire.GameInfo]:
        """The public games, oldest first."""
        wanted = [wire.Phase.Value(f"PHASE_{phase.upper()}") for phase in phases]
        page = ""
        while True:
            request = wire.ListGamesRequest(phases=wanted, page_token=page)
            answer = self.call("ListGames", request)
            yield from answer.games
            page = answer.next_page_token
            if not page:
                return

    def spectate(self, game_id: str) -> Iterator[Board]:
        """The whole board, after every update, where the game allows it."""
        board = Board()
        try:
            request = wire.SpectateRequest(game_id=game_id)
            for update in self.stub.Spectate(request, metadata=self.metadata):
                yield board.apply(update)
        except grpc.RpcError as error:
            raise GameError.of(error) from None

    def delete(self, game: Game) -> None:
        """Removes a game."""
        request = wire.DeleteGameRequest(game_id=game.id, owner_token=game.owner_token)
        self.call("DeleteGame", request)

    def pause(self, game: Game) -> None:
        """Stops a game's clock."""
        self.call("PauseGame", wire.PauseGameRequest(game_id=game.id, token=game.owner_token))

    def resume(self, game: Game) -> None:
        """Lets a paused game go on."""
        self.call("ResumeGame", wire.ResumeGameRequest(game_id=game.id, token=game.owner_token))


class Seat:
    """A seat of a game. Who has its `token` plays it, from any client."""

    def __init__(self, client: GameClient, game_id: str, seat: int, token: str) -> None:
        self.client, self.game_id, self.seat, self.token = client, game_id, seat, token

    def _key(self) -> dict[str, str]:
        return {"game_id": self.game_id, "token": self.token}

    def submit(
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
        return self.client.call("SubmitAction", request)

    def clear_queue(self) -> int:
        """Takes back all orders that wait, and returns how many did."""
        return self.client.call("ClearQueue", wire.ClearQueueRequest(**self._key())).cleared

    def surrender(self) -> None:
        """Gives the game up."""
        self.client.call("Surrender", wire.SurrenderRequest(**self._key()))

    def leave(self) -> None:
        """Gives the seat up."""
        self.client.call("LeaveGame", wire.LeaveGameRequest(**self._key()))

    def state(self) -> Board:
        """The game as this seat sees it now."""
        answer = self.client.call("GetGameState", wire.GetGameStateRequest(**self._key()))
        return Board(self.seat).apply(answer.state)

    def updates(self, *, reconnect: float = 30.0) -> Iterator[Board]:
        """The board after every update, to the end of the game.

        A connection that breaks is opened again for `reconnect` seconds; the first board after it
        is a whole view. The same object is yielded each time.
        """
        board = Board(self.seat)
        deadline = None
        while not board.is_over:
            try:
                request = wire.StreamGameRequest(**self._key())
                for update in self.client.stub.StreamGame(request, metadata=self.client.metadata):
                    deadline = None
                    yield board.apply(update)
                if not board.is_over:
                    return
            except grpc.RpcError as error:
                refusal = GameError.of(error)
                now = time.monotonic()
                deadline = deadline or now + reconnect
                if not refusal.may_pass or now > deadline:
                    raise refusal from None
                time.sleep(0.1)
