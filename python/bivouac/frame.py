"""The rows of all agents after a step, as numpy arrays that show the engine's own memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _engine
from .data.format import Format
from .data.layouts import legal_actions

FIRST, TERMINATED, TRUNCATED, WON, ACTIVE = 1, 2, 4, 8, 32
"""Bits of the column `flags`."""

COMPACT = ("army", "planes", "action_mask", "owner")
SCORES = ("land", "army_total", "opp_land", "opp_army")


@dataclass(frozen=True)
class Form:
    """What all rows of an environment have in common."""

    envs: int
    seats: tuple[int, ...]
    """Seats that have rows and give actions: the agents."""
    format: Format
    layout: str | None

    @classmethod
    def of(cls, engine: _engine.Engine, layout: str | None) -> Form:
        """The form of an engine's rows."""
        form, names = engine.form(), _engine.names()
        masks = ("up", "down", "left", "right", "build")[: form["mask_planes"]]
        format = Format(
            height=form["height"],
            width=form["width"],
            planes=tuple(names["planes"]),
            masks=masks,
            plane_bytes=form["plane_bytes"],
            has_owners=form["has_owners"],
        )
        return cls(form["envs"], tuple(form["seats"]), format, layout)


class Frame:
    """The rows of one step, `[envs, agents, ...]`, looked at column by column.

    Arrays are read-only views of the engine's memory. They are valid, and never change, as long as
    somebody holds them: the engine writes its next rows elsewhere.
    """

    def __init__(self, raw: _engine.Frame, form: Form) -> None:
        self._raw = raw
        self.form = form

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        array = self.column(name)
        self.__dict__[name] = array
        return array

    def column(self, name: str) -> np.ndarray:
        """A column by its name, `[envs, agents, ...]`.

        Raises:
            InvalidArgument: these rows have no such column.
        """
        return np.asarray(self._raw.column(name))

    def observation(self, agent: int | None) -> Any:
        """What learners get: the dense layout, or the compact columns as a dict.

        Args:
            agent: number of an agent, for `[envs, ...]`; None for all, as `[envs * agents, ...]`.
        """
        if self.form.layout is not None:
            return self.of(self.column("observation"), agent)
        rows = {name: self.of(getattr(self, name), agent) for name in self.columns()}
        scores = [self.of(getattr(self, name), agent) for name in SCORES]
        rows["scoreboard"] = np.stack(scores, axis=-1)
        rows["size"] = self.of(self.size, agent)
        return rows

    def columns(self) -> tuple[str, ...]:
        """The compact columns that these rows have."""
        return COMPACT if self.form.format.has_owners else COMPACT[:3]

    def of(self, column: np.ndarray, agent: int | None) -> np.ndarray:
        """The rows of one agent, or of all of them one after the other."""
        if agent is not None:
            return column[:, agent]
        return column.reshape(-1, *column.shape[2:])

    def has(self, flag: int, agent: int | None) -> np.ndarray:
        """Whether rows have a flag: bool, `[envs]` or `[envs * agents]`."""
        return (self.of(self.flags, agent) & flag) != 0

    def legal(self, agent: int | None) -> np.ndarray:
        """Legal actions: bool, `[rows, n_actions]`. Passing is always legal."""
        return legal_actions(self.of(self.action_mask, agent), self.form.format)
