"""`bivouac.ParallelEnv` under PettingZoo's own checks."""

from __future__ import annotations

import bivouac
import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"layout": "durbin9", "reward": "shaped"},
        {"players": 5, "size": (12, 12)},
        {"players": 4, "teams": [0, 0, 1, 1], "size": (12, 12), "layout": "memory"},
    ],
)
def test_pettingzoo_accepts_it(options):
    def make():
        return bivouac.ParallelEnv(**{"size": (8, 8), "max_ticks": 80, **options})

    parallel_api_test(make(), num_cycles=200)
    parallel_seed_test(make)


def test_agents_leave_when_they_die_and_the_others_play_on():
    env = bivouac.ParallelEnv(size=(6, 6), players=5, max_ticks=3000, mountains=(0, 0))
    left, rng = [], np.random.default_rng(2)
    for seed in range(3):
        observations, _ = env.reset(seed=seed)
        assert env.agents == env.possible_agents
        for _ in range(3000):
            playing = list(env.agents)
            actions = {}
            for agent in playing:
                legal = np.flatnonzero(observations[agent]["action_mask"])
                actions[agent] = int(rng.choice(legal))
            observations, rewards, terminated, truncated, infos = env.step(actions)
            assert set(observations) == set(rewards) == set(terminated) == set(playing)
            gone = [agent for agent in playing if terminated[agent] or truncated[agent]]
            assert set(env.agents) == set(playing) - set(gone)
            if gone and env.agents:
                left += gone
                assert all(rewards[agent] == -1.0 for agent in gone)
            if not env.agents:
                break
    assert left, "nobody died while others lived"
    assert env.step({}) == ({}, {}, {}, {}, {})


def test_an_agent_that_is_none_is_named():
    env = bivouac.ParallelEnv(size=(8, 8))
    env.reset(seed=1)
    with pytest.raises(bivouac.InvalidArgument, match="player_7"):
        env.step({"player_7": 0})


def test_a_game_is_recorded_and_drawn(tmp_path):
    env = bivouac.ParallelEnv(size=(8, 8), max_ticks=20, record=True)
    for _ in range(2):
        env.reset(seed=4)
        while env.agents:
            env.step({})
    assert [game.ticks for game in env.games()] == [20]
    assert env.last_game().ticks == 20
    env.save_html(tmp_path / "game.html", seat=1)
    assert "player" in (tmp_path / "game.html").read_text(encoding="utf-8")
    env.save_gif(tmp_path / "game.gif", every=5)
    assert (tmp_path / "game.gif").stat().st_size > 500


def test_rows_are_those_of_the_vector_environment():
    env = bivouac.ParallelEnv(size=(8, 8), max_ticks=40)
    envs = bivouac.make_vec(num_envs=2, seat=None, size=(8, 8), max_ticks=40, autoreset="disabled")
    observations, _ = env.reset(seed=4)
    envs.reset(seed=[4, 4])
    rng = np.random.default_rng(1)
    for _ in range(40):
        actions = {
            agent: int(rng.choice(np.flatnonzero(observations[agent]["action_mask"])))
            for agent in env.agents
        }
        observations, rewards, *_ = env.step(actions)
        told = [actions["player_0"], actions["player_1"]]
        rows, theirs, *_ = envs.step(np.array(told * 2))
        for row in range(4):
            agent = f"player_{row % 2}"
            ours = observations[agent]["observation"]
            assert all(np.array_equal(ours[name], rows[name][row]) for name in rows)
            assert rewards[agent] == theirs[row]
