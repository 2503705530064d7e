"""Bots of the package in `bivouac arena`."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("grpc")

BOTS = '''
from pathlib import Path
from bivouac import Bot

class First(Bot):
    def on_start(self, board):
        print("what a bot prints is not its answer")
        assert board.faces.shape == (8, 9) and board.faces[board.owners == board.seat][0] == 4

    def act(self, board):
        return next(iter(board.legal_actions()), None)

    def on_end(self, board):
        with Path(__file__).with_name("ended.txt").open("a") as file:
            print(board.seat, board.tick, list(board.ended.winners), file=file)

class Raises(Bot):
    def act(self, board):
        raise RuntimeError("out of ideas")

class Beside(Bot):
    def act(self, board):
        return 10**6

class NoBot:
    pass
'''


@pytest.fixture
def bots(tmp_path):
    path = tmp_path / "a bot's file.py"
    path.write_text(BOTS)
    return path


def arena(bots, name, code=0):
    """What two games of `random` against a bot come to."""
    command = [
        os.environ["BIVOUAC_BINARY"], "arena", "random", f"python:{bots}:{name}",
        "--games", "2", "--swap-sides", "--size", "8x9", "--max-ticks", "40", "--json", "--force",
        "--python", sys.executable, "--out", str(bots.parent / "games"),
        # Time enough on any machine.
        "--first-ms", "600000", "--turn-ms", "600000",
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert run.returncode == code, run.stderr
    return json.loads(run.stdout)


def test_a_bot_plays_its_games_and_is_told_of_their_end(bots):
    told = arena(bots, "First")
    assert told["faulty"] == [0, 0], told
    assert told["games"] == [2, 2]
    assert told["contestants"][1] == f"python:{bots}:First"
    ends = [line.split(" ", 2) for line in (bots.parent / "ended.txt").read_text().splitlines()]
    assert sorted(seat for seat, _, _ in ends) == ["0", "1"]
    won = sum(seat in winners for seat, _, winners in ends)
    assert won == told["pairings"][0]["losses"]
    # Newcomers have 25 and 8.33.
    assert all(deviation < 8.33 for _, deviation in told["openskill"])
    for elo, (low, high) in zip(told["elo"], told["elo_interval"], strict=True):
        assert low < elo < high


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Raises", "RuntimeError: out of ideas"),
        ("Beside", "ValueError: action 1000000 does not exist"),
        ("Missing", "AttributeError"),
        ("NoBot", "TypeError: NoBot in"),
    ],
)
def test_a_bot_that_cannot_play_loses_and_is_reported(bots, name, what):
    told = arena(bots, name, code=3)
    assert told["pairings"][0]["wins"] == 2, told
    assert told["faulty"] == [0, 2]
    assert what in told["faults"][0]["what"]


def test_actions_are_answers_of_the_protocol():
    from bivouac.live import stdio

    assert stdio.answer(None, 2, 3) == stdio.answer(48, 2, 3) == "1 0 0 0 0"
    assert stdio.answer((4 * 4 + 3) * 2 + 1, 2, 3) == "0 1 1 3 1"
    assert stdio.answer(49 + 5, 2, 3) == "2 1 2 0 0"
    with pytest.raises(ValueError, match="55 does not exist: the last one of this board is 54"):
        stdio.answer(55, 2, 3)
