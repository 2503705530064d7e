"""Runs a `Bot` as a program of `bivouac arena`, over stdin and stdout.

    python -m bivouac.live.stdio FILE CLASS

It is told `SEAT HEIGHT WIDTH` once and a frame each tick, and answers `KIND ROW COLUMN DIRECTION
HALF` (kinds: 0 march, 1 pass, 2 build), as programs in the generals.bot competition are. After the
last tick it is told `end` with the winners, and the last frame. What a bot prints goes to stderr.
"""

from __future__ import annotations

import importlib.util
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import numpy as np

from bivouac.v1 import games_pb2 as wire

from .board import Board
from .bot import Bot

#: Nobody, as in `Board.owners`.
_NOBODY = 255


def load(file: str, name: str) -> Bot:
    """The bot of a class in a file."""
    path = Path(file).resolve()
    # Its neighbours can be imported, as if it were run.
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no file of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    bot = module
    for part in name.split("."):
        bot = getattr(bot, part)
    bot = bot()
    if not isinstance(bot, Bot):
        raise TypeError(f"{name} in {file} is no bivouac.Bot")
    return bot


def read_frame(read: Callable[[], str], board: Board) -> None:
    """Brings a board up to date with the next frame."""
    numbers = [int(number) for number in read().split()]
    height, width = board.faces.shape
    grids = [[read().split() for _ in range(height)] for _ in range(3)]
    faces, owners, armies = (np.array(grid, np.int32).reshape(height, width) for grid in grids)
    me, other = board.seat, 1 - board.seat
    board.tick = numbers[0]
    board.faces[:] = faces
    board.owners[:] = np.select([owners == 1, owners == 2], [me, other], _NOBODY)
    board.armies[:] = armies
    board.land[[me, other]] = numbers[1], numbers[3]
    board.army[[me, other]] = numbers[2], numbers[4]
    board.alive = {seat for seat in range(2) if board.land[seat]}


def answer(action: int | None, height: int, width: int) -> str:
    """The line for an action of the flat action space."""
    tiles = height * width
    if action is None or action == 8 * tiles:
        return "1 0 0 0 0"
    if 0 <= action < 8 * tiles:
        tile, direction, half = action // 8, action // 2 % 4, action % 2
        return f"0 {tile // width} {tile % width} {direction} {half}"
    if 8 * tiles < action <= 9 * tiles:
        tile = action - 8 * tiles - 1
        return f"2 {tile // width} {tile % width} 0 0"
    raise ValueError(f"action {action} does not exist: the last one of this board is {9 * tiles}")


def play(bot: Bot, lines: TextIO, say: Callable[[str], None], turn: float = math.inf) -> None:
    """Plays a game to its end; `turn` is how long an answer may take, in seconds."""
    bot.late, bot.refused = 0, []
    seat, height, width = (int(number) for number in lines.readline().split())
    board = Board(seat)
    board.phase, board.seq = "running", 0
    shape = (height, width)
    board.faces, board.owners = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    board.armies = np.zeros(shape, np.int32)
    board.land, board.army = np.zeros(2, np.int64), np.zeros(2, np.int64)
    waiting: list[str] = []

    def read() -> str:
        return waiting.pop() if waiting else lines.readline()

    has_started = False
    while line := read():
        if line.startswith("end"):
            winners = [int(winner) for winner in line.split()[1:]]
            read_frame(read, board)
            board.phase, board.ended = "ended", wire.Ended(winners=winners)
            break
        waiting.append(line)
        read_frame(read, board)
        try:
            if not has_started:
                has_started = True
                bot.on_start(board)
            bot._deadline = time.monotonic() + turn
            action = bot.act(board)
            said = answer(None if action is None else int(action), height, width)
        except Exception as error:
            # It is told as an answer, which is no order: a pass, and reported.
            said = complaint(error)
        say(said)
    bot.on_end(board)


def complaint(error: BaseException) -> str:
    """An error on one line, as long as an answer may be."""
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:200]


def main() -> int:
    """Runs the bot that the arguments name."""
    out = sys.stdout
    sys.stdout = sys.stderr

    def say(text: str) -> None:
        print(text, file=out, flush=True)

    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        bot = load(*sys.argv[1:])
    except Exception as error:
        say(complaint(error))
        return 1
    play(bot, sys.stdin, say, float(os.environ.get("BIVOUAC_TURN_MS", math.inf)) / 1000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
