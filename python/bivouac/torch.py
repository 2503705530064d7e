"""Datasets as PyTorch has them, and networks as players.

Datasets are map-style and iterable, for `torch.utils.data.DataLoader`; `FrozenPolicy` is an opponent
of environments.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .data import Experiences, Format, Stream, Windows
from .data import dense as _dense
from .data import legal_actions as _legal_actions
from .errors import InvalidArgument, needing

with needing("torch"):
    import torch
    from torch.utils.data import Dataset, IterableDataset, get_worker_info


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


def tensor(observations: Any, device: torch.device | str | None = None) -> Any:
    """Observations of environments as tensors of their own, which may be written to.

    The arrays of environments are the engine's memory and never change. `torch.from_dlpack` and
    `torch.as_tensor` share it, and PyTorch has no tensors that cannot be written: an operation in
    place on one of them would change what everybody sees who holds the array.

    Args:
        observations: an array, or a dict of them. Those of uint16 and uint32 become int32 and int64,
            for which PyTorch has all operations.
        device: where the tensors go; the processor by default.
    """
    if isinstance(observations, dict):
        return {name: tensor(column, device) for name, column in observations.items()}
    kinds = {np.dtype(np.uint16): np.int32, np.dtype(np.uint32): np.int64}
    kind = kinds.get(observations.dtype)
    return torch.tensor(observations if kind is None else observations.astype(kind), device=device)


class FrozenPolicy:
    """A network as it is now, as a player: give it to environments as one of their `opponents`.

        rival = FrozenPolicy(network)
        envs = bivouac.make_vec("generals", 256, layout="durbin9", opponents=rival)

    The network is copied, so training it further changes nothing here; `update` takes it over anew.
    It is asked without gradients and in evaluation mode, and never chooses what is illegal.

    Args:
        network: gives logits `[n, n_actions]` for observations `[n, ...]` (see `tensor`), or a tuple
            that begins with them.
        is_sampled: whether actions are drawn by their chances; the likeliest ones otherwise.
        logits: how the network is asked, if not by its observations alone: a function of the
            network, observations and legal actions (bool `[n, n_actions]`).
        seed: of what is drawn.

    Raises:
        InvalidArgument: when it plays, if logits are of another shape.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        *,
        is_sampled: bool = True,
        logits: Callable[[torch.nn.Module, Any, torch.Tensor], Any] | None = None,
        seed: int = 0,
    ) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.is_sampled = is_sampled
        self._logits = logits or (lambda network, observations, _: network(observations))
        weight = next(iter(self.network.parameters()), None)
        self.device = torch.device("cpu") if weight is None else weight.device
        self._generator = torch.Generator(self.device).manual_seed(seed)

    def update(self, network: torch.nn.Module) -> None:
        """Becomes a copy of another network of the same form, as that is now."""
        self.network.load_state_dict(network.state_dict())

    @torch.no_grad()
    def __call__(self, observations: Any, legal: np.ndarray) -> np.ndarray:
        """Actions, int64 `[n]`, for observations `[n, ...]` and legal actions, bool `[n, n_actions]`."""
        may = torch.tensor(legal, device=self.device)
        logits = self._logits(self.network, tensor(observations, self.device), may)
        logits = logits[0] if isinstance(logits, tuple) else logits
        if logits.shape != may.shape:
            found, wanted = tuple(logits.shape), tuple(may.shape)
            raise InvalidArgument(f"logits {found}: the network has to give {wanted}")
        logits = logits.float().masked_fill(~may, -torch.inf)
        if not self.is_sampled:
            return logits.argmax(1).cpu().numpy()
        chances = logits.softmax(1)
        return torch.multinomial(chances, 1, generator=self._generator)[:, 0].cpu().numpy()
