"""Bots that are slow, and bots whose connection breaks; the example in `examples/bot.py`."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("grpc")

from bivouac.live import Bot, GameClient  # noqa: E402
from test_client import Relay  # noqa: E402

REPOSITORY = Path(__file__).parents[2]


class Slow(Bot):
    """Answers when the tick that it was asked about is over, however fast the machine is."""

    def __init__(self, plays_late=True):
        self.plays_late, self.asked = plays_late, []

    def act(self, board):
        self.asked.append(board.tick)
        while not (state := self.seat.state()).is_over and state.tick == board.tick:
            pass
        return next(iter(state.legal_actions()), None)


def against_nobody(client, bot, turn_ms=50):
    """A timed game against somebody who never does anything."""
    game = client.create(size=(6, 6), players=2, turn_ms=turn_ms, max_ticks=80, seed=3)
    bot.seat = client.join(game.id, "slow")
    client.join(game.id, "nobody")
    return bot.play_seat(bot.seat)


def test_a_bot_slower_than_the_turn_is_asked_about_the_newest_board_and_plays(client):
    bot = Slow()
    board = against_nobody(client, bot)
    assert board.is_over and bot.refused == []
    assert bot.asked == sorted(set(bot.asked)), "no board of the past"
    # It cannot have been asked about a tick that it slept through.
    assert bot.late == len(bot.asked)
    assert board.land[bot.seat.seat] > 1, "what it answered was played"


def test_what_comes_too_late_is_a_pass_for_a_bot_that_wants_it_so(client):
    bot = Slow(plays_late=False)
    board = against_nobody(client, bot)
    assert board.is_over and bot.late == len(bot.asked)
    assert board.land[bot.seat.seat] == 1


def test_a_budget_of_less_than_a_turn_sends_a_pass_in_time(client):
    # Nothing but the pass can end the turn of an hour.
    game = client.create(
        size=(6, 6), policies=["random"], pace="lockstep", turn_ms=3_600_000, max_ticks=5, seed=3
    )
    bot = Slow()
    bot.seat = client.join(game.id, "slow")
    board = bot.play_seat(bot.seat, budget=0.05)
    assert (board.tick, bot.asked, bot.late) == (5, [0, 1, 2, 3, 4], 5)
    assert board.land[bot.seat.seat] == 1


class Clocked(Bot):
    """Keeps how long it was said to have."""

    def __init__(self):
        self.left = []

    def act(self, board):
        self.left.append(self.time_left)


@pytest.mark.parametrize(
    ("options", "budget", "most"),
    [
        ({"pace": "lockstep", "turn_ms": 3_600_000}, None, 3600),
        ({"pace": "lockstep", "turn_ms": 3_600_000}, 600, 600),
        ({"pace": "free"}, None, math.inf),
    ],
)
def test_a_bot_is_told_how_long_it_may_take(client, options, budget, most):
    game = client.create(size=(6, 6), policies=["random"], max_ticks=3, seed=3, **options)
    bot = Clocked()
    bot.play(client, game.id, "clocked", budget=budget)
    assert bot.left and all(0 < left <= most for left in bot.left)
    assert max(bot.left) > most - 300 or most == max(bot.left)
    assert bot.time_left == math.inf, "there is no hurry after the end"


class Unlucky(Bot):
    """Loses its connection while it thinks."""

    def __init__(self, relay):
        self.relay, self.asked, self.ends = relay, [], 0

    def act(self, board):
        self.asked.append(board.tick)
        if board.tick in (3, 7):
            self.relay.cut()
        return next(iter(board.legal_actions()), None)

    def on_end(self, board):
        self.ends += 1


def test_a_bot_whose_connection_breaks_plays_on_and_sends_its_answer_once(serve):
    relay = Relay(serve("--games", "0").uri)
    with GameClient(relay.uri) as client:
        # Without its answer there is no next tick, and with two of them there would be two.
        game = client.create(
            size=(6, 6), policies=["random"], pace="lockstep", turn_ms=3_600_000, max_ticks=12, seed=2
        )
        bot = Unlucky(relay)
        board = bot.play_seat(client.join(game.id, "unlucky"), reconnect=600)
    relay.close()
    assert bot.asked == list(range(board.tick)) and board.tick > 7
    assert (bot.late, bot.refused, bot.ends) == (0, [], 1)


def test_an_error_of_a_bot_ends_its_game_for_it(client):
    class Raises(Bot):
        def act(self, board):
            raise RuntimeError("out of ideas")

    game = client.create(policies=["random"], pace="lockstep", turn_ms=3_600_000)
    with pytest.raises(RuntimeError, match="out of ideas"):
        Raises().play(client, game.id, "ada")


def test_the_example_plays_a_game(serve):
    command = [sys.executable, REPOSITORY / "examples/bot.py", serve("--games", "0").uri]
    small = ["--size", "8", "--max-ticks", "60", "--turn-ms", "20"]
    run = subprocess.run([*command, *small], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert "seat 0 of 2 on 8x8" in run.stdout and " at tick " in run.stdout, run.stdout
