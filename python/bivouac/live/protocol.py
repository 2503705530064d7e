"""What is said to a server of live games, whoever says it: requests, what their answers mean, and
when a stream that broke is opened again. `GameClient` and `AsyncGameClient` only send and wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import grpc

from bivouac.v1 import games_pb2 as wire

from ..errors import InvalidArgument
from .board import Board
from .error import GameError

#: A client whose server is gone finds out within this time, in milliseconds.
KEEPALIVE = [("grpc.keepalive_time_ms", 10_000), ("grpc.keepalive_timeout_ms", 10_000)]

#: How the address of a server begins, and whether connections to it are encrypted then.
SCHEMES = {"grpc": False, "grpc+tls": True}

#: Seconds between attempts to open a stream again.
RETRY = 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class Game:
    """A game that was created."""

    id: str
    #: What deletes, pauses and resumes it.
    owner_token: str
    #: The seed, if it was chosen; one that the server drew is told when the game is over.
    seed: int | None


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
    join_as: str | None = None,
    join_seat: int | None = None,
    further_players: Iterable[str] = (),
) -> wire.CreateGameRequest:
    """The request for a game: `size` is (rows, columns), `map` a map as text or JSON, `pace` timed,
    lockstep or free, `policies` play the last seats, and with `collect_experiences` the rows of all
    seats join the server's streams, with `int(game.id, 16)` as their episode. With the name
    `join_as` the creator takes `join_seat`, or the first seat that is free, in the same request, and
    `further_players` take the next ones."""
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
        join_as=join_as,
        join_seat=join_seat,
        further_players=list(further_players),
    )


def orders(actions: int | None | Iterable[int | None]) -> list[wire.Order]:
    """Orders of the wire for actions; `None` is a pass."""
    if actions is None or isinstance(actions, int):
        actions = [actions]
    return [wire.Order() if action is None else wire.Order(action=action) for action in actions]


def address(
    target: str,
    credentials: grpc.ChannelCredentials | None,
    tls_root_certs: bytes | str | Path | None,
) -> tuple[str, grpc.ChannelCredentials | None]:
    """Where a server is, as gRPC writes it, and with what a connection to it is encrypted: `None` if
    it is not.

    Raises `InvalidArgument` for a scheme that is none, and for certificates that would not be
    looked at: a token must not be sent in the clear by somebody who asked for more.
    """
    scheme, is_uri, host = target.rpartition("://")
    if (is_uri and scheme not in SCHEMES) or not host:
        known = " or ".join(f"{scheme}://host:port" for scheme in SCHEMES)
        raise InvalidArgument(f"target: {target!r} is no server: write {known}")
    is_encrypted = SCHEMES[scheme] if is_uri else credentials is not None
    if not is_encrypted and (credentials is not None or tls_root_certs is not None):
        raise InvalidArgument(f"target: certificates are of no use to {target!r}: write grpc+tls://")
    if tls_root_certs is not None and credentials is not None:
        raise InvalidArgument("tls_root_certs: credentials have certificates of their own")
    if not is_encrypted or credentials is not None:
        return host, credentials
    if isinstance(tls_root_certs, (str, Path)):
        tls_root_certs = Path(tls_root_certs).read_bytes()
    return host, grpc.ssl_channel_credentials(tls_root_certs)


def authorization(token: str | None) -> list[tuple[str, str]]:
    """The metadata that shows a server's token."""
    return [] if token is None else [("authorization", f"Bearer {token}")]


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and what to make of its answer."""

    method: str
    request: Any
    read: Callable[[Any], T]


def _nothing(_answer: Any) -> None:
    return None


def _game(it: wire.CreateGameResponse) -> Game:
    return Game(it.game_id, it.owner_token, it.seed if it.HasField("seed") else None)


def create(**options: Any) -> Call[Game]:
    """Creates a game; see `create_request` for the options."""
    return Call("CreateGame", create_request(**options), _game)


#: A game that was created, with the number and the token of each player's seat.
Seated = tuple[Game, list[tuple[int, str]]]


def create_many(games: Iterable[Mapping[str, Any]]) -> Call[list[Seated | GameError]]:
    """Creates up to 1,000 games; the options of each are those of `create_request`. Gives for each the
    game and the seats of its players, or why it was not created."""
    request = wire.CreateGamesRequest(games=[create_request(**options) for options in games])

    def one(it: wire.GameCreation) -> Seated | GameError:
        if it.WhichOneof("result") == "failure":
            reason = wire.Reason.Name(it.failure.reason).removeprefix("REASON_")
            return GameError(reason, it.failure.message)
        made = it.created
        seats = ([made.joined] if made.HasField("joined") else []) + list(made.further)
        return _game(made), [(seat.seat, seat.token) for seat in seats]

    def read(it: wire.CreateGamesResponse) -> list[Seated | GameError]:
        return [one(game) for game in it.games]

    return Call("CreateGames", request, read)


def create_and_join(name: str, seat: int | None, **options: Any) -> Call[tuple[Game, int, str]]:
    """Creates a game and takes a seat of it, and gives the seat's number and token."""
    call = create(join_as=name, join_seat=seat, **options)

    def read(it: wire.CreateGameResponse) -> tuple[Game, int, str]:
        return call.read(it), it.joined.seat, it.joined.token

    return Call(call.method, call.request, read)


def join(game_id: str, name: str, seat: int | None) -> Call[tuple[int, str]]:
    """Takes a seat, and gives its number and token."""
    request = wire.JoinGameRequest(game_id=game_id, name=name, seat=seat)
    return Call("JoinGame", request, lambda it: (it.seat, it.token))


def page(phases: Iterable[str], token: str) -> Call[tuple[list[wire.GameInfo], str]]:
    """A page of the public games, and what asks for the next one: nothing after the last."""
    wanted = [wire.Phase.Value(f"PHASE_{phase.upper()}") for phase in phases]
    request = wire.ListGamesRequest(phases=wanted, page_token=token)
    return Call("ListGames", request, lambda it: (list(it.games), it.next_page_token))


def delete(game: Game) -> Call[None]:
    """Removes a game."""
    request = wire.DeleteGameRequest(game_id=game.id, owner_token=game.owner_token)
    return Call("DeleteGame", request, _nothing)


def pause(game: Game) -> Call[None]:
    """Stops a game's clock."""
    request = wire.PauseGameRequest(game_id=game.id, token=game.owner_token)
    return Call("PauseGame", request, _nothing)


def resume(game: Game) -> Call[None]:
    """Lets a paused game go on."""
    request = wire.ResumeGameRequest(game_id=game.id, token=game.owner_token)
    return Call("ResumeGame", request, _nothing)


class Sitting:
    """A seat of a game. Who has its `token` plays it, from any client."""

    def __init__(self, client: Any, game_id: str, seat: int, token: str) -> None:
        self.client, self.game_id, self.seat, self.token = client, game_id, seat, token

    def key(self) -> dict[str, str]:
        """What opens the seat, as fields of a request."""
        return {"game_id": self.game_id, "token": self.token}

    def submission(
        self,
        actions: int | None | Iterable[int | None],
        *,
        expected_tick: int | None = None,
        key: str = "",
        replace: bool = False,
    ) -> Call[wire.SubmitActionResponse]:
        """Sends an action, or several that wait in the seat's queue; `None` is a pass."""
        request = wire.SubmitActionRequest(
            **self.key(),
            orders=orders(actions),
            expected_tick=expected_tick,
            idempotency_key=key,
            replace_queue=replace,
        )
        return Call("SubmitAction", request, lambda it: it)

    def clearing(self) -> Call[int]:
        """Takes back all orders that wait, and gives how many did."""
        return Call("ClearQueue", wire.ClearQueueRequest(**self.key()), lambda it: it.cleared)

    def surrendering(self) -> Call[None]:
        """Gives the game up."""
        return Call("Surrender", wire.SurrenderRequest(**self.key()), _nothing)

    def leaving(self) -> Call[None]:
        """Gives the seat up."""
        return Call("LeaveGame", wire.LeaveGameRequest(**self.key()), _nothing)

    def asking(self) -> Call[wire.GameInfo]:
        """The settings of the game, and who plays."""
        return Call("GetGameState", wire.GetGameStateRequest(**self.key()), lambda it: it.info)

    def looking(self) -> Call[Board]:
        """The game as this seat sees it now."""
        request = wire.GetGameStateRequest(**self.key())
        return Call("GetGameState", request, lambda it: Board(self.seat).apply(it.state))


class Following:
    """The updates of a game to its end, over however many streams they take."""

    def __init__(self, method: str, request: Any, board: Board, reconnect: float) -> None:
        self.method, self.request, self.board = method, request, board
        #: The stream that is open.
        self.stream: Any = None
        self._reconnect = reconnect
        self._deadline: float | None = None
        self._is_cancelled = False

    @classmethod
    def of_seat(cls, sitting: Sitting, reconnect: float) -> "Following":
        """What a seat sees."""
        request = wire.StreamGameRequest(**sitting.key())
        return cls("StreamGame", request, Board(sitting.seat), reconnect)

    @classmethod
    def of_game(cls, game_id: str, reconnect: float) -> "Following":
        """The whole board."""
        return cls("Spectate", wire.SpectateRequest(game_id=game_id), Board(), reconnect)

    @property
    def is_over(self) -> bool:
        """Whether nothing will come any more."""
        return self.board.is_over or self._is_cancelled

    def open(self, client: Any) -> Any:
        """The next stream, which begins anew: in a lobby without a view."""
        self.board.seq = None
        self.stream = getattr(client.stub, self.method)(self.request, metadata=client.metadata)
        if self._is_cancelled:
            self.stream.cancel()
        return self.stream

    def cancel(self) -> None:
        """Ends it, from any thread."""
        self._is_cancelled = True
        if self.stream is not None:
            self.stream.cancel()

    def apply(self, update: wire.Update) -> Board:
        """The board after the next update."""
        self._deadline = None
        return self.board.apply(update)

    def wait(self, error: grpc.RpcError | None, now: float) -> float:
        """Seconds after which the stream that broke, or just ended, is opened again; `now` is a clock
        in seconds.

        Raises `GameError` if that is of no use any more.
        """
        if self.is_over:
            return 0.0
        # A game that is over says so: a stream that ends before was cut off, however politely.
        refusal = GameError.cut_off() if error is None else GameError.of(error)
        if self._deadline is None:
            self._deadline = now + self._reconnect
        if not refusal.may_pass or now > self._deadline:
            raise refusal from None
        return RETRY
