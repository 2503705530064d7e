"""Bivouac: fog-of-war strategy games for reinforcement learning.

`bivouac.data` reads datasets with numpy, `bivouac.torch` hands them to PyTorch, and `GameClient` and
`Bot` play live games of a `bivouac serve` (see `bivouac.live`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .live import AsyncGameClient, Bot, GameClient

__version__ = "0.1.0"
__all__ = ["AsyncGameClient", "Bot", "GameClient"]


def __getattr__(name: str) -> Any:
    # Imported when it is asked for: reading datasets needs no gRPC.
    if name in __all__:
        from . import live

        return getattr(live, name)
    raise AttributeError(f"module 'bivouac' has no attribute {name!r}")
