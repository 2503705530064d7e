"""Datasets written with `--layout`, beside the compact rows of the same games."""

import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from test_datasets import ROOT, files, info

from bivouac.data import LAYOUTS, Experiences

LAYOUT_NAMES = ["durbin9", "generals-bots", "memory"]
COMPACT = "dense-compact"


def stored(layout):
    """The column `observation` as its own metadata describe it, and the other columns."""
    path = files(f"dense-{layout}", "data")[0]
    field = pq.read_schema(path).field("observation")
    about = {key.decode(): value.decode() for key, value in field.metadata.items()}
    df = pd.read_parquet(path)
    dtype = np.dtype(about["dtype"]).newbyteorder(about["byte_order"])
    rows = np.frombuffer(b"".join(df.observation), dtype).reshape(len(df), *json.loads(about["shape"]))
    return rows, df, about


@pytest.fixture(scope="module")
def compact():
    return Experiences(ROOT / COMPACT)


@pytest.mark.parametrize("layout", ["durbin9", "generals-bots"])
def test_dense_columns_are_what_the_package_decodes(layout, compact):
    rows, df, about = stored(layout)
    decoded = [compact.episode(i, layout=layout)["observation"] for i in range(len(compact))]
    assert np.array_equal(rows, np.concatenate(decoded))
    assert about["layout"] == layout and tuple(about["channels"].split(",")) == LAYOUTS[layout].channels


def test_memory_is_what_the_rows_before_have_shown(compact):
    rows, df, about = stored("memory")
    channels = {name: rows[:, i] for i, name in enumerate(about["channels"].split(","))}
    first = 0
    for index in range(len(compact)):
        sample = compact.episode(index)
        at = slice(first, first + len(sample["step"]))
        bits = np.unpackbits(sample["planes"], axis=-1, bitorder="little")
        bits = bits[..., : 20 * 20].reshape(len(sample["step"]), -1, 20, 20).astype(bool)
        plane = dict(zip(compact.format.planes, bits.swapaxes(0, 1)))
        seen = plane["visible"]
        assert np.array_equal(channels["explored"][at], np.maximum.accumulate(seen, 0))
        # The row in which each tile was last seen, -1 for never.
        when = np.where(seen, sample["step"][:, None, None], -1)
        when = np.maximum.accumulate(when, 0)
        tile = np.indices((20, 20))
        army = sample["army"][np.maximum(when, 0), tile[0], tile[1]].astype(np.float32)
        army[when < 0] = 0
        assert np.allclose(channels["last_army"][at], army / (army + 32))
        enemy = plane["enemy"][np.maximum(when, 0), tile[0], tile[1]] & (when >= 0)
        assert np.array_equal(channels["last_enemy"][at], enemy)
        age = (sample["step"][:, None, None] - when).astype(np.float32)
        assert np.allclose(channels["age"][at], np.where(when < 0, 1, age / (age + 32)))
        first = at.stop
    assert first == len(rows)


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_dense_datasets_open_in_every_library(layout):
    datasets = pytest.importorskip("datasets", reason="see requirements.txt")
    rows, df, about = stored(layout)
    name = f"dense-{layout}"
    at = len(df) // 2
    pattern = str(ROOT / name / "data/**/*.parquet")
    lazy = pl.scan_parquet(pattern).select("observation", "action").collect()
    assert lazy["observation"][at] == rows[at].tobytes() and lazy["action"].to_list() == df.action.tolist()
    sql = duckdb.sql(f"SELECT observation, policy FROM '{pattern}' LIMIT 1 OFFSET {at}").fetchall()
    assert sql == [(rows[at].tobytes(), df.policy.iloc[at])]
    loaded = datasets.load_dataset(str(ROOT / name), split="train")
    assert len(loaded) == len(df) and loaded[at]["observation"] == rows[at].tobytes()


@pytest.mark.parametrize("layout", LAYOUT_NAMES)
def test_dense_datasets_say_what_they_hold_and_open_in_the_package(layout, compact):
    rows, df, about = stored(layout)
    told = info(f"dense-{layout}")
    assert told["observation_layout"] == layout and f"--layout {layout}" in told["command"]
    feature = told["features"]["observation"]
    assert feature["dtype"] == "float32" and feature["shape"] == list(rows.shape[1:])
    assert feature["names"] == about["channels"].split(",")
    assert f"layout `{layout}`" in (ROOT / f"dense-{layout}" / "README.md").read_text()
    data = Experiences(ROOT / f"dense-{layout}")
    assert data.layouts == [layout] and len(data) == len(compact)
    of_both = data.episode(3), compact.episode(3, layout="durbin9")
    assert np.array_equal(of_both[0]["action_mask"], of_both[1]["action_mask"])
    start = sum(data.about(i).length + 1 for i in range(3))
    assert np.array_equal(of_both[0]["observation"], rows[start : start + len(of_both[0]["step"])])
    with pytest.raises(KeyError, match=layout):
        data.episode(0, layout="other")
