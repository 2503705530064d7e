"""Measures the JAX simulator generals-bots: for `bivouac bench --vs jax`, which runs this file with
the Python that it is told, and for `python -m bivouac.bench --vs generals-bots`, which imports it.

Run without an argument it prints the versions of what it would measure; with one, a JSON object of
settings, it prints what it measured. Either is one line of JSON, the last of the output. It uses
the public interface of the simulator alone: `GeneralsEnv` and `compute_valid_move_mask`.

A tick is all that a learner needs and nothing else: a uniformly random legal march for both
players, whole or half, out of their masks; `env.step`, which yields both observations; both masks
of those. Everything is carried from tick to tick, so that the compiler cannot leave it out.
"""

import functools
import json
import platform
import sys
import time
from importlib import metadata

# Ticks of one compiled loop: enough that calling it costs nothing.
LOOP_TICKS = 50
# Maps made beforehand, as many as Bivouac makes.
POOL = 1024

try:
    import jax
    import jax.numpy as jnp
    import numpy as np
    from generals import GeneralsEnv, compute_valid_move_mask
except ImportError as error:
    if __name__ != "__main__":
        raise
    print(json.dumps({"missing": str(error)}))
    sys.exit()


def versions():
    """What is installed."""
    return {
        "generals_bots": metadata.version("generals-bots"),
        "jax": jax.__version__,
        "python": platform.python_version(),
        "device": jax.default_backend(),
    }


def march(chance, mask):
    """The march of a mask (bool [H, W, 4]) that a number in [0, 1) chooses; a pass if it is empty.

    Counts by rows first, then within one: the quickest way found on a processor.
    """
    height = mask.shape[0]
    in_row = mask.sum(axis=(1, 2))
    up_to_row = jnp.cumsum(in_row)
    n_marches = 2 * up_to_row[-1]
    pick = jnp.minimum((chance * n_marches).astype(jnp.int32), n_marches - 1)
    pick, is_half = pick // 2, pick % 2
    row = jnp.minimum(jnp.sum(up_to_row <= pick), height - 1)
    before = up_to_row[row] - in_row[row]
    step = jnp.sum(jnp.cumsum(mask[row].reshape(-1)) <= pick - before)
    is_pass = n_marches == 0
    return jnp.stack([is_pass, row, step // 4, step % 4, is_half]).astype(jnp.int32)


def masks(observation):
    """The masks of both players of all games: bool [games, 2, H, W, 4]."""
    of_all = jax.vmap(jax.vmap(compute_valid_move_mask))
    return of_all(observation.armies, observation.owned_cells, observation.mountains)


def tick(env, pool, carry):
    """One tick of all games, from observations and masks to the next ones."""
    key, states, _, mask, _ = carry
    key, draw = jax.random.split(key)
    chances = jax.random.uniform(draw, mask.shape[:2])
    actions = jax.vmap(jax.vmap(march))(chances, mask)
    done, states = jax.vmap(env.step, in_axes=(0, 0, None))(states, actions, pool)
    outcome = (done.reward, done.terminated, done.truncated)
    return key, states, done.observation, masks(done.observation), outcome


def begin(env, pool, games):
    """Games at their first tick, and the observations after it."""
    states = jax.tree.map(lambda column: column[jnp.arange(games) % POOL], pool)
    # Each game renews itself from another map.
    states = states._replace(pool_idx=jnp.arange(games, dtype=jnp.int32))
    passes = jnp.zeros((games, 2, 5), jnp.int32).at[:, :, 0].set(1)
    done, states = jax.vmap(env.step, in_axes=(0, 0, None))(states, passes, pool)
    outcome = (done.reward, done.terminated, done.truncated)
    key = jax.random.PRNGKey(1)
    return key, states, done.observation, masks(done.observation), outcome


def to_host(carry):
    """Both players' observations as arrays of the host, `[games, 2, ...]` each."""
    # `np.array` copies; `np.asarray` may lend what the next tick reads.
    return [np.array(plane) for plane in carry[2]]


def rate(step, carry, game_ticks, settings):
    """Game-ticks per second in the best round, and the games after it."""
    best = 0.0
    for _ in range(settings["rounds"]):
        start, done, elapsed = time.perf_counter(), 0, 0.0
        while elapsed < settings["seconds"]:
            carry = step(carry)
            done += game_ticks
            elapsed = time.perf_counter() - start
        best = max(best, done / elapsed)
    return best, carry


def measure_batch(env, pool, games, settings):
    """Both loops at one number of games."""
    one_tick = functools.partial(tick, env)

    @jax.jit
    def loop(pool, carry):
        return jax.lax.fori_loop(0, LOOP_TICKS, lambda _, carry: one_tick(pool, carry), carry)

    def full(carry):
        return jax.block_until_ready(loop(pool, carry))

    one = jax.jit(one_tick)

    def host(carry):
        carry = one(pool, carry)
        assert to_host(carry)[0].shape[:2] == (games, 2)
        return carry

    carry = jax.jit(functools.partial(begin, env), static_argnums=1)(pool, games)
    for _ in range(-(-settings["warm_up_ticks"] // LOOP_TICKS)):
        carry = full(carry)
    full_rate, carry = rate(full, carry, games * LOOP_TICKS, settings)
    host_rate, carry = rate(host, host(carry), games, settings)
    land = np.asarray(carry[2].owned_land_count)
    assert land.mean() > 1.5, "the games stand still"
    return {"games": games, "full": full_rate, "host": host_rate}


def measure(settings):
    """Both loops at every number of games."""
    size = settings["size"]
    env = GeneralsEnv(grid_dims=(size, size), truncation=settings["max_ticks"], pool_size=POOL)
    pool, _ = env.reset(jax.random.PRNGKey(0))
    return {"loops": [measure_batch(env, pool, games, settings) for games in settings["games"]]}


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1])) if len(sys.argv) > 1 else versions()))
