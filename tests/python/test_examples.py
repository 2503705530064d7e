"""The examples of streams and of remote environments, run as a reader would against a real server."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *arguments, is_bare=False):
    command = [sys.executable, EXAMPLES / name, *map(str, arguments)]
    if is_bare:
        # As where torch is not installed.
        code = "import runpy, sys; sys.modules['torch'] = None; sys.argv = sys.argv[1:]; "
        code += "runpy.run_path(sys.argv[0], run_name='__main__')"
        command = [sys.executable, "-c", code, *map(str, command[1:])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


def losses(told):
    first, last = re.search(r"loss ([\d.]+) -> ([\d.]+)", told).groups()
    return float(first), float(last)


def test_a_loss_goes_down_while_games_are_played(serve):
    server = serve("--size", "8x8", "--policies", "expander", "--seed", "1")
    first, last = losses(run("stream.py", server.uri, "--steps", 60, is_bare=True))
    assert last < 0.8 * first


def test_a_network_learns_from_the_same_stream(serve):
    pytest.importorskip("torch")
    server = serve("--size", "8x8", "--policies", "expander", "--seed", "1")
    first, last = losses(run("stream.py", server.uri, "--steps", 40))
    assert last < 0.95 * first


def test_a_run_goes_on_where_the_last_one_was(serve, tmp_path):
    server = serve("--size", "8x8", "--seed", "1", "--spill", str(tmp_path / "spill"))
    place = tmp_path / "place.json"
    arguments = (server.uri, "--steps", 2, "--rows", 64, "--place", place, "--slow", "spill")
    run("stream.py", *arguments, is_bare=True)
    before = json.loads(place.read_text())
    told = run("stream.py", *arguments, is_bare=True)
    after = json.loads(place.read_text())
    assert after["run"] == before["run"] and after["after"] > before["after"]
    # What the first run had on its way when it ended was kept for the second.
    assert "lost" not in told


def test_games_are_driven_by_a_policy(serve):
    told = run("drive.py", serve("--games", "0").uri, "--games", 8, "--steps", 260)
    ended, won, steps, refused = map(int, re.findall(r"\d+", told))
    # Games end after 250 ticks at the latest.
    assert ended >= 16 and won <= ended and steps == 2 * 260
    assert refused == 0, "what the mask allows is accepted"
