"""Batches of experiences: record batches, or their columns as numpy arrays or torch tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from ..data import Format, dense, legal_actions
from ..errors import InvalidArgument

Kind = Literal["arrow", "numpy", "torch"]
"""What the rows of a batch are given as."""

OBSERVATION = ("army", "planes", "height", "width")
"""The columns that a dense observation is made of."""


SERVER_LAYOUTS = ("memory",)
"""Dense layouts that only a server encodes: they show what an agent saw before."""


@dataclass(frozen=True)
class Batch:
    """Rows of a stream, and where in it they are."""

    rows: Any
    """A `pyarrow.RecordBatch`, or a dict of numpy arrays or torch tensors by column; see
    `Decoder`."""
    num_rows: int
    """Rows in it."""
    seq: int
    """Rows that the server had made with the last one of this batch: the place to go on after."""
    dropped: int
    """Rows that were lost between the batch before and this one; 0 unless the stream is slow."""
    policy_version_min: int | None
    """The lowest version of a policy in it, where policies have versions."""
    policy_version_max: int | None
    """The highest."""
    endpoint: int
    """Which of the client's servers it came from."""
    run: str | None = None
    """The run of the server that `seq` is a number of; None for datasets, whose rows stay."""

    def __len__(self) -> int:
        """Rows in it."""
        return self.num_rows

    def __getitem__(self, column: str) -> Any:
        """A column: an Arrow array, a numpy array or a tensor."""
        return self.rows[column]

    def keys(self) -> Iterator[str]:
        """Names of the columns."""
        names = self.rows.schema.names if isinstance(self.rows, pa.RecordBatch) else self.rows
        return iter(names)


@dataclass(frozen=True)
class Decoder:
    """Turns record batches into what the user asked for.

    With `kind` "arrow" a record batch stays as it is. Otherwise each column becomes an array with
    the rows first; numbers keep their type and are not copied where Arrow has them in one piece.
    `army` is uint16 `[rows, height, width]`, `planes` uint8 `[rows, 9, plane_bytes]`, `action_mask`
    uint8 `[rows, 4 or 5, plane_bytes]`, `owner` uint8 `[rows, height, width]`, `policy` an array of
    names. With a dense layout `observation`, float32 `[rows, channels, height, width]`, stands in
    place of `army`, `planes` and `owner`, and `action_mask` is bool `[rows, n_actions]`.

    Tensors have the types that torch computes with: unsigned numbers become int64 (`army` int32),
    and `policy` is left out, since tensors hold no names.
    """

    kind: Kind
    layout: str | None
    format: Format
    device: Any = None

    def __call__(self, batch: pa.RecordBatch) -> Any:
        """The rows of a record batch."""
        if self.kind == "arrow":
            return batch
        if self.kind == "numpy":
            arrays = self._arrays(batch)
            return arrays if self.layout is None else self._dense(arrays)
        tensors = _tensors(self._arrays(batch), self.device)
        # Decoded where the tensors are, so that only compact bytes travel to a device.
        return tensors if self.layout is None else self._dense(tensors)

    def _arrays(self, batch: pa.RecordBatch) -> dict[str, np.ndarray]:
        form, names = self.format, batch.schema.names
        board = (form.height, form.width)
        shapes = {
            "army": ("<u2", board),
            "owner": ("u1", board),
            "planes": ("u1", (len(form.planes), form.plane_bytes)),
            "action_mask": ("u1", (len(form.masks), form.plane_bytes)),
        }
        out = {}
        for name in names:
            column = batch.column(name)
            if name in shapes:
                dtype, shape = shapes[name]
                out[name] = _fixed(column, dtype, shape)
            elif isinstance(column, pa.FixedShapeTensorArray):
                out[name] = column.to_numpy_ndarray()
            elif pa.types.is_dictionary(column.type):
                out[name] = np.array(column.dictionary.to_pylist())[column.indices.to_numpy()]
            else:
                out[name] = column.to_numpy(zero_copy_only=False)
        return out

    def _dense(self, columns: dict[str, Any]) -> dict[str, Any]:
        columns = dict(columns)
        if all(name in columns for name in OBSERVATION):
            army, planes = columns.pop("army"), columns.pop("planes")
            columns.pop("owner", None)
            height, width = columns["height"], columns["width"]
            if isinstance(height, np.ndarray):
                size = np.stack([height, width], -1)
            else:
                import torch

                size = torch.stack([height, width], -1)
            columns["observation"] = dense(army, planes, size, self.format, str(self.layout))
        if "action_mask" in columns:
            columns["action_mask"] = legal_actions(columns["action_mask"], self.format)
        return columns


def columns_for(columns: list[str] | None, layout: str | None) -> list[str] | None:
    """The columns to ask a server for: `observation` stands for those that it is made of.

    Raises:
        ValueError: `observation` is asked for without a layout.
    """
    if columns is None or "observation" not in columns:
        return columns
    if layout is None:
        raise InvalidArgument("columns: 'observation' needs a layout, such as layout='durbin9'")
    wanted = [name for name in columns if name != "observation"]
    return wanted + [name for name in OBSERVATION if name not in wanted]


def _fixed(column: pa.Array, dtype: str, shape: tuple[int, int]) -> np.ndarray:
    """A column of flat bytes as `[rows, *shape]`, without a copy."""
    bytes_a_row = column.type.byte_width
    values = np.frombuffer(column.buffers()[1] or b"", "u1")
    values = values[column.offset * bytes_a_row : (column.offset + len(column)) * bytes_a_row]
    return values.view(dtype).reshape(len(column), *shape)


def _tensors(arrays: dict[str, np.ndarray], device: Any) -> dict[str, Any]:
    import torch

    signed = {"u2": "i4", "u4": "i8", "u8": "i8"}
    out = {}
    for name, values in arrays.items():
        if values.dtype.kind not in "biuf":
            continue
        kind = values.dtype.str[1:]
        # A tensor over memory that Arrow shares could be written to.
        values = values.astype(signed[kind]) if kind in signed else values.copy()
        out[name] = torch.from_numpy(values).to(device)
    return out
