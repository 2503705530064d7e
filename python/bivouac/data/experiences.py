"""A dataset of experiences as agents' episodes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import UnknownName
from .format import DatasetError, Format
from .layouts import LAYOUTS, dense, legal_actions

SCALARS = {
    "step": np.int64,
    "action": np.int64,
    "reward": np.float32,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "is_first": np.bool_,
    "is_last": np.bool_,
}
"""Columns that every sample has, with their types."""


TOLD = [
    "episode_id",
    "agent_id",
    "policy",
    "length",
    "return",
    "won",
    "end",
    "file",
    "row_group",
    "row",
]
"""Columns of `meta/episodes` that are kept."""


@dataclass(frozen=True)
class Episode:
    """One agent's episode: who, how it went, and where its rows are."""

    episode_id: int
    agent_id: int
    policy: str
    length: int
    """Actions; there is one row more."""
    sum_of_rewards: float
    won: bool
    end: str
    """`won`, `lost`, `draw` or `truncated`."""
    file: str
    row_group: int
    row: int
    """First row within the row group."""


class Experiences:
    """A folder of experiences.

    Only `meta/episodes` is read when it is opened. Row groups are read as they are asked for; the
    last ones stay in memory, so that reading episodes in their order reads each row group once.
    """

    def __init__(self, root: str | Path, cached_row_groups: int = 2) -> None:
        """Opens a dataset.

        Args:
            root: its folder.
            cached_row_groups: row groups that stay in memory, about 70 MB each.

        Raises:
            DatasetError: the folder holds no experiences, or of a version that is not known.
        """
        self.root = Path(root)
        paths = sorted((self.root / "meta/episodes").rglob("*.parquet"))
        if not paths:
            raise DatasetError(f"{self.root}: no Parquet files in meta/episodes: is it a dataset?")
        table = pa.concat_tables(
            [pq.read_table(path, columns=TOLD) for path in paths], promote_options="permissive"
        )
        self._told = _in_row_groups(table)
        data = sorted((self.root / "data").rglob("[!.]*.parquet"))
        if not data:
            raise DatasetError(f"{self.root}: no Parquet files in data: is it a dataset?")
        self.format = Format.of(pq.read_schema(data[0]))
        self._row_group = lru_cache(maxsize=cached_row_groups)(self._read_row_group)

    def __len__(self) -> int:
        """Agents' episodes."""
        return len(self._told["length"])

    @property
    def lengths(self) -> np.ndarray:
        """Actions of each agent's episode: int64 `[len(self)]`."""
        return self._told["length"]

    def __getstate__(self) -> dict[str, Any]:
        # Row groups in memory stay where they are; a worker process reads its own.
        state = self.__dict__.copy()
        state["_row_group"] = self._row_group.cache_parameters()["maxsize"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._row_group = lru_cache(maxsize=state["_row_group"])(self._read_row_group)

    @property
    def layouts(self) -> list[str]:
        """Names of the dense layouts that observations can be decoded to."""
        return sorted(LAYOUTS) if self.format.layout is None else [self.format.layout]

    @property
    def info(self) -> dict[str, Any]:
        """`meta/info.json`."""
        return json.loads((self.root / "meta/info.json").read_text())

    def about(self, index: int) -> Episode:
        """What `meta/episodes` tells of an episode, without reading its rows."""
        told = {name: _value(column, index) for name, column in self._told.items()}
        return Episode(sum_of_rewards=told.pop("return"), **told)

    def row_groups(self) -> list[range]:
        """Indexes of the episodes in each row group, in the order of the dataset."""
        ends = [*_begins(self._told)[1:], len(self)] if len(self) else []
        return [range(*pair) for pair in zip([0, *ends], ends)]

    def episode(self, index: int, layout: str | None = None) -> dict[str, np.ndarray]:
        """All T + 1 rows of an agent's episode.

        Args:
            index: from 0 to `len(self) - 1`.
            layout: a dense layout, or None for compact planes.

        Returns:
            See `rows`.
        """
        return self.rows(index, 0, int(self.lengths[index]) + 1, layout)

    def rows(
        self, index: int, start: int, stop: int, layout: str | None = None
    ) -> dict[str, np.ndarray]:
        """Rows `start` to `stop` (not included) of an agent's episode, by name.

        `step`, `action` (-1 in the last row), `reward`, `terminated`, `truncated`, `is_first`,
        `is_last`: `[rows]`. With a dense layout, `observation`: float32
        `[rows, channels, height, width]` and `action_mask`: bool `[rows, n_actions]`. Without one,
        `army`: int32 `[rows, height, width]`, `planes`: uint8 `[rows, 9, plane_bytes]`,
        `action_mask`: uint8 `[rows, 4 or 5, plane_bytes]`, `size`: uint8 `[rows, 2]`, and `owner`:
        uint8 `[rows, height, width]` where there are more than two players.

        A dataset that was written with a dense layout has that one alone, and needs no name for it.

        Raises:
            UnknownName: there is no such layout, or the dataset was written with another.
        """
        told, form = self._told, self.format
        if form.layout is not None and layout not in (None, form.layout):
            raise UnknownName(f"layout {layout!r} is not in {self.root}: it was written as {form.layout!r}")
        group = self._row_group(_value(told["file"], index), int(told["row_group"][index]))
        row = int(told["row"][index])
        at = slice(row + start, row + stop)
        out = {name: group[name][at].astype(kind) for name, kind in SCALARS.items()}
        mask = group["action_mask"][at].reshape(-1, len(form.masks), form.plane_bytes)
        if form.layout is not None:
            shape = (-1, len(form.channels), form.height, form.width)
            out["observation"] = group["observation"][at].reshape(shape)
            out["action_mask"] = legal_actions(mask, form)
            return out
        size = np.stack([group["height"][at], group["width"][at]], -1)
        exact = group["army_exact"][at] if "army_exact" in group else ()
        army = _exact(group["army"][at].reshape(-1, form.height, form.width), exact)
        planes = group["planes"][at].reshape(-1, len(form.planes), form.plane_bytes)
        if layout is not None:
            out["observation"] = dense(army, planes, size, form, layout)
            out["action_mask"] = legal_actions(mask, form)
            return out
        out.update(army=army, planes=planes, action_mask=mask, size=size)
        if form.has_owners:
            out["owner"] = group["owner"][at].reshape(-1, form.height, form.width)
        return out

    def _read_row_group(self, file: str, row_group: int) -> dict[str, np.ndarray]:
        if self.format.layout is None:
            wide = {"army": "<u2", "planes": "u1", "action_mask": "u1"}
        else:
            wide = {"observation": "<f4", "action_mask": "u1"}
        if self.format.has_owners:
            wide["owner"] = "u1"
        names = [*SCALARS, "height", "width", *wide]
        if self.format.layout is None:
            names.append("army_exact")
        table = pq.ParquetFile(self.root / file).read_row_group(row_group, columns=names)
        out: dict[str, np.ndarray] = {}
        for name in names:
            column = table[name].combine_chunks()
            if name in wide:
                out[name] = _bytes(column, wide[name])
            elif name == "army_exact":
                # Armies beyond 16 bits are rare, and then the column is all there is to read.
                if column.null_count < len(column):
                    out[name] = column.to_numpy(zero_copy_only=False)
            else:
                out[name] = column.to_numpy(zero_copy_only=False)
        return out


def _bytes(column: pa.FixedSizeBinaryArray, dtype: str) -> np.ndarray:
    """A column of flat bytes as `[rows, items]`, without a copy."""
    items = column.type.byte_width // np.dtype(dtype).itemsize
    values = np.frombuffer(column.buffers()[1], dtype)
    return values[column.offset * items : (column.offset + len(column)) * items].reshape(-1, items)


def _exact(army: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Armies `[rows, height, width]` with those that 16 bits do not hold as they are."""
    army = army.astype(np.int32)
    for row, units in enumerate(exact):
        if units is not None:
            army[row] = np.frombuffer(units, "<i4").reshape(army.shape[1:])
    return army


def _in_row_groups(table: pa.Table) -> dict[str, Any]:
    """The columns of `meta/episodes`, with first rows counted within their row groups.

    Numbers are arrays; texts, of which there are few, are Arrow's dictionaries of them. So a million
    episodes are some 50 bytes each, and no object each.
    """
    told: dict[str, Any] = {}
    for name in TOLD:
        column = table[name].combine_chunks()
        if name in ("policy", "end", "file"):
            column = column.cast(pa.string()).dictionary_encode()
            told[name] = (column.indices.to_numpy(), column.dictionary.to_pylist())
        else:
            told[name] = column.to_numpy(zero_copy_only=False)
    for name in ("length", "row"):
        told[name] = told[name].astype(np.int64)
    begins = _begins(told)
    counts = np.diff([*begins, table.num_rows]) if table.num_rows else np.zeros(0, np.int64)
    told["row"] = told["row"] - np.repeat(told["row"][begins], counts)
    return told


def _begins(told: dict[str, Any]) -> np.ndarray:
    """Index of the first episode of each row group."""
    files, groups = told["file"][0], told["row_group"]
    if not len(groups):
        return np.zeros(0, np.int64)
    changes = (files[1:] != files[:-1]) | (groups[1:] != groups[:-1])
    return np.concatenate([[0], 1 + np.flatnonzero(changes)])


def _value(column: Any, index: int) -> Any:
    """One value of a column of `_in_row_groups`, as Python has it."""
    if isinstance(column, tuple):
        indices, values = column
        return values[indices[index]]
    return column[index].item()
