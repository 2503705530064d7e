"""What environments play: the keyword arguments that all environments share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import _engine
from .checks import check, sides
from .errors import InvalidArgument

Size = int | tuple[int, int] | str
"""Height and width of a board, one number for both, or `random`."""


@dataclass(frozen=True, kw_only=True)
class GameSpec:
    """What an environment plays from its next episode on.

    Attributes:
        ruleset: `generals`, `generals-classic`, `generals-bots`, `competition`, or a `.toml` file.
        size: height and width, 1 to 32 each; one number for both; `random` for each map its own; None
            as the ruleset has it: 20, and `random` for `competition`.
        players: number of seats, 1 to 16.
        teams: team of each seat; None for each player against all others.
        map: a map file instead of generated maps.
        map_pool: maps made beforehand, of which each episode draws one; 0 makes a new map each
            time, which costs about as much as 100 ticks.
        map_seed: which maps a `map_pool` has; the same ones whatever the seed of the episodes, so
            give training and evaluation different ones.
        mountains, cities: smallest and largest share of mountains in percent, and number of
            cities; None as the ruleset has it.
        max_ticks: tick at which a game is cut off (`truncated`), counted from its start; None as the
            ruleset has it: 1000, and 1200 for `competition`.
        fog: whether players see only what is near their land.
        policies: who plays each seat: `external` (whoever calls `step`), `random`, `expander`,
            `hunter`.
        game: a recorded game to begin in, at `tick`; its ruleset and fog are those of the episode.
    """

    ruleset: str = "generals"
    size: Size | None = None
    players: int = 2
    teams: Sequence[int] | None = None
    map: str | Path | None = None
    map_pool: int = 0
    map_seed: int = 0
    mountains: tuple[int, int] | None = None
    cities: tuple[int, int] | None = None
    max_ticks: int | None = None
    fog: bool = True
    policies: Sequence[str] = ()
    game: _engine.Game | None = None
    tick: int = 0

    def changed(self, changes: dict[str, Any]) -> GameSpec:
        """The same with some attributes changed.

        Raises:
            InvalidArgument: there is no such attribute.
        """
        try:
            return replace(self, **changes)
        except TypeError as error:
            known = ", ".join(self.__dataclass_fields__)
            raise InvalidArgument(f"{error}: use {known}") from None

    def built(self) -> _engine.EnvSpec:
        """The engine's form of it.

        Raises:
            InvalidArgument: an attribute that nothing can be played with.
        """
        check("players", self.players, 1, 16)
        teams = list(range(self.players)) if self.teams is None else list(self.teams)
        if self.max_ticks is not None:
            check("max_ticks", self.max_ticks, 1, 2**32 - 1)
        check("map_pool", self.map_pool, 0, 2**24)
        check("map_seed", self.map_seed, 0, 2**64 - 1)
        check("tick", self.tick, 0, 2**32 - 1)
        for team in teams:
            check("teams", team, 0, 255)
        return _engine.EnvSpec(
            ruleset=text_of(self.ruleset, "ruleset"),
            size=_sides(self.size),
            teams=teams,
            map=None if self.map is None else _read(self.map, "map"),
            pool=(self.map_seed, self.map_pool) if self.map_pool else None,
            mountains=_span("mountains", self.mountains),
            cities=_span("cities", self.cities),
            max_ticks=self.max_ticks,
            fog=self.fog,
            policies=list(self.policies),
            game=self.game,
            tick=self.tick,
        )


def text_of(name: str, argument: str) -> str:
    """A name, or the text of the `.toml` file that it names."""
    return _read(name, argument) if str(name).endswith(".toml") else str(name)


def _read(path: str | Path, argument: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidArgument(f"{argument} {path}: {error.strerror}") from None


def _span(name: str, span: tuple[int, int] | None) -> tuple[int, int] | None:
    if span is None:
        return None
    if isinstance(span, str) or not isinstance(span, Sequence) or len(span) != 2:
        raise InvalidArgument(f"{name} {span!r}: give (smallest, largest) or None")
    smallest, largest = (check(name, value, 0, 2**16 - 1) for value in span)
    return smallest, largest


def _sides(size: Size | None) -> tuple[int, int] | str | None:
    if size is None:
        return None
    if size == "random":
        return "random"
    if isinstance(size, str):
        raise InvalidArgument(f"size {size!r}: give a number, (height, width) or 'random'")
    return sides(size, "size")
