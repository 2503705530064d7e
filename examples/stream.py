"""Learns from games while they are being played: a stream of experiences, and a training step for each batch.

    bivouac serve --size 8x8 --policies expander
    python examples/stream.py grpc://127.0.0.1:50051 --steps 200

A network of torch learns to choose what the players chose; where torch is not installed, a linear policy in
numpy does. With `--place FILE` the place in the stream is kept in a file, so that a run that was killed goes
on after the last batch that it learned from. Rows that were on their way to it are gone then, which it is
told, unless the server keeps them: `bivouac serve --spill DIR`, and `--slow spill` here.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import bivouac
from bivouac.client import Batch, DataLost
from bivouac.data import LAYOUTS

LAYOUT = "durbin9"

Step = Callable[[np.ndarray, np.ndarray, np.ndarray], float]
"""Learns from observations, legal actions and the actions chosen; returns the loss before."""


def linear(channels: int, rate: float = 0.3) -> Step:
    """A policy that says from the means of the channels whether to pass or to march."""
    weights = np.zeros((channels + 1, 2))

    def step(observations: np.ndarray, legal: np.ndarray, actions: np.ndarray) -> float:
        x = np.pad(observations.mean((2, 3)) * 10, ((0, 0), (0, 1)), constant_values=1.0)
        marches = (actions < legal.shape[1] - 1).astype(int)
        logits = x @ weights
        odds = np.exp(logits - logits.max(1, keepdims=True))
        odds /= odds.sum(1, keepdims=True)
        rows = np.arange(len(x))
        loss = -np.log(odds[rows, marches]).mean()
        odds[rows, marches] -= 1
        weights[:] -= rate * x.T @ odds / len(x)
        return float(loss)

    return step


def network(channels: int, board: tuple[int, int], n_actions: int) -> Step:
    """A small convolutional network, which chooses among all legal actions."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    flat = 16 * board[0] * board[1]
    layers = nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(flat, n_actions)
    )
    optimizer = torch.optim.Adam(layers.parameters(), lr=2e-3)

    def step(observations: np.ndarray, legal: np.ndarray, actions: np.ndarray) -> float:
        logits = layers(torch.tensor(observations))
        logits = logits.masked_fill(~torch.tensor(legal), -torch.inf)
        loss = nn.functional.cross_entropy(logits, torch.tensor(actions, dtype=torch.int64))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def best(client: bivouac.Client) -> Step:
    """The network where torch is installed, and the linear policy otherwise."""
    form, channels = client.format, len(LAYOUTS[LAYOUT].channels)
    try:
        return network(channels, (form.height, form.width), form.n_actions)
    except ImportError:
        return linear(channels)


def told(stream: Iterator[Batch]) -> Iterator[Batch]:
    """The batches of a stream; says where rows between them are gone, and goes on."""
    while True:
        try:
            yield next(stream)
        except DataLost as lost:
            print(lost)
        except StopIteration:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="URI of a server")
    parser.add_argument("--steps", type=int, default=200, help="batches to learn from")
    parser.add_argument("--rows", type=int, default=512, help="rows of a batch")
    parser.add_argument("--place", type=Path, help="file that keeps the place in the stream")
    parser.add_argument("--slow", default="block", help="block, drop_oldest or spill")
    options = parser.parse_args()
    place = {}
    if options.place and options.place.exists():
        place = json.loads(options.place.read_text())
    with bivouac.connect(options.server) as client:
        learn = best(client)
        wish = {"players": [0], "batch_rows": options.rows, "max_wait_ms": 60_000}
        stream = client.experiences(to="numpy", layout=LAYOUT, slow=options.slow, **wish, **place)
        losses = []
        for batch in told(stream):
            # The last row of an episode has an observation and no action.
            chosen = batch["action"] >= 0
            columns = (batch[name][chosen] for name in ("observation", "action_mask", "action"))
            losses.append(learn(*columns))
            if options.place:
                options.place.write_text(json.dumps({"after": batch.seq, "run": batch.run}))
            if len(losses) >= options.steps:
                break
        stream.close()
    few = max(len(losses) // 5, 1)
    print(f"loss {np.mean(losses[:few]):.3f} -> {np.mean(losses[-few:]):.3f} in {len(losses)} batches")


if __name__ == "__main__":
    main()
