"""`python -m bivouac.bench`."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest


@pytest.mark.parametrize("layout", [None, "durbin9"])
def test_the_bench_reports_what_it_measured(layout):
    command = [sys.executable, "-m", "bivouac.bench", "--json", "--envs", "8", "--size", "8"]
    command += ["--ticks", "3", "--rounds", "1", *(["--layout", layout] if layout else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert (report["environments"], report["layout"]) == (8, layout or "compact")
    for name in ["engine, million game-ticks/s", "Python, million game-ticks/s", "import, s", "import and environments of a new process, s", "written / can be written"]:
        assert report[name] > 0


@pytest.mark.skipif(find_spec("generals") is not None, reason="generals-bots is installed")
def test_the_bench_names_the_simulator_that_is_not_installed():
    command = [sys.executable, "-m", "bivouac.bench", "--vs", "generals-bots", "--envs", "2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install jax 'generals-bots>=2.6'" in done.stderr
