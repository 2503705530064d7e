"""Spaces of observations and actions."""

from __future__ import annotations

import copy

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space
from gymnasium.vector.utils import batch_space

from . import _engine
from .frame import Form

_CHANGES = {"land_change", "army_change", "opp_land_change", "opp_army_change"}
"""Channels of differences, which keep their sign."""


def action_space(form: Form) -> Discrete:
    """The flat actions of a board as large as the canvas."""
    return Discrete(form.format.n_actions)


def observation_space(form: Form) -> Space:
    """One agent's observation: the dense layout, or the compact columns."""
    format = form.format
    board = (format.height, format.width)
    if form.layout is not None:
        return dense_space(form.layout, board)
    packed = format.plane_bytes
    columns: dict[str, Space] = {
        "army": Box(0, 2**16 - 1, board, np.uint16),
        "planes": Box(0, 255, (len(format.planes), packed), np.uint8),
        "action_mask": Box(0, 255, (len(format.masks), packed), np.uint8),
        "scoreboard": Box(0, 2**32 - 1, (4,), np.uint32),
        "size": Box(0, 32, (2,), np.uint8),
    }
    if format.has_owners:
        columns["owner"] = Box(0, 255, board, np.uint8)
    return Dict(columns)


def dense_space(layout: str, board: tuple[int, int]) -> Box:
    """Observations of a dense layout, with the bounds of each channel."""
    channels = _engine.names()["layouts"][layout]
    # Units are scaled to 0..1 but for `generals-bots`, which has them as they are.
    highest = [np.inf if (layout, name) == ("generals-bots", "armies") else 1 for name in channels]
    lowest = [-1 if name in _CHANGES else 0 for name in channels]
    shape = (len(channels), *board)
    low, high = (
        np.broadcast_to(np.array(bounds, np.float32)[:, None, None], shape)
        for bounds in (lowest, highest)
    )
    return Box(low, high, dtype=np.float32)


def batched(space: Space, n: int) -> Space:
    """`n` of a space together, as Gymnasium's `batch_space` has it.

    The bounds of boxes are those of one, looked at `n` times: Gymnasium repeats them, 16 kB a game
    of two on 20x20 tiles.
    """
    if isinstance(space, Dict):
        return Dict({name: batched(each, n) for name, each in space.spaces.items()})
    if type(space) is not Box:
        return batch_space(space, n)
    many = copy.copy(space)
    many._shape = (n, *space.shape)
    for name in ("low", "high", "bounded_below", "bounded_above"):
        bounds = getattr(space, name)
        setattr(many, name, np.broadcast_to(bounds, many._shape))
    many._np_random = None
    return many
