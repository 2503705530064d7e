"""The exceptions of the package: one tree, `BivouacError`.

Those of a server are in `bivouac.client.errors`, those of live games in `bivouac.live.error`; they
belong to the tree too. Each has the built-in exception as a second base that a caller would expect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class BivouacError(Exception):
    """Something that this package refused or failed to do."""


class InvalidArgument(BivouacError, ValueError):
    """An argument is not what it has to be; the message names it and what to give instead."""


class UnknownName(InvalidArgument, KeyError):
    """There is nothing of this name; the message says what there is."""

    def __str__(self) -> str:
        # A KeyError shows its message in quotes.
        return ValueError.__str__(self)


class OutOfRange(InvalidArgument, IndexError):
    """There is nothing at this place; the message says how many there are."""


class UnknownColumn(InvalidArgument, AttributeError):
    """Rows have no such column."""


class InvalidState(BivouacError, RuntimeError):
    """The object is in no state for this call: a step is under way, it is closed, or forked."""


class EngineError(BivouacError, RuntimeError):
    """The engine failed; its environments cannot be used any more."""


class MissingPackage(BivouacError, ImportError):
    """Something needs a package that is not installed; the message says how to install it."""


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Around imports that need an extra of this package.

    Raises:
        MissingPackage: one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        # What is missing inside of a package that is there is another's fault.
        if error.name is None or error.name.startswith("bivouac"):
            raise
        told = f'{error.name} is not installed: pip install "bivouac[{extra}]"'
        raise MissingPackage(told, name=error.name) from error
