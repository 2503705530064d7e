"""The engine: see the classes of the package, which are what people use."""

from collections.abc import Collection, Sequence
from typing import Any

__version__: str

class Array:
    """One column of a frame, for `numpy.asarray`: a view of the engine's memory, read-only."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """What numpy asks an object for to look at its memory."""

class Frame:
    """The rows of all agents after a step: see `bivouac.frame.Frame`. It never changes."""

    def column(self, name: str) -> Array:
        """A column by name, `[envs, agents, ...]`; dtypes and shapes are in `bivouac.frame.Frame`."""
    def large_armies(self) -> list[tuple[int, list[int]]]:
        """Armies above 65535: row and units, tile by tile, of the rows that have some."""

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
    def games(self) -> int:
        """Games in the dataset."""
    def read(self) -> bytes:
        """The bytes of the next batch, none at the end."""

class Snapshot:
    """Some environments at one moment, for `VectorEnv.restore`."""

    def __len__(self) -> int:
        """Number of environments."""

class Game:
    """A game from its start to its end. It can be played again, or entered at any tick."""

    @property
    def episode_id(self) -> int:
        """Id of its episode, unique among the games of a seed."""
    @property
    def seed(self) -> tuple[int, int, int]:
        """Seed, game and episode, of which the episode is a function."""
    @property
    def ruleset(self) -> str:
        """Name of its ruleset."""
    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its board."""
    @property
    def players(self) -> int:
        """Number of its players."""
    @property
    def policies(self) -> list[str]:
        """Who chose for each seat; `external` is whoever gave the actions."""
    @property
    def ticks(self) -> int:
        """Ticks that were played."""
    @property
    def is_truncated(self) -> bool:
        """Whether a limit or a reset ended it, not the rules."""
    @property
    def winners(self) -> list[int]:
        """Seats that won; none in a draw or a game that was cut off."""
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
    """What one environment plays: see `bivouac.spec.GameSpec`."""

    def __init__(
        self,
        *,
        ruleset: str,
        size: tuple[int, int] | str | None,
        teams: Sequence[int],
        map: str | None,
        pool: tuple[int, int] | None,
        mountains: tuple[int, int] | None,
        cities: tuple[int, int] | None,
        max_ticks: int | None,
        fog: bool,
        policies: Sequence[str],
        game: Game | None,
        tick: int,
    ) -> None:
        """`ruleset` is a name or the text of a TOML file, `map` the text of a map file, `pool` a seed
        and a number of maps that are made beforehand."""
    @property
    def players(self) -> int:
        """Most players of an episode."""
    @property
    def max_ticks(self) -> int:
        """Tick at which a game is cut off."""
    @property
    def sides(self) -> tuple[int, int]:
        """Height and width that hold every board of its episodes."""

class Engine:
    """Environments that are stepped together. Its methods may be called from any thread, one at a
    time; whatever may take long runs without the interpreter's lock."""

    def __init__(
        self,
        *,
        envs: Sequence[EnvSpec],
        seats: Sequence[int] | None,
        learner: int | None,
        canvas: tuple[int, int] | None,
        seed: int | Sequence[int],
        autoreset: str,
        reward: str,
        record: bool,
        threads: int | None,
        layout: str | None,
    ) -> None:
        """`seats` have rows and give actions (None: all); the end of the `learner`'s episode is that
        of the environment's (None: the end of all of them is)."""
    def form(self) -> dict[str, Any]:
        """What all rows have in common."""
    def frame(self) -> Frame:
        """The rows as they are now."""
    def finals(self) -> tuple[list[int], Frame] | None:
        """Environments that ended in the last step (`same_step`), and their last rows."""
    def step(self, actions: bytes) -> Frame:
        """Plays one tick with int32 actions `[envs, agents]`, little-endian."""
    def play(self, actions: bytes, ticks: int) -> float:
        """Plays ticks with int32 actions `[ticks, envs, agents]`, and returns the seconds."""
    def send(self, actions: bytes) -> None:
        """Begins to play one tick on another thread, and returns at once."""
    def recv(self) -> Frame:
        """Waits for the tick that was sent."""
    def close(self) -> None:
        """Gives back threads and memory; frames that are held stay as they are."""
    def reset(
        self, mask: Sequence[bool] | None, seed: int | Sequence[int] | None
    ) -> Frame:
        """Begins new episodes: of all environments, or of those in the mask."""
    def episodes(self) -> list[tuple[int, int, int, int]]:
        """Seed, game, episode and episode id of each environment."""
    def set_spec(self, envs: Sequence[int], spec: EnvSpec) -> None:
        """Changes what environments play from their next episodes on."""
    def set_policy(self, envs: Sequence[int], seat: int, policy: str) -> None:
        """Changes who chooses for a seat of environments, from the next step on."""
    def snapshot(self, envs: Sequence[int]) -> Snapshot:
        """Keeps environments as they are."""
    def restore(self, snapshot: Snapshot, envs: Sequence[int]) -> Frame:
        """Makes environments what those of a snapshot were."""
    def copy(self, from_: Sequence[int], to: Sequence[int]) -> Frame:
        """Makes environments copies of others, of which one may be copied to many."""
    def games(self) -> list[Game]:
        """The games that were finished or given up since the last call."""
    def last_game(self, env: int) -> Game:
        """What an environment has played of its episode, or its last game if that has just begun."""
    def refusals(self) -> dict[str, int]:
        """Actions played as a pass so far, by reason."""
    def board(
        self, env: int, seat: int | None
    ) -> tuple[int, int, int, list[int], list[int], list[int]]:
        """Height, width, tick, and face, owner and army of each tile, as a seat sees it or whole."""

def read_games(path: str, episodes: Collection[int] | None = None) -> list[Game]:
    """The games of a dataset of games (a folder, or one Parquet file), or of a `.gior` file."""

def games_ipc(games: Sequence[Game]) -> bytes:
    """Games as an Arrow IPC stream with the columns of a dataset of games."""

def games_of_ipc(bytes: bytes) -> list[Game]:
    """The games of such a stream."""

def write_games(games: Sequence[Game], path: str, replace: bool) -> None:
    """Writes games to a folder as a dataset of games."""

def names() -> dict[str, Any]:
    """What `bivouac.names` shows."""
