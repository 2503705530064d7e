"""Trains an agent by PPO against built-in policies, on the processor or a GPU.

    pip install "./python[gymnasium]" torch
    python examples/train_ppo.py --size 8 --minutes 60 --out runs/duel
    python examples/train_ppo.py --evaluate runs/duel/agent.pt

What it shows: invalid actions masked, a potential-based reward, episodes that were cut off valued
differently from those that ended, and evaluation from both seats with confidence intervals. It writes
a checkpoint, a table of the curve, TensorBoard scalars if tensorboard is installed, and a picture if
matplotlib is.
"""

from __future__ import annotations

import argparse
import csv
import math
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
GAMMA, LAMBDA, CLIP = 0.995, 0.95, 0.2


class Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.first(torch.relu(x))))


class Network(nn.Module):
    """Logits of all actions and a value, for boards of any size.

    Eight logits for each tile lie in the order of the flat action space; one more is for the pass.
    """

    def __init__(self, channels: int, width: int = 48, blocks: int = 3) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), *(Block(width) for _ in range(blocks)), nn.ReLU()
        )
        self.march = nn.Conv2d(width, 8, 1)
        self.rest = nn.Linear(width, 1)
        self.value = nn.Sequential(nn.Linear(2 * width, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, observations: Tensor, legal: Tensor) -> tuple[Categorical, Tensor]:
        x = self.trunk(observations)
        mean, most = x.mean((2, 3)), x.amax((2, 3))
        marches = self.march(x).permute(0, 2, 3, 1).flatten(1)
        logits = torch.cat([marches, self.rest(mean)], 1).masked_fill(~legal, -1e9)
        return Categorical(logits=logits), self.value(torch.cat([mean, most], 1)).squeeze(1)


@dataclass
class Rollout:
    """What happened in some ticks of all environments, `[ticks, envs, ...]`."""

    observations: Tensor
    legal: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor


def make_envs(options: argparse.Namespace) -> bivouac.VectorEnv:
    """Environments against the opponents by turns, with a seat for the learner in each."""
    envs = bivouac.make_vec(
        "generals",
        options.envs,
        size=options.size,
        layout=LAYOUT,
        reward="potential",
        autoreset="same_step",
        max_ticks=options.max_ticks,
        map_pool=2000,
        seed=options.seed,
    )
    for i, opponent in enumerate(options.opponents):
        games = range(i, options.envs, len(options.opponents))
        envs.set_game(games, policies=["external", opponent])
    return envs


class Learner:
    """PPO on a vector environment."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.device = torch.device(options.device)
        self.envs = make_envs(options)
        channels = self.envs.single_observation_space.shape[0]
        self.network = Network(channels).to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=options.rate, eps=1e-5)
        observations, _ = self.envs.reset(seed=options.seed + 1)
        self.observations, self.legal = self._seen(observations)
        self.env_seconds = 0.0
        self.results: list[float] = []

    def _seen(self, observations: np.ndarray) -> tuple[Tensor, Tensor]:
        return self._tensor(observations), self._tensor(self.envs.action_masks())

    def _tensor(self, array: np.ndarray) -> Tensor:
        # A copy: the engine's memory is read-only, which tensors cannot say.
        return torch.tensor(array, device=self.device)

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Plays some ticks and works out advantages (GAE)."""
        ticks, rows = self.options.ticks, []
        for _ in range(ticks):
            chances, values = self.network(self.observations, self.legal)
            actions = chances.sample()
            before = time.perf_counter()
            observations, rewards, terminated, truncated, infos = self.envs.step(actions.cpu().numpy())
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
                self.results += infos["final_info"]["has_won"][over].astype(float).tolist()
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

    def improve(self, rollout: Rollout) -> dict[str, float]:
        """Takes some steps of PPO's gradient."""
        flat = [getattr(rollout, name).flatten(0, 1) for name in Rollout.__dataclass_fields__]
        seen, legal, actions, old, values, advantages = flat
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
                loss = policy + 0.5 * worth - self.options.entropy * entropy
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
    max_ticks: int,
    *,
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
            seen = torch.tensor(observations, device=device)
            legal = torch.tensor(envs.action_masks(), device=device)
            actions = network(seen, legal)[0].sample().cpu().numpy()
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
        except ImportError:
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
        except ImportError:
            return
        figure, axes = pyplot.subplots(figsize=(7, 4))
        for name in sorted({name for row in self.rows for name in row if name.startswith("wins/")}):
            rows = [row for row in self.rows if name in row]
            axes.plot([row["minutes"] for row in rows], [row[name] for row in rows], label=name)
        axes.set(xlabel="minutes", ylabel="share of wins", ylim=(0, 1))
        axes.legend()
        figure.savefig(self.folder / "curve.png", dpi=120, bbox_inches="tight")


def save(network: Network, options: argparse.Namespace, path: Path) -> None:
    """Writes a checkpoint that `load` reads."""
    about = {"size": options.size, "max_ticks": options.max_ticks}
    torch.save({"network": network.state_dict(), **about}, path)


def load(path: Path, device: str) -> tuple[Network, dict[str, Any]]:
    """A network from its checkpoint, and what it was trained on."""
    kept = torch.load(path, map_location=device)
    network = Network(kept["network"]["trunk.0.weight"].shape[1]).to(device)
    network.load_state_dict(kept.pop("network"))
    return network, kept


def train(options: argparse.Namespace) -> None:
    """Trains for the time given, and evaluates at the end."""
    torch.manual_seed(options.seed)
    learner, curve, began = Learner(options), Curve(options.out), time.perf_counter()
    steps, looked = 0, 0.0
    while (minutes := (time.perf_counter() - began) / 60) < options.minutes:
        left = 1 - minutes / options.minutes
        learner.optimizer.param_groups[0]["lr"] = options.rate * max(left, 0.05)
        losses = learner.improve(learner.collect())
        steps += options.ticks * options.envs
        learner.results = learner.results[-2000:]
        seconds = time.perf_counter() - began
        row = {
            "minutes": seconds / 60,
            "steps": steps,
            "steps_per_second": steps / seconds,
            "share_in_environment": learner.env_seconds / seconds,
            "wins_of_late": float(np.mean(learner.results)) if learner.results else 0.0,
            **{f"loss/{name}": value for name, value in losses.items()},
        }
        if seconds - looked > 60 * options.look_every:
            looked = seconds
            for opponent in options.opponents:
                row[f"wins/{opponent}"] = evaluate(
                    learner.network, opponent, 200, options.size, options.max_ticks
                )["wins"]
            save(learner.network, options, options.out / "agent.pt")
        curve.add(row)
        print({name: round(value, 3) for name, value in row.items()}, flush=True)
    save(learner.network, options, options.out / "agent.pt")
    curve.draw()
    report(learner.network, options.opponents, options.games, options.size, options.max_ticks)


def report(network: Network, opponents: list[str], games: int, size: int, max_ticks: int) -> None:
    """Prints the evaluation against each opponent."""
    for opponent in opponents:
        found = evaluate(network, opponent, games, size, max_ticks)
        print(
            f"against {opponent}: {found['wins']:.1%} won of {games} games, 95 % interval"
            f" {found['low']:.1%} to {found['high']:.1%}; {found['losses']:.1%} lost,"
            f" {found['cut_off']:.1%} cut off"
        )


def main() -> None:
    """See `--help`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/duel"), help="folder for results")
    parser.add_argument("--size", type=int, default=8, help="side of the board")
    parser.add_argument("--minutes", type=float, default=60.0, help="time to train")
    parser.add_argument("--opponents", nargs="+", default=["random", "expander"])
    parser.add_argument("--envs", type=int, default=256)
    parser.add_argument("--ticks", type=int, default=64, help="ticks between improvements")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rate", type=float, default=5e-4, help="learning rate at the start")
    parser.add_argument("--entropy", type=float, default=0.01)
    parser.add_argument("--max-ticks", type=int, default=300)
    parser.add_argument("--look-every", type=float, default=5.0, help="minutes between evaluations")
    parser.add_argument("--games", type=int, default=1000, help="games of the last evaluation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--evaluate", type=Path, help="a checkpoint to evaluate instead of training")
    options = parser.parse_args()
    if options.evaluate is None:
        train(options)
        return
    network, about = load(options.evaluate, options.device)
    report(network, options.opponents, options.games, about["size"], about["max_ticks"])


if __name__ == "__main__":
    main()
