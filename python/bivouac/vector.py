"""`VectorEnv`: many games stepped together, as a Gymnasium vector environment."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from . import _engine, arguments, render
from .arguments import Opponent
from .checks import check, sides
from .errors import InvalidArgument, InvalidState
from .frame import ACTIVE, TERMINATED, TRUNCATED, WON, Form, Frame
from .games import Game, Games, find_games
from .spaces import action_space, batched, observation_space
from .spec import GameSpec, text_of


def make_vec(ruleset: str = "generals", num_envs: int = 1, **options: Any) -> VectorEnv:
    """Makes a vector environment; see `VectorEnv` for the options.

    Raises:
        InvalidArgument: an option that nothing can be played with; the message names it.
    """
    return VectorEnv(num_envs, ruleset=ruleset, **options)


class VectorEnv(gymnasium.vector.VectorEnv):
    """Many games, of which one agent each, or all, are played by whoever calls `step`.

    With a `seat`, `num_envs` games are `num_envs` environments: the learner has that seat and
    `opponents` the others. With `seat=None` every seat is played from outside (self-play), and the
    agents are the environments: game `g`, seat `s` is row `g * players + s` of all arrays, and
    `num_envs` is the number of agents.

    Observations are compact by default: a dict of `army` (uint16 `[height, width]`, 0 where
    unseen), `planes` (bit planes, uint8 `[9, plane_bytes]`, see `bivouac.data.layouts`),
    `action_mask` (uint8 `[4 or 5, plane_bytes]`), `scoreboard` (uint32 `[4]`: own land, own army,
    opponents' land, opponents' army) and `size` (uint8 `[2]`), and with more than two players
    `owner` (uint8 `[height, width]`). With a `layout` they are float32 `[channels, height, width]`.

    Arrays of observations are read-only views of the engine's memory, made without a copy. They
    stay valid, and as they are, for as long as they are held.

    Actions are numbers of a flat space: `((row * width + column) * 4 + direction) * 2 + half`, then
    pass, then builds where the ruleset has them. What the rules do not accept is played as a pass
    and counted in `refusals()`.

    With a seat, an episode ends when the learner's does, whoever plays on. In self-play it ends when
    those of all agents have: until then an agent that is out waits. It was `terminated` once, in
    the step in which it went; from then on its `infos["is_active"]` is False, its observation is
    what it saw last, its reward 0, and passing its only legal action, and the first row of the next
    episode follows. Leave rows that are not active out of what you learn from.

    `infos`, each `[num_envs]`: `tick` (uint32, of the game), `episode_id` (uint64), `is_active`
    (bool, whether this step wrote the row), `has_won` (bool), `refused` (uint8, why the action was
    played as a pass: a number of `bivouac.REFUSALS`, 0 where it was not). With `same_step`, where
    games ended, `final_obs` (an array of the last observations, None elsewhere) and `final_info`
    (what `infos` would have been) too, with `_final_obs` and `_final_info` (bool) for the agents
    whose episodes ended in this step.

    Args:
        num_games: number of games.
        seat: the learner's seat, or None to play all of them.
        opponents: who plays the other seats: a policy's name, a function (see `Player` in
            `bivouac.arguments`, and `bivouac.torch.FrozenPolicy`), or one of them for each; None
            for `expander`, or as `policies` say.
        layout: None, `durbin9`, `generals-bots` or `memory`.
        autoreset: `next_step`, `same_step` or `disabled`, or Gymnasium's `AutoresetMode`.
        reward: `sparse`, `shaped`, `potential`, or a `.toml` file of weights.
        seed: of the first episodes; `reset(seed=...)` gives others.
        canvas: height and width of observations, or one number for both; None for the largest
            board that there can be.
        record: whether `games()` returns what was played.
        threads: None for one on each processor; they change no result.
        render_mode: `ansi` or `rgb_array`, for `render`.
        game: see `GameSpec`, whose attributes are the other keyword arguments.
    """

    metadata: dict[str, Any] = {
        "render_modes": ["ansi", "rgb_array"],
        "render_fps": 8,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
        "autoreset_modes": list(AutoresetMode),
    }

    def __init__(
        self,
        num_games: int = 1,
        *,
        seat: int | None = 0,
        opponents: Opponent | Sequence[Opponent] | None = None,
        layout: str | None = None,
        autoreset: str | AutoresetMode = "next_step",
        reward: str = "sparse",
        seed: int | Sequence[int] = 0,
        canvas: int | tuple[int, int] | None = None,
        record: bool = False,
        threads: int | None = None,
        render_mode: str | None = None,
        **game: Any,
    ) -> None:
        check("num_envs", num_games, 1, 2**24)
        if threads is not None:
            check("threads", threads, 1, 1024)
        if render_mode not in (None, "ansi", "rgb_array"):
            raise InvalidArgument(f"render_mode {render_mode!r}: use 'ansi' or 'rgb_array'")
        self.game_spec = GameSpec().changed(game)
        players = self.game_spec.built().players
        if seat is not None:
            check("seat", seat, 0, players - 1)
        self.seat, self.players = seat, players
        self._shared = {
            "reward": reward, "threads": threads, "render_mode": render_mode, "record": record,
        }  # fmt: skip
        of_game = self.game_spec.policies
        self.opponents, policies = arguments.players(opponents, of_game, seat, players)
        self.game_spec = self.game_spec.changed({"policies": policies})
        seats = None if seat is None else sorted({seat, *self.opponents})
        mode = arguments.autoreset_mode(autoreset)
        self._engine = _engine.Engine(
            envs=[self.game_spec.built()] * num_games,
            seats=seats,
            learner=seat,
            canvas=None if canvas is None else sides(canvas, "canvas"),
            seed=arguments.seeds(seed),
            autoreset=arguments.mode_name(mode),
            reward=text_of(reward, "reward"),
            record=record,
            threads=threads,
            layout=layout,
        )
        self.form = Form.of(self._engine, layout)
        self.num_games = num_games
        self._agent = None if seat is None else self.form.seats.index(seat)
        self.num_envs = num_games * (players if seat is None else 1)
        self.metadata = {**self.metadata, "autoreset_mode": mode}
        self.render_mode = render_mode
        self.single_observation_space = observation_space(self.form)
        self.single_action_space = action_space(self.form)
        self._frame = Frame(self._engine.frame(), self.form)
        # The seed of the first episodes until they are begun, and whether they begin otherwise by now.
        self._first_seed: int | list[int] | None = arguments.seeds(seed)
        self._has_changed = False

    @cached_property
    def observation_space(self) -> gymnasium.Space:
        """The space of all observations together, made when it is asked for."""
        return batched(self.single_observation_space, self.num_envs)

    @cached_property
    def action_space(self) -> gymnasium.Space:
        """The space of all actions together, made when it is asked for."""
        return batch_space(self.single_action_space, self.num_envs)

    # Stepping.

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begins new episodes and returns their first observations.

        Args:
            seed: one number, of which game `g` plays episode `g`; a list with one for each game; or
                None for the next episode of each game.
            options: `reset_mask`, bool `[num_envs]`: the environments to reset; the others stay as
                they are. In self-play the agents of one game are reset together.
        """
        options = options or {}
        unknown = set(options) - {"reset_mask"}
        if unknown:
            raise InvalidArgument(f"options {sorted(unknown)}: only reset_mask is known")
        mask = options.get("reset_mask")
        chosen = None if mask is None else self._games_of(mask)
        seeds = None if seed is None else arguments.seeds(seed)
        if isinstance(seeds, int):
            super().reset(seed=seeds)
        if chosen is None and seeds is None and self._has_changed:
            seeds = self._first_seed
        raw = self._engine.reset(chosen, seeds)
        self._first_seed = None
        self._frame = Frame(raw, self.form)
        return self._frame.observation(self._agent), self._infos(self._frame)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Plays one tick with one action for each environment, `[num_envs]`.

        Returns:
            Observations, rewards (float32), terminations, truncations (bool) and infos.
        """
        self._frame = Frame(self._engine.step(self._told(actions)), self.form)
        return self._seen()

    def send(self, actions: Any) -> None:
        """Begins to play one tick and returns at once; `recv` waits for it.

        Until then nothing else can be asked of the environments.
        """
        self._engine.send(self._told(actions))

    def recv(self) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Waits for the tick that `send` began, and returns what `step` does."""
        self._frame = Frame(self._engine.recv(), self.form)
        return self._seen()

    def close_extras(self, **_: Any) -> None:
        """Gives back threads and memory: what `close()` does.

        Arrays that are held stay as they are; any other use is an `InvalidState` from then on.
        """
        # One that could not be made has nothing to close.
        if "_engine" in self.__dict__:
            self._engine.close()
            self.__dict__.pop("_frame", None)

    def _seen(self) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        frame, infos = self._frame, self._infos(self._frame)
        # Of the caller's own: wrappers write to rewards.
        reward = frame.of(frame.reward, self._agent).copy()
        ends = frame.has(TERMINATED, self._agent), frame.has(TRUNCATED, self._agent)
        finals = self._engine.finals() if self.autoreset is AutoresetMode.SAME_STEP else None
        if finals is not None:
            reward, ends = self._with_finals(*finals, reward, ends, infos)
        return frame.observation(self._agent), reward, *ends, infos

    def _with_finals(
        self,
        games: list[int],
        raw: _engine.Frame,
        reward: np.ndarray,
        ends: tuple[np.ndarray, np.ndarray],
        infos: dict[str, Any],
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Puts what ended in this step in the place of what begins, but for observations."""
        last = Frame(raw, self.form)
        # Agents that were out before had their ends then.
        ended = last.has(ACTIVE, self._agent)
        envs = self._envs_of(np.array(games))
        reward[envs] = last.of(last.reward, self._agent)
        ends[0][envs] = last.has(TERMINATED, self._agent)
        ends[1][envs] = last.has(TRUNCATED, self._agent)
        final_obs = np.full(self.num_envs, None, dtype=object)
        rows = last.observation(self._agent)
        for i, env in enumerate(envs):
            final_obs[env] = _row(rows, i)
        is_final = np.zeros(self.num_envs, dtype=bool)
        is_final[envs[ended]] = True
        final_info = {}
        for name, values in self._infos(last).items():
            spread = np.zeros((self.num_envs, *values.shape[1:]), dtype=values.dtype)
            spread[envs] = values
            final_info[name] = spread
            final_info[f"_{name}"] = is_final
        infos.update(final_obs=final_obs, _final_obs=is_final)
        infos.update(final_info=final_info, _final_info=is_final)
        return reward, ends

    def _infos(self, frame: Frame) -> dict[str, Any]:
        return {
            "tick": frame.of(frame.step, self._agent),
            "episode_id": frame.of(frame.episode_id, self._agent),
            "is_active": frame.has(ACTIVE, self._agent),
            "has_won": frame.has(WON, self._agent),
            "refused": frame.of(frame.refused, self._agent),
        }

    def _told(self, actions: Any) -> bytes:
        """Actions of the learner and of opponents that are functions, as the engine takes them."""
        given = arguments.numbers(actions, self.num_envs, "actions")
        self._first_seed = None
        if self.seat is None:
            return given.tobytes()
        told = np.full((self.num_games, len(self.form.seats)), -1, dtype="<i4")
        told[:, self._agent] = given
        for seat, opponent in self.opponents.items():
            agent = self.form.seats.index(seat)
            theirs = opponent(self.frame.observation(agent), self.frame.legal(agent))
            whose = f"opponents: actions of the function of seat {seat}"
            told[:, agent] = arguments.numbers(theirs, self.num_games, whose)
        return told.tobytes()

    # What is known of the environments.

    @property
    def autoreset(self) -> AutoresetMode:
        """What happens when an episode ends."""
        return self.metadata["autoreset_mode"]

    @property
    def frame(self) -> Frame:
        """The present rows of all agents, column by column, `[games, agents, ...]`.

        Raises:
            InvalidState: the environments are closed.
        """
        if "_frame" not in self.__dict__:
            raise InvalidState("the environments are closed: make them anew")
        return self._frame

    def action_masks(self) -> np.ndarray:
        """Legal actions: bool `[num_envs, n_actions]`. Passing is always legal."""
        return self.frame.legal(self._agent)

    def seeds(self) -> list[tuple[int, int, int, int]]:
        """Effective seed of each game's episode: seed, game, number of the episode, episode id."""
        return self._engine.episodes()

    def refusals(self) -> dict[str, int]:
        """Actions that were played as a pass since the environments were made, by reason."""
        return self._engine.refusals()

    def games(self) -> list[Game]:
        """Games finished or given up since the last call, if `record` is on."""
        return self._engine.games()

    def last_game(self, game: int = 0) -> Game:
        """What a game has played of its present episode, cut off here; of the one before where
        nothing of it was played yet. It needs `record`.

        Raises:
            InvalidState: games are not recorded, or nothing was played.
        """
        (game,) = arguments.games([game], self.num_games)
        return self._engine.last_game(game)

    def save_gif(self, path: str | Path, *, game: int = 0, seat: int | None = None, **how: Any) -> None:
        """Writes one game, `last_game(game)`, as a moving picture; see `bivouac.save_gif`.

        Args:
            seat: who looks; None for the whole board.
            how: `every` and `fps`.
        """
        render.save_gif(self.last_game(game), path, seat=seat, **how)

    def save_html(self, path: str | Path, *, game: int = 0, seat: int | None = None, **how: Any) -> None:
        """Writes one game, `last_game(game)`, as a page that plays it; see `bivouac.save_html`."""
        render.save_html(self.last_game(game), path, seat=seat, **how)

    # What changes while they run.

    def set_game(self, games: Sequence[int] | None = None, **changes: Any) -> None:
        """Changes what some games (None: all) play from their next episodes on: a curriculum.

        Args:
            changes: attributes of `GameSpec`; the others are those the environments were made with.
        """
        spec = self.game_spec.changed(changes).built()
        self._engine.set_spec(self._all(games), spec)
        self._has_changed = True

    def set_rows(
        self, dataset: Games, rows: Sequence[tuple[int, int]], games: Sequence[int] | None = None
    ) -> None:
        """Makes some games (None: all) begin at rows of a dataset from their next episodes on.

        The recorded game is played again up to the row, so that every seat sees what its row of the
        dataset shows, and goes on by the game's ruleset and fog with the players of these
        environments. `set_game()` makes them begin on maps again.

        Args:
            dataset: a dataset of games (its folder, a file, a table) or a list of `Game`.
            rows: `episode_id` and `step` of a row for each of the games; the last row of an episode
                is over, and nothing begins there.

        Raises:
            InvalidArgument: there is no such row, or these environments cannot show its board.
        """
        chosen, rows = self._all(games), [(int(episode), int(step)) for episode, step in rows]
        if len(rows) != len(chosen):
            raise InvalidArgument(f"rows has {len(rows)} entries: give one for each, {len(chosen)}")
        found = find_games(dataset, {episode for episode, _ in rows})
        for episode, step in rows:
            most = self.game_spec.changed({"game": found[episode]}).built().max_ticks
            last = min(found[episode].ticks, most)
            if not 0 <= step < last:
                why = "the game" if last < most else f"max_ticks {most}"
                raise InvalidArgument(
                    f"row (episode {episode}, step {step}): {why} ends it at {last}: "
                    f"give a step from 0 to {last - 1}"
                )
        starts: dict[tuple[int, int], list[int]] = {}
        for row, game in zip(rows, chosen):
            starts.setdefault(row, []).append(game)
        for (episode, step), its in starts.items():
            spec = self.game_spec.changed({"game": found[episode], "tick": step}).built()
            self._engine.set_spec(its, spec)
        self._has_changed = True

    def set_policy(self, seat: int, policy: str, games: Sequence[int] | None = None) -> None:
        """Changes who plays a seat of some games (None: all) in their present episodes."""
        check("seat", seat, 0, 15)
        self._engine.set_policy(self._all(games), seat, policy)

    def snapshot(self, games: Sequence[int] | None = None) -> _engine.Snapshot:
        """Keeps some games (None: all), each once, as they are, for `restore`."""
        return self._engine.snapshot(self._all(games))

    def restore(
        self, snapshot: _engine.Snapshot, games: Sequence[int] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Makes games (None: all) what those of a snapshot were; they go on exactly as those would.

        Returns:
            Observations and infos, as they were.
        """
        self._frame = Frame(self._engine.restore(snapshot, self._all(games)), self.form)
        self._first_seed = None
        return self._frame.observation(self._agent), self._infos(self._frame)

    def clone(self, games: Sequence[int], n: int) -> VectorEnv:
        """A vector environment of `n` copies of each of some games, one after the other."""
        check("n", n, 1, 2**24)
        games = self._all(games)
        functions, spec = None, dict(self.game_spec.__dict__)
        if self.opponents:
            policies = spec.pop("policies")
            functions = [self.opponents.get(s, policies[s]) for s in range(self.players)]
        twin = VectorEnv(
            len(games) * n,
            seat=self.seat,
            opponents=functions,
            layout=self.form.layout,
            autoreset=self.autoreset,
            canvas=(self.form.format.height, self.form.format.width),
            **self._shared,
            **spec,
        )
        # A snapshot has each game once.
        first = {game: n * place for place, game in reversed(list(enumerate(games)))}
        twin.restore(self.snapshot(list(first)), list(first.values()))
        source = [first[game] for game in games for _ in range(n)]
        twin._frame = Frame(twin._engine.copy(source, twin._all(None)), twin.form)
        return twin

    def render(self) -> Any:
        """The first game as the learner sees it (self-play: whole): text, or uint8 `[h, w, 3]`."""
        if self.render_mode is None:
            raise InvalidState("render_mode was not given: make the environments with one")
        return self.draw(0, self.seat, self.render_mode)

    def draw(self, game: int, seat: int | None, mode: str = "ansi") -> Any:
        """One game as a seat sees it, or whole: text (`ansi`), or uint8 `[h, w, 3]`."""
        (game,) = arguments.games([game], self.num_games)
        if seat is not None:
            check("seat", seat, 0, 15)
        return render.draw(self._engine.board(game, seat), mode)

    # Rows and games.

    def _all(self, games: Sequence[int] | None) -> list[int]:
        return arguments.games(games, self.num_games)

    def _games_of(self, mask: Any) -> list[bool]:
        """Games of which a mask of environments names an agent."""
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise InvalidArgument(f"reset_mask {mask.dtype}{mask.shape}: bool ({self.num_envs},)")
        return mask.reshape(self.num_games, -1).any(axis=1).tolist()

    def _envs_of(self, games: np.ndarray) -> np.ndarray:
        agents = self.num_envs // self.num_games
        return (games[:, None] * agents + np.arange(agents)).ravel()


def _row(rows: Any, i: int) -> Any:
    return {name: column[i] for name, column in rows.items()} if isinstance(rows, dict) else rows[i]
