"""The exceptions of the environments: one tree, `BivouacError`."""

from __future__ import annotations


class BivouacError(Exception):
    """Something that this package refused or failed to do."""


class InvalidArgument(BivouacError, ValueError):
    """An argument is not what it has to be; the message names it and what to give instead."""


class InvalidState(BivouacError, RuntimeError):
    """The object is in no state for this call: a step is under way, it is closed, or forked."""


class EngineError(BivouacError, RuntimeError):
    """The engine failed; its environments cannot be used any more."""
