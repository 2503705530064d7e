"""The one-liners of the README, and libraries that read the folder as it is."""

import os

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from test_datasets import EXPERIENCES, KEYS, ROOT, files, info

datasets = pytest.importorskip("datasets", reason="see requirements.txt")


def pattern(name, part="data"):
    return str(ROOT / name / part / "**/*.parquet")


def test_win_rates_by_policy_in_sql_are_those_of_the_games():
    rates = duckdb.sql(
        f"SELECT policy, avg(won::INT) AS win_rate, count(*) AS played "
        f"FROM '{pattern('duel', 'meta/episodes')}' GROUP BY policy ORDER BY policy"
    ).fetchall()
    games = pd.read_parquet(ROOT / "games/data")
    played, won = {}, {}
    for game in games.itertuples():
        for seat, policy in enumerate(game.policies):
            played[policy] = played.get(policy, 0) + 1
            won[policy] = won.get(policy, 0) + int(seat in game.winners)
    assert len(rates) == len(played) > 1
    for policy, rate, count in rates:
        assert count == played[policy]
        assert rate == pytest.approx(won[policy] / played[policy])


def test_action_histograms_agree_in_duckdb_polars_and_pandas():
    df = pd.read_parquet(ROOT / "duel/data")
    tiles = int(df.height.max()) * int(df.width.max())
    marches = df[(df.action >= 0) & (df.action < 8 * tiles)]
    expected = (marches.action // 2 % 4).value_counts().sort_index().to_dict()
    sql = duckdb.sql(
        f"SELECT action // 2 % 4 AS direction, count(*) FROM '{pattern('duel')}' "
        f"WHERE action BETWEEN 0 AND {8 * tiles - 1} GROUP BY direction ORDER BY direction"
    )
    assert dict(sql.fetchall()) == expected and len(expected) == 4
    lazy = pl.scan_parquet(pattern("duel")).filter(pl.col("action").is_between(0, 8 * tiles - 1))
    counts = lazy.group_by(pl.col("action") // 2 % 4).len().collect()
    assert dict(zip(counts["action"].to_list(), counts["len"].to_list())) == expected


def test_all_steps_of_one_episode_are_found_by_its_id():
    id = duckdb.sql(f"SELECT min(episode_id) FROM '{pattern('duel')}'").fetchall()[0][0]
    steps = duckdb.sql(f"SELECT agent_id, step FROM '{pattern('duel')}' "
                       f"WHERE episode_id = {id} ORDER BY ALL").fetchall()
    lazy = pl.scan_parquet(pattern("duel")).filter(pl.col("episode_id") == id)
    polars = lazy.select("agent_id", "step").sort("agent_id", "step").collect().rows()
    df = pd.read_parquet(ROOT / "duel/data", filters=[("episode_id", "==", pa.scalar(id, "uint64"))])
    expected = sorted(zip(df.agent_id, df.step))
    assert steps == polars == expected and len(expected) > 100


def test_both_players_rows_join_by_episode_and_step():
    joined = duckdb.sql(
        f"SELECT a.land, b.opp_land, a.army_total, b.opp_army, a.action, b.action "
        f"FROM '{pattern('duel')}' a JOIN '{pattern('duel')}' b USING (episode_id, step) "
        f"WHERE a.agent_id = 0 AND b.agent_id = 1"
    ).df()
    df = pd.read_parquet(ROOT / "duel/data", columns=[*KEYS, "land"])
    assert len(joined) == (df.agent_id == 0).sum()
    assert (joined.land == joined.opp_land).all(), "what one has the other reads on the scoreboard"
    assert (joined.army_total == joined.opp_army).all()
    wide = df.pivot(index=["episode_id", "step"], columns="agent_id", values="land")
    assert len(wide) == len(joined) and wide.notna().all().all()


@pytest.mark.parametrize("name", EXPERIENCES + ["games"])
def test_hugging_face_datasets_load_the_folder(name):
    loaded = datasets.load_dataset(str(ROOT / name), split="train")
    df = pd.read_parquet(ROOT / name / "data")
    assert len(loaded) == len(df) and loaded.column_names == list(df.columns)
    narrow = KEYS + ["action", "reward", "policy"] if name != "games" else ["game", "moves", "digest"]
    for column in narrow:
        assert list(loaded[column]) == df[column].tolist(), column
    if name == "games":
        assert [list(w) for w in loaded["winners"]] == [list(w) for w in df.winners]
        return
    for index in [0, len(df) // 2, len(df) - 1]:
        for column in ["army", "planes", "action_mask"]:
            assert loaded[index][column] == df[column].iloc[index], column
    episodes = datasets.load_dataset(str(ROOT / name), "episodes", split="train")
    told = pd.concat([pd.read_parquet(path) for path in files(name, "meta/episodes")])
    assert list(episodes["length"]) == told.length.tolist()
    assert list(episodes["return"]) == told["return"].tolist()


def test_hugging_face_datasets_stream_the_rows_in_order():
    stream = datasets.load_dataset(str(ROOT / "duel"), split="train", streaming=True)
    df = pd.read_parquet(ROOT / "duel/data").head(300)
    for row, expected in zip(stream.take(300), df.itertuples()):
        assert row["episode_id"] == expected.episode_id and row["step"] == expected.step
        assert row["army"] == expected.army and row["action"] == expected.action
    seen = sum(1 for _ in stream.select_columns(["step"]))
    assert seen == info("duel")["totals"]["rows"]


def test_meta_has_the_shape_of_lerobot_v3():
    about = info("duel")
    assert about["data_path"].format(chunk_index=0, file_index=0) == "data/chunk-000/file-000.parquet"
    assert (ROOT / "duel" / about["data_path"].format(chunk_index=0, file_index=0)).is_file()
    assert (ROOT / "duel" / about["episodes_path"].format(chunk_index=0, file_index=0)).is_file()
    episodes = pd.read_parquet(ROOT / "duel/meta/episodes")
    assert about["totals"]["episodes"] == len(episodes)
    for name, feature in about["features"].items():
        assert {"dtype", "shape"} <= feature.keys(), name
        assert isinstance(feature["shape"], list)
    assert about["features"]["army"]["shape"] == [20, 20]
    rows = episodes.row.to_numpy()
    assert (np.diff(rows)[episodes.file.to_numpy()[1:] == episodes.file.to_numpy()[:-1]] > 0).all()


@pytest.mark.skipif("BIVOUAC_TEST_RAY" not in os.environ, reason="BIVOUAC_TEST_RAY is not set")
def test_ray_data_reads_the_rows_and_rllib_has_these_names():
    import ray
    from ray.rllib.core.columns import Columns

    from bivouac.data import Experiences
    from bivouac.rllib import INPUT_READ_SCHEMA, transitions

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        rows = ray.data.read_parquet(str(ROOT / "duel/data"))
        df = pd.read_parquet(ROOT / "duel/data")
        assert rows.count() == len(df)
        assert rows.sum("land") == df.land.sum()
        narrow = rows.select_columns(KEYS + ["action", "army"]).to_pandas()
        narrow = narrow.sort_values(KEYS).reset_index(drop=True)
        expected = df.sort_values(KEYS).reset_index(drop=True)
        for column in KEYS + ["action", "army"]:
            assert narrow[column].tolist() == expected[column].tolist(), column
        data = Experiences(ROOT / "duel")
        made = ray.data.range(4).flat_map(lambda row: transitions(data, row["id"])).to_pandas()
        assert len(made) == sum(data.about(i).length for i in range(4))
        names = [Columns.EPS_ID, Columns.AGENT_ID, Columns.T, Columns.OBS, Columns.NEXT_OBS,
                 Columns.ACTIONS, Columns.REWARDS, Columns.TERMINATEDS, Columns.TRUNCATEDS]
        assert set(INPUT_READ_SCHEMA) == set(names)
        assert set(INPUT_READ_SCHEMA.values()) <= set(made.columns)
    finally:
        ray.shutdown()
