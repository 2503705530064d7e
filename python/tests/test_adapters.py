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
from bivouac.torch import FrozenPolicy
from bivouac.torchrl import TorchRLEnv
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.evaluation import evaluate_policy
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3.common.vec_env import VecMonitor
from torchrl.envs.utils import check_env_specs

EXAMPLES = Path(__file__).parents[2] / "examples"


def make(num_envs: int = 4, **options) -> bivouac.VectorEnv:
    defaults = {"size": 8, "max_ticks": 40, "layout": "durbin9", "threads": 1}
    if not options.get("policies"):
        defaults["opponents"] = "random"
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


@pytest.mark.parametrize("players", [3, 4])
def test_stable_baselines_plays_all_seats_of_games_in_which_agents_die(players):
    policies = ["external", *["hunter"] * (players - 1)]
    envs = make(4, seat=None, players=players, policies=policies, max_ticks=400, autoreset="same_step")
    adapted = StableBaselinesEnv(envs)
    adapted.seed(1)
    adapted.reset()
    passes, waited = np.full(adapted.num_envs, envs.form.format.pass_action), 0
    episodes, ticks = np.zeros(adapted.num_envs, dtype=int), envs.frame.of(envs.frame.step, None)
    for _ in range(900):
        observations, rewards, over, each = adapted.step(passes)
        now = envs.frame.of(envs.frame.step, None)
        # No episode goes on from one game into the next.
        assert over[now < ticks].all()
        ticks = now
        for env in np.flatnonzero(over):
            episodes[env] += 1
            assert each[env]["terminal_observation"].shape == observations.shape[1:]
            assert not each[env]["is_success"] or not each[env]["TimeLimit.truncated"]
        for env in range(adapted.num_envs):
            if not each[env]["is_active"]:
                waited += 1
                assert rewards[env] == 0
                assert get_action_masks(adapted)[env].sum() == 1
    assert waited > 200 and (episodes >= 2).all()
    model = MaskablePPO("MlpPolicy", VecMonitor(adapted), n_steps=64, batch_size=64, n_epochs=1, seed=1)
    model.learn(2 * 64 * adapted.num_envs)


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


def test_torchrl_keeps_what_agents_remember_where_it_resets_others():
    envs, plain = (make(autoreset="disabled", layout="memory", max_ticks=50) for _ in range(2))
    plain.reset(seed=1)
    adapted = TorchRLEnv(envs)
    adapted.set_seed(1)
    told = adapted.reset()
    mask = torch.tensor([True, False, False, False])
    for tick in range(40):
        told["action"] = torch.full((4,), envs.form.format.pass_action)
        told = adapted.step(told)["next"]
        expected = plain.step(np.full(4, envs.form.format.pass_action))[0]
        if tick % 10 == 5:
            told["_reset"] = mask[:, None]
            told = adapted.reset(told)
        assert np.array_equal(told["observation"][1:].numpy(), expected[1:])


def test_observations_are_tensors_in_the_memory_of_the_engine():
    observations, _ = make().reset(seed=1)
    taken = torch.from_dlpack(observations)
    assert taken.data_ptr() == observations.ctypes.data
    assert np.array_equal(taken.numpy(), observations)


@pytest.mark.parametrize("layout", [None, "durbin9"])
def test_tensors_that_are_written_to_leave_the_engine_as_it_is(layout):
    observations, _ = make(layout=layout).reset(seed=1)
    before = {name: column.copy() for name, column in (observations if layout is None else {"": observations}).items()}
    taken = bivouac.torch.tensor(observations)
    for name, column in before.items():
        theirs, seen = (taken[name], observations[name]) if name else (taken, observations)
        assert np.array_equal(theirs.numpy(), seen)
        theirs.add_(1)
        assert np.array_equal(seen, column)


class Linear(torch.nn.Module):
    """Logits of a linear function of what is seen, and a value."""

    def __init__(self, envs: bivouac.VectorEnv) -> None:
        super().__init__()
        self.out = torch.nn.Linear(int(np.prod(envs.single_observation_space.shape)), int(envs.single_action_space.n))

    def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.out(seen.flatten(1)), seen.new_zeros(len(seen))


@pytest.mark.parametrize("is_sampled", [False, True])
def test_a_frozen_policy_plays_legal_actions_and_stays_as_it_was(is_sampled):
    network = Linear(make())
    rival = FrozenPolicy(network, is_sampled=is_sampled, seed=4)
    envs = make(opponents=rival)
    observations, _ = envs.reset(seed=1)
    first = rival(observations, envs.action_masks())
    torch.nn.init.zeros_(network.out.weight)
    assert not any(weights.requires_grad for weights in rival.network.parameters())
    if not is_sampled:
        assert np.array_equal(rival(observations, envs.action_masks()), first)
    for _ in range(60):
        envs.step(np.full(4, -1))
    assert sum(envs.refusals().values()) == 0
    assert (envs.frame.action[:, 1] != -1).any()
    rival.update(network)
    assert not rival.network.out.weight.any()


def test_a_frozen_policy_draws_by_the_chances_of_legal_actions_alone():
    envs = make(64)
    observations, _ = envs.reset(seed=1)
    legal = np.zeros_like(envs.action_masks())
    legal[:, 3] = legal[:, 7] = True
    rival = FrozenPolicy(Linear(envs), logits=lambda network, seen, may: may * torch.tensor(0.0))
    drawn = np.concatenate([rival(observations, legal) for _ in range(20)])
    assert set(drawn) == {3, 7} and 0.4 < (drawn == 3).mean() < 0.6
    again = FrozenPolicy(Linear(envs), logits=lambda network, seen, may: may * torch.tensor(0.0))
    assert np.array_equal(drawn, np.concatenate([again(observations, legal) for _ in range(20)]))


def test_a_network_of_another_form_is_named():
    rival = FrozenPolicy(Linear(make()), logits=lambda network, seen, may: seen.flatten(1))
    envs = make(opponents=rival)
    envs.reset(seed=1)
    with pytest.raises(bivouac.InvalidArgument, match=r"logits \(4, 576\): the network has to give \(4, 513\)"):
        envs.step(np.full(4, -1))


def test_the_training_example_trains_keeps_and_evaluates(tmp_path):
    """Some steps against all kinds of opponents: that it learns takes longer than a test may."""
    train = [sys.executable, str(EXAMPLES / "train_ppo.py"), "--games", "4", "--max-ticks", "20"]
    short = ["--opponents", "random", "copies", "copies", "--envs", "4", "--ticks", "8", "--batch", "16"]
    times = ["--minutes", "0.05", "--look-every", "0", "--size", "6", "--judge-ticks", "30"]
    form = ["--layout", "durbin9", "--width", "8", "--blocks", "1"]
    done = _run([*train, *short, *times, *form, "--judges", "random", "--out", str(tmp_path)])
    assert re.search(r"against random: [\d.]+% won of 4 games", done)
    header, *rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert {"steps", "minutes", "wins/random", "loss/value"} <= set(header.split(",")) and rows
    agent = str(tmp_path / "agent.pt")
    done = _run([*train, "--evaluate", agent, "--judges", "expander", "--judge-ticks", "30"])
    assert re.search(r"against expander: [\d.]+% won of 4 games", done)
    # What it starts from says what it looks at and how large it is.
    again = ["--start", agent, "--value-steps", "64", "--out", str(tmp_path / "again")]
    done = _run([*train, *short, *times, *again, "--judges", "random"])
    kept = torch.load(tmp_path / "again" / "agent.pt")
    assert (kept["layout"], kept["width"], kept["blocks"]) == ("durbin9", 8, 1)
    first = torch.load(agent)["network"]
    assert {name: weights.shape for name, weights in first.items()} == {
        name: weights.shape for name, weights in kept["network"].items()
    }


def test_copies_play_every_game_that_names_them_and_begin_as_the_network(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import train_ppo

    names = ["copies", "expander", "copies"]
    monkeypatch.setattr(sys, "argv", ["train_ppo.py"])
    options = train_ppo.argparse.Namespace(
        start=None, size=6, layout="durbin9", width=8, blocks=1, float32=True, device="cpu", envs=7,
        opponents=names, max_ticks=20, seed=1, rate=1e-3,
    )  # fmt: skip
    torch.manual_seed(1)
    kept = train_ppo.begin(options)
    train_ppo.save(kept, options, tmp_path / "agent.pt")
    options.start = tmp_path / "agent.pt"
    learner = train_ppo.Learner(options)
    assert sorted(learner.copies.games) == [0, 2, 3, 5, 6]
    ours, rival = kept.state_dict(), learner.copies.player.state_dict()
    assert all(torch.equal(ours[name], rival[name]) for name in ours)
    for _ in range(30):
        learner.envs.step(np.full(7, -1))
    assert (learner.envs.frame.action[[0, 2, 3, 5, 6], 1] != -1).any()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
