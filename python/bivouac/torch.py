"""Datasets as PyTorch has them: map-style and iterable, for `torch.utils.data.DataLoader`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from .data import Experiences, Format, Stream, Windows
from .data import dense as _dense
from .data import legal_actions as _legal_actions


def _tensors(sample: dict[str, Any]) -> dict[str, torch.Tensor]:
    out = {}
    for name, values in sample.items():
        # Views of a row group are read-only, and torch has few operations on uint16.
        if name == "army":
            values = values.astype("int32")
        elif not values.flags.writeable:
            values = values.copy()
        out[name] = torch.from_numpy(values)
    return out


class WindowDataset(Dataset):
    """Map-style windows of K steps as tensors; see `bivouac.data.Windows`.

    Compact samples (`layout=None`) have `army` as int32.
    """

    def __init__(self, data: Experiences | str | Path, steps: int, **options: Any) -> None:
        """Lists the windows; the arguments are those of `bivouac.data.Windows`."""
        self.windows = Windows(data, steps, **options)

    def __len__(self) -> int:
        """Windows."""
        return len(self.windows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """The window at an index."""
        return _tensors(self.windows[index])


class WindowStream(IterableDataset):
    """Windows in a random order; every worker of a `DataLoader` reads a part of its own.

    See `bivouac.data.Stream`. With several training processes pass their number and rank. With
    workers, use `persistent_workers=True` or call `set_epoch` before each pass, so that each pass
    has an order of its own.
    """

    def __init__(
        self,
        data: Experiences | str | Path,
        steps: int,
        rank: int = 0,
        world_size: int = 1,
        **options: Any,
    ) -> None:
        """Prepares a stream; the other arguments are those of `bivouac.data.Stream`."""
        self.stream = Stream(data, steps, **options)
        self.rank, self.world_size = rank, world_size

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order of the next pass."""
        self.stream.epoch = epoch

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        """The windows of this worker."""
        info = get_worker_info()
        workers, worker = (info.num_workers, info.id) if info else (1, 0)
        shard = self.rank * workers + worker
        for sample in self.stream.shard(shard, self.world_size * workers):
            yield _tensors(sample)


def decode(
    batch: dict[str, torch.Tensor],
    format: Format,
    layout: str = "durbin9",
    device: torch.device | str | None = None,
) -> dict[str, torch.Tensor]:
    """Decodes compact samples on a device, where only the compact bytes have to be sent.

    Args:
        batch: `[...]` samples of `layout=None`.
        format: `Experiences.format`.
        layout: a name in `bivouac.data.LAYOUTS`.
        device: where to decode; by default where the batch is.

    Returns:
        The batch with `observation` float32 `[..., channels, height, width]` and `action_mask`
        bool `[..., n_actions]` in place of `army`, `planes`, `size` and the packed mask.
    """
    moved = {name: values.to(device) if device else values for name, values in batch.items()}
    army, planes, size = (moved.pop(name) for name in ("army", "planes", "size"))
    moved["observation"] = _dense(army, planes, size, format, layout)
    moved["action_mask"] = _legal_actions(moved["action_mask"], format)
    return moved
