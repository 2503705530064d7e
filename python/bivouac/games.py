"""Games that were played: read from datasets, and written as one."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from . import _engine

Game = _engine.Game


def read_games(path: str | Path) -> list[Game]:
    """The games of a dataset of games: a folder, or one Parquet file.

    Raises:
        InvalidArgument: the file is not one of games; the message says what is wrong with it.
    """
    return _engine.read_games(str(path))


def games_table(games: Iterable[Game]) -> pa.Table:
    """Games as a table with the columns of a dataset of games."""
    stream = io.BytesIO(_engine.games_ipc(list(games)))
    return pa.ipc.open_stream(stream).read_all()


def write_games(games: Iterable[Game], path: str | Path) -> None:
    """Writes games as one Parquet file, which `read_games` reads back."""
    import pyarrow.parquet as pq

    pq.write_table(games_table(games), path, compression="zstd")
