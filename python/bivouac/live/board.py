"""What one player knows of a game, put together from updates."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from bivouac.v1 import games_pb2 as wire

#: What stands on a tile, as in `Board.faces`.
FOG, PLAIN, MOUNTAIN, CITY, GENERAL, FOG_STRUCTURE = range(6)

_STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


class Board:
    """The newest view of a game. `apply` brings it up to date.

    `faces`, `owners` uint8 [height, width] and `armies` int32 [height, width]; owner 255 is nobody
    or hidden, army 0 where hidden. `land`, `army` int64 [players] are the public scoreboard.
    """

    def __init__(self, seat: int | None = None) -> None:
        self.seat = seat
        self.seq: int | None = None
        self.tick = 0
        self.phase = "unspecified"
        self.faces = np.zeros((0, 0), np.uint8)
        self.owners = np.zeros((0, 0), np.uint8)
        self.armies = np.zeros((0, 0), np.int32)
        self.land = np.zeros(0, np.int64)
        self.army = np.zeros(0, np.int64)
        self.alive: set[int] = set()
        #: Orders of one's own that wait.
        self.queued = 0
        #: Own orders, as actions, that the last update says were not legal at their turn.
        self.skipped: list[int] = []
        #: Events of the last update: (name, fields).
        self.events: list[tuple[str, dict[str, Any]]] = []
        #: Names of the players by seat.
        self.players: list[str] = []
        #: `Ended` of the game once it is over: winners, ranking, is_truncated.
        self.ended: wire.Ended | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing will happen any more."""
        return self.phase in ("ended", "aborted")

    @property
    def is_running(self) -> bool:
        """Whether orders are taken."""
        return self.phase == "running"

    @property
    def is_alive(self) -> bool:
        """Whether one's own seat lives."""
        return self.seat in self.alive

    def apply(self, update: wire.Update) -> "Board":
        """Brings the view up to date and returns it.

        Raises ValueError if an update before this one is missing.
        """
        board = update.WhichOneof("board")
        # In a lobby there is no board yet, and who plays is all.
        is_whole = board == "view" or len(update.players) > 0
        if not is_whole and self.seq is not None and update.seq != self.seq + 1:
            raise ValueError(f"update {self.seq + 1} is missing before update {update.seq}")
        self.seq, self.tick, self.queued = update.seq, update.tick, update.queued
        self.phase = wire.Phase.Name(update.phase).removeprefix("PHASE_").lower()
        self.skipped = list(update.skipped_actions)
        if board == "view":
            view = update.view
            shape = (view.height, view.width)
            self.faces = np.frombuffer(view.faces, np.uint8).reshape(shape).copy()
            self.owners = np.frombuffer(view.owners, np.uint8).reshape(shape).copy()
            self.armies = np.frombuffer(view.armies, "<i4").reshape(shape).astype(np.int32)
        elif board == "delta":
            delta = update.delta
            tiles = np.frombuffer(delta.tiles, "<u2")
            self.faces.reshape(-1)[tiles] = np.frombuffer(delta.faces, np.uint8)
            self.owners.reshape(-1)[tiles] = np.frombuffer(delta.owners, np.uint8)
            self.armies.reshape(-1)[tiles] = np.frombuffer(delta.armies, "<i4")
        if update.HasField("scoreboard"):
            scores = update.scoreboard
            self.land, self.army = np.array(scores.land), np.array(scores.army)
            self.alive = {seat for seat in range(16) if scores.alive >> seat & 1}
        if update.players:
            self.players = [player.name for player in update.players]
        self.events = []
        for event in update.events:
            kind = event.WhichOneof("kind")
            fields = getattr(event, kind)
            if kind == "ended":
                self.ended = fields
            self.events.append((kind, {f.name: value for f, value in fields.ListFields()}))
        return self

    def copy(self) -> "Board":
        """The same view, which later updates leave as it is."""
        board = copy.copy(self)
        for name in ("faces", "owners", "armies"):
            # The others are never changed in place.
            setattr(board, name, getattr(self, name).copy())
        return board

    def legal_actions(self) -> list[int]:
        """The marches of whole armies that the rules accept, as actions of the flat action space:
        `((row * width + column) * 4 + direction) * 2 + half`."""
        if not self.is_alive or self.faces.size == 0:
            return []
        height, width = self.faces.shape
        movable = (self.owners == self.seat) & (self.armies >= 2)
        actions = []
        for row, column in zip(*np.nonzero(movable)):
            for direction, (down, right) in enumerate(_STEPS):
                to = (row + down, column + right)
                if 0 <= to[0] < height and 0 <= to[1] < width and self.faces[to] != MOUNTAIN:
                    actions.append(((int(row) * width + int(column)) * 4 + direction) * 2)
        return actions
