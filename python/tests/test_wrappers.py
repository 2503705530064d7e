"""Gymnasium's own wrappers around the environments, and its spaces."""

from __future__ import annotations

import pickle

import bivouac
import gymnasium
import numpy as np
import pytest
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import vector as wrappers

MODES = ["next_step", "same_step", "disabled"]


def make(**options):
    defaults = {"size": (8, 8), "max_ticks": 40, "opponents": "hunter", "layout": "durbin9", "threads": 1}
    return bivouac.make_vec("generals", 6, **{**defaults, **options})


def play(envs, mode: str, ticks: int = 130):
    """Steps with legal random actions; yields what each step returned."""
    rng = np.random.default_rng(1)
    envs.reset(seed=1)
    for _ in range(ticks):
        masks = envs.unwrapped.action_masks()
        step = envs.step(np.array([rng.choice(np.flatnonzero(mask)) for mask in masks]))
        yield step
        over = step[2] | step[3]
        if mode == "disabled" and over.any():
            envs.reset(options={"reset_mask": over})


@pytest.mark.parametrize("mode", MODES)
def test_episode_statistics_are_those_of_the_episodes(mode):
    envs = wrappers.RecordEpisodeStatistics(make(autoreset=mode, reward="potential"))
    lengths, earned, sums = [], [], np.zeros(6)
    for _, rewards, terminated, truncated, infos in play(envs, mode):
        sums += rewards
        for env in np.flatnonzero(terminated | truncated):
            assert infos["_episode"][env]
            lengths.append(int(infos["episode"]["l"][env]))
            earned.append((float(infos["episode"]["r"][env]), sums[env]))
            sums[env] = 0
    assert len(lengths) >= 12 and max(lengths) == 40
    assert np.allclose(*np.array(earned).T, atol=1e-4)


# Gymnasium says itself which modes its wrappers of observations are made for.
AROUND = [
    *((mode, wrap) for mode in MODES for wrap in (
        wrappers.NormalizeReward,
        lambda envs: wrappers.ClipReward(envs, -0.5, 0.5),
    )),
    *((mode, wrap) for mode in ["next_step", "disabled"] for wrap in (
        wrappers.FlattenObservation,
        lambda envs: wrappers.RescaleObservation(envs, np.float32(-1), np.float32(1)),
    )),
    ("next_step", wrappers.NormalizeObservation),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "wrap"), AROUND)
def test_wrappers_of_gymnasium_go_around_every_mode_that_they_are_made_for(mode, wrap):
    envs = wrap(make(autoreset=mode, reward="shaped"))
    for observations, rewards, *_ in play(envs, mode, 90):
        assert np.asarray(observations).shape == envs.observation_space.shape
        assert np.isfinite(rewards).all() and np.isfinite(observations).all()


@pytest.mark.parametrize("layout", ["durbin9", "generals-bots", "memory"])
def test_every_channel_is_within_its_bounds_and_they_are_tight(layout):
    envs = make(layout=layout, seat=None, opponents=None, policies=["hunter", "expander"], max_ticks=400)
    space, names = envs.single_observation_space, bivouac.names.LAYOUTS[layout]
    lowest, highest = (bounds[:, 0, 0] for bounds in (space.low, space.high))
    found = np.zeros(len(names)), np.zeros(len(names))
    envs.reset(seed=1)
    for _ in range(400):
        seen = envs.step(np.full(12, -1))[0]
        assert seen in envs.observation_space
        found[0][:] = np.minimum(found[0], seen.min((0, 2, 3)))
        found[1][:] = np.maximum(found[1], seen.max((0, 2, 3)))
    for name, low, high, least, most in zip(names, lowest, highest, *found, strict=True):
        assert low <= least and most <= high, name
        if name not in {"armies"} and "ally" not in name:
            assert np.isfinite(high) and (least < 0) == (low < 0), name


@pytest.mark.parametrize("options", [{}, {"layout": None, "players": 3}, {"layout": "memory"}])
def test_the_space_of_all_is_that_of_gymnasium_without_its_memory(options):
    envs = make(**options)
    expected = batch_space(envs.single_observation_space, envs.num_envs)
    space = envs.observation_space
    assert space == expected and space.shape == expected.shape
    assert pickle.loads(pickle.dumps(space)) == expected
    space.seed(3), expected.seed(3)
    assert space.sample() in expected and expected.sample() in space
    for name in space.spaces if isinstance(space, gymnasium.spaces.Dict) else [None]:
        box = space[name] if name else space
        assert box.low.strides[0] == box.high.strides[0] == 0
