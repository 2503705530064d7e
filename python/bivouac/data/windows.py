"""Windows of K steps: map-style by index, iterable with shuffling and shards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import InvalidArgument, OutOfRange
from .experiences import Experiences

Shuffle = Literal["none", "episode", "row_group"]


class Windows:
    """Windows of consecutive steps, one after the other, never over the end of an episode.

    A sample is what `Experiences.rows` gives with `steps` rows, and `valid`: bool `[steps]`, which
    is False in the rows that pad the last window of an episode (zeros; their action is -1). The
    terminal observation is a row of its window like any other, with action -1.
    """

    def __init__(
        self,
        data: Experiences | str | Path,
        steps: int,
        layout: str | None = "durbin9",
        stride: int | None = None,
    ) -> None:
        """Lists the windows of a dataset.

        Args:
            data: the dataset, or its folder.
            steps: rows of a window, K.
            layout: a dense layout, or None for compact planes (decode them on the device).
            stride: rows from one window to the next; by default `steps`.

        Raises:
            ValueError: `steps` or `stride` is below 1.
        """
        if steps < 1 or (stride is not None and stride < 1):
            raise InvalidArgument(f"steps={steps}, stride={stride}: windows need 1 step or more")
        self.data = data if isinstance(data, Experiences) else Experiences(data)
        self.steps, self.layout, self.stride = steps, layout, stride or steps
        rows = self.data.lengths + 1
        over = np.maximum(rows - self.steps, 0)
        self._ends = np.cumsum(1 + -(-over // self.stride))

    def __len__(self) -> int:
        """Windows."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def of_episode(self, index: int) -> range:
        """Indexes of the windows of an agent's episode."""
        return range(int(self._ends[index - 1]) if index else 0, int(self._ends[index]))

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """The window at an index."""
        if not -len(self) <= index < len(self):
            raise OutOfRange(f"window {index} of {len(self)}")
        index %= len(self)
        episode = int(np.searchsorted(self._ends, index, side="right"))
        start = (index - self.of_episode(episode).start) * self.stride
        rows = int(self.data.lengths[episode]) + 1
        stop = min(start + self.steps, rows)
        sample = self.data.rows(episode, start, stop, self.layout)
        sample["valid"] = np.ones(stop - start, bool)
        if stop - start < self.steps:
            sample = {name: _padded(values, self.steps) for name, values in sample.items()}
            sample["action"][stop - start :] = -1
        return sample


def _padded(values: np.ndarray, rows: int) -> np.ndarray:
    out = np.zeros((rows, *values.shape[1:]), values.dtype)
    out[: len(values)] = values
    return out


class Stream:
    """Windows one after the other, in a random order, for one of several workers.

    `shuffle="row_group"` takes row groups in a random order and mixes the windows of `pool` of them
    at a time: it reads every row group once. `"episode"` draws whole episodes from all over the
    dataset, whose windows follow each other: recurrent state can be carried from one to the next,
    and row groups are read again and again. Each pass has another order, given by `seed` and the
    number of the pass (`epoch`, which counts up by itself).
    """

    def __init__(
        self,
        data: Experiences | str | Path,
        steps: int,
        layout: str | None = "durbin9",
        stride: int | None = None,
        shuffle: Shuffle = "row_group",
        pool: int = 2,
        seed: int = 0,
    ) -> None:
        """Prepares a stream; the first five arguments are those of `Windows`.

        Raises:
            ValueError: `shuffle` is not known, or `pool` is below 1.
        """
        if shuffle not in ("none", "episode", "row_group") or pool < 1:
            raise InvalidArgument(
                f"shuffle={shuffle!r}, pool={pool}: use 'none', 'episode' or 'row_group' and a "
                "pool of 1 or more"
            )
        if not isinstance(data, Experiences):
            # All row groups of a pool are in use at once.
            data = Experiences(data, cached_row_groups=max(2, pool))
        self.windows = Windows(data, steps, layout, stride)
        self.shuffle, self.pool, self.seed, self.epoch = shuffle, pool, seed, 0

    def __len__(self) -> int:
        """Windows of all shards together."""
        return len(self.windows)

    def indexes(self, epoch: int, shard: int = 0, shards: int = 1) -> Iterator[int]:
        """Indexes of windows in the order of a pass. Shards are disjoint, and together everything.

        Args:
            epoch: number of the pass.
            shard: number of the worker, from 0.
            shards: workers.
        """
        rng = np.random.default_rng((self.seed, epoch))
        windows = self.windows
        groups = windows.data.row_groups()
        if self.shuffle == "episode":
            # Dealt out in the same shuffled order everywhere, so shards are disjoint.
            for episode in rng.permutation(len(windows.data))[shard::shards]:
                yield from windows.of_episode(int(episode))
            return
        if len(groups) >= shards:
            # Row groups are dealt out, so that each is read by one worker.
            dealt = np.arange(len(groups))
            if self.shuffle == "row_group":
                dealt = rng.permutation(dealt)
            dealt, own = dealt[shard::shards], groups
        else:
            # There is not one for each: all workers read all, and take some episodes of each.
            dealt, own = np.arange(len(groups)), [group[shard::shards] for group in groups]
        at_once = self.pool if self.shuffle == "row_group" else 1
        for at in range(0, len(dealt), at_once):
            pool = dealt[at : at + at_once]
            episodes = [episode for group in pool for episode in own[group]]
            mixed = [window for episode in episodes for window in windows.of_episode(episode)]
            if self.shuffle == "row_group":
                mixing = np.random.default_rng((self.seed, epoch, int(pool[0])))
                mixed = [mixed[i] for i in mixing.permutation(len(mixed))]
            yield from mixed

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        """The windows of the next pass."""
        yield from self.shard(0, 1)

    def shard(self, shard: int, shards: int) -> Iterator[dict[str, np.ndarray]]:
        """The windows of the next pass that belong to one of several workers."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        for index in self.indexes(epoch, shard, shards):
            yield self.windows[index]
