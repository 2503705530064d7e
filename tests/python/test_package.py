"""The `bivouac` package with numpy: what it decodes is compared with a decoding of its own."""

import pickle
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_datasets import EXPERIENCES, ROOT, Rows

from bivouac.data import LAYOUTS, DatasetError, Experiences, Stream, Windows
from bivouac.rllib import INPUT_READ_SCHEMA, transitions


@pytest.fixture(scope="module", params=EXPERIENCES)
def both(request):
    return Rows(request.param), Experiences(ROOT / request.param)


def rows_of(rows, about):
    df = rows.df
    return np.flatnonzero((df.episode_id == about.episode_id) & (df.agent_id == about.agent_id))


def test_every_row_is_in_one_episode_with_its_scalars(both):
    rows, data = both
    assert sum(data.about(i).length + 1 for i in range(len(data))) == len(rows.df)
    for i in range(len(data)):
        about, sample = data.about(i), data.episode(i)
        expected = rows.df.iloc[rows_of(rows, about)]
        for name in ["step", "action", "reward", "terminated", "truncated", "is_first", "is_last"]:
            assert (sample[name] == expected[name].to_numpy()).all(), name
        assert sample["is_last"].sum() == 1 and sample["is_last"][-1]
        assert about.sum_of_rewards == pytest.approx(expected.reward.astype(float).sum())


def test_layouts_hold_what_their_channels_say(both):
    rows, data = both
    index = len(data) // 2
    at = rows_of(rows, data.about(index))
    plane = {name: bits[at] for name, bits in rows.planes.items()}
    army = rows.army[at].astype(np.float32)
    df = rows.df.iloc[at]
    board = (np.arange(rows.height)[:, None] < df.height.to_numpy()[:, None, None]) & (
        np.arange(rows.width) < df.width.to_numpy()[:, None, None]
    )
    fog = board & ~plane["visible"]
    scaled = np.minimum(army / 1000, 1)
    expected = {
        "durbin9": {
            "own_armies": scaled * plane["own"],
            "enemy_armies": scaled * plane["enemy"],
            "own_land": plane["own"],
            "enemy_land": plane["enemy"],
            "neutral_land": plane["neutral"],
            "cities_and_generals": plane["city"] | plane["general"],
            "mountains": plane["mountain"],
            "visible": plane["visible"],
            "fog": fog,
        },
        "generals-bots": {
            "armies": army,
            "generals": plane["general"],
            "castles": plane["city"],
            "mountains": plane["mountain"],
            "neutral": plane["neutral"],
            "owned": plane["own"],
            "opponent": plane["enemy"],
            "fog": fog & ~plane["fog_structure"],
            "structures_in_fog": plane["fog_structure"],
        },
    }
    assert expected.keys() == LAYOUTS.keys()
    for name, channels in expected.items():
        sample = data.episode(index, layout=name)["observation"]
        assert sample.dtype == np.float32
        assert sample.shape == (len(at), 9, rows.height, rows.width)
        assert LAYOUTS[name].channels == tuple(channels)
        for i, (channel, values) in enumerate(channels.items()):
            assert np.allclose(sample[:, i], values), (name, channel)


def test_masks_are_legal_actions_by_index(both):
    rows, data = both
    tiles = rows.height * rows.width
    for index in [0, len(data) - 1]:
        mask = data.episode(index, layout="durbin9")["action_mask"]
        assert mask.shape[1] == data.format.n_actions >= 8 * tiles + 1
        assert mask[:, data.format.pass_action].all()
        packed = rows.mask[rows_of(rows, data.about(index))][:, :4].reshape(len(mask), 4, tiles)
        for half in range(2):
            marches = mask[:, : 8 * tiles].reshape(-1, tiles, 4, 2)[..., half]
            assert (marches == packed.transpose(0, 2, 1)).all()
        action = data.episode(index)["action"]
        taken = action >= 0
        assert mask[taken, action[taken]].all(), "what was played is legal"


@pytest.mark.parametrize("steps,stride", [(32, None), (7, 3), (1, None), (1000, None)])
def test_windows_cover_episodes_and_never_cross_them(steps, stride):
    data = Experiences(ROOT / "duel")
    windows = Windows(data, steps, layout=None, stride=stride)
    at = 0
    for episode in range(len(data)):
        rows = data.episode(episode)
        assert windows.of_episode(episode).start == at
        seen = np.zeros(len(rows["step"]), int)
        for index in windows.of_episode(episode):
            window = windows[index]
            valid = window["valid"]
            n = int(valid.sum())
            assert len(valid) == steps and valid[:n].all() and n > 0
            start = int(window["step"][0])
            for name in ["army", "planes", "action", "reward", "step", "is_last"]:
                assert (window[name][:n] == rows[name][start : start + n]).all(), name
            assert (window["action"][n:] == -1).all() and not window["army"][n:].any()
            seen[start : start + n] += 1
            at += 1
        assert (seen > 0).all(), "no row is left out"
        assert stride or (seen == 1).all()
        if episode > 3:
            break
    assert len(windows) == windows.of_episode(len(data) - 1).stop
    with pytest.raises(IndexError):
        windows[len(windows)]


@pytest.mark.parametrize("shuffle", ["none", "episode", "row_group"])
@pytest.mark.parametrize("name", ["duel", "small-groups"])
def test_shards_are_disjoint_and_together_everything(shuffle, name):
    stream = Stream(ROOT / name, steps=16, layout=None, shuffle=shuffle, seed=3)
    whole = list(stream.indexes(epoch=0))
    assert sorted(whole) == list(range(len(stream)))
    for shards in [2, 3, 16]:
        parts = [list(stream.indexes(0, shard, shards)) for shard in range(shards)]
        assert sorted(sum(parts, [])) == sorted(whole), "no window twice, none left out"
        assert all(parts), "no worker is idle"
    assert whole == list(stream.indexes(0)), "the same seed and pass give the same order"
    other = list(stream.indexes(1))
    if shuffle == "none":
        assert whole == sorted(whole) == other
    else:
        assert whole != sorted(whole) and whole != other
    if shuffle == "episode":
        windows = stream.windows
        ends = [windows.of_episode(i).stop - 1 for i in range(len(windows.data))]
        for a, b in zip(whole, whole[1:]):
            assert a in ends or b == a + 1, "the windows of an episode follow each other"


def test_a_stream_gives_the_windows_of_its_indexes_and_another_order_each_pass():
    stream = Stream(ROOT / "duel", steps=16, layout=None, seed=5)
    passes = [[int(w["step"][0]) for w in stream] for _ in range(2)]
    expected = [[int(stream.windows[i]["step"][0]) for i in stream.indexes(n)] for n in range(2)]
    assert passes == expected and passes[0] != passes[1]


def test_a_dataset_survives_pickling_for_workers():
    data = Experiences(ROOT / "duel")
    expected = data.episode(1)
    again = pickle.loads(pickle.dumps(data))
    assert (again.episode(1)["planes"] == expected["planes"]).all()
    assert len(pickle.dumps(data)) < 100_000, "row groups in memory are not sent"


def test_what_is_no_dataset_of_experiences_is_named():
    with pytest.raises(DatasetError, match="nowhere"):
        Experiences(ROOT / "nowhere")
    with pytest.raises(DatasetError, match="meta/episodes"):
        Experiences(ROOT / "games")
    with pytest.raises(KeyError, match="durbin9"):
        Experiences(ROOT / "duel").episode(0, layout="rgb")
    with pytest.raises(ValueError, match="steps=0"):
        Windows(ROOT / "duel", 0)
    with pytest.raises(ValueError, match="row_group"):
        Stream(ROOT / "duel", 8, shuffle="yes")


def test_transitions_have_the_next_observation_of_their_own_episode():
    data = Experiences(ROOT / "duel")
    for index in [0, 1]:
        rows, episode = transitions(data, index), data.episode(index, layout="durbin9")
        assert len(rows) == data.about(index).length
        for i, row in enumerate(rows):
            assert set(INPUT_READ_SCHEMA.values()) <= set(row)
            assert (row["observation"] == episode["observation"][i]).all()
            assert (row["next_observation"] == episode["observation"][i + 1]).all()
            assert row["action"] == episode["action"][i] >= 0
            assert (row["terminated"] or row["truncated"]) == (i + 1 == len(rows))
    assert len({transitions(data, i)[0]["episode_id"] for i in range(4)}) == 4


def test_compact_samples_have_armies_that_16_bits_do_not_hold(tmp_path):
    shutil.copytree(ROOT / "duel", tmp_path / "duel")
    data = Experiences(tmp_path / "duel")
    about = data.about(0)
    path = tmp_path / "duel" / about.file
    table = pq.read_table(path)
    army = data.episode(0)["army"][1].astype("<i4")
    army[0, :2] = [70_000, -65_536]
    exact = pa.array([army.tobytes() if i == 1 else None for i in range(len(table))], pa.binary())
    at = table.schema.get_field_index("army_exact")
    pq.write_table(table.set_column(at, table.schema.field(at), exact), path, row_group_size=len(table))
    sample = Experiences(tmp_path / "duel").episode(0)
    assert sample["army"].dtype == np.int32 and (sample["army"][1] == army).all()
    assert (sample["army"][0] == data.episode(0)["army"][0]).all()
    window = Windows(tmp_path / "duel", steps=8, layout=None)[0]
    assert window["army"][1, 0, 0] == 70_000
    dense = Experiences(tmp_path / "duel").episode(0, layout="generals-bots")
    assert dense["observation"][1, 0, 0, 0] == 70_000


def test_an_episode_takes_some_bytes_and_no_object(tmp_path):
    shutil.copytree(ROOT / "duel", tmp_path / "duel")
    path = tmp_path / "duel" / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table] * 500), path)
    data = Experiences(tmp_path / "duel")
    assert len(data) >= 500 * len(table)
    assert len(pickle.dumps(data)) < 80 * len(data)
    assert data.about(len(table)) == data.about(0)
