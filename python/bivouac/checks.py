"""Checks of arguments that all of the package shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import InvalidArgument


def check(name: str, value: Any, low: int, high: int) -> int:
    """A whole number in a range.

    Raises:
        InvalidArgument: it is none; the message names the argument.
    """
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        raise InvalidArgument(f"{name} {value!r}: give a whole number from {low} to {high}")
    return int(value)


def sides(size: Any, name: str) -> tuple[int, int]:
    """Height and width of a board, from one number for both or from two."""
    both = (size, size) if isinstance(size, (int, np.integer)) else size
    if isinstance(both, str) or not isinstance(both, Sequence) or len(both) != 2:
        raise InvalidArgument(f"{name} {size!r}: give a number or (height, width)")
    height, width = (check(name, side, 1, 32) for side in both)
    return height, width
