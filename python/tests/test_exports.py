"""What other libraries take: Arrow data, DLPack, and pages that play a game."""

from __future__ import annotations

import gc
import json
import re

import bivouac
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from bivouac.data import expand


def make(**options) -> bivouac.VectorEnv:
    defaults = {"size": (7, 8), "max_ticks": 30, "seat": None, "threads": 1}
    envs = bivouac.make_vec("generals", 5, **{**defaults, **options})
    envs.reset(seed=3)
    return envs


def address(array: pa.Array) -> int:
    return array.buffers()[-1].address


@pytest.mark.parametrize("layout, players", [(None, 2), (None, 3), ("durbin9", 2), ("memory", 2)])
def test_rows_are_arrow_data_in_the_memory_of_the_engine(layout, players):
    envs = make(layout=layout, players=players)
    for _ in range(31):
        envs.step(np.full(envs.num_envs, -1))
    frame = envs.frame
    batch = pa.record_batch(frame)
    assert batch.num_rows == envs.num_envs
    bytes_ = [*frame.columns(), *(["observation"] if layout else [])]
    for name in [*bytes_, "episode_id", "step", "action", "reward", "land", "opp_army"]:
        column = frame.column(name)
        assert address(batch[name]) == column.ctypes.data, name
    for name in bytes_:
        about = batch.schema.field(name).metadata
        shape = (5, players, *json.loads(about[b"shape"]))
        found = np.frombuffer(b"".join(batch[name].to_pylist()), about[b"dtype"].decode())
        assert np.array_equal(found.reshape(shape), frame.column(name))
    assert batch["agent_id"].to_pylist() == list(range(players)) * 5
    # The 31st step begins anew after the 30th cut all games off.
    assert all(batch["is_first"].to_pylist()) and not any(batch["truncated"].to_pylist())
    assert set(batch["height"].to_pylist()) == {7} and set(batch["width"].to_pylist()) == {8}
    assert pl.DataFrame(frame).equals(pl.DataFrame(batch))


def test_rows_have_the_columns_of_a_dataset(tmp_path):
    envs = make(record=True)
    envs.step(np.full(10, -1))
    envs.reset()
    bivouac.write_games(envs.games(), tmp_path / "games.parquet")
    stored, rows = expand(tmp_path / "games.parquet").schema, pa.schema(envs.frame.to_arrow().schema)
    for field in rows:
        assert stored.field(field.name).type == field.type, field.name


def test_arrow_data_outlives_the_environments():
    envs = make(layout="durbin9")
    batch = pa.record_batch(envs.frame)
    before = [bytes(value.as_buffer()) for value in batch["observation"]]
    for _ in range(5):
        envs.step(np.full(10, -1))
    del envs
    gc.collect()
    churn = [np.full(2**16, 255, dtype=np.uint8) for _ in range(64)]
    assert [bytes(value.as_buffer()) for value in batch["observation"]] == before
    assert len(churn) == 64


def test_expanded_rows_are_an_arrow_stream_for_any_library(tmp_path):
    envs = make(record=True)
    envs.step(np.full(10, -1))
    envs.reset()
    bivouac.write_games(envs.games(), tmp_path / "games.parquet")
    expected = expand(tmp_path / "games.parquet").read_all()
    stream = pa.RecordBatchReader.from_stream(expand(tmp_path / "games.parquet"))
    assert stream.read_all().equals(expected) and len(expected) == 20
    assert len(pl.DataFrame(expand(tmp_path / "games.parquet"))) == 20


@pytest.mark.parametrize("layout", [None, "durbin9"])
def test_observations_are_dlpack_tensors_of_the_same_memory_that_cannot_be_written(layout):
    observations, _ = make(layout=layout).reset()
    seen = observations if layout else observations["army"]
    taken = np.from_dlpack(seen)
    assert taken.ctypes.data == seen.ctypes.data and np.array_equal(taken, seen)
    with pytest.raises(ValueError, match="read-only"):
        taken[0] = 1


@pytest.mark.parametrize("seat", [None, 1])
def test_a_page_has_every_board_of_a_game_as_a_seat_sees_it(tmp_path, seat):
    envs = make(record=True, policies=["expander", "random"])
    for _ in range(31):
        envs.step(np.full(10, -1))
    game = envs.games()[0]
    bivouac.save_html(game, tmp_path / "game.html", seat=seat, every=7)
    page = (tmp_path / "game.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=|https?:", page), "it needs nothing else"
    told = json.loads(re.search(r'<script id="game"[^>]*>(.*?)</script>', page, re.S)[1])
    assert (told["height"], told["width"], told["ticks"]) == (7, 8, 30)
    assert told["players"] == ["expander", "random"] and len(told["colours"]) >= 2
    boards = [
        (7, 8, board["tick"], *(unpacked(board[name]) for name in ("faces", "owners", "armies")))
        for board in told["boards"]
    ]
    assert boards == game.boards(seat, 7)
    assert [board[2] for board in boards] == [0, 7, 14, 21, 28, 30]


def unpacked(runs: list[int]) -> list[int]:
    return [value for n, value in zip(runs[::2], runs[1::2]) for _ in range(n)]
