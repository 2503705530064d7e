"""Live games of a `bivouac serve` over gRPC (needs `pip install bivouac[live]`).

>>> from bivouac.live import GameClient
>>> client = GameClient("grpc://127.0.0.1:50051")
>>> game = client.create(policies=["hunter"], pace="lockstep")
>>> seat = client.join(game.id, "ada")
>>> for board in seat.updates():
...     if board.is_over:
...         break
...     seat.submit(next(iter(board.legal_actions()), None), expected_tick=board.tick)

`Bot` plays a seat with an `act` method; `AsyncGameClient` is the same client for asyncio.
"""

from __future__ import annotations

from ..errors import needing

with needing("live"):
    from .aio import AsyncGameClient, AsyncSeat
    from .board import Board
    from .bot import Bot
    from .client import GameClient, Seat
    from .error import GameError
    from .protocol import Game

__all__ = ["AsyncGameClient", "AsyncSeat", "Board", "Bot", "Game", "GameClient", "GameError", "Seat"]
