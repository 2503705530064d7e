"""A player as a class."""

from __future__ import annotations

from .board import Board
from .client import GameClient, Seat
from .error import GameError

#: Refusals that only mean that the game went on meanwhile.
_TOO_LATE = {"WRONG_TICK", "WRONG_PHASE", "GAME_OVER", "ELIMINATED"}


class Bot:
    """A player: `act` is asked once a tick, and what it answers too late is not played.

    >>> class First(Bot):
    ...     def act(self, board):
    ...         return next(iter(board.legal_actions()), None)
    >>> First().play(client, game.id, "first")
    """

    #: Answers that came after their tick was over.
    late = 0
    #: Answers that were refused for another reason, as (tick, reason).
    refused: list[tuple[int, str]]

    def on_start(self, board: Board) -> None:
        """Called once, with the first view."""

    def act(self, board: Board) -> int | None:
        """The action for this tick; `None` is a pass."""
        raise NotImplementedError("a bot has an `act` method")

    def on_end(self, board: Board) -> None:
        """Called once, with the last view; `board.ended` says who won."""

    def play(self, client: GameClient, game_id: str, name: str, seat: int | None = None) -> Board:
        """Joins a game, plays it to its end and returns the last view."""
        return self.play_seat(client.join(game_id, name, seat))

    def play_seat(self, seat: Seat, *, reconnect: float = 30.0) -> Board:
        """Plays a seat to the end of its game. A connection that breaks is opened again."""
        self.late, self.refused = 0, []
        board, acted, has_started = Board(seat.seat), -1, False
        for board in seat.updates(reconnect=reconnect):
            if board.faces.size and not has_started:
                has_started = True
                self.on_start(board)
            # Updates between ticks ask for nothing.
            if board.is_running and board.is_alive and board.tick > acted:
                acted = board.tick
                self._answer(seat, board)
        self.on_end(board)
        return board

    def _answer(self, seat: Seat, board: Board) -> None:
        action = self.act(board)
        try:
            seat.submit(action, expected_tick=board.tick)
        except GameError as refusal:
            if refusal.reason in _TOO_LATE:
                self.late += 1
            else:
                self.refused.append((board.tick, refusal.reason))
                self._pass(seat, board)

    def _pass(self, seat: Seat, board: Board) -> None:
        """A refused action is a pass, so that a lockstep game need not wait."""
        try:
            seat.submit(None, expected_tick=board.tick)
        except GameError as refusal:
            if refusal.reason not in _TOO_LATE:
                raise
            self.late += 1
