"""Arguments of environments: checked, and in the form that the engine takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from .checks import check
from .errors import InvalidArgument

Player = Callable[[Any, np.ndarray], Any]
"""A function from observations `[num_envs, ...]` and legal actions (bool `[num_envs, n_actions]`) to
actions `[num_envs]`."""

Opponent = str | Player
"""A built-in policy by name, or a function."""

MODES = {
    "next_step": AutoresetMode.NEXT_STEP,
    "same_step": AutoresetMode.SAME_STEP,
    "disabled": AutoresetMode.DISABLED,
}
"""Modes of autoreset by the names that the engine has for them."""


def autoreset_mode(autoreset: str | AutoresetMode) -> AutoresetMode:
    """A mode of autoreset by its name."""
    if isinstance(autoreset, AutoresetMode):
        return autoreset
    by_name = MODES | {mode.value: mode for mode in AutoresetMode}
    if autoreset not in by_name:
        raise InvalidArgument(f"autoreset {autoreset!r}: use one of {sorted(MODES)}")
    return by_name[autoreset]


def mode_name(mode: AutoresetMode) -> str:
    """The engine's name of a mode."""
    return next(name for name, its in MODES.items() if its is mode)


def seeds(seed: Any) -> int | list[int]:
    """One seed for all games, or one for each."""
    is_one = isinstance(seed, (int, np.integer))
    if not is_one and (isinstance(seed, str) or not hasattr(seed, "__iter__")):
        raise InvalidArgument(f"seed {seed!r}: give a whole number, or one for each game")
    each = [check("seed", value, 0, 2**64 - 1) for value in ([seed] if is_one else seed)]
    return each[0] if is_one else each


def games(chosen: Sequence[int] | None, num_games: int) -> list[int]:
    """Numbers of games; None stands for all."""
    if chosen is None:
        return list(range(num_games))
    for game in chosen:
        if not isinstance(game, (int, np.integer)) or not 0 <= game < num_games:
            raise InvalidArgument(
                f"games: environment {game!r} does not exist: give 0 to {num_games - 1}"
            )
    return [int(game) for game in chosen]


def numbers(actions: Any, count: int, whose: str) -> np.ndarray:
    """Actions as the engine takes them, int32 `[count]`.

    Raises:
        InvalidArgument: they are not one whole number for each; the message says `whose` they are.
    """
    try:
        given = np.asarray(actions)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidArgument(f"{whose}: no array of numbers: {error}") from error
    if given.shape != (count,):
        raise InvalidArgument(f"{whose} {given.shape}: give one for each, ({count},)")
    if given.dtype.kind not in "iu":
        raise InvalidArgument(f"{whose} of {given.dtype}: give whole numbers")
    # A number that does not fit stays one that is out of range.
    if given.dtype.kind == "u":
        given = np.minimum(given, 2**31 - 1)
    return np.clip(given.astype(np.int64), -2, 2**31 - 1).astype("<i4")


def players(
    opponents: Opponent | Sequence[Opponent] | None,
    policies: Sequence[str],
    seat: int | None,
    count: int,
) -> tuple[dict[int, Player], list[str]]:
    """Functions by seat, and the policy of each seat.

    Raises:
        InvalidArgument: `policies` say who plays, and so do `opponents`.
    """
    if policies:
        if opponents is not None:
            raise InvalidArgument(
                "opponents and policies: both say who plays the other seats: give one of them"
            )
        return {}, list(policies)
    if seat is None:
        return {}, ["external"] * count
    if opponents is None:
        opponents = "expander"
    one = isinstance(opponents, str) or callable(opponents)
    each = [opponents] * count if one else list(opponents)
    if len(each) == count - 1:
        each.insert(seat, "external")
    if len(each) != count:
        raise InvalidArgument(f"opponents has {len(each)} entries: give {count - 1}")
    for who in each:
        if not isinstance(who, str) and not callable(who):
            raise InvalidArgument(f"opponents {who!r}: give names of policies, or functions")
    functions = {s: who for s, who in enumerate(each) if callable(who) and s != seat}
    names = [who if isinstance(who, str) and s != seat else "external" for s, who in enumerate(each)]
    return functions, names
