"""Bivouac: fog-of-war strategy games for reinforcement learning, at the speed of the engine.

`make_vec` makes vector environments (`VectorEnv`, Gymnasium), `ParallelEnv` is one game for
PettingZoo. `bivouac.data` reads datasets with numpy, `bivouac.torch` hands them to PyTorch.
`connect` opens a client of a `bivouac serve` (see `bivouac.client`), and `RemoteVectorEnv` plays
games on such a server. `GameClient` and `Bot` play live games there (see `bivouac.live`).

    import bivouac

    envs = bivouac.make_vec("generals", num_envs=1024, size=(8, 8), opponents="expander")
    observations, infos = envs.reset(seed=1)

Importing this module is quick: what needs Gymnasium, PettingZoo, Flight, gRPC or the engine is imported
when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import BivouacError, EngineError, InvalidArgument, InvalidState, MissingPackage

if TYPE_CHECKING:
    from ._engine import Game, Snapshot
    from .client import Client, connect
    from .client.memory import keep_memory
    from .games import games_table, read_games, write_games
    from .live import AsyncGameClient, Bot, GameClient
    from .names import REFUSALS
    from .parallel import ParallelEnv
    from .remote import RemoteVectorEnv
    from .render import save_gif, save_html
    from .vector import VectorEnv, make_vec

__version__ = "0.1.0"

__all__ = [
    "AsyncGameClient",
    "BivouacError",
    "Bot",
    "Client",
    "EngineError",
    "Game",
    "GameClient",
    "InvalidArgument",
    "InvalidState",
    "MissingPackage",
    "ParallelEnv",
    "REFUSALS",
    "RemoteVectorEnv",
    "Snapshot",
    "VectorEnv",
    "connect",
    "games_table",
    "keep_memory",
    "make_vec",
    "read_games",
    "save_gif",
    "save_html",
    "write_games",
]

_HOMES = {
    "REFUSALS": "names",
    "VectorEnv": "vector",
    "make_vec": "vector",
    "ParallelEnv": "parallel",
    "Client": "client",
    "connect": "client",
    "keep_memory": "client.memory",
    "RemoteVectorEnv": "remote",
    "AsyncGameClient": "live",
    "Bot": "live",
    "GameClient": "live",
    "Game": "_engine",
    "Snapshot": "_engine",
    "games_table": "games",
    "read_games": "games",
    "save_gif": "render",
    "save_html": "render",
    "write_games": "games",
}


_MODULES = ("data", "names", "render")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'bivouac' has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
