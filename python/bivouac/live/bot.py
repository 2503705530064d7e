"""A player as a class."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable

from bivouac.v1 import games_pb2 as wire

from .board import Board
from .client import GameClient, Seat
from .error import GameError
from .protocol import RETRY, Following

#: Refusals that only mean that the game went on meanwhile.
_TOO_LATE = {"WRONG_TICK", "WRONG_PHASE", "GAME_OVER", "ELIMINATED"}


class Bot:
    """A player: `act` is asked about the newest board, once a tick at most.

    >>> class First(Bot):
    ...     def act(self, board):
    ...         return next(iter(board.legal_actions()), None)
    >>> First().play(client, game.id, "first")

    The game does not wait for `act`, but to the end of a turn in lockstep: `time_left` says how long
    that is. Ticks that it sleeps through are passes, and it is never asked about them. What it
    answers too late is played in the turn that runs by then, if it is still legal there; with
    `plays_late = False` it is not. A connection that breaks is opened again, and an answer that
    may have been lost is sent again.
    """

    #: Answers that came after their tick was over, or their budget.
    late = 0
    #: Whether what came after its tick was over is played in a later one.
    plays_late = True
    #: Answers that were refused for another reason, as (tick, reason).
    refused: list[tuple[int, str]]
    _deadline = math.inf

    @property
    def time_left(self) -> float:
        """Seconds until the answer that is asked for is late; below 0 once it is."""
        return self._deadline - time.monotonic()

    def on_start(self, board: Board) -> None:
        """Called once, with the first view."""

    def act(self, board: Board) -> int | None:
        """The action for this tick; `None` is a pass. `board.events` and `board.skipped` are those
        since the board before."""
        raise NotImplementedError("a bot has an `act` method")

    def on_end(self, board: Board) -> None:
        """Called once, with the last view; `board.ended` says who won."""

    def play(
        self,
        client: GameClient,
        game_id: str,
        name: str,
        seat: int | None = None,
        *,
        budget: float | None = None,
    ) -> Board:
        """Joins a game, plays it to its end and returns the last view; see `play_seat`."""
        return self.play_seat(client.join(game_id, name, seat), budget=budget)

    def play_seat(
        self, seat: Seat, *, budget: float | None = None, reconnect: float = 30.0
    ) -> Board:
        """Plays a seat to the end of its game.

        Args:
            budget: seconds that `act` may take, where that is less than a turn. What comes later is
                not played: a pass is sent in its place, so that a game in lockstep need not wait
                for the turn's end.
            reconnect: seconds for which a connection that broke is opened again.
        """
        self.late, self.refused = 0, []
        turn = _turn(seat.info())
        with _Newest(seat, reconnect) as newest:
            board = self._play(seat, newest, turn, budget)
        self._deadline = math.inf
        self.on_end(board)
        return board

    def _play(self, seat: Seat, newest: "_Newest", turn: float, budget: float | None) -> Board:
        sender = _Sender(seat, newest)
        acted, has_started = -1, False
        while True:
            board, since = newest.take()
            if board.faces.size and not has_started:
                has_started = True
                self.on_start(board)
            if board.is_over:
                return board
            # Updates between ticks ask for nothing.
            if board.is_running and board.is_alive and board.tick > acted:
                acted = board.tick
                asked = time.monotonic()
                allowed = math.inf if budget is None else asked + budget
                self._deadline = min(since + turn, allowed)
                self._answer(sender, board, budget)

    def _answer(self, sender: "_Sender", board: Board, budget: float | None) -> None:
        with _Budget(budget, lambda: sender.send(None, board.tick)) as budget_of_act:
            action = self.act(board)
        if budget_of_act.is_over:
            self.late += 1
            return
        refusal = sender.send(action, board.tick)
        if refusal is not None and refusal not in _TOO_LATE:
            self.refused.append((board.tick, refusal))
            # A refused action is a pass, so that a lockstep game need not wait.
            action, refusal = None, sender.send(None, board.tick)
        if refusal is not None:
            self.late += 1
            if self.plays_late and action is not None:
                # Another refusal means that it is not legal any more, or that the game is over.
                sender.send(action, None)


def _turn(info: wire.GameInfo) -> float:
    """Seconds of a turn; a free-running game waits for nobody, so that nothing is ever in time."""
    return info.turn_ms / 1000 if info.turn_ms else math.inf


class _Newest:
    """The newest board of a seat, whose updates a thread reads however long `act` takes: a stream
    that nobody reads shows the past."""

    def __init__(self, seat: Seat, reconnect: float) -> None:
        self._seat, self.reconnect = seat, reconnect
        self._following = Following.of_seat(seat, reconnect)
        self._changed = threading.Condition()
        #: The newest board, if it was not taken, and when it came.
        self._board: Board | None = None
        self._since = 0.0
        self._error: BaseException | None = None
        self._is_done = False
        self.tick = -1
        self._thread = threading.Thread(target=self._read, name="bot-updates", daemon=True)

    def __enter__(self) -> "_Newest":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._following.cancel()
        self._thread.join()

    def _read(self) -> None:
        try:
            for board in self._seat.client.follow(self._following):
                self._put(board.copy())
        except BaseException as error:  # It is raised where the board is waited for.
            self._error = error
        with self._changed:
            self._is_done = True
            self._changed.notify_all()

    def _put(self, board: Board) -> None:
        with self._changed:
            if self._board is not None:
                # Nobody has seen what happened before.
                board.events = self._board.events + board.events
                board.skipped = self._board.skipped + board.skipped
            if board.tick != self.tick:
                self._since = time.monotonic()
            self._board, self.tick = board, board.tick
            self._changed.notify_all()

    def take(self) -> tuple[Board, float]:
        """Waits for a board, and gives it with the time at which its tick began."""
        with self._changed:
            self._changed.wait_for(lambda: self._board is not None or self._is_done)
            if self._board is None:
                raise self._error or GameError.cut_off()
            board, self._board = self._board, None
            return board, self._since

    def waits_at(self, tick: int | None, seconds: float) -> bool:
        """Waits a while and tells whether the game is at this tick then, as far as is known."""
        with self._changed:
            return not self._changed.wait_for(
                lambda: self._is_done or tick not in (None, self.tick), seconds
            )


class _Sender:
    """Sends the answers of a seat, again if the connection broke on the way."""

    def __init__(self, seat: Seat, newest: _Newest) -> None:
        self._seat, self._newest = seat, newest
        # Whoever played the seat before has used other keys.
        self._name, self._sent = secrets.token_hex(4), 0

    def send(self, action: int | None, tick: int | None) -> str | None:
        """Sends an action for a tick, or for any; the reason if it was refused."""
        self._sent += 1
        key = f"{self._name}-{self._sent}"
        action = None if action is None else int(action)
        deadline = time.monotonic() + self._newest.reconnect
        while True:
            try:
                # The newest answer counts: one behind another would be a tick late, and all after it.
                self._seat.submit(action, expected_tick=tick, key=key, replace=True)
                return None
            except GameError as refusal:
                if not refusal.may_pass:
                    return refusal.reason
                if time.monotonic() > deadline:
                    raise
            if not self._newest.waits_at(tick, RETRY):
                return "WRONG_TICK"


class _Budget:
    """Does something if what is done under it takes longer than it may."""

    def __init__(self, seconds: float | None, otherwise: Callable[[], object]) -> None:
        self.is_over = False
        self._timer = None
        if seconds is not None:
            self._otherwise, self._lock = otherwise, threading.Lock()
            self._is_done = False
            self._timer = threading.Timer(seconds, self._end)
            self._timer.daemon = True

    def __enter__(self) -> "_Budget":
        if self._timer is not None:
            self._timer.start()
        return self

    def _end(self) -> None:
        with self._lock:
            if self._is_done:
                return
            self.is_over = True
            self._otherwise()

    def __exit__(self, *_: object) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        # Either it is in time, or the pass has been sent.
        with self._lock:
            self._is_done = True
