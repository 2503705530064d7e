"""Environments on a server, as Gymnasium has them: `bivouac.RemoteVectorEnv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from .arguments import autoreset_mode as mode_of
from .arguments import mode_name
from .checks import sides
from .client.batches import Decoder
from .client.connection import DEFAULT_URI, Client
from .client.connection import connect as _connect
from .client.session import Answer, EnvSession
from .data import LAYOUTS, legal_actions
from .errors import InvalidArgument, InvalidState

Observation = dict[str, np.ndarray]
Step = tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]

_INFOS = ("step", "episode_id", "land", "army_total", "opp_land", "opp_army", "refused", "active")


class RemoteVectorEnv(VectorEnv):
    """Games on a `bivouac serve`, all stepped with one message up and one down.

    A sub-environment is one seat of one game that this client plays: `num_envs` is `num_games` times
    the number of `seats`, game after game and seat after seat. With one seat and opponents it is
    an ordinary vector environment; with all seats it is self-play.

    Observations are dicts. With a dense layout, `observation`: float32
    `[num_envs, channels, height, width]` and `action_mask`: bool `[num_envs, n_actions]`. With
    `layout=None`, compact: `army` uint16 `[num_envs, height, width]`, `planes` uint8
    `[num_envs, 9, plane_bytes]`, `action_mask` uint8 `[num_envs, 4 or 5, plane_bytes]` (decode with
    `bivouac.data.dense` and `legal_actions`, on any device). Actions are int32 `[num_envs]`, indexes
    as in a dataset; -1 passes. What is illegal is played as a pass, and `infos["refused"]` says why
    (0 where it was accepted, names in `refusals`).

    With `groups` of 2 or more, `send` and `receive` keep several in flight, so that games go on
    while a network decides: `envs.send(actions, group=0); envs.receive()`.

    What `bivouac.VectorEnv` has too goes by the same names: `autoreset`, `send` and `recv`,
    `action_masks`, `seat`, `num_games`, `infos["tick"]`, `infos["is_active"]` and what they mean: the
    episode of an agent that is out of its game ends once, and its rows are not active from then on.

    A connection that breaks is opened again, and nothing is lost or played twice.
    """

    def __init__(
        self,
        server: str | Client = DEFAULT_URI,
        num_games: int = 1,
        *,
        seat: int | None = None,
        seats: Sequence[int] | None = None,
        opponents: str | Sequence[str] | None = None,
        size: str | int | tuple[int, int] | None = None,
        players: int = 2,
        ruleset: str = "generals",
        max_ticks: int | None = None,
        fog: bool = True,
        reward: str = "sparse",
        autoreset: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        autoreset_mode: AutoresetMode | None = None,
        seed: int = 0,
        layout: str | None = "durbin9",
        groups: int = 1,
        collect: bool | str = False,
        token: str | None = None,
        reconnect_seconds: float = 60.0,
    ) -> None:
        """Opens the games of every group.

        Args:
            server: a URI, or a client that is connected.
            num_games: games of each group.
            seat: the seat that this client plays, if it is one.
            seats: the seats that this client plays; by default seat 0 if there are opponents, and
                all otherwise.
            opponents: built-in policies that take the other seats in turn, or one for all of them.
            size: height and width, one number for both, `"HEIGHTxWIDTH"`, or `"random"`; None as the
                ruleset has it: 20, and `"random"` for `competition`.
            players: seats of a game.
            ruleset: name of a ruleset.
            max_ticks: tick at which a game is truncated; None as the ruleset has it: 1000, and 1200 for
                `competition`.
            fog: whether players see only what is near their land.
            reward: `"sparse"`, `"shaped"` or `"potential"`.
            autoreset: what happens when an episode ends: `next_step`, `same_step` or `disabled`, or
                Gymnasium's `AutoresetMode`.
            autoreset_mode: another name for it.
            seed: of everything; a seed gives the same games whatever the machine.
            layout: a dense layout of `bivouac.data.LAYOUTS`, or None for compact observations.
            groups: groups of games that can be in flight at a time.
            collect: whether these seats' rows join the server's streams of experiences, as those of
                the policy `"external"`, or of one of the server's `--learners`, by its name. Games
                have to be of the form that the server simulates.
            token: the bearer token, where the server wants one.
            reconnect_seconds: for how long to try again when the server cannot be reached.

        Raises:
            ClientError: the server refuses; the message names the field.
        """
        if layout is not None and layout not in LAYOUTS:
            raise InvalidArgument(f"layout={layout!r}: use one of {sorted(LAYOUTS)} or None")
        if isinstance(opponents, str):
            opponents = [opponents]
        if seat is not None:
            if seats is not None:
                raise InvalidArgument("seat and seats: both say what is played: give one of them")
            seats = [seat]
        if seats is None and opponents is not None:
            seats = [0]
        mode = mode_of(autoreset if autoreset_mode is None else autoreset_mode)
        opening = {
            "num_envs": num_games,
            "groups": groups,
            "size": size if size is None or isinstance(size, str) else "{}x{}".format(*sides(size, "size")),
            "players": players,
            "ruleset": ruleset,
            "max_ticks": max_ticks,
            "fog": fog,
            "seats": None if seats is None else [int(seat) for seat in seats],
            "opponents": None if opponents is None else list(opponents),
            "reward": reward,
            "autoreset": mode_name(mode),
            "seed": seed,
            "collect": collect or None,
            # One batch a step: pyarrow has no limit of its own.
            "message_bytes": 1 << 28,
        }
        client = _connect(server, token=token) if isinstance(server, str) else server
        opening = {name: value for name, value in opening.items() if value is not None}
        self._session = client.open_envs(opening, reconnect_seconds=reconnect_seconds)
        about = self._session.about
        self.seats: list[int] = about["seats"]
        self.num_games: int = num_games
        self.num_envs = num_games * len(self.seats)
        self.groups = groups
        self.refusals: list[str] = about["refusals"]
        """Why an action is played as a pass, by number."""
        self.format = self._session.format
        self.layout = layout
        self.autoreset_mode = self.autoreset = mode
        self.metadata = {"autoreset_mode": mode}
        self._legal: np.ndarray | None = None
        self._decode = Decoder("numpy", layout, self.format)
        self._set_spaces()

    def _set_spaces(self) -> None:
        form, box = self.format, gym.spaces.Box
        if self.layout is not None:
            shape = (len(LAYOUTS[self.layout].channels), form.height, form.width)
            spaces: dict[str, gym.Space] = {
                "observation": box(0.0, np.inf, shape, np.float32),
                "action_mask": box(0, 1, (form.n_actions,), np.bool_),
            }
        else:
            planes, masks = len(form.planes), len(form.masks)
            spaces = {
                "army": box(0, 65535, (form.height, form.width), np.uint16),
                "planes": box(0, 255, (planes, form.plane_bytes), np.uint8),
                "action_mask": box(0, 255, (masks, form.plane_bytes), np.uint8),
                "size": box(0, 32, (2,), np.uint8),
            }
            if form.has_owners:
                spaces["owner"] = box(0, 255, (form.height, form.width), np.uint8)
        self.single_observation_space = gym.spaces.Dict(spaces)
        self.single_action_space = gym.spaces.Discrete(form.n_actions)
        batched = gym.vector.utils.batch_space
        self.observation_space = batched(self.single_observation_space, self.num_envs)
        self.action_space = batched(self.single_action_space, self.num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
        group: int = 0,
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins new episodes, in all games or in some.

        Args:
            seed: of all games (game `i` is that of index `i` in a dataset of the seed), or one for
                each game; without, each game goes on with its next episode.
            options: `{"reset_mask": bool [num_envs]}` resets the games that have a True in it.
            group: which group.
        """
        envs = None
        mask = (options or {}).get("reset_mask")
        if mask is not None:
            mask = np.asarray(mask)
            if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
                raise InvalidArgument(
                    f"reset_mask: give bool [{self.num_envs}] with a True in it, "
                    f"not {mask.dtype} {list(mask.shape)}"
                )
            envs = np.flatnonzero(mask.reshape(self.num_games, -1).any(1)).tolist()
        fields: dict[str, Any] = {"envs": envs}
        if seed is not None:
            fields["seed" if isinstance(seed, int) else "seeds"] = (
                seed if isinstance(seed, int) else [int(each) for each in seed]
            )
        obs, _, _, _, infos = self._step(self._session.ask("reset", group, **fields))
        return obs, infos

    def step(self, actions: np.ndarray, *, policy_version: int | None = None) -> Step:
        """Plays one tick in every game of group 0.

        Args:
            actions: int `[num_envs]`.
            policy_version: the version of the policy that chose them, from 0. It comes back as
                `infos["policy_version"]`: uint64 `[num_envs]`, of the step that led to the rows.

        Returns:
            Observations, rewards float32 `[num_envs]`, terminated and truncated bool `[num_envs]`,
            infos.
        """
        if self._session.in_flight:
            raise InvalidState("step: receive the answers that are in flight first")
        self._session.send(actions, policy_version=policy_version)
        return self._step(self._session.receive())

    def send(
        self, actions: np.ndarray, group: int = 0, *, policy_version: int | None = None
    ) -> None:
        """Begins a step of a group, without waiting for it; see `step`."""
        self._session.send(actions, group, policy_version)

    def receive(self) -> tuple[int, Step]:
        """The group whose step was begun first of those in flight, and what `step` returns."""
        answer = self._session.receive()
        return answer.about["group"], self._step(answer)

    def recv(self) -> Step:
        """What `step` returns, of the step that was begun first of those in flight."""
        return self.receive()[1]

    def action_masks(self) -> np.ndarray:
        """Legal actions in the rows that came last: bool `[num_envs, n_actions]`."""
        if self._legal is None:
            raise InvalidState("no rows came yet: call reset() first")
        is_packed = self.layout is None
        return legal_actions(self._legal, self.format) if is_packed else self._legal

    def _step(self, answer: Answer) -> Step:
        columns = self._columns(answer.rows)
        self._legal = columns["action_mask"]
        infos = _infos(columns)
        version = answer.about.get("policy_version")
        if version is not None:
            infos["policy_version"] = np.full(self.num_envs, version, np.uint64)
        results = _results(columns)
        if answer.final_envs:
            results = self._add_finals(infos, answer, results)
        reward, terminated, truncated = results
        return self._observation(columns), reward, terminated, truncated, infos

    def _columns(self, batches: list[Any]) -> dict[str, np.ndarray]:
        parts = [self._decode(batch) for batch in batches]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _observation(self, columns: dict[str, np.ndarray]) -> Observation:
        if self.layout is not None:
            return {name: columns[name] for name in ("observation", "action_mask")}
        obs = {name: columns[name] for name in ("army", "planes", "action_mask")}
        obs["size"] = np.stack([columns["height"], columns["width"]], -1)
        if self.format.has_owners:
            obs["owner"] = columns["owner"]
        return obs

    def _add_finals(
        self, infos: dict[str, Any], answer: Answer, results: list[np.ndarray]
    ) -> list[np.ndarray]:
        """Adds the last observations of episodes that ended, where the next ones have begun, and
        returns the results of the step with how those ended."""
        columns = self._columns(answer.final_rows)
        seats = len(self.seats)
        envs = np.asarray(answer.final_envs)[:, None] * seats + np.arange(seats)
        at, mask = envs.reshape(-1), np.zeros(self.num_envs, bool)
        # Agents that were out before had their ends then.
        mask[at] = columns["active"]
        final = np.full(self.num_envs, None, dtype=object)
        observation = self._observation(columns)
        for row, env in enumerate(at):
            final[env] = {name: values[row] for name, values in observation.items()}
        info: dict[str, Any] = {}
        for name, column in _infos(columns).items():
            values = np.zeros((self.num_envs, *column.shape[1:]), column.dtype)
            values[at] = column
            info[name] = values
        infos.update(final_obs=final, _final_obs=mask, final_info=info, _final_info=mask)
        ended = []
        for values, last in zip(results, _results(columns), strict=True):
            # The arrays of a batch cannot be written to.
            values = values.copy()
            values[at] = last
            ended.append(values)
        return ended

    def snapshot(self, games: Sequence[int] | None = None, group: int = 0) -> int:
        """Keeps some games, or all, as they are; returns what `restore` takes."""
        answer = self._session.ask("snapshot", group, envs=_numbers(games))
        return int(answer.about["snapshot"])

    def restore(
        self, snapshot: int, games: Sequence[int] | None = None, group: int = 0
    ) -> tuple[Observation, dict[str, Any]]:
        """Makes games what those of a snapshot were; they go on exactly as those would."""
        fields = {"snapshot": snapshot, "envs": _numbers(games)}
        obs, _, _, _, infos = self._step(self._session.ask("restore", group, **fields))
        return obs, infos

    def forget(self, snapshot: int) -> None:
        """Lets go of a snapshot."""
        self._session.ask("forget", snapshot=snapshot)

    def clone(
        self, source: Sequence[int], target: Sequence[int], group: int = 0
    ) -> tuple[Observation, dict[str, Any]]:
        """Makes the games of `target` copies of those of `source`."""
        fields = {"from": _numbers(source), "to": _numbers(target)}
        obs, _, _, _, infos = self._step(self._session.ask("copy", group, **fields))
        return obs, infos

    def set_policy(
        self, seat: int, policy: str, games: Sequence[int] | None = None, group: int = 0
    ) -> None:
        """Changes who plays a seat from the next step on, in later episodes too; `"external"` is this
        client."""
        self._session.ask("policy", group, seat=seat, policy=policy, envs=_numbers(games))

    def stats(self) -> dict[str, Any]:
        """Steps, environments, snapshots, and refused actions by reason."""
        return self._session.ask("stats").about["stats"]

    def close_extras(self, **_: Any) -> None:
        """Frees the games."""
        self._session.close()


def _infos(columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Infos by the names of columns, and by those of `bivouac.VectorEnv`."""
    infos = {name: columns[name] for name in _INFOS}
    return {**infos, "tick": columns["step"], "is_active": columns["active"]}


def _results(columns: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Rewards, terminations and truncations. Those of rows that wait for a reset are over."""
    ends = [columns[name] & columns["active"] for name in ("terminated", "truncated")]
    return [columns["reward"], *ends]


def _numbers(games: Sequence[int] | None) -> list[int] | None:
    return None if games is None else [int(game) for game in games]


__all__ = ["EnvSession", "RemoteVectorEnv"]
