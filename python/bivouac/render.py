"""Pictures of a board: text for a terminal, or an image."""

from __future__ import annotations

import json
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import InvalidArgument, needing

if TYPE_CHECKING:
    from .games import Game

Board = tuple[int, int, int, list[int], list[int], list[int]]
"""Height, width, tick, and face, owner and army of each tile, as the engine gives them."""

FOG, PLAIN, MOUNTAIN, CITY, GENERAL, FOG_STRUCTURE = range(6)

COLOURS = np.array(
    [
        (214, 69, 65), (65, 105, 225), (46, 139, 87), (218, 165, 32),
        (147, 85, 180), (0, 139, 139), (205, 92, 150), (139, 101, 60),
        (255, 140, 0), (106, 137, 204), (120, 170, 60), (180, 60, 110),
        (90, 90, 160), (60, 160, 160), (170, 120, 90), (110, 110, 110),
    ],
    dtype=np.uint8,
)  # fmt: skip
"""Colour of each seat."""

TILE = 16
"""Pixels of a tile's side."""


def draw(board: Board, mode: str) -> Any:
    """A board as text (`ansi`) or as an image, uint8 `[16 * height, 16 * width, 3]`."""
    if mode == "ansi":
        return text(board)
    if mode == "rgb_array":
        return image(board)
    raise InvalidArgument(f"mode {mode!r}: use 'ansi' or 'rgb_array'")


def save_gif(
    game: Game, path: str | Path, *, seat: int | None = None, every: int = 2, fps: int = 8
) -> None:
    """Writes a game as a moving picture; needs Pillow.

    Args:
        game: from `VectorEnv.games` or `read_games`.
        seat: who looks; None for the whole board.
        every: ticks from one picture to the next.
        fps: pictures a second.

    Raises:
        MissingPackage: Pillow is not installed: `pip install "bivouac[render]"`.
    """
    with needing("render"):
        from PIL import Image

    pictures = [Image.fromarray(image(board)) for board in game.boards(seat, every)]
    rest = {"append_images": pictures[1:], "duration": 1000 // fps, "loop": 0}
    pictures[0].save(path, format="GIF", save_all=True, **rest)


def save_html(
    game: Game, path: str | Path, *, seat: int | None = None, every: int = 1, fps: int = 8
) -> None:
    """Writes a game as a page that plays it in a browser; the page needs nothing else.

    Args:
        game: from `VectorEnv.games` or `read_games`.
        seat: who looks; None for the whole board.
        every: ticks from one board to the next.
        fps: boards a second.
    """
    boards = game.boards(seat, every)
    height, width = game.size
    about = {
        "height": height,
        "width": width,
        "ticks": game.ticks,
        "fps": fps,
        "players": game.policies,
        "winners": game.winners,
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in COLOURS.tolist()],
        "boards": [
            {"tick": tick, "faces": _runs(faces), "owners": _runs(owners), "armies": _runs(armies)}
            for _, _, tick, faces, owners, armies in boards
        ],
    }
    # Nothing in a name ends the element that it stands in.
    told = json.dumps(about, separators=(",", ":")).replace("<", "\\u003c")
    page = resources.files(__package__).joinpath("game.html").read_text(encoding="utf-8")
    Path(path).write_text(page.replace(">GAME<", f">{told}<", 1), encoding="utf-8")


def _runs(values: list[int]) -> list[int]:
    """Equal values that follow each other as how many, which, how many, which, ..."""
    return [number for value, run in groupby(values) for number in (len(list(run)), value)]


def text(board: Board) -> str:
    """A board as coloured text: mountains `^^^`, cities `[ ]`, generals `( )`, fog dots."""
    height, width, tick, faces, owners, armies = board
    lines = [f"tick {tick}"]
    for row in range(height):
        tiles = range(row * width, (row + 1) * width)
        lines.append("".join(_tile(faces[t], owners[t], armies[t]) for t in tiles))
    return "\n".join(lines)


def _tile(face: int, owner: int, army: int) -> str:
    units = str(army) if army else ""
    if len(units) > 4:
        units = f"{army // 1000}k"
    marks = {
        FOG: "  ..  ",
        FOG_STRUCTURE: "  ??  ",
        MOUNTAIN: " ^^^^ ",
        CITY: f"[{units:^4}]",
        GENERAL: f"({units:^4})",
    }
    mark = marks.get(face, f" {units:^4} ")
    if owner < 0:
        return mark
    red, green, blue = COLOURS[owner]
    return f"\x1b[48;2;{red};{green};{blue}m\x1b[97m{mark}\x1b[0m"


def image(board: Board) -> np.ndarray:
    """A board as an image: a tile's colour is its owner's, brighter with a larger army."""
    height, width, _, faces, owners, armies = board
    face = np.array(faces).reshape(height, width)
    owner = np.array(owners).reshape(height, width)
    army = np.array(armies, dtype=np.float64).reshape(height, width)
    tiles = np.full((height, width, 3), 220, dtype=np.uint8)
    tiles[face == FOG] = (60, 60, 60)
    tiles[face == FOG_STRUCTURE] = (85, 85, 85)
    tiles[face == MOUNTAIN] = (150, 150, 150)
    tiles[(face == CITY) & (owner < 0)] = (120, 120, 110)
    mine = owner >= 0
    light = 0.55 + 0.45 * np.clip(np.log1p(np.abs(army)) / 6, 0, 1)
    tiles[mine] = (COLOURS[owner[mine]] * light[mine, None]).astype(np.uint8)
    pixels = tiles.repeat(TILE, axis=0).repeat(TILE, axis=1)
    _mark(pixels, face == GENERAL, 5)
    _mark(pixels, face == CITY, 6)
    pixels[::TILE] = pixels[:, ::TILE] = 30
    return pixels


def _mark(pixels: np.ndarray, where: np.ndarray, inset: int) -> None:
    """A white square inside some tiles."""
    for row, column in zip(*np.nonzero(where), strict=True):
        top, left = row * TILE, column * TILE
        pixels[top + inset : top + TILE - inset, left + inset : left + TILE - inset] = 255
