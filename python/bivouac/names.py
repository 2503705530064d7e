"""Names of what the engine knows by number or by name."""

from __future__ import annotations

from . import _engine

_NAMES = _engine.names()

REFUSALS: tuple[str, ...] = tuple(_NAMES["refusals"])
"""Why an action is played as a pass, by the number in `infos["refused"]`; number 0 is no reason."""

POLICIES: tuple[str, ...] = tuple(_NAMES["policies"])
"""Built-in policies; `external` is whoever calls `step`."""

RULESETS: tuple[str, ...] = tuple(_NAMES["rulesets"])
"""Rulesets that have a name."""

PLANES: tuple[str, ...] = tuple(_NAMES["planes"])
"""Bit planes of the column `planes`, in their order."""

LAYOUTS: dict[str, tuple[str, ...]] = {
    name: tuple(channels) for name, channels in _NAMES["layouts"].items()
}
"""Channels of each dense layout, in their order."""
