"""Trains an agent by PPO against built-in policies and copies of itself, on the processor or a GPU.

    pip install "./python[train]"
    python examples/train_ppo.py --size 8 --minutes 60 --out runs/duel     # from nothing, or
    python examples/train_ppo.py --start runs/imitation.pt --minutes 54    # from examples/imitate.py
    python examples/train_ppo.py --evaluate runs/duel/agent.pt

What it shows: invalid actions masked, a potential-based reward, episodes that were cut off valued
differently from those that ended, and evaluation from both seats with confidence intervals. It writes
a checkpoint, a table of the curve, TensorBoard scalars if tensorboard is installed, and a picture if
matplotlib is, and says so where they are not.
"""

from __future__ import annotations

import argparse
import copy
import csv
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Categorical

import bivouac

LAYOUT = "memory"
GAMMA, LAMBDA, CLIP = 0.99, 0.95, 0.2


class Block(nn.Module):
    """Two convolutions and a way around them; in between every tile is told of the whole board."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.whole = nn.Linear(width, width)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(torch.relu(x))
        whole = self.whole(inner.mean((2, 3)))
        return x + self.second(torch.relu(inner + whole[:, :, None, None]))


class Network(nn.Module):
    """Chances of actions and a value, for boards of any size.

    It marches with all units or passes: action `k` of it is `2 * k` of the flat action space, in which
    the odd ones march with half of the units, and nothing follows the pass.
    """

    def __init__(self, channels: int, width: int = 32, blocks: int = 2) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), *(Block(width) for _ in range(blocks)), nn.ReLU()
        )
        self.march = nn.Conv2d(width, 4, 1)
        self.rest = nn.Linear(width, 1)
        self.value = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 1))
        for head in (self.march, self.rest, self.value[2]):
            nn.init.normal_(head.weight, std=0.01)  # all legal actions are as likely at first
            nn.init.zeros_(head.bias)
        self.to(memory_format=torch.channels_last)
        self.is_narrow = True

    def forward(self, observations: Tensor, legal: Tensor) -> tuple[Categorical, Tensor]:
        # Convolutions of 16 bits take half of the time; what decides and values is of 32.
        with torch.autocast(observations.device.type, torch.bfloat16, enabled=self.is_narrow):
            x = self.trunk(observations.contiguous(memory_format=torch.channels_last))
        x = x.float()
        mean = x.mean((2, 3))
        marches = self.march(x).permute(0, 2, 3, 1).flatten(1)
        logits = torch.cat([marches, self.rest(mean)], 1).masked_fill(~legal, -1e9)
        return Categorical(logits=logits, validate_args=False), self.value(mean).squeeze(1)


def tensors(observations: np.ndarray, legal: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    """What the network takes: observations, and which of its actions are legal, of whole marches only."""
    # Copies: the engine's memory is read-only, which tensors cannot say.
    return torch.tensor(observations, device=device), torch.tensor(legal[:, ::2], device=device)


def flat(actions: Tensor) -> np.ndarray:
    """The network's actions as the environment takes them."""
    return 2 * actions.cpu().numpy()


class Copies:
    """A player of some games: a frozen copy of the network, drawn anew from those kept.

    `bivouac.torch.FrozenPolicy` is the same for one copy and all games.
    """

    def __init__(self, network: Network, games: list[int]) -> None:
        self.games, self.kept = games, []
        self.player = copy.deepcopy(network)
        self.add(network)

    def add(self, network: Network) -> None:
        """Keeps a copy of the network as it is, and draws who plays: every other time the newest."""
        self.kept = [*self.kept[-9:], copy.deepcopy(network.state_dict())]
        drawn = self.kept[-1] if random.random() < 0.5 else random.choice(self.kept)
        self.player.load_state_dict(drawn)

    @torch.no_grad()
    def __call__(self, observations: np.ndarray, legal: np.ndarray) -> np.ndarray:
        """Actions for all games, of which only those for its own are asked for."""
        device = next(self.player.parameters()).device
        rows, actions = self.games, np.full(len(legal), -1)
        actions[rows] = flat(self.player(*tensors(observations[rows], legal[rows], device))[0].sample())
        return actions


@dataclass
class Rollout:
    """What happened in some ticks of all environments, `[ticks, envs, ...]`."""

    observations: Tensor
    legal: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor


def make_envs(options: argparse.Namespace, network: Network) -> tuple[bivouac.VectorEnv, Copies | None]:
    """Environments against the opponents by turns, with a seat for the learner in each."""
    names = options.opponents
    shares = [range(i, options.envs, len(names)) for i in range(len(names))]
    against_copies = [game for name, games in zip(names, shares) if name == "copies" for game in games]
    copies = Copies(network, against_copies) if against_copies else None
    envs = bivouac.make_vec(
        "generals",
        options.envs,
        size=options.size,
        opponents=copies or "random",
        layout=options.layout,
        reward="potential",
        autoreset="same_step",
        max_ticks=options.max_ticks,
        map_pool=10_000,
        seed=options.seed,
    )
    for name, games in zip(names, shares):
        policies = ["external", "external" if name == "copies" else name]
        # First episodes are cut off at different ticks, so that all phases are learned from at a time.
        for game in games:
            first = options.max_ticks * (game + 1) // options.envs + 1
            envs.set_game([game], policies=policies, max_ticks=first)
    envs.reset(seed=options.seed + 1)
    for name, games in zip(names, shares):
        envs.set_game(games, policies=["external", "external" if name == "copies" else name])
    return envs, copies


def begin(options: argparse.Namespace) -> Network:
    """A new network, or the one to start from, which decides its own form and what it looks at."""
    if options.start is not None:
        network, about = load(options.start, options.device)
        for name in ("layout", "width", "blocks", "float32"):
            setattr(options, name, about[name])
        return network
    one = bivouac.make_vec("generals", 1, size=options.size, layout=options.layout)
    channels = one.single_observation_space.shape[0]
    network = Network(channels, options.width, options.blocks).to(options.device)
    network.is_narrow = not options.float32
    return network


class Learner:
    """PPO on a vector environment."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.device = torch.device(options.device)
        # Before the environments, whose opponents may be copies of it.
        self.network = begin(options)
        self.envs, self.copies = make_envs(options, self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=options.rate, eps=1e-5)
        self.observations, self.legal = self._seen(self.envs.frame.observation(self.envs.seat))
        self.env_seconds = 0.0
        self.results: list[list[float]] = [[] for _ in options.opponents]

    def _seen(self, observations: np.ndarray) -> tuple[Tensor, Tensor]:
        return tensors(observations, self.envs.action_masks(), self.device)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.tensor(array, device=self.device)

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Plays some ticks and works out advantages (GAE)."""
        ticks, rows = self.options.ticks, []
        for _ in range(ticks):
            chances, values = self.network(self.observations, self.legal)
            actions = chances.sample()
            before = time.perf_counter()
            observations, rewards, terminated, truncated, infos = self.envs.step(flat(actions))
            self.env_seconds += time.perf_counter() - before
            earned = self._tensor(rewards)
            over = terminated | truncated
            if truncated.any():
                # Cut off, not ended: what would have followed is worth what its last view is.
                cut = np.flatnonzero(truncated)
                last = self._tensor(np.stack(list(infos["final_obs"][cut])))
                anything = torch.ones(len(cut), self.legal.shape[1], dtype=torch.bool, device=self.device)
                earned[self._tensor(cut)] += GAMMA * self.network(last, anything)[1]
            if over.any():
                for game in np.flatnonzero(over):
                    of_late = self.results[game % len(self.results)]
                    of_late.append(float(infos["final_info"]["has_won"][game]))
                    del of_late[:-500]
            ends = self._tensor(over)
            rows.append((self.observations, self.legal, actions, chances.log_prob(actions), values, earned, ends))
            before = time.perf_counter()
            self.observations, self.legal = self._seen(observations)
            self.env_seconds += time.perf_counter() - before
        seen, legal, actions, log_probs, values, rewards, ends = map(torch.stack, zip(*rows))
        following = self.network(self.observations, self.legal)[1]
        advantages, ahead = torch.zeros_like(values), torch.zeros_like(following)
        for tick in reversed(range(ticks)):
            goes_on = (~ends[tick]).float()
            surprise = rewards[tick] + GAMMA * following * goes_on - values[tick]
            ahead = surprise + GAMMA * LAMBDA * goes_on * ahead
            advantages[tick], following = ahead, values[tick]
        return Rollout(seen, legal, actions, log_probs, values, advantages)

    def only_value(self, only: bool) -> None:
        """Whether `improve` leaves what decides as it is."""
        for name, weights in self.network.named_parameters():
            weights.requires_grad_(not only or name.startswith("value."))

    def improve(self, rollout: Rollout, entropy_weight: float) -> dict[str, float]:
        """Takes some steps of PPO's gradient."""
        rows = [getattr(rollout, name).flatten(0, 1) for name in Rollout.__dataclass_fields__]
        seen, legal, actions, old, values, advantages = rows
        returns = advantages + values
        sums: dict[str, float] = {}
        for _ in range(self.options.epochs):
            order = torch.randperm(len(actions), device=self.device)
            for batch in order.split(self.options.batch):
                chances, value = self.network(seen[batch], legal[batch])
                gain = advantages[batch]
                gain = (gain - gain.mean()) / (gain.std() + 1e-8)
                ratio = (chances.log_prob(actions[batch]) - old[batch]).exp()
                policy = -torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain).mean()
                worth = (value - returns[batch]).square().mean()
                entropy = chances.entropy().mean()
                loss = policy + 0.5 * worth - entropy_weight * entropy
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), 0.5)
                self.optimizer.step()
                for name, term in [("policy", policy), ("value", worth), ("entropy", entropy)]:
                    sums[name] = sums.get(name, 0.0) + term.item()
        steps = self.options.epochs * math.ceil(len(actions) / self.options.batch)
        return {name: total / steps for name, total in sums.items()}


@torch.no_grad()
def evaluate(
    network: Network,
    opponent: str,
    games: int,
    size: int,
    *,
    max_ticks: int = 1000,
    layout: str = LAYOUT,
    seed: int = 10**6,
) -> dict[str, Any]:
    """Plays half of the games from each seat.

    Returns:
        Share of wins, its 95 % interval (Wilson), and the shares of losses and games cut off.
    """
    device = next(network.parameters()).device
    won = lost = 0
    for seat in (0, 1):
        half = games // 2 + (games % 2 if seat == 0 else 0)
        if half == 0:
            continue
        envs = bivouac.make_vec(
            "generals", half, size=size, seat=seat, opponents=opponent, layout=layout,
            max_ticks=max_ticks, autoreset="disabled", seed=seed,
        )  # fmt: skip
        observations, _ = envs.reset(seed=seed)
        over = np.zeros(half, dtype=bool)
        while not over.all():
            seen, legal = tensors(observations, envs.action_masks(), device)
            actions = flat(network(seen, legal)[0].sample())
            observations, _, terminated, truncated, infos = envs.step(actions)
            newly = (terminated | truncated) & ~over
            won += int((infos["has_won"] & newly).sum())
            lost += int((terminated & ~infos["has_won"] & newly).sum())
            over |= terminated | truncated
    share, z = won / games, 1.96
    middle = (share + z * z / (2 * games)) / (1 + z * z / games)
    spread = z / (1 + z * z / games) * math.sqrt(share * (1 - share) / games + z * z / (4 * games**2))
    return {
        "wins": share,
        "low": max(middle - spread, 0.0),
        "high": middle + spread,
        "losses": lost / games,
        "cut_off": (games - won - lost) / games,
    }


class Curve:
    """What was learned by when, as a table, TensorBoard scalars and a picture."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rows = folder, []
        folder.mkdir(parents=True, exist_ok=True)
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder))
        except ImportError as error:
            print(f"no TensorBoard scalars: {error}: pip install tensorboard")
            self.writer = None

    def add(self, row: dict[str, float]) -> None:
        """Notes one row, and writes all that there are."""
        self.rows.append(row)
        names = sorted({name for row in self.rows for name in row})
        with open(self.folder / "curve.csv", "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, names)
            table.writeheader()
            table.writerows(self.rows)
        if self.writer is not None:
            for name, value in row.items():
                self.writer.add_scalar(name, value, int(row["steps"]))

    def draw(self) -> None:
        """Draws shares of wins over time, if matplotlib is installed."""
        try:
            import matplotlib

            matplotlib.use("Agg")
            from matplotlib import pyplot
        except ImportError as error:
            print(f"no picture of the curve: {error}: pip install matplotlib")
            return
        figure, axes = pyplot.subplots(figsize=(7, 4))
        for name in sorted({name for row in self.rows for name in row if name.startswith("wins/")}):
            rows = [row for row in self.rows if name in row]
            against = name.removeprefix("wins/")
            axes.plot([row["minutes"] for row in rows], [row[name] for row in rows], "o-", label=against)
        axes.set(xlabel="minutes", ylabel="share of wins in 200 games", ylim=(0, 1))
        axes.legend(title="against")
        figure.savefig(self.folder / "curve.png", dpi=120, bbox_inches="tight")


def save(network: Network, options: argparse.Namespace, path: Path) -> None:
    """Writes a checkpoint that `load` reads."""
    names = ("layout", "size", "width", "blocks", "float32")
    about = {name: getattr(options, name) for name in names}
    torch.save({"network": network.state_dict(), **about}, path)


def load(path: Path, device: str) -> tuple[Network, dict[str, Any]]:
    """A network from its checkpoint, and what it was trained on."""
    kept = {"layout": LAYOUT, **torch.load(path, map_location=device)}
    channels = kept["network"]["trunk.0.weight"].shape[1]
    network = Network(channels, kept["width"], kept["blocks"]).to(device)
    network.load_state_dict(kept.pop("network"))
    network.is_narrow = not kept["float32"]
    return network, kept


def train(options: argparse.Namespace) -> None:
    """Trains for the time given, and evaluates at the end."""
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    learner, curve = Learner(options), Curve(options.out)
    began, worked, steps, looked = time.perf_counter(), time.process_time(), 0, 0.0
    while (minutes := (time.perf_counter() - began) / 60) < options.minutes:
        left = max(1 - minutes / options.minutes, 0.02)
        learner.optimizer.param_groups[0]["lr"] = options.rate * left
        # The value of a player that was imitated is not known yet, so nothing is judged by it at first.
        learner.only_value(options.start is not None and steps < options.value_steps)
        losses = learner.improve(learner.collect(), options.entropy * left)
        steps += options.ticks * options.envs
        seconds = time.perf_counter() - began
        row = {
            "minutes": seconds / 60,
            "processor_minutes": (time.process_time() - worked) / 60,
            "steps": steps,
            "steps_per_second": steps / seconds,
            "share_in_environment": learner.env_seconds / seconds,
            **{f"loss/{name}": value for name, value in losses.items()},
        }
        for opponent, results in zip(options.opponents, learner.results):
            if results:
                row[f"of_late/{opponent}"] = float(np.mean(results))
        if seconds - looked > 60 * options.look_every:
            looked = seconds
            for opponent in options.judges:
                found = evaluate(
                    learner.network, opponent, 200, options.size,
                    max_ticks=options.judge_ticks, layout=options.layout,
                )  # fmt: skip
                row[f"wins/{opponent}"] = found["wins"]
            save(learner.network, options, options.out / "agent.pt")
            if learner.copies is not None:
                learner.copies.add(learner.network)
        curve.add(row)
        print({name: round(value, 3) for name, value in row.items()}, flush=True)
    save(learner.network, options, options.out / "agent.pt")
    curve.draw()
    judged = {"max_ticks": options.judge_ticks, "layout": options.layout}
    report(learner.network, options.judges, options.games, options.size, **judged)


def report(network: Network, opponents: list[str], games: int, size: int, **rest: Any) -> None:
    """Prints the evaluation against each opponent."""
    for opponent in opponents:
        found = evaluate(network, opponent, games, size, **rest)
        print(
            f"against {opponent}: {found['wins']:.1%} won of {games} games, 95 % interval"
            f" {found['low']:.1%} to {found['high']:.1%}; {found['losses']:.1%} lost,"
            f" {found['cut_off']:.1%} cut off",
            flush=True,
        )


def main() -> None:
    """See `--help`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/duel"), help="folder for results")
    parser.add_argument("--size", type=int, default=8, help="side of the board")
    parser.add_argument("--minutes", type=float, default=60.0, help="time to train")
    parser.add_argument(
        "--opponents",
        nargs="+",
        default=["expander"] * 7 + ["random"],
        help="who is played in training, each in as many games: policies, or copies, which are of itself",
    )
    parser.add_argument(
        "--judges", nargs="+", default=["random", "expander"], help="policies to be evaluated against"
    )
    parser.add_argument("--judge-ticks", type=int, default=1000, help="cuts games of evaluations off")
    parser.add_argument("--envs", type=int, default=256)
    parser.add_argument("--ticks", type=int, default=64, help="ticks between improvements")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=5e-4, help="learning rate at the start")
    parser.add_argument("--entropy", type=float, default=0.003, help="weight at the start")
    parser.add_argument("--max-ticks", type=int, default=700, help="cuts games off in training")
    parser.add_argument("--look-every", type=float, default=5.0, help="minutes between evaluations")
    parser.add_argument("--games", type=int, default=1000, help="games of the last evaluation")
    parser.add_argument("--layout", default=LAYOUT, help="what a new network looks at")
    parser.add_argument("--width", type=int, default=32, help="channels of a new network")
    parser.add_argument("--blocks", type=int, default=2, help="blocks of a new network")
    parser.add_argument("--float32", action="store_true", help="a new one has convolutions of 32 bits")
    parser.add_argument("--threads", type=int, help="of PyTorch; one for each processor if not given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--start", type=Path, help="a checkpoint to begin with")
    parser.add_argument(
        "--value-steps", type=int, default=60_000, help="steps after a start that only value is learned in"
    )
    parser.add_argument("--evaluate", type=Path, help="a checkpoint to evaluate instead of training")
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    if options.evaluate is None:
        train(options)
        return
    network, about = load(options.evaluate, options.device)
    judged = {"max_ticks": options.judge_ticks, "layout": about["layout"]}
    report(network, options.judges, options.games, about["size"], **judged)


if __name__ == "__main__":
    main()
