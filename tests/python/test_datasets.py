"""Datasets as their users open them: values are compared, not only schemas."""

import gzip
import json
import os
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

ROOT = Path(os.environ["BIVOUAC_DATASETS"])
REPLAYS = Path(os.environ["BIVOUAC_TEST_REPLAYS"])
EXPERIENCES = ["duel", "four", "replays"]
KEYS = ["episode_id", "agent_id", "step"]
PLANES = ["visible", "own", "ally", "enemy", "neutral", "city", "mountain", "general", "fog_structure"]


def files(name, part="data"):
    found = sorted((ROOT / name / part).rglob("*.parquet"))
    assert found
    return found


def info(name):
    return json.loads((ROOT / name / "meta/info.json").read_text())


class Rows:
    """All rows of a dataset, wide columns decoded by the metadata of their fields."""

    def __init__(self, name):
        self.schema = pq.read_schema(files(name)[0])
        self.df = pd.read_parquet(ROOT / name / "data")
        self.height, self.width = json.loads(self.about("army")["shape"])
        self.planes = dict(zip(PLANES, np.moveaxis(self.bits("planes"), 1, 0)))
        self.mask = self.bits("action_mask")
        self.army = self.numbers("army", "<u2")

    def about(self, column):
        metadata = self.schema.field(column).metadata
        return {key.decode(): value.decode() for key, value in metadata.items()}

    def bits(self, column):
        about = self.about(column)
        channels, height, width = json.loads(about["shape"])
        packed = json.loads(about["packed_shape"])
        raw = np.frombuffer(b"".join(self.df[column]), np.uint8).reshape(len(self.df), *packed)
        bits = np.unpackbits(raw, axis=-1, bitorder=about["bit_order"])
        assert not bits[:, :, height * width :].any(), "padding of a plane is 0"
        return bits[:, :, : height * width].reshape(-1, channels, height, width).astype(bool)

    def numbers(self, column, dtype):
        raw = np.frombuffer(b"".join(self.df[column]), dtype)
        return raw.reshape(len(self.df), self.height, self.width)


@pytest.fixture(scope="module", params=EXPERIENCES)
def rows(request):
    return Rows(request.param)


def test_rows_are_whole_episodes_in_order(rows):
    df = rows.df
    first, last = df.is_first.to_numpy(), df.is_last.to_numpy()
    assert first[0] and last[-1]
    assert (first[1:] == last[:-1]).all(), "an episode ends where the next one begins"
    assert (df.step[first] == 0).all()
    same = ~first[1:]
    assert (np.diff(df.step.to_numpy().astype(np.int64))[same] == 1).all()
    for key in ["episode_id", "agent_id"]:
        values = df[key].to_numpy()
        assert (values[1:] == values[:-1])[same].all()
    assert not df.duplicated(KEYS).any()


def test_actions_rewards_and_flags_belong_to_the_row_they_follow(rows):
    df, last = rows.df, rows.df.is_last
    assert (df.action[last] == -1).all() and (df.action[~last] >= 0).all()
    assert (df.reward[last] == 0).all()
    ended = (df.terminated | df.truncated).to_numpy()
    assert not (df.terminated & df.truncated).any()
    assert (ended[:-1] == last.to_numpy()[1:]).all(), "the row before the last one ended it"
    assert df.action_logp.isna().all() and df.value.isna().all() and df.policy_version.isna().all()


def test_actions_are_legal_by_the_mask_of_their_own_row(rows):
    df, tiles = rows.df, rows.height * rows.width
    march = ((df.action >= 0) & (df.action < 8 * tiles)).to_numpy()
    assert march.any()
    action = df.action.to_numpy()[march]
    tile, direction = action // 8, action // 2 % 4
    mask = rows.mask[march].reshape(len(action), -1, tiles)
    assert mask[np.arange(len(action)), direction, tile].all()


def test_planes_agree_with_each_other_and_with_the_scoreboard(rows):
    planes, df = rows.planes, rows.df
    visible = planes["visible"]
    count = lambda plane: plane.reshape(len(df), -1).sum(1)
    assert (count(planes["own"]) == df.land).all()
    assert ((rows.army * planes["own"]).reshape(len(df), -1).sum(1) == df.army_total).all()
    for name in ["own", "ally", "enemy", "neutral", "city", "mountain", "general"]:
        assert not (planes[name] & ~visible).any(), name
    assert not (planes["fog_structure"] & visible).any()
    held = sum(planes[name].astype(int) for name in ["own", "ally", "enemy", "neutral", "mountain"])
    assert (held == visible).all(), "a seen tile is exactly one of these"
    assert not (rows.army.astype(bool) & ~visible).any()
    assert (count(planes["enemy"]) <= df.opp_land).all()


def test_masks_are_what_own_armies_can_do(rows):
    own, army, planes = rows.planes["own"], rows.army, rows.planes
    if (planes["ally"]).any():
        pytest.skip("an army of one may take an ally's tile")
    alive = (planes["own"] & planes["general"]).reshape(len(own), -1).any(1)
    source = own & (army >= 2)
    open_ = planes["visible"] & ~planes["mountain"]
    steps = np.zeros((len(own), 4, *own.shape[1:]), bool)
    steps[:, 0, 1:] = source[:, 1:] & open_[:, :-1]
    steps[:, 1, :-1] = source[:, :-1] & open_[:, 1:]
    steps[:, 2, :, 1:] = source[:, :, 1:] & open_[:, :, :-1]
    steps[:, 3, :, :-1] = source[:, :, :-1] & open_[:, :, 1:]
    assert (rows.mask[alive, :4] == steps[alive]).all()
    assert not (rows.mask & ~own[:, None]).any()


def test_boards_smaller_than_the_canvas_are_padded_with_nothing(rows):
    df = rows.df
    outside = np.zeros((len(df), rows.height, rows.width), bool)
    outside |= np.arange(rows.height)[None, :, None] >= df.height.to_numpy()[:, None, None]
    outside |= np.arange(rows.width)[None, None, :] >= df.width.to_numpy()[:, None, None]
    for name, plane in rows.planes.items():
        assert not (plane & outside).any(), name
    assert not (rows.mask & outside[:, None]).any()
    assert not rows.army[outside].any()


def test_owners_say_who_the_enemies_are():
    rows = Rows("four")
    owner = rows.numbers("owner", "u1")
    assert (owner == 0).sum() == rows.planes["own"].sum()
    assert ((owner == 0) == rows.planes["own"]).all()
    assert ((owner != 255) & (owner != 0) == rows.planes["enemy"]).all()
    assert set(np.unique(owner)) <= {0, 1, 2, 3, 255}


@pytest.mark.parametrize("name", EXPERIENCES)
def test_no_episode_of_an_agent_crosses_a_row_group(name):
    seen = set()
    for path in files(name):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=KEYS[:2]).to_pandas()
            here = set(map(tuple, table.drop_duplicates().to_numpy()))
            assert not here & seen
            seen |= here
    assert len(seen) == info(name)["totals"]["episodes"]


@pytest.mark.parametrize("name", EXPERIENCES)
def test_episodes_say_where_their_rows_are(name):
    episodes = pd.concat([pd.read_parquet(path) for path in files(name, "meta/episodes")])
    assert len(episodes) == info(name)["totals"]["episodes"]
    assert episodes.rows.sum() == info(name)["totals"]["rows"]
    for path, part in episodes.rename(columns={"return": "sum_of_rewards"}).groupby("file"):
        columns = ["episode_id", "agent_id", "reward", "policy", "is_last"]
        df = pd.read_parquet(ROOT / name / path, columns=columns)
        for e in part.itertuples():
            rows = df.iloc[e.row : e.row + e.rows]
            assert (rows.episode_id == e.episode_id).all() and (rows.agent_id == e.agent_id).all()
            assert rows.is_last.sum() == 1 and rows.is_last.iloc[-1] and len(rows) == e.length + 1
            assert (rows.policy == e.policy).all()
            assert rows.reward.astype(float).sum() == pytest.approx(e.sum_of_rewards, abs=1e-9)


@pytest.mark.parametrize("name", EXPERIENCES)
def test_pandas_polars_duckdb_and_pyarrow_read_the_same(name):
    pattern = str(ROOT / name / "data/**/*.parquet")
    narrow = KEYS + ["action", "reward", "is_last", "policy", "land", "opp_army"]
    pandas = pd.read_parquet(ROOT / name / "data")
    polars = pl.read_parquet(pattern)
    duck = duckdb.sql(f"select * from read_parquet('{pattern}')")
    arrow = pq.read_table(ROOT / name / "data")
    assert polars.height == len(pandas) == arrow.num_rows == len(duck)
    assert polars.columns == list(pandas.columns) == arrow.column_names == duck.columns
    for column in narrow:
        expected = pandas[column].astype(str if column == "policy" else pandas[column].dtype)
        assert polars[column].cast(pl.String if column == "policy" else polars[column].dtype) \
            .to_list() == expected.to_list(), column
        assert arrow[column].to_pylist() == expected.to_list(), column
    for column in ["army", "planes", "action_mask"]:
        assert polars[column].to_list() == pandas[column].to_list(), column
    total = duckdb.sql(f"select sum(land), sum(action), max(step), count(distinct episode_id), "
                       f"sum(octet_length(army)) from read_parquet('{pattern}')").fetchall()[0]
    wide = sum(map(len, pandas.army))
    assert total == (pandas.land.sum(), pandas.action.sum(), pandas.step.max(),
                     pandas.episode_id.nunique(), wide)


@pytest.mark.parametrize("name", EXPERIENCES)
def test_columns_have_the_documented_types(name):
    types = {field.name: str(field.type) for field in pq.read_schema(files(name)[0])}
    assert types["episode_id"] == "uint64" and types["agent_id"] == "uint8"
    assert types["step"] == "uint32" and types["action"] == "int32" and types["reward"] == "float"
    assert types["policy"] == "dictionary<values=string, indices=int32, ordered=0>"
    assert types["army"].startswith("fixed_size_binary")
    features = info(name)["features"]
    assert features["planes"]["names"] == PLANES
    assert features.keys() == types.keys()


def test_scalars_have_statistics_and_wide_columns_have_none():
    group = pq.ParquetFile(files("duel")[0]).metadata.row_group(0)
    columns = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
    assert columns["step"].statistics.min == 0 and columns["step"].statistics.max == 150
    assert columns["episode_id"].has_offset_index and columns["episode_id"].has_column_index
    assert columns["army"].statistics is None
    assert all(column.compression == "ZSTD" for column in columns.values())


def test_replays_show_what_the_expected_files_say():
    games = pd.concat(pd.read_parquet(path) for path in files("replay-games"))
    names = sorted(path.name.removesuffix(".gior") for path in REPLAYS.glob("*.gior"))
    rows = Rows("replays")
    df = rows.df
    assert len(games) == len(names)
    for name, game in zip(names, games.sort_values("game").itertuples()):
        with gzip.open(REPLAYS / f"{name}.expected.json.gz", "rt") as file:
            expected = json.load(file)
        final = expected["final"]
        assert game.ticks == final["tick"], name
        assert list(game.ranking) == final["ranking"], name
        assert list(game.winners) == final["winners"], name
        assert list(game.captures) == [len(taken) for taken in final["captures"]], name
        assert list(game.land) == expected["land"][-1], name
        assert list(game.army) == expected["army"][-1], name
        for seat in range(expected["players"]):
            mine = df[(df.episode_id == game.episode_id) & (df.agent_id == seat)]
            assert list(mine.land) == [row[seat] for row in expected["land"]][: len(mine)], name
            assert list(mine.army_total) == [row[seat] for row in expected["army"]][: len(mine)]
            boards = {board["tick"]: board for board in expected["boards"]}
            for index, step in zip(mine.index, mine.step):
                board = boards.get(step, {})
                if "visible" in board:
                    assert rows.planes["visible"][index].sum() == board["visible"][seat], name
                    structures = rows.planes["fog_structure"][index].sum()
                    assert structures == board["fog_structures"][seat], name


def test_games_hold_what_they_were_played_from():
    games = pd.read_parquet(ROOT / "games/data")
    experiences = pd.read_parquet(ROOT / "duel/data", columns=["episode_id", "step", "action"])
    assert set(games.episode_id) == set(experiences.episode_id)
    longest = experiences.groupby("episode_id").step.max()
    games = games.set_index("episode_id").sort_index()
    assert (games.ticks == longest).all()
    passes = 8 * 20 * 20
    made = experiences[(experiences.action >= 0) & (experiences.action != passes)]
    assert (games.n_moves == made.groupby("episode_id").size()).all()
    assert games.ruleset_toml.str.contains("structures_every").all()
    assert polars_reads(ROOT / "games/data") == len(games)


def polars_reads(folder):
    return pl.read_parquet(str(folder / "**/*.parquet")).height


def test_cards_name_the_data_for_dataset_hubs():
    for name in EXPERIENCES + ["games"]:
        card = (ROOT / name / "README.md").read_text()
        front = card.split("---")[1]
        assert "configs:" in front and "path: data/*/*.parquet" in front
        assert info(name)["is_complete"]
