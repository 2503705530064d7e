"""Streams that spill, layouts that the server encodes, and rows of live and remote games."""

import os
import subprocess
import threading

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
import pytest

import bivouac
from bivouac.client import DataLost, InvalidRequest
from bivouac.live import GameClient

SMALL = ["--size", "8x8", "--max-ticks", "40", "--seed", "3"]


def keys(rows):
    """Who and when, of every row of record batches."""
    columns = ["episode_id", "agent_id", "step"]
    return [
        row
        for batch in rows
        for row in zip(*(batch[name].to_pylist() for name in columns), strict=True)
    ]


def generate(tmp_path, name, *args):
    out = tmp_path / name
    command = [os.environ["BIVOUAC_BINARY"], "generate", "--quiet", "--out", out, *args]
    subprocess.run(command, check=True)
    return out


def until(client, wanted):
    """Asks for the server's numbers until they are as wanted."""
    while not wanted(stats := client.stats()):
        pass
    return stats


def test_a_stream_that_spills_holds_nobody_and_loses_nothing(serve, tmp_path):
    games = ["--games", "300", *SMALL, "--retain", "1", "--spill", tmp_path / "spill"]
    with bivouac.connect(serve(*games).uri) as client:
        # It reads a few batches ahead, and waits for its reader then.
        with client.experiences(slow="spill", buffer=1) as stream:
            until(client, lambda stats: stats["experiences"]["is_finished"])
            found = keys(batch.rows for batch in stream)
        rows = client.stats()["experiences"]["rows"]
    assert len(set(found)) == len(found) == rows


def test_a_stream_goes_on_with_what_was_spilled_when_its_server_was_killed(serve, tmp_path):
    spill = ["--spill", tmp_path / "spill", "--retain", "1"]
    first = serve("--games", "300", *SMALL, *spill)
    with bivouac.connect(first.uri) as client:
        with client.experiences(slow="spill", buffer=1, batch_rows=100) as stream:
            before = [next(stream)]
            stats = until(client, lambda stats: stats["experiences"]["is_finished"])
            first.kill()
            serve("--games", "2", *SMALL, *spill, listen=first.address)
            with pytest.raises(DataLost, match="began anew"):
                before.extend(stream)
            after = list(stream)
    # All that was synced is there, in order; what only the memory held is what was lost.
    seqs = np.cumsum([len(batch) for batch in before])
    assert [batch.seq for batch in before] == seqs.tolist()
    assert seqs[-1] >= stats["spill"]["synced"] > 0
    found = keys(batch.rows for batch in before)
    assert len(set(found)) == len(found)
    assert after


@pytest.mark.parametrize("layout", ["durbin9", "generals-bots", "memory"])
def test_layouts_of_the_server_are_those_of_datasets(serve, tmp_path, layout):
    games = ["--games", "8", *SMALL]
    stored = pads.dataset(generate(tmp_path, "dense", *games, "--layout", layout) / "data")
    wanted = {}
    for batch in stored.to_batches():
        wanted.update(zip(keys([batch]), batch["observation"].to_pylist(), strict=True))
    with bivouac.connect(serve(*games).uri) as client:
        batches = [batch.rows for batch in client.experiences(layout=layout)]
        arrays = [batch.rows for batch in client.experiences(layout=layout, to="numpy")]
    found = 0
    for batch in batches:
        assert isinstance(batch["observation"], pa.FixedShapeTensorArray)
        tensors = batch["observation"].to_numpy_ndarray()
        assert tensors.dtype == np.float32 and tensors.shape[2:] == (8, 8)
        for key, tensor in zip(keys([batch]), tensors, strict=True):
            assert tensor.tobytes() == wanted[key]
            found += 1
    assert found == len(wanted)
    together = np.concatenate([batch["observation"] for batch in arrays])
    assert together.shape[0] == found and together.shape[2:] == (8, 8)
    assert arrays[0]["action_mask"].shape[1] == 8 * 8 * 8 + 1


def test_rows_of_a_live_game_join_the_streams(serve):
    uri = serve("--games", "0", "--size", "8x8").uri
    with bivouac.connect(uri) as client, GameClient(uri.split("//")[1]) as games:
        stream = client.experiences()
        options = {"size": (8, 8), "pace": "free", "max_ticks": 30, "policies": ["hunter"] * 2}
        games.create(**options)
        game = games.create(**options, collect_experiences=True)
        rows, ended = [], 0
        while ended < 2:
            rows.append(next(stream).rows)
            ended += sum(rows[-1]["is_last"].to_pylist())
        stream.close()
    assert {key[0] for key in keys(rows)} == {int(game.id, 16)}
    assert {name for batch in rows for name in batch["policy"].to_pylist()} == {"hunter"}


@pytest.mark.parametrize("mode", ["NEXT_STEP", "SAME_STEP"])
def test_rows_of_remote_environments_join_the_streams(serve, mode):
    from gymnasium.vector import AutoresetMode

    uri = serve("--games", "0", "--size", "8x8", "--learners", "ppo").uri
    envs = bivouac.RemoteVectorEnv(
        uri,
        3,
        opponents=["hunter"],
        size="8x8",
        max_ticks=12,
        layout=None,
        collect="ppo",
        autoreset_mode=AutoresetMode[mode],
    )
    with bivouac.connect(uri) as client:
        stream = client.experiences(policies=["ppo"], to="numpy")
        rng = np.random.default_rng(1)
        obs, infos = envs.reset(seed=5)
        played, seen = [], {}
        for _ in range(30):
            actions = rng.integers(0, 8 * 64 + 1, 3).astype(np.int32)
            before = obs["army"].copy(), infos["step"].copy()
            obs, rewards, terminated, truncated, infos = envs.step(actions)
            played.append((before, rewards.copy(), terminated.copy(), truncated.copy()))
        envs.close()
        until(client, lambda stats: stats["experiences"]["collected_sessions"] == 0)
        rows = client.stats()["experiences"]["rows"]
        batches, n = [], 0
        while n < rows:
            batches.append(next(stream).rows)
            n += len(batches[-1]["step"])
        stream.close()
    columns = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    assert set(columns["policy"]) == {"ppo"} and set(columns["agent_id"]) == {0}
    for episode in np.unique(columns["episode_id"]):
        at = np.flatnonzero(columns["episode_id"] == episode)
        assert columns["step"][at].tolist() == list(range(len(at)))
        assert columns["is_first"][at].tolist() == [True] + [False] * (len(at) - 1)
        ends = columns["terminated"][at] | columns["truncated"][at]
        assert not ends[:-2].any()
        if columns["is_last"][at[-1]]:
            # The last action ended the episode, and the last row has none.
            assert ends[-2] and columns["action"][at[-1]] == -1
        seen[episode] = len(at)
    # Armies that the environments showed before each step are in the rows, with their rewards.
    shown = {(army.tobytes(), int(step)) for (armies, steps), *_ in played
             for army, step in zip(armies, steps, strict=True)}
    kept = {(army.tobytes(), int(step)) for army, step in
            zip(columns["army"], columns["step"], strict=True)}
    assert len(shown & kept) >= len(shown) - 3, "all but what the last step left open"
    assert len(seen) >= 6


def test_environments_of_another_form_are_not_collected(serve):
    uri = serve("--games", "0", "--size", "8x8").uri
    with pytest.raises(InvalidRequest, match="collect: .*8x8"):
        bivouac.RemoteVectorEnv(uri, 2, opponents=["hunter"], size="9x9", collect=True)
    with pytest.raises(InvalidRequest, match="collect: .*learner"):
        bivouac.RemoteVectorEnv(uri, 2, opponents=["hunter"], size="8x8", collect="nobody")


def test_whole_games_are_played_again_and_join_the_streams(serve, tmp_path):
    games = ["--games", "5", *SMALL]
    archive = pads.dataset(generate(tmp_path, "games", *games, "--kind", "games") / "data")
    rows = pads.dataset(generate(tmp_path, "rows", *games) / "data")
    with bivouac.connect(serve("--games", "0", "--size", "8x8").uri) as client:
        taken = client.submit(archive.to_batches())
        assert sum(one.accepted for one in taken) == 5
        assert sum(one.rows for one in taken) == rows.count_rows()
        again = client.submit(archive.to_batches())
        assert sum(one.duplicates for one in again) == 5
        found = [batch.rows for batch in client.experiences(follow=False)]
    assert sorted(keys(found)) == sorted(keys(rows.to_batches()))


def test_clients_that_come_back_find_their_place(serve, tmp_path):
    server = serve("--games", "200", *SMALL, "--retain", "1", "--spill", tmp_path / "spill")
    with bivouac.connect(server.uri) as client:
        with client.experiences(slow="spill", batch_rows=64) as stream:
            first = next(stream)
        until(client, lambda stats: stats["spill"]["clients_away"] == 1)
        # Others read to the end meanwhile.
        threading.Thread(target=lambda: list(client.experiences(columns=["step"]))).start()
        until(client, lambda stats: stats["experiences"]["is_finished"])
        rest = list(client.experiences(slow="spill", batch_rows=64, after=first.seq))
        rows = client.stats()["experiences"]["rows"]
    assert len(first) + sum(map(len, rest)) == rows
    assert all(batch.dropped == 0 for batch in rest)
