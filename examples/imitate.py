"""Learns to play as the players of a dataset do: behaviour cloning.

    bivouac generate --games 800 --size 8x8 --policies expander --max-ticks 500 --layout memory --out shown
    pip install "./python[train]"
    python examples/imitate.py shown --minutes 5 --out runs/imitation.pt
    python examples/train_ppo.py --start runs/imitation.pt      # and makes it better

It reports how often the network chooses what the player chose, on episodes that it has not seen, beside
the share of the choice that is most frequent, and how often it wins.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from bivouac.data import Experiences
from torch import Tensor
from torch.nn.functional import cross_entropy
from train_ppo import Network, report, save

Batch = tuple[Tensor, Tensor, Tensor]
"""Observations, legal actions of the network, and those of them that were chosen."""


class Choices:
    """Rows of some episodes with the actions chosen in them."""

    def __init__(self, data: Experiences, episodes: list[int], options: argparse.Namespace) -> None:
        self.data, self.episodes, self.options = data, episodes, options
        self.layout = data.format.layout or options.layout

    def batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        """All rows once, episodes in a random order, some of them mixed at a time."""
        order = rng.permutation(self.episodes)
        for first in range(0, len(order), self.options.mixed):
            some = order[first : first + self.options.mixed]
            rows = [self._whole(self.data.episode(int(i), self.layout)) for i in some]
            columns = [np.concatenate([row[name] for row in rows]) for name in rows[0]]
            shuffled = rng.permutation(len(columns[2]))
            for at in range(0, len(shuffled), self.options.batch):
                chosen = shuffled[at : at + self.options.batch]
                yield tuple(torch.tensor(c[chosen], device=self.options.device) for c in columns)

    def _whole(self, row: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """An episode's choices, but for marches of half of the units, which the network has not."""
        is_whole = row["action"][:-1] % 2 == 0
        return {
            "observation": row["observation"][:-1][is_whole],
            "legal": row["action_mask"][:-1, ::2][is_whole],
            "action": row["action"][:-1][is_whole] // 2,
        }


def split(data: Experiences, seed: int) -> tuple[list[int], list[int]]:
    """Episodes to learn from, and a tenth of the games to judge by; a game is in one of them."""
    games = sorted({data.about(i).episode_id for i in range(len(data))})
    held = set(np.random.default_rng(seed).permutation(games)[: max(len(games) // 10, 1)].tolist())
    of = [data.about(i).episode_id in held for i in range(len(data))]
    return [i for i, is_held in enumerate(of) if not is_held], [i for i, is_held in enumerate(of) if is_held]


@torch.no_grad()
def accuracy(network: Network, choices: Choices) -> tuple[float, float]:
    """How often the likeliest action is the one chosen, and the share of the most frequent one."""
    right = rows = 0
    counts = np.zeros(choices.data.format.n_actions // 2 + 1, dtype=np.int64)
    for observations, legal, actions in choices.batches(np.random.default_rng(0)):
        likeliest = network(observations, legal)[0].logits.argmax(1)
        right += int((likeliest == actions).sum())
        rows += len(actions)
        counts += np.bincount(actions.cpu().numpy(), minlength=len(counts))
    return right / rows, counts.max() / rows


def learn(network: Network, choices: Choices, options: argparse.Namespace) -> None:
    """Steps of Adam on the likelihood of the actions chosen, for the time given, shorter and shorter."""
    optimizer = torch.optim.Adam(network.parameters(), lr=options.rate)
    rng, began, steps, loss_of_late = np.random.default_rng(options.seed), time.perf_counter(), 0, 0.0
    while True:
        for observations, legal, actions in choices.batches(rng):
            minutes = (time.perf_counter() - began) / 60
            optimizer.param_groups[0]["lr"] = options.rate * max(1 - minutes / options.minutes, 0.01)
            loss = cross_entropy(network(observations, legal)[0].logits, actions.long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
            loss_of_late += 0.02 * (loss.item() - loss_of_late)
            if steps % 200 == 0:
                print(f"{minutes:.1f} min, {steps} steps, loss {loss_of_late:.3f}", flush=True)
            if minutes >= options.minutes:
                return


def main() -> None:
    """See `--help`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path, help="a folder of experiences, best of one size of board")
    parser.add_argument("--layout", default="durbin9", help="for datasets of compact planes")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--mixed", type=int, default=64, help="episodes whose rows are mixed")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--games", type=int, default=1000, help="games of the evaluation")
    parser.add_argument("--opponents", nargs="+", default=["random", "expander", "hunter"])
    parser.add_argument("--width", type=int, default=32, help="channels of the network")
    parser.add_argument("--blocks", type=int, default=2, help="blocks of the network")
    parser.add_argument("--float32", action="store_true", help="convolutions of 32 bits")
    parser.add_argument("--threads", type=int, help="of PyTorch; one for each processor if not given")
    parser.add_argument("--out", type=Path, default=Path("runs/imitation.pt"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    data = Experiences(options.dataset)
    seen, unseen = (Choices(data, episodes, options) for episodes in split(data, options.seed))
    first = next(seen.batches(np.random.default_rng(0)))[0]
    network = Network(first.shape[1], options.width, options.blocks).to(options.device)
    network.is_narrow = not options.float32
    learn(network, seen, options)
    options.size, options.layout = data.format.height, seen.layout
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save(network, options, options.out)
    right, frequent = accuracy(network, unseen)
    print(f"chooses as the player in {right:.1%} of unseen rows; the most frequent action is {frequent:.1%}")
    report(network, options.opponents, options.games, options.size, layout=seen.layout)


if __name__ == "__main__":
    main()
