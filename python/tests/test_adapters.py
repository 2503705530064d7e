"""Environments in Stable-Baselines3, sb3-contrib and TorchRL, and the training example.

They need PyTorch, which is large: set BIVOUAC_TEST_TORCH where tests/python/requirements-torch.txt is
installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import bivouac
import numpy as np
import pytest

if "BIVOUAC_TEST_TORCH" not in os.environ:
    pytest.skip("BIVOUAC_TEST_TORCH is not set", allow_module_level=True)

import torch
from bivouac.sb3 import StableBaselinesEnv
from bivouac.torchrl import TorchRLEnv
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.evaluation import evaluate_policy
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.vec_env import VecMonitor
from torchrl.envs.utils import check_env_specs

EXAMPLES = Path(__file__).parents[2] / "examples"


def make(num_envs: int = 4, **options) -> bivouac.VectorEnv:
    defaults = {"size": 8, "max_ticks": 40, "opponents": "random", "layout": "durbin9", "threads": 1}
    return bivouac.make_vec("generals", num_envs, **{**defaults, **options})


def test_maskable_ppo_learns_with_legal_actions_only():
    envs = make(autoreset="same_step", reward="potential")
    adapted = VecMonitor(StableBaselinesEnv(envs))
    model = MaskablePPO("MlpPolicy", adapted, n_steps=32, batch_size=64, n_epochs=1, seed=1)
    before = [weights.clone() for weights in model.policy.parameters()]
    model.learn(3 * 32 * 4)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.policy.parameters()))
    assert sum(envs.refusals().values()) == 0
    assert {episode["l"] for episode in model.ep_info_buffer} <= set(range(1, 41))
    reward, _ = evaluate_policy(model, adapted, n_eval_episodes=4, warn=False)
    assert np.isfinite(reward)


@pytest.mark.parametrize("seat", [0, None])
def test_stable_baselines_sees_what_gymnasium_sees(seat):
    plain, envs = make(autoreset="same_step", seat=seat), make(autoreset="same_step", seat=seat)
    adapted = StableBaselinesEnv(envs)
    assert is_masking_supported(adapted)
    adapted.seed(5)
    agents = plain.num_envs // plain.num_games
    expected, _ = plain.reset(seed=[5 + agents * game for game in range(4)])
    assert np.array_equal(adapted.reset(), expected)
    rng, cut_off = np.random.default_rng(0), 0
    for _ in range(90):
        masks = get_action_masks(adapted)
        assert np.array_equal(masks, plain.action_masks())
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])
        expected, rewards, terminated, truncated, infos = plain.step(actions)
        found, earned, over, each = adapted.step(actions)
        assert np.array_equal(found, expected) and np.array_equal(earned, rewards)
        assert np.array_equal(over, terminated | truncated)
        for env in np.flatnonzero(over):
            assert np.array_equal(each[env]["terminal_observation"], infos["final_obs"][env])
            assert each[env]["TimeLimit.truncated"] == truncated[env]
            cut_off += int(truncated[env])
    assert cut_off >= 2 * plain.num_envs


def test_what_stable_baselines_cannot_do_is_an_error_that_says_what_can():
    with pytest.raises(bivouac.InvalidArgument, match="same_step"):
        StableBaselinesEnv(make(autoreset="next_step"))
    adapted = StableBaselinesEnv(make(autoreset="same_step"))
    assert adapted.get_attr("players", indices=[1, 2]) == [2, 2]
    with pytest.raises(bivouac.InvalidArgument, match="set_game"):
        adapted.set_attr("players", 3)
    with pytest.raises(bivouac.InvalidArgument, match="attribute envs"):
        adapted.env_method("render")


def test_torchrl_accepts_the_environment_by_its_own_check():
    check_env_specs(TorchRLEnv(make(autoreset="disabled")), seed=1)


def test_torchrl_rolls_out_whole_episodes_with_legal_actions():
    envs = make(autoreset="disabled")
    rollout = TorchRLEnv(envs).rollout(100, break_when_any_done=False)
    assert rollout.batch_size == (4, 100)
    legal = rollout["action_mask"].gather(-1, rollout["action"][..., None])
    assert legal.all() and sum(envs.refusals().values()) == 0
    ends = rollout["next", "done"]
    assert torch.equal(ends, rollout["next", "terminated"] | rollout["next", "truncated"])
    # Cut off after 40 ticks at the latest, so at least twice in 100.
    assert (ends.sum(1) >= 2).all()


@pytest.mark.parametrize(
    "options, reason",
    [
        ({"autoreset": "same_step"}, "disabled"),
        ({"autoreset": "disabled", "layout": None}, "layout"),
        ({"autoreset": "disabled", "seat": None}, "give a seat"),
    ],
)
def test_torchrl_refuses_environments_that_it_cannot_reset(options, reason):
    with pytest.raises(bivouac.InvalidArgument, match=reason):
        TorchRLEnv(make(**options))


def test_the_training_example_trains_keeps_and_evaluates(tmp_path):
    """Some steps against all kinds of opponents: that it learns takes longer than a test may."""
    train = [sys.executable, str(EXAMPLES / "train_ppo.py"), "--games", "4", "--max-ticks", "20"]
    short = ["--opponents", "random", "copies", "--envs", "4", "--ticks", "8", "--batch", "16"]
    times = ["--minutes", "0.05", "--look-every", "0", "--size", "6", "--judge-ticks", "30"]
    done = _run([*train, *short, *times, "--judges", "random", "--out", str(tmp_path)])
    assert re.search(r"against random: [\d.]+% won of 4 games", done)
    header, *rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert {"steps", "minutes", "wins/random", "loss/value"} <= set(header.split(",")) and rows
    agent = str(tmp_path / "agent.pt")
    done = _run([*train, "--evaluate", agent, "--judges", "expander", "--judge-ticks", "30"])
    assert re.search(r"against expander: [\d.]+% won of 4 games", done)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
