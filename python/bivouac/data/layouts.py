"""Compact planes decoded to dense tensors, with numpy arrays or torch tensors on any device.

Every function takes either kind of array and gives the same kind back. Leading dimensions are kept:
`...` is `[rows]`, `[steps]` or `[batch, steps]` alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import UnknownName
from .format import Format

Array = Any
"""A numpy array or a torch tensor."""


def _library(array: Array) -> ModuleType:
    """numpy, or torch for its tensors; torch is not imported unless it is there already."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def unpack_bits(packed: Array, format: Format) -> Array:
    """Unpacks bit planes.

    Args:
        packed: uint8 `[..., channels, plane_bytes]`, bit `row * width + column`, low bits first.

    Returns:
        bool `[..., channels, height, width]`.
    """
    lib = _library(packed)
    tiles = format.height * format.width
    if lib is np:
        bits = np.unpackbits(packed, axis=-1, bitorder="little", count=tiles).astype(bool)
    else:
        shifts = lib.arange(8, dtype=lib.uint8, device=packed.device)
        bits = (packed.unsqueeze(-1) >> shifts & 1).flatten(-2)[..., :tiles].bool()
    return bits.reshape(*packed.shape[:-1], format.height, format.width)


def legal_actions(packed: Array, format: Format) -> Array:
    """Decodes an action mask.

    A march may send all or half of an army, so both halves of a direction are legal together.
    Passing is always legal.

    Args:
        packed: uint8 `[..., 4 or 5, plane_bytes]`.

    Returns:
        bool `[..., n_actions]`, by flat action.
    """
    lib = _library(packed)
    planes = unpack_bits(packed, format)
    tiles = format.height * format.width
    lead = planes.shape[:-3]
    flat = planes.reshape(*lead, len(format.masks), tiles)
    # numpy before version 2 has no `np.bool`.
    kind = bool if lib is np else lib.bool
    out = lib.ones((*lead, format.n_actions), dtype=kind, **_on(packed))
    by_tile = flat[..., :4, :].swapaxes(-1, -2)
    if lib is np:
        # Both halves of a direction at once, as the two bytes of a number: four times as fast.
        pairs = by_tile.astype(np.uint16, order="C") * np.uint16(0x0101)
        out[..., : 8 * tiles] = pairs.view(np.bool_).reshape(*lead, 8 * tiles)
    else:
        out[..., : 8 * tiles] = by_tile.repeat_interleave(2, -1).reshape(*lead, 8 * tiles)
    if len(format.masks) > 4:
        out[..., 8 * tiles + 1 :] = flat[..., 4, :]
    return out


def _on(array: Array) -> dict[str, Any]:
    """The keyword that puts a new tensor where another one is; numpy needs none."""
    return {} if isinstance(array, np.ndarray) else {"device": array.device}


@dataclass(frozen=True)
class Layout:
    """A named way to lay an observation out as channels."""

    name: str
    channels: tuple[str, ...]
    scale: float
    """Armies are divided by this."""
    clip: float | None
    """Armies are at most this after scaling; None for no limit."""
    of: Callable[[Array, Mapping[str, Array], Array], list[Array]]
    """Channels from scaled armies, planes by name, and the board as a plane."""


def _durbin9(army: Array, plane: Mapping[str, Array], board: Array) -> list[Array]:
    return [
        army * plane["own"],
        army * plane["enemy"],
        plane["own"],
        plane["enemy"],
        plane["neutral"],
        plane["city"] | plane["general"],
        plane["mountain"],
        plane["visible"],
        board & ~plane["visible"],
    ]


def _generals_bots(army: Array, plane: Mapping[str, Array], board: Array) -> list[Array]:
    return [
        army,
        plane["general"],
        plane["city"],
        plane["mountain"],
        plane["neutral"],
        plane["own"],
        plane["enemy"],
        board & ~plane["visible"] & ~plane["fog_structure"],
        plane["fog_structure"],
    ]


LAYOUTS: dict[str, Layout] = {
    "durbin9": Layout(
        "durbin9",
        (
            "own_armies",
            "enemy_armies",
            "own_land",
            "enemy_land",
            "neutral_land",
            "cities_and_generals",
            "mountains",
            "visible",
            "fog",
        ),
        scale=1000.0,
        clip=1.0,
        of=_durbin9,
    ),
    "generals-bots": Layout(
        "generals-bots",
        (
            "armies",
            "generals",
            "castles",
            "mountains",
            "neutral",
            "owned",
            "opponent",
            "fog",
            "structures_in_fog",
        ),
        scale=1.0,
        clip=None,
        of=_generals_bots,
    ),
}
"""Dense layouts by name. Channels of allies' tiles are left 0 in both."""


def dense(
    army: Array, planes: Array, size: Array, format: Format, layout: str = "durbin9"
) -> Array:
    """Lays compact observations out as dense channels.

    Args:
        army: units on each seen tile, `[..., height, width]`, any number type.
        planes: packed bit planes, uint8 `[..., 9, plane_bytes]`.
        size: rows and columns of the board itself, `[..., 2]`; what is beyond is 0 everywhere.
        layout: a name in `LAYOUTS`.

    Returns:
        float32 `[..., channels, height, width]`.

    Raises:
        UnknownName: there is no such layout; it is a `KeyError` too.
    """
    if layout not in LAYOUTS:
        raise UnknownName(f"layout {layout!r} is not known: use one of {sorted(LAYOUTS)}")
    chosen, lib = LAYOUTS[layout], _library(planes)
    bits = unpack_bits(planes, format)
    plane = {name: bits[..., i, :, :] for i, name in enumerate(format.planes)}
    if lib is np:
        units = army.astype(np.float32)
        rows, columns = np.arange(format.height), np.arange(format.width)
    else:
        units = army.to(lib.float32)
        rows = lib.arange(format.height, device=planes.device)
        columns = lib.arange(format.width, device=planes.device)
    board = (rows[:, None] < size[..., 0, None, None]) & (columns < size[..., 1, None, None])
    units = units / chosen.scale
    if chosen.clip is not None:
        units = units.clip(max=chosen.clip)
    channels = chosen.of(units, plane, board)
    if lib is np:
        out = np.empty((*units.shape[:-2], len(channels), *units.shape[-2:]), np.float32)
        for i, channel in enumerate(channels):
            out[..., i, :, :] = channel
        return out
    return lib.stack([channel.to(lib.float32) for channel in channels], -3)
