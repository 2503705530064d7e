"""Datasets of experiences: episodes, windows of K steps, dense observations.

A dataset is a folder that `bivouac generate`, `expand` or `import` wrote. `Experiences` opens it,
`Windows` is map-style (`len`, `[i]`), `Stream` is iterable and shuffles and shards. `expand` streams
the rows of a dataset of games, played again as they are read.
"""

from .experiences import Episode, Experiences
from .format import DatasetError, Format
from .layouts import LAYOUTS, Layout, dense, legal_actions, unpack_bits
from .rows import expand
from .windows import Stream, Windows

__all__ = [
    "LAYOUTS",
    "DatasetError",
    "Episode",
    "Experiences",
    "Format",
    "Layout",
    "Stream",
    "Windows",
    "dense",
    "expand",
    "legal_actions",
    "unpack_bits",
]
