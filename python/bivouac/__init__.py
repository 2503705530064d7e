"""Bivouac: fog-of-war strategy games for reinforcement learning.

`bivouac.data` reads datasets with numpy, `bivouac.torch` hands them to PyTorch, and `connect` opens
a client of a `bivouac serve` (see `bivouac.client`). `RemoteVectorEnv` plays games on such a server,
`GameClient` and `Bot` its live games (see `bivouac.live`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .client import Client, connect
    from .live import AsyncGameClient, Bot, GameClient
    from .remote import RemoteVectorEnv

__version__ = "0.1.0"
__all__ = ["AsyncGameClient", "Bot", "Client", "GameClient", "RemoteVectorEnv", "connect"]

_LIVE = {"AsyncGameClient", "Bot", "GameClient"}


def __getattr__(name: str) -> Any:
    # Imported when it is asked for: reading datasets needs neither gRPC nor Gymnasium.
    if name == "RemoteVectorEnv":
        from .remote import RemoteVectorEnv

        return RemoteVectorEnv
    if name in _LIVE:
        from . import live

        return getattr(live, name)
    if name in __all__:
        from . import client

        return getattr(client, name)
    raise AttributeError(f"module 'bivouac' has no attribute {name!r}")
