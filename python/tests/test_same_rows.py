"""The same seed in process, on a server and in a dataset: every column of every row is the same.

They need the program: BIVOUAC_BINARY names it, and package.rs does where it is built.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess

import bivouac
import numpy as np
import pyarrow.parquet as pq
import pytest
from bivouac.data import Format

if "BIVOUAC_BINARY" not in os.environ:
    pytest.skip("BIVOUAC_BINARY names no program", allow_module_level=True)

GAMES, TICKS = 6, 130
SCORES = ["land", "army_total", "opp_land", "opp_army"]
OBSERVED = ["army", "planes", "action_mask", *SCORES]


@pytest.fixture
def uri():
    """Where a `bivouac serve` listens, which is stopped after the test."""
    command = [os.environ["BIVOUAC_BINARY"], "serve", "--listen", "127.0.0.1:0", "--json"]
    command += ["--games", "1", "--max-envs", "100"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield json.loads(server.stdout.readline())["listening"]
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=60) == 0
    server.stdout.close()


def test_one_script_plays_both_kinds_of_environments(uri):
    game = {"size": (9, 8), "max_ticks": 40, "reward": "shaped", "layout": "durbin9"}
    mine = {"seat": 0, "opponents": "hunter", "autoreset": "same_step", **game}
    runs = []
    for envs in [bivouac.VectorEnv(GAMES, **mine), bivouac.RemoteVectorEnv(uri, GAMES, **mine)]:
        assert envs.autoreset.name == "SAME_STEP" and envs.num_games == envs.num_envs == GAMES
        observations, infos = envs.reset(seed=3)
        rng, steps = np.random.default_rng(1), []
        for tick in range(100):
            legal = envs.action_masks()
            actions = (rng.random(legal.shape) * legal).argmax(1)
            if tick % 2:
                envs.send(actions)
                step = envs.recv()
            else:
                step = envs.step(actions)
            observations, *results, infos = step
            seen = observations["observation"] if isinstance(observations, dict) else observations
            told = [infos[name] for name in ("tick", "episode_id", "is_active", "refused")]
            ends = infos.get("_final_obs", np.zeros(GAMES, bool))
            steps.append([seen, *results, *told, ends, legal])
        runs.append(steps)
        envs.close()
    for tick, (ours, theirs) in enumerate(zip(*runs, strict=True)):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)), tick
    assert sum(step[-2].sum() for step in runs[0]) >= 2 * GAMES


def test_environments_a_server_and_a_dataset_have_the_same_rows(uri, tmp_path):
    command = [os.environ["BIVOUAC_BINARY"], "generate", "--games", str(GAMES), "--seed", "11"]
    command += ["--size", "9x8", "--policies", "hunter", "--max-ticks", str(TICKS), "--reward", "shaped"]
    command += ["--out", str(tmp_path / "data"), "--kind", "experiences"]
    subprocess.run(command, check=True, capture_output=True)
    files = sorted((tmp_path / "data").rglob("data/**/*.parquet"))
    tables = [pq.read_table(file) for file in files]
    form = Format.of(tables[0].schema)
    stored = {}
    for table in tables:
        rows = {name: table[name].to_pylist() for name in table.schema.names}
        for i in range(len(table)):
            key = rows["episode_id"][i], rows["agent_id"][i], rows["step"][i]
            stored[key] = {name: rows[name][i] for name in rows}
    policies = ["hunter", "hunter"]
    local = bivouac.VectorEnv(
        GAMES, seat=None, size=(9, 8), max_ticks=TICKS, policies=policies, reward="shaped",
        autoreset="disabled",
    )  # fmt: skip
    local.reset(seed=11)
    far = bivouac.RemoteVectorEnv(
        uri, GAMES, seats=[0, 1], size=(9, 8), max_ticks=TICKS, layout=None, reward="shaped",
        autoreset="disabled",
    )  # fmt: skip
    far.reset(seed=11)
    for seat in (0, 1):
        far.set_policy(seat, "hunter")
    passes, compared = np.full(2 * GAMES, -1), 0
    for tick in range(TICKS):
        theirs, *results, infos = far.step(passes)
        local.step(passes)
        frame = local.frame
        for row in range(2 * GAMES):
            game, seat = divmod(row, 2)
            if not infos["is_active"][row]:
                continue
            compared += 1
            key = int(frame.episode_id[game, seat]), seat, int(frame.step[game, seat])
            assert (int(infos["episode_id"][row]), seat, int(infos["tick"][row])) == key
            expected = stored[key]
            for name in OBSERVED:
                ours = frame.column(name)[game, seat]
                far_one = theirs[name][row] if name in theirs else infos[name][row]
                assert np.array_equal(ours, far_one), (name, key)
                kept = expected[name]
                kept = np.frombuffer(kept, ours.dtype).reshape(ours.shape) if isinstance(kept, bytes) else kept
                assert np.array_equal(ours, kept), (name, key)
            assert expected["height"] == frame.size[game, seat, 0]
            # A dataset has with a row what follows it; environments what led to it.
            last = stored[(key[0], seat, key[2] - 1)]
            assert last["action"] == frame.action[game, seat], key
            assert (last["terminated"], last["truncated"]) == (results[1][row], results[2][row]), key
            assert np.float32(last["reward"]) == frame.reward[game, seat] == results[0][row], key
    assert compared > GAMES * TICKS and form.height == 9
