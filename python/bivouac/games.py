"""Games that were played: read from datasets, and written as one."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable
from pathlib import Path

import pyarrow as pa

from . import _engine
from .errors import InvalidArgument

Game = _engine.Game

Games = str | Path | pa.Table | Iterable[Game]
"""A dataset of games: its folder, one of its files, a table of them (`games_table`), or the games."""


def read_games(dataset: str | Path | pa.Table, episodes: Collection[int] | None = None) -> list[Game]:
    """The games of a dataset of games, in its order.

    Args:
        dataset: a folder, one Parquet file, a table, or a replay of generals.io (a `.gior` file),
            whose game is number 0 of seed 0.
        episodes: ids of the episodes that are wanted; None for all.

    Raises:
        InvalidArgument: it does not hold games; the message says what is wrong with it.
    """
    if not isinstance(dataset, pa.Table):
        wanted = None if episodes is None else {int(episode) for episode in episodes}
        return _engine.read_games(str(dataset), wanted)
    stream = io.BytesIO()
    with pa.ipc.new_stream(stream, dataset.schema) as writer:
        writer.write_table(dataset)
    games = _engine.games_of_ipc(stream.getvalue())
    return [game for game in games if episodes is None or game.episode_id in episodes]


def find_games(dataset: Games, episodes: Collection[int]) -> dict[int, Game]:
    """Games of a dataset by the ids of their episodes.

    Raises:
        InvalidArgument: there is no such dataset, or an episode is not in it.
    """
    is_stored = isinstance(dataset, (str, Path, pa.Table))
    games = read_games(dataset, episodes) if is_stored else dataset
    found = {game.episode_id: game for game in games}
    for episode in episodes:
        if episode not in found:
            where = f"{dataset}" if isinstance(dataset, (str, Path)) else "the games given"
            raise InvalidArgument(f"episode {episode}: it is not in {where}: give an `episode_id` of theirs")
    return found


def games_table(games: Iterable[Game]) -> pa.Table:
    """Games as a table with the columns of a dataset of games."""
    stream = io.BytesIO(_engine.games_ipc(list(games)))
    return pa.ipc.open_stream(stream).read_all()


def write_games(games: Iterable[Game], path: str | Path, *, replace: bool = False) -> None:
    """Writes games as a dataset of games, which `read_games`, `bivouac.data.expand` and the command
    line (`bivouac verify`, `inspect`, `expand`, `merge`) read.

    Args:
        games: from `VectorEnv.games` or `read_games`. A folder has them by seed, game and episode.
        path: a new or empty folder; or a name that ends in `.parquet` for one file without
            `meta/info.json` and checksum.
        replace: whether a dataset that is in the folder is removed first.

    Raises:
        InvalidArgument: there are no games, an episode is among them twice, or the folder is not
            empty.
    """
    games = list(games)
    if not games:
        raise InvalidArgument(
            "games: there are none to write: make the environments with record=True, and step until "
            "episodes end, or reset()"
        )
    if Path(path).suffix != ".parquet":
        _engine.write_games(games, str(path), replace)
        return
    import pyarrow.parquet as pq

    pq.write_table(games_table(games), path, compression="zstd")
