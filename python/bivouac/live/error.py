"""Why the server refused something."""

from __future__ import annotations

import grpc

from ..errors import BivouacError


class GameError(BivouacError):
    """A refusal: `reason` for programs (such as "WRONG_TICK"), the message for people."""

    def __init__(self, reason: str, message: str, code: grpc.StatusCode | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code

    @classmethod
    def of(cls, error: grpc.RpcError) -> "GameError":
        """The refusal behind an error of gRPC; its code, such as "DEADLINE_EXCEEDED", is the reason
        if no server gave one."""
        metadata = dict(error.trailing_metadata() or ())
        metadata.update(error.initial_metadata() or ())
        code = error.code()
        reason = metadata.get("bivouac-reason", code.name)
        return cls(str(reason), error.details() or code.name, code)

    @classmethod
    def cut_off(cls) -> "GameError":
        """A stream that ended before its game."""
        message = "the stream ended before the game: the server went away"
        return cls("UNAVAILABLE", message, grpc.StatusCode.UNAVAILABLE)

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed on another connection."""
        return self.code == grpc.StatusCode.UNAVAILABLE
