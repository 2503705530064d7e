"""What the rows of a dataset look like, from the metadata of its columns."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pyarrow as pa

from ..errors import InvalidArgument

SCHEMA_VERSION = 1


class DatasetError(InvalidArgument):
    """A folder or file is not a dataset that this version reads."""


@dataclass(frozen=True)
class Format:
    """The canvas and the planes that all rows of a dataset share."""

    height: int
    """Rows of tiles that every board is padded to."""
    width: int
    """Columns of tiles that every board is padded to."""
    planes: tuple[str, ...]
    """Names of the bit planes, in their order."""
    masks: tuple[str, ...]
    """Names of the planes of the action mask: four directions, and `build` where there is one."""
    plane_bytes: int
    """Bytes of one packed plane."""
    has_owners: bool
    """Whether rows have an owner plane (games of more than two players)."""
    layout: str | None = None
    """The dense layout of the column `observation`; None where planes are compact."""
    channels: tuple[str, ...] = ()
    """Channels of a dense observation; none where planes are compact."""

    @property
    def n_actions(self) -> int:
        """Actions: 8 for each tile, pass, and one more for each tile where there are builds."""
        tiles = self.height * self.width
        return 8 * tiles + 1 + (tiles if len(self.masks) > 4 else 0)

    @property
    def pass_action(self) -> int:
        """The action that does nothing."""
        return 8 * self.height * self.width

    @classmethod
    def of(cls, schema: pa.Schema, kind: str = "experiences") -> Format:
        """Reads the format of a table of experiences, or of the rows of environments (`"env"`).

        Raises:
            DatasetError: the schema is not that of experiences, or of another version.
        """
        table = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
        if table.get("bivouac.kind") != kind:
            found = table.get("bivouac.kind")
            raise DatasetError(
                f"kind is {found!r}, not {kind!r}: use `bivouac expand` on a dataset of games"
            )
        if table.get("bivouac.schema_version") != str(SCHEMA_VERSION):
            found = table.get("bivouac.schema_version")
            raise DatasetError(f"schema version is {found}, only {SCHEMA_VERSION} is known")
        about = {
            name: {k.decode(): v.decode() for k, v in (schema.field(name).metadata or {}).items()}
            for name in ("army", "planes", "action_mask", "observation")
            if name in schema.names
        }
        masks = tuple(about["action_mask"]["channels"].split(","))
        if "observation" in about:
            _, height, width = json.loads(about["observation"]["shape"])
            return cls(
                height=height,
                width=width,
                planes=(),
                masks=masks,
                plane_bytes=json.loads(about["action_mask"]["packed_shape"])[1],
                has_owners=False,
                layout=about["observation"]["layout"],
                channels=tuple(about["observation"]["channels"].split(",")),
            )
        height, width = json.loads(about["army"]["shape"])
        return cls(
            height=height,
            width=width,
            planes=tuple(about["planes"]["channels"].split(",")),
            masks=masks,
            plane_bytes=json.loads(about["planes"]["packed_shape"])[1],
            has_owners="owner" in schema.names,
        )
