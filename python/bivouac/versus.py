"""Other simulators of the same game, measured beside this one.

They are run from their own packages, where those are installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .errors import InvalidArgument
from .vector import VectorEnv

POOL = 1024
"""Maps made beforehand, as many as `_jax_bench` has."""

Tick = Callable[[], Any]
"""Plays one tick of all games, with random legal actions, and gives observations as numpy arrays."""


def generals_bots(
    envs: int, size: int, *, ticks: int, rounds: int, threads: int | None
) -> dict[str, Any]:
    """Random play of two players beside generals-bots, which simulates with JAX.

    Its loop is that of `bivouac bench --vs jax`, compiled for one tick at a time: a uniformly random
    legal march of both players out of their masks, `env.step`, which yields both observations and
    begins ended games anew, both masks of those, and the observations as arrays of the host. The
    policy `random` here draws as it does. Boards are those of each one's own generator, of the same
    rules, out of as many made beforehand. They play by turns, a round each, and the best round
    counts.

    Args:
        envs: games at a time.
        size: side of the board.
        ticks: ticks of a round.
        rounds: rounds.
        threads: of this simulator; JAX takes all processors.

    Raises:
        InvalidArgument: generals-bots is not installed.
    """
    peer = _generals_bots(envs, size)
    compact = _own(envs, size, None, threads)
    dense = _own(envs, size, "generals-bots", threads)
    best = _best({"generals-bots": peer, "compact": compact, "dense": dense}, ticks, rounds)
    rates = {name: envs * ticks / seconds / 1e6 for name, seconds in best.items()}
    return {
        "generals-bots, million game-ticks/s": rates["generals-bots"],
        "compact, million game-ticks/s": rates["compact"],
        "dense, million game-ticks/s": rates["dense"],
        "compact / generals-bots": rates["compact"] / rates["generals-bots"],
        "dense / generals-bots": rates["dense"] / rates["generals-bots"],
    }


def _best(players: dict[str, Tick], ticks: int, rounds: int) -> dict[str, float]:
    """Seconds of the best round of each; what is made or compiled at first is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in players}
    for tick in players.values():
        tick()
    for _ in range(rounds):
        for name, tick in players.items():
            began = time.perf_counter()
            for _ in range(ticks):
                tick()
            seconds[name].append(time.perf_counter() - began)
    return {name: min(all_) for name, all_ in seconds.items()}


def _own(envs: int, size: int, layout: str | None, threads: int | None) -> Tick:
    players = VectorEnv(
        envs,
        seat=None,
        ruleset="generals-bots",
        size=size,
        layout=layout,
        threads=threads,
        policies=["random", "random"],
        autoreset="same_step",
        max_ticks=1000,
        map_pool=POOL,
    )
    players.reset(seed=1)
    passes = np.full(players.num_envs, -1)
    return lambda: players.step(passes)[0]


def _generals_bots(envs: int, size: int) -> Tick:
    try:
        from . import _jax_bench as peer
    except ImportError as error:
        raise InvalidArgument(f"--vs generals-bots: {error}; pip install jax 'generals-bots>=2.6'") from None
    env = peer.GeneralsEnv(grid_dims=(size, size), truncation=1000, pool_size=peer.POOL)
    pool, _ = env.reset(peer.jax.random.PRNGKey(0))
    one = peer.jax.jit(partial(peer.tick, env))
    playing = [peer.jax.jit(partial(peer.begin, env), static_argnums=1)(pool, envs)]

    def tick() -> Any:
        playing[0] = one(pool, playing[0])
        return peer.to_host(playing[0])

    return tick
