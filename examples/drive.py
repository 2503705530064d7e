"""Plays many games on a server in lockstep: one message of actions up, one of observations down.

    bivouac serve --games 0
    python examples/drive.py grpc://127.0.0.1:50051 --games 64 --opponent expander

The policy is a rule of a line: march the largest army that can move, and half the time anything else that is
legal. Two groups of games are in flight, so that the server plays one while the policy thinks about the other.
"""

from __future__ import annotations

import argparse

import numpy as np
from gymnasium.vector import AutoresetMode

import bivouac
from bivouac.data import legal_actions


def choose(obs: dict[str, np.ndarray], rng: np.random.Generator, n_tiles: int) -> np.ndarray:
    """An action for each game: int32 `[num_envs]`.

    Actions are numbered tile by tile, eight for each: four directions, all of the army or half of it. The
    last is to pass.
    """
    legal = obs["action_mask"]
    armies = obs["army"].reshape(len(legal), -1).astype(np.float32)
    worth = np.zeros(legal.shape, np.float32)
    worth[:, : 8 * n_tiles : 2] = np.repeat(armies, 4, axis=1)
    is_random = rng.random(len(legal)) < 0.5
    worth = np.where(is_random[:, None], 1.0, worth) + rng.random(legal.shape, np.float32) * 0.5
    return np.where(legal, worth, -1.0).argmax(1).astype(np.int32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server", help="URI of a server")
    parser.add_argument("--games", type=int, default=64, help="games of each of two groups")
    parser.add_argument("--steps", type=int, default=300, help="steps of each group")
    parser.add_argument("--size", default="8x8", help="height and width of the boards")
    parser.add_argument("--opponent", default="random", help="the policy to play against")
    options = parser.parse_args()
    envs = bivouac.RemoteVectorEnv(
        options.server,
        options.games,
        opponents=[options.opponent],
        size=options.size,
        max_ticks=250,
        autoreset_mode=AutoresetMode.SAME_STEP,
        layout=None,
        groups=2,
    )
    rng = np.random.default_rng(0)
    n_tiles = envs.format.height * envs.format.width

    def act(obs: dict[str, np.ndarray]) -> np.ndarray:
        legal = legal_actions(obs["action_mask"], envs.format)
        return choose({"army": obs["army"], "action_mask": legal}, rng, n_tiles)

    starts = [envs.reset(seed=group, group=group)[0] for group in (0, 1)]
    for group, obs in enumerate(starts):
        envs.send(act(obs), group)
    won = ended = 0
    for number in range(2 * options.steps):
        group, (obs, rewards, terminated, truncated, _) = envs.receive()
        ended += int((terminated | truncated).sum())
        won += int((terminated & (rewards > 0)).sum())
        if number < 2 * (options.steps - 1):
            envs.send(act(obs), group)
    stats = envs.stats()
    envs.close()
    refused = sum(stats["refused"].values())
    print(f"{ended} games ended, {won} won, in {stats['steps']} steps; {refused} actions refused")


if __name__ == "__main__":
    main()
