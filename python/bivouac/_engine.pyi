"""The engine: see the classes of the package, which are what people use."""

from collections.abc import Collection, Sequence
from typing import Any

__version__: str

class Array:
    @property
    def __array_interface__(self) -> dict[str, Any]: ...

class Frame:
    def column(self, name: str) -> Array: ...
    def large_armies(self) -> list[tuple[int, list[int]]]: ...

class Rows:
    """Rows of recorded games as the bytes of an Arrow IPC stream: see `bivouac.data.expand`."""

    def __init__(
        self,
        path: str,
        *,
        reward: str,
        players: list[int] | None,
        layout: str | None,
        canvas: tuple[int, int] | None,
        batch_rows: int,
        threads: int | None,
    ) -> None: ...
    @property
    def games(self) -> int: ...
    def read(self) -> bytes: ...

class Snapshot:
    """Some environments at one moment, for `VectorEnv.restore`."""

    def __len__(self) -> int: ...

class Game:
    """A game from its start to its end. It can be played again, or entered at any tick."""

    @property
    def episode_id(self) -> int:
        """Id of its episode, unique among the games of a seed."""
    @property
    def seed(self) -> tuple[int, int, int]:
        """Seed, game and episode, of which the episode is a function."""
    @property
    def ruleset(self) -> str: ...
    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its board."""
    @property
    def players(self) -> int: ...
    @property
    def policies(self) -> list[str]:
        """Who chose for each seat; `external` is whoever gave the actions."""
    @property
    def ticks(self) -> int: ...
    @property
    def is_truncated(self) -> bool:
        """Whether a limit or a reset ended it, not the rules."""
    @property
    def winners(self) -> list[int]: ...
    @property
    def ranking(self) -> list[int]:
        """Seats from first to last."""
    @property
    def digest(self) -> int:
        """Fingerprint of the final position."""
    def boards(
        self, seat: int | None = None, every: int = 1
    ) -> list[tuple[int, int, int, list[int], list[int], list[int]]]:
        """The board every few ticks: height, width, tick, faces, owners and armies."""

class EnvSpec:
    def __init__(
        self,
        *,
        ruleset: str,
        size: tuple[int, int] | None,
        teams: Sequence[int],
        map: str | None,
        pool: tuple[int, int] | None,
        mountains: tuple[int, int] | None,
        cities: tuple[int, int] | None,
        max_ticks: int,
        fog: bool,
        policies: Sequence[str],
        game: Game | None,
        tick: int,
    ) -> None: ...
    @property
    def players(self) -> int: ...
    @property
    def sides(self) -> tuple[int, int]: ...

class Engine:
    def __init__(
        self,
        *,
        envs: Sequence[EnvSpec],
        seats: Sequence[int] | None,
        canvas: tuple[int, int] | None,
        seed: int | Sequence[int],
        autoreset: str,
        reward: str,
        record: bool,
        threads: int | None,
        layout: str | None,
    ) -> None: ...
    def form(self) -> dict[str, Any]: ...
    def frame(self) -> Frame: ...
    def finals(self) -> tuple[list[int], Frame] | None: ...
    def step(self, actions: bytes) -> Frame: ...
    def play(self, actions: bytes, ticks: int) -> float: ...
    def send(self, actions: bytes) -> None: ...
    def recv(self) -> Frame: ...
    def reset(
        self, mask: Sequence[bool] | None, seed: int | Sequence[int] | None
    ) -> Frame: ...
    def episodes(self) -> list[tuple[int, int, int, int]]: ...
    def set_spec(self, envs: Sequence[int], spec: EnvSpec) -> None: ...
    def set_policy(self, envs: Sequence[int], seat: int, policy: str) -> None: ...
    def snapshot(self, envs: Sequence[int]) -> Snapshot: ...
    def restore(self, snapshot: Snapshot, envs: Sequence[int]) -> Frame: ...
    def games(self) -> list[Game]: ...
    def refusals(self) -> dict[str, int]: ...
    def board(
        self, env: int, seat: int | None
    ) -> tuple[int, int, int, list[int], list[int], list[int]]: ...

def read_games(path: str, episodes: Collection[int] | None = None) -> list[Game]: ...
def games_ipc(games: Sequence[Game]) -> bytes: ...
def games_of_ipc(bytes: bytes) -> list[Game]: ...
def write_games(games: Sequence[Game], path: str, replace: bool) -> None: ...
def names() -> dict[str, Any]: ...
