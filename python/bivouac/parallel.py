"""`ParallelEnv`: one game of 2 to 16 players for PettingZoo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Space

from . import _engine, arguments, render
from .checks import check, sides
from .errors import InvalidArgument, InvalidState, needing
from .frame import ACTIVE, TERMINATED, TRUNCATED, WON, Form, Frame
from .games import Game
from .spaces import action_space, observation_space
from .spec import GameSpec, text_of

with needing("pettingzoo"):
    import pettingzoo


class ParallelEnv(pettingzoo.ParallelEnv):
    """One game, all seats of which are played from outside, as agents `player_0`, `player_1`, ...

    An observation is `{"observation": ..., "action_mask": int8 [n_actions]}`; its first part is
    that of `VectorEnv`. An agent leaves when it dies, or when the game ends.

    Args:
        layout, reward, canvas, record, render_mode: as in `VectorEnv`.
        game: attributes of `GameSpec`, such as `size`, `players` and `teams`.
    """

    metadata: dict[str, Any] = {
        "name": "bivouac_v0",
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 8,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        *,
        layout: str | None = None,
        reward: str = "sparse",
        canvas: int | tuple[int, int] | None = None,
        record: bool = False,
        render_mode: str | None = None,
        **game: Any,
    ) -> None:
        if render_mode not in (None, "ansi", "rgb_array"):
            raise InvalidArgument(f"render_mode {render_mode!r}: use 'ansi' or 'rgb_array'")
        spec = GameSpec().changed(game).built()
        self._engine = _engine.Engine(
            envs=[spec],
            seats=None,
            learner=None,
            canvas=None if canvas is None else sides(canvas, "canvas"),
            seed=0,
            autoreset="disabled",
            reward=text_of(reward, "reward"),
            record=record,
            threads=1,
            layout=layout,
        )
        self.form = Form.of(self._engine, layout)
        self.render_mode = render_mode
        self.possible_agents = [f"player_{seat}" for seat in self.form.seats]
        self.agents: list[str] = []
        self._has_begun = False
        self._seats = {f"player_{seat}": seat for seat in self.form.seats}
        mask = Box(0, 1, (self.form.format.n_actions,), np.int8)
        space = Dict({"observation": observation_space(self.form), "action_mask": mask})
        self.observation_spaces: dict[str, Space] = {agent: space for agent in self.possible_agents}
        actions = action_space(self.form)
        self.action_spaces: dict[str, Discrete] = {
            agent: Discrete(int(actions.n)) for agent in self.possible_agents
        }

    def observation_space(self, agent: str) -> Space:
        """The space of an agent's observations."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Discrete:
        """The space of an agent's actions."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begins a new episode: of a seed, or the next one.

        `options` are there for PettingZoo; none is known.
        """
        seed = None if seed is None else check("seed", seed, 0, 2**64 - 1)
        frame = Frame(self._engine.reset(None, seed), self.form)
        self._has_begun = True
        is_playing = frame.has(ACTIVE, None)
        self.agents = [agent for agent in self.possible_agents if is_playing[self._seats[agent]]]
        return self._observations(frame, self.agents), self._infos(frame, self.agents)

    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        dict[str, Any], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Any]
    ]:
        """Plays one tick. Agents that are not among `actions` pass.

        Returns:
            Observations, rewards, terminations, truncations and infos, each by agent; nothing once
            the game is over.

        Raises:
            InvalidState: no game was begun; call `reset` first.
        """
        if not self._has_begun:
            raise InvalidState("no game was begun: call reset() first")
        if not self.agents:
            return {}, {}, {}, {}, {}
        told = np.full(len(self.form.seats), -1, dtype="<i4")
        for agent, action in actions.items():
            if agent not in self._seats:
                raise InvalidArgument(f"agent {agent!r}: use {self.possible_agents}")
            (told[self._seats[agent]],) = arguments.numbers([action], 1, f"action of {agent}")
        frame = Frame(self._engine.step(told.tobytes()), self.form)
        agents = self.agents
        seats = [self._seats[agent] for agent in agents]
        reward = frame.of(frame.reward, None)
        terminated, truncated = frame.has(TERMINATED, None), frame.has(TRUNCATED, None)
        rewards = {agent: float(reward[seat]) for agent, seat in zip(agents, seats, strict=True)}
        terminations = {a: bool(terminated[s]) for a, s in zip(agents, seats, strict=True)}
        truncations = {a: bool(truncated[s]) for a, s in zip(agents, seats, strict=True)}
        self.agents = [a for a in agents if not terminations[a] and not truncations[a]]
        observations = self._observations(frame, agents)
        return observations, rewards, terminations, truncations, self._infos(frame, agents)

    def _observations(self, frame: Frame, agents: list[str]) -> dict[str, Any]:
        rows, legal = frame.observation(None), frame.legal(None).view(np.int8)
        seats = [(agent, self._seats[agent]) for agent in agents]
        if isinstance(rows, dict):
            of = {agent: {name: rows[name][seat] for name in rows} for agent, seat in seats}
        else:
            of = {agent: rows[seat] for agent, seat in seats}
        return {
            agent: {"observation": of[agent], "action_mask": legal[seat]} for agent, seat in seats
        }

    def _infos(self, frame: Frame, agents: list[str]) -> dict[str, Any]:
        won, refused = frame.has(WON, None), frame.of(frame.refused, None)
        step = frame.of(frame.step, None)
        return {
            agent: {
                "tick": int(step[seat]),
                "has_won": bool(won[seat]),
                "refused": int(refused[seat]),
            }
            for agent, seat in ((agent, self._seats[agent]) for agent in agents)
        }

    def render(self) -> Any:
        """The whole board: text, or uint8 `[h, w, 3]`."""
        if self.render_mode is None:
            raise InvalidState("render_mode was not given: make the environment with one")
        return render.draw(self._engine.board(0, None), self.render_mode)

    def games(self) -> list[Game]:
        """Games finished or given up since the last call, if `record` is on."""
        return self._engine.games()

    def last_game(self) -> Game:
        """What was played of the present episode, cut off here; see `VectorEnv.last_game`."""
        return self._engine.last_game(0)

    def save_gif(self, path: str | Path, *, seat: int | None = None, **how: Any) -> None:
        """Writes the game as a moving picture, as a seat sees it or whole; see `bivouac.save_gif`."""
        render.save_gif(self.last_game(), path, seat=seat, **how)

    def save_html(self, path: str | Path, *, seat: int | None = None, **how: Any) -> None:
        """Writes the game as a page that plays it; see `bivouac.save_html`."""
        render.save_html(self.last_game(), path, seat=seat, **how)

    def close(self) -> None:
        """Gives back threads and memory; any use but another `close` is an `InvalidState` then."""
        self._engine.close()
