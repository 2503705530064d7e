"""Environments for Stable-Baselines3, with legal actions for sb3-contrib's `MaskablePPO`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from .errors import InvalidArgument, needing
from .vector import VectorEnv

with needing("sb3"):
    from stable_baselines3.common.vec_env import VecEnv


class StableBaselinesEnv(VecEnv):
    """A `VectorEnv` as Stable-Baselines3 has vector environments.

    Every environment is one agent: with `seat=None` all seats of all games are. `infos` have
    `terminal_observation` and `TimeLimit.truncated` where an episode ended, and `is_success`,
    whether the agent won; an episode that was cut off is not one that ended.

    Stable-Baselines3 has no environments that wait. With `seat=None` and more than two players, an
    agent that is out of its game has an episode of waiting until the next game begins: nothing is
    earned in it, passing is the only legal action, and `infos` have `is_active` False.

        envs = bivouac.make_vec("generals", 64, size=8, layout="durbin9", autoreset="same_step")
        model = MaskablePPO("MlpPolicy", StableBaselinesEnv(envs))

    Args:
        envs: environments with `autoreset="same_step"`.

    Raises:
        InvalidArgument: the environments reset themselves in another way.
    """

    def __init__(self, envs: VectorEnv) -> None:
        if envs.autoreset is not AutoresetMode.SAME_STEP:
            raise InvalidArgument(f"autoreset {envs.autoreset.value!r}: make them with 'same_step'")
        self.envs = envs
        self._is_waiting = np.zeros(envs.num_envs, dtype=bool)
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    def reset(self) -> Any:
        """Begins new episodes; `seed` before it says which ones.

        Returns:
            Observations `[num_envs, ...]`.
        """
        observations, infos = self.envs.reset(seed=self._game_seeds())
        self._is_waiting = np.zeros(self.num_envs, dtype=bool)
        self.reset_infos = _each(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return _writeable(observations)

    def _game_seeds(self) -> list[int] | None:
        """A seed for each game, that of its first agent, if there are any."""
        agents = self.num_envs // self.envs.num_games
        given = [seed for seed in self._seeds[::agents] if seed is not None]
        return given if len(given) == self.envs.num_games else None

    def step_async(self, actions: np.ndarray) -> None:
        """Begins to play a tick with one action for each environment, `[num_envs]`."""
        self.envs.send(actions)

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Waits for the tick.

        Returns:
            Observations, rewards (float32), ends of either kind (bool), and a dict for each.
        """
        observations, rewards, terminated, truncated, infos = self.envs.recv()
        has_final = infos.pop("_final_obs", np.zeros(self.num_envs, dtype=bool))
        finals, final_infos = infos.pop("final_obs", None), infos.pop("final_info", {})
        each = _each(infos, self.num_envs)
        # Who waited does so no longer where a game begins.
        begun = self._is_waiting & infos["is_active"]
        over = terminated | truncated | begun
        for env in np.flatnonzero(over):
            # Without a last observation the present one is it: others of the game play on.
            is_kept = finals is not None and finals[env] is not None
            last = finals[env] if is_kept else _of(observations, env)
            has_won = final_infos["has_won"] if has_final[env] else infos["has_won"]
            each[env]["terminal_observation"] = _writeable(last)
            each[env]["TimeLimit.truncated"] = bool(truncated[env] and not terminated[env])
            each[env]["is_success"] = bool(has_won[env] and not begun[env])
        self._is_waiting = (terminated | truncated) & ~has_final | self._is_waiting & ~begun
        return _writeable(observations), rewards, over, each

    def close(self) -> None:
        """Closes the environments."""
        self.envs.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """A picture of each game as its agent sees it, uint8 `[height, width, 3]`."""
        agents = self.num_envs // self.envs.num_games
        seats = range(agents) if self.envs.seat is None else [self.envs.seat]
        games = range(self.envs.num_games)
        return [self.envs.draw(game, seat, "rgb_array") for game in games for seat in seats]

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the vector, once for each of some environments (None: all)."""
        return [getattr(self.envs, attr_name)] * len(self._chosen(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not there: what environments play is changed by `envs.set_game`.

        Raises:
            InvalidArgument: always.
        """
        raise InvalidArgument(f"attribute {attr_name!r}: use envs.set_game or envs.set_policy")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """What `action_masks` gives each of some environments (None: all), bool `[n_actions]`.

        Raises:
            InvalidArgument: another method, of which there is one for all: use `envs`.
        """
        if method_name != "action_masks":
            raise InvalidArgument(f"method {method_name!r}: call it on the attribute envs")
        masks = self.envs.action_masks()
        return [masks[env] for env in self._chosen(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """False for each of some environments (None: all): they have no wrappers of their own."""
        return [False] * len(self._chosen(indices))

    def _chosen(self, indices: Any) -> list[int]:
        chosen: Iterable[int] = self._get_indices(indices)
        return [int(env) for env in chosen]


def _each(infos: dict[str, Any], envs: int) -> list[dict[str, Any]]:
    """Infos by environment instead of by name; those that tell which have one are left out."""
    columns = {name: column for name, column in infos.items() if not name.startswith("_")}
    return [{name: column[env] for name, column in columns.items()} for env in range(envs)]


def _of(observations: Any, env: int) -> Any:
    if isinstance(observations, dict):
        return {name: column[env] for name, column in observations.items()}
    return observations[env]


def _writeable(observations: Any) -> Any:
    """A copy that tensors can be made of: the engine's memory is read-only."""
    if isinstance(observations, dict):
        return {name: np.array(column) for name, column in observations.items()}
    return np.array(observations)
