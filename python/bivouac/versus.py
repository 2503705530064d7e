"""Other simulators of the same game, measured beside this one.

They are run from their own packages, where those are installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import InvalidArgument
from .vector import VectorEnv

Tick = Callable[[], Any]
"""Plays one tick of all games, with random legal actions, and gives observations as numpy arrays."""


def generals_bots(
    envs: int, size: int, *, ticks: int, rounds: int, threads: int | None
) -> dict[str, Any]:
    """Random play of two players beside generals-bots, which simulates with JAX.

    Both draw actions among the legal ones themselves, begin ended games anew, and hand over what
    both players see as arrays of the host. Boards are those of each one's own generator, of the same
    rules. They play by turns, a round each, and the best round counts.

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
        map_pool=min(envs, 10_000),
    )
    players.reset(seed=1)
    passes = np.full(players.num_envs, -1)
    return lambda: players.step(passes)[0]


def _generals_bots(envs: int, size: int) -> Tick:
    try:
        import jax
        from generals import GeneralsEnv, get_observation
        from generals.core.action import sample_valid_action
    except ImportError as error:
        raise InvalidArgument(f"--vs generals-bots: {error}; pip install generals-bots") from None
    env = GeneralsEnv(grid_dims=(size, size), truncation=1000, pool_size=envs)
    pool, _ = env.reset(jax.random.PRNGKey(1))

    def one(state: Any, key: Any, starts: Any) -> tuple[Any, Any]:
        keys = jax.random.split(key)
        chosen = [sample_valid_action(keys[seat], get_observation(state, seat)) for seat in (0, 1)]
        told, after = env.step(state, jax.numpy.stack(chosen), starts)
        return after, told.observation

    @jax.jit
    def all_(states: Any, key: Any, starts: Any) -> tuple[Any, Any, Any]:
        key, drawn = jax.random.split(key)
        keys = jax.random.split(drawn, envs)
        states, seen = jax.vmap(one, in_axes=(0, 0, None))(states, keys, starts)
        return states, seen, key

    playing = [pool, jax.random.PRNGKey(2)]

    def tick() -> Any:
        playing[0], seen, playing[1] = all_(playing[0], playing[1], pool)
        return jax.device_get(seen)

    return tick
