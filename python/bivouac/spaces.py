"""Spaces of observations and actions."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space

from . import _engine
from .frame import Form


def action_space(form: Form) -> Discrete:
    """The flat actions of a board as large as the canvas."""
    return Discrete(form.format.n_actions)


def observation_space(form: Form) -> Space:
    """One agent's observation: the dense layout, or the compact columns."""
    format = form.format
    board = (format.height, format.width)
    if form.layout is not None:
        channels = len(_engine.names()["layouts"][form.layout])
        return Box(0.0 if form.layout != "memory" else -np.inf, np.inf, (channels, *board))
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
