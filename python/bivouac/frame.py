"""The rows of all agents after a step, as numpy arrays that show the engine's own memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _engine
from .data.format import Format
from .data.layouts import legal_actions
from .errors import InvalidArgument, UnknownColumn

if TYPE_CHECKING:
    import pyarrow as pa

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
    somebody holds them: the engine writes its next rows elsewhere. DLPack hands the same memory on,
    marked read-only; PyTorch does not look at the mark, so make tensors that are written to with
    `bivouac.torch.tensor`, which copies.

    | column | dtype | shape after `[envs, agents]` | what it is |
    |---|---|---|---|
    | `army` | uint16 | `[height, width]` | units on each seen tile, 65535 at most |
    | `planes` | uint8 | `[9, plane_bytes]` | bit planes, see `bivouac.data.layouts` |
    | `action_mask` | uint8 | `[4 or 5, plane_bytes]` | sources of legal moves by direction, and builds |
    | `owner` | uint8 | `[height, width]` | of seen tiles: seats after the viewer, 255 for nobody (more than two players) |
    | `observation` | float32 | `[channels, height, width]` | the dense layout, if there is one |
    | `episode_id`, `step` | uint64, uint32 | | the episode, and its tick |
    | `action`, `reward` | int32, float32 | | what led here, and what it earned |
    | `flags` | uint8 | | bits: `FIRST`, `TERMINATED`, `TRUNCATED`, `WON`, `ACTIVE` |
    | `refused` | uint8 | | why the action was played as a pass: a number of `bivouac.REFUSALS` |
    | `size` | uint8 | `[2]` | height and width of the board |
    | `land`, `army_total`, `opp_land`, `opp_army` | uint32 | | the scoreboard |

    The row of an agent that is out of its game while others play on, or whose game waits for a
    reset, is not `ACTIVE`: it shows what the agent saw last, with reward 0 and no legal action but
    to pass, until the next episode begins.
    """

    def __init__(self, raw: _engine.Frame, form: Form) -> None:
        self._raw = raw
        self.form = form

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            array = self.column(name)
        except InvalidArgument as error:
            raise UnknownColumn(str(error)) from None
        self.__dict__[name] = array
        return array

    def column(self, name: str) -> np.ndarray:
        """A column by its name, `[envs, agents, ...]`.

        Raises:
            InvalidArgument: these rows have no such column.
        """
        return np.asarray(self._raw.column(name))

    def to_arrow(self) -> pa.RecordBatch:
        """All rows as a record batch, `envs * agents` long, with the columns of a dataset.

        Numbers and bytes are the engine's memory itself, without a copy; `agent_id`, `terminated`,
        `truncated`, `is_first`, `height` and `width` are made anew. A row has `army`, `planes` and `action_mask` (and
        `owner`, and with a layout `observation`) as bytes, of which `dtype` and `shape` are in the
        metadata of the field.
        """
        import pyarrow as pa

        arrays, fields = [], []
        for name in self._arrow_columns():
            column = self.of(self.column(name), None)
            array, about = _arrow(column)
            arrays.append(array)
            fields.append(pa.field(name, array.type, nullable=False, metadata=about))
        agents = np.tile(np.array(self.form.seats, dtype=np.uint8), self.form.envs)
        flags = {"terminated": TERMINATED, "truncated": TRUNCATED, "is_first": FIRST}
        bits = {name: self.has(flag, None) for name, flag in flags.items()}
        height, width = self.of(self.size, None).T
        for name, values in {"agent_id": agents, **bits, "height": height, "width": width}.items():
            arrays.append(pa.array(values))
            fields.append(pa.field(name, arrays[-1].type, nullable=False))
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        """What libraries ask for that take Arrow data (PyCapsule interface); see `to_arrow`."""
        return self.to_arrow().__arrow_c_array__(requested_schema)

    def _arrow_columns(self) -> list[str]:
        dense = ["observation"] if self.form.layout is not None else []
        return ["episode_id", "step", *self.columns(), *dense, "action", "reward", *SCORES]

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
        """Whether rows have a flag: bool, `[envs]` or `[envs * agents]`.

        An episode ends in one row: those of an agent that waits for the next one have no end.
        """
        flags = self.of(self.flags, agent)
        if flag in (TERMINATED, TRUNCATED):
            flag |= ACTIVE
        return (flags & flag) == flag

    def legal(self, agent: int | None) -> np.ndarray:
        """Legal actions: bool, `[rows, n_actions]`. Passing is always legal."""
        return legal_actions(self.of(self.action_mask, agent), self.form.format)


def _arrow(column: np.ndarray) -> tuple[pa.Array, dict[str, str]]:
    """Rows as an Arrow array of the same memory, and what their bytes are."""
    import pyarrow as pa

    # The buffer holds the array, and the array holds the engine's memory.
    memory = pa.py_buffer(column)
    if column.ndim == 1:
        kind = pa.from_numpy_dtype(column.dtype)
        return pa.Array.from_buffers(kind, len(column), [None, memory]), {}
    kind = pa.binary(column.dtype.itemsize * int(np.prod(column.shape[1:])))
    shape = json.dumps(column.shape[1:], separators=(",", ":"))
    about = {"dtype": column.dtype.name, "byte_order": "little", "shape": shape}
    return pa.Array.from_buffers(kind, len(column), [None, memory]), about
