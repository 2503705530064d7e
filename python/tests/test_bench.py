"""`python -m bivouac.bench`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


@pytest.mark.parametrize("layout", [None, "durbin9"])
def test_the_bench_reports_what_it_measured(layout):
    command = [sys.executable, "-m", "bivouac.bench", "--json", "--envs", "8", "--size", "8"]
    command += ["--ticks", "3", "--rounds", "1", *(["--layout", layout] if layout else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert (report["environments"], report["layout"]) == (8, layout or "compact")
    for name in ["engine, million game-ticks/s", "Python, million game-ticks/s", "import, s"]:
        assert report[name] > 0
