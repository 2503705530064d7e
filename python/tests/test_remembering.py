"""The layout `memory`: what agents remember through resets of others, deaths, and late beginnings."""

from pathlib import Path

import numpy as np
import pytest

import bivouac
from bivouac.data import expand

REPLAYS = Path(__file__).parents[2] / "tests/data/replays"


def marched(envs, rng):
    """One step in which every environment plays some legal action."""
    legal = envs.action_masks()
    draws = rng.random(legal.shape) * legal
    return envs.step(draws.argmax(axis=1))


def test_a_reset_of_some_games_leaves_what_the_others_remember():
    options = {"size": 8, "seat": None, "layout": "memory", "autoreset": "disabled"}
    envs, plain = (bivouac.make_vec("generals", 3, **options) for _ in range(2))
    for each in (envs, plain):
        each.reset(seed=4)
    rng, same = np.random.default_rng(0), np.random.default_rng(0)
    # Rows of games 1 and 2; game 0 is reset again and again.
    others = slice(envs.players, None)
    mask = np.repeat([True, False, False], envs.players)
    for tick in range(60):
        expected = marched(plain, rng)[0][others]
        legal = envs.action_masks()
        actions = (same.random(legal.shape) * legal).argmax(axis=1)
        found = envs.step(actions)[0]
        assert np.array_equal(found[others], expected), tick
        if tick % 7 == 6:
            found = envs.reset(options={"reset_mask": mask})[0]
            assert np.array_equal(found[others], expected), tick
    explored = (plain.step(np.full(plain.num_envs, -1))[0][others] != 0).sum()
    assert explored > 0


def test_who_is_out_of_a_game_keeps_showing_what_it_remembered():
    envs = bivouac.make_vec("generals", 8, size=8, players=4, seat=None, layout="memory", max_ticks=400)
    observations, infos = envs.reset(seed=2)
    rng, seen = np.random.default_rng(1), 0
    for _ in range(400):
        before = np.array(observations)
        observations, _, _, _, infos = marched(envs, rng)
        waiting = ~infos["is_active"]
        seen += int(waiting.sum())
        assert np.array_equal(observations[waiting], before[waiting])
    assert seen > 0, "somebody dies in these games"


@pytest.mark.parametrize("tick", [1, 40])
def test_episodes_that_begin_at_a_row_remember_what_was_seen_before(tmp_path, tick):
    played = bivouac.make_vec(
        "generals", 2, size=8, seat=None, record=True, max_ticks=60, policies=["hunter", "expander"]
    )
    played.reset(seed=3)
    for _ in range(61):
        played.step(np.full(played.num_envs, -1))
    games = [game for game in played.games() if game.ticks > tick]
    bivouac.write_games(games, tmp_path / "games")
    envs = bivouac.make_vec("generals", len(games), size=8, seat=None, layout="memory")
    envs.set_rows(tmp_path / "games", [(game.episode_id, tick) for game in games])
    found = envs.reset()[0]
    rows = expand(tmp_path / "games", layout="memory").read_all()
    episodes, agents, steps = (rows[name].to_numpy() for name in ("episode_id", "agent_id", "step"))
    for number, game in enumerate(games):
        for seat in range(2):
            is_row = (episodes == game.episode_id) & (agents == seat) & (steps == tick)
            row = rows["observation"][int(np.flatnonzero(is_row)[0])].as_py()
            wanted = np.frombuffer(row, "<f4").reshape(found.shape[1:])
            assert np.array_equal(found[number * 2 + seat], wanted)


def test_environments_begin_in_a_replay_and_on_a_map_file(tmp_path):
    (game,) = bivouac.read_games(REPLAYS / "syn_1v1_queue.gior")
    envs = bivouac.make_vec("generals", 1, seat=None, game=game, tick=10, layout="memory")
    assert envs.reset()[1]["tick"].tolist() == [10, 10]
    (tmp_path / "map.txt").write_text("A . .\n. # .\n. . B\n")
    envs = bivouac.make_vec("generals", 2, map=str(tmp_path / "map.txt"), layout="memory")
    observations, _ = envs.reset(seed=1)
    assert observations.shape == (2, 26, 3, 3)
    assert np.array_equal(observations[0], observations[1])
