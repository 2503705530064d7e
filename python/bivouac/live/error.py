"""Why the server refused something."""

from __future__ import annotations

import grpc


class GameError(Exception):
    """A refusal: `reason` for programs (such as "WRONG_TICK"), the message for people."""

    def __init__(self, reason: str, message: str, code: grpc.StatusCode | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.code = code

    @classmethod
    def of(cls, error: grpc.RpcError) -> "GameError":
        """The refusal behind an error of gRPC; "UNAVAILABLE" if the server gave no reason."""
        metadata = dict(error.trailing_metadata() or ())
        metadata.update(error.initial_metadata() or ())
        reason = metadata.get("bivouac-reason", "UNAVAILABLE")
        return cls(str(reason), error.details() or str(error.code()), error.code())

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed on another connection."""
        return self.code == grpc.StatusCode.UNAVAILABLE
