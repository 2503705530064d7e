"""Datasets of games read as the rows of their agents, played again as they are read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from ..checks import check, sides

if TYPE_CHECKING:
    from .._engine import Rows


def expand(
    path: str | Path,
    *,
    reward: str = "sparse",
    players: Sequence[int] | None = None,
    layout: str | None = None,
    canvas: int | tuple[int, int] | None = None,
    batch_rows: int = 1024,
    threads: int | None = None,
) -> pa.RecordBatchReader:
    """Plays the games of a dataset again and streams their rows, without writing them.

    The rows are those that `bivouac expand` writes with the same arguments, in the same order:
    by game, agent and step. Other threads play ahead while a batch is worked on.

    Args:
        path: a folder that `bivouac generate --kind games` or `import` wrote, or one of its files.
        reward: `sparse`, `shaped`, `potential`, or the text of a TOML file of weights.
        players: seats whose rows are wanted; None for all.
        layout: `durbin9`, `generals-bots` or `memory` for a column `observation` of float32
            `[channels, height, width]` as flat bytes; None for compact planes. The metadata of the
            fields say how to look at them.
        canvas: height and width that boards are padded to, or one number for both; None for the
            largest board.
        batch_rows: rows of a batch; the last one of some games has less.
        threads: threads that play; None for one for each core.

    Returns:
        A reader of record batches, which every library takes that knows the Arrow PyCapsule
        interface (`__arrow_c_stream__`): Polars, DuckDB, pandas, Ray. It can be read once.

    Raises:
        bivouac.InvalidArgument: an argument is not known, there are no such games, or, while
            reading, a game ends otherwise than its row says.
    """
    from .. import _engine

    seats = None if players is None else [check("players", seat, 0, 15) for seat in players]
    rows = _engine.Rows(
        str(path),
        reward=reward,
        players=seats,
        layout=layout,
        canvas=None if canvas is None else sides(canvas, "canvas"),
        batch_rows=check("batch_rows", batch_rows, 1, 2**31 - 1),
        threads=None if threads is None else check("threads", threads, 1, 1024),
    )
    return pa.ipc.open_stream(io.BufferedReader(_Bytes(rows), 1 << 20))


class _Bytes(io.RawIOBase):
    """The bytes of a stream of batches as a file."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:
        if not self._rest:
            self._rest = memoryview(self._rows.read())
        n = min(len(into), len(self._rest))
        into[:n], self._rest = self._rest[:n], self._rest[n:]
        return n
