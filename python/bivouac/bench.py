"""How fast environments step in Python, beside the engine alone, in one run.

    python -m bivouac.bench
    python -m bivouac.bench --envs 1024 --size 8 --layout durbin9
    python -m bivouac.bench --vs generals-bots          # beside another simulator, if it is installed

The actions are those of a game of random legal moves, recorded beforehand, so that the engine alone
and Python play the very same ticks.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from .errors import InvalidArgument
from .vector import VectorEnv
from .versus import generals_bots


def main() -> None:
    """Measures and prints; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m bivouac.bench", description=__doc__)
    parser.add_argument("--envs", type=int, default=4096, help="games at a time")
    parser.add_argument("--size", type=int, default=20, help="side of the board")
    parser.add_argument("--layout", choices=["durbin9", "generals-bots", "memory"])
    parser.add_argument("--threads", type=int, help="default: one on each processor")
    parser.add_argument("--ticks", type=int, default=100, help="ticks of a round")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the best counts")
    parser.add_argument("--vs", choices=["generals-bots"], help="play beside this one")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    try:
        report = measure(options) if options.vs is None else compare(options)
    except InvalidArgument as error:
        parser.error(str(error))
    if options.json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        print(f"{name:34} {value:,.4g}" if isinstance(value, float) else f"{name:34} {value}")


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of random play beside another simulator, by name, with their units."""
    measured = generals_bots(
        options.envs,
        options.size,
        ticks=options.ticks,
        rounds=options.rounds,
        threads=options.threads,
    )
    board = f"{options.size}x{options.size}"
    return {"environments": options.envs, "board": board, **measured}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one run by name, with their units."""
    common = {
        "seat": None,
        "size": options.size,
        "threads": options.threads,
        "seed": 1,
        "max_ticks": 2**31,
    }
    # First of all: memory that other environments gave back would be used again, and not be counted.
    before = _resident()
    began = time.perf_counter()
    envs = VectorEnv(options.envs, layout=options.layout, **common)
    envs.reset(seed=1)
    passes = np.full(envs.num_envs, -1)
    envs.step(passes)
    first = time.perf_counter() - began
    envs.step(passes)
    # Two frames: one is shown while the next is written.
    memory = _resident() - before - 2 * _frame_bytes(envs)
    actions = _recorded(options, common)
    engine, python = [], []
    for _ in range(options.rounds):
        envs.reset(seed=1)
        engine.append(envs._engine.play(actions.tobytes(), options.ticks))
        envs.reset(seed=1)
        began = time.perf_counter()
        for told in actions:
            envs.step(told)
        python.append(time.perf_counter() - began)
    ticks = options.envs * options.ticks
    written = ticks * _row_bytes(envs)
    return {
        "environments": options.envs,
        "board": f"{options.size}x{options.size}",
        "layout": options.layout or "compact",
        "engine, million game-ticks/s": ticks / min(engine) / 1e6,
        "Python, million game-ticks/s": ticks / min(python) / 1e6,
        "Python, million agent-steps/s": 2 * ticks / min(python) / 1e6,
        "Python / engine": min(engine) / min(python),
        "written, GB/s": written / min(python) / 1e9,
        "memory can be written, GB/s": (bandwidth := _bandwidth(options.threads)),
        "written / can be written": written / min(python) / 1e9 / bandwidth,
        "made, reset and stepped once, s": first,
        "KB per game besides observations": max(memory, 0) / options.envs / 1024,
        "import, s": _seconds_of("import bivouac"),
        "import and environments of a new process, s": _seconds_of(
            f"import bivouac; bivouac.make_vec(num_envs={options.envs}, size={options.size}).reset()"
        ),
    }


def _recorded(options: argparse.Namespace, common: dict[str, Any]) -> np.ndarray:
    """Legal actions of some ticks, int32 `[ticks, agents]`."""
    players = VectorEnv(options.envs, policies=["random", "random"], **common)
    players.reset(seed=1)
    passes = np.full(players.num_envs, -1)
    actions = np.empty((options.ticks, players.num_envs), dtype="<i4")
    for tick in range(options.ticks):
        players.step(passes)
        actions[tick] = players.frame.action.ravel()
    return actions


def _row_bytes(envs: VectorEnv) -> int:
    return _frame_bytes(envs) // envs.num_games


def _frame_bytes(envs: VectorEnv) -> int:
    """Bytes of observations and masks of one step."""
    frame = envs.frame
    names = [*frame.columns(), *(["observation"] if envs.form.layout else [])]
    return sum(frame.column(name).nbytes for name in names)


def _bandwidth(threads: int | None) -> float:
    """GB/s at which memory can be filled by as many threads (None: one on each processor)."""
    threads = threads or os.cpu_count() or 1
    target = np.zeros(2**25)
    parts = np.array_split(target, threads)
    seconds = []
    with ThreadPoolExecutor(threads) as pool:
        for value in range(6):
            began = time.perf_counter()
            list(pool.map(lambda part: np.copyto(part, value), parts))
            seconds.append(time.perf_counter() - began)
    return target.nbytes / min(seconds) / 1e9


def _seconds_of(work: str) -> float:
    """Seconds that something takes in a new interpreter, all that it imports included."""
    code = f"import time; t = time.perf_counter(); {work}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _resident() -> int:
    """Resident bytes of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * 4096
    except OSError:
        return 0


if __name__ == "__main__":
    main()
