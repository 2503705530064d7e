"""More than two players: agents that are out wait, and players that are functions."""

from __future__ import annotations

import bivouac
import numpy as np
import pytest

MODES = ["next_step", "same_step", "disabled"]


def make(num_envs: int = 6, **options):
    defaults = {"size": (8, 8), "players": 3, "max_ticks": 500, "threads": 1}
    return bivouac.make_vec("generals", num_envs, **{**defaults, **options})


def hunted(players: int) -> list[str]:
    """The first seat only passes and is soon out; the others play on."""
    return ["external"] + ["hunter"] * (players - 1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("players", [3, 4])
@pytest.mark.parametrize("layout", [None, "durbin9"])
def test_an_agent_ends_once_and_waits_for_the_next_game(mode, players, layout):
    envs = make(seat=None, players=players, policies=hunted(players), autoreset=mode, layout=layout)
    observations, infos = envs.reset(seed=1)
    pass_only = np.zeros(envs.single_action_space.n, dtype=bool)
    pass_only[envs.form.format.pass_action] = True
    has_ended = np.zeros(envs.num_envs, dtype=bool)
    waited = ended = 0
    for _ in range(900):
        observations, rewards, terminated, truncated, infos = envs.step(np.full(envs.num_envs, -1))
        assert observations in envs.observation_space
        over, active, legal = terminated | truncated, infos["is_active"], envs.action_masks()
        if mode != "same_step":
            has_ended &= envs.frame.of(envs.frame.step, None) > 0
        assert not (over & has_ended).any(), "no episode ends twice"
        waiting = has_ended & ~active
        assert (rewards[waiting] == 0).all() and (legal[waiting] == pass_only).all()
        assert (infos["tick"][waiting] > 0).all()
        waited += int(waiting.sum())
        ended += int(over.sum())
        has_ended |= over
        if mode == "same_step" and "_final_obs" in infos:
            assert np.array_equal(infos["_final_obs"], over & infos["_final_obs"])
            begun = infos["tick"] == 0
            assert (infos["_final_obs"][over & begun]).all()
            has_ended &= ~begun
        if mode == "disabled":
            done = (has_ended | ~active).reshape(-1, players).all(1).repeat(players)
            if done.any():
                envs.reset(options={"reset_mask": done})
                has_ended &= ~done
    assert waited > 200 and ended >= envs.num_envs, (waited, ended)


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
@pytest.mark.parametrize("opponents", [["hunter"] * 2, "function"])
def test_a_game_begins_anew_when_the_learner_is_out_whoever_plays_on(mode, opponents):
    def hunter(observations, legal):
        # Marches of all units, so that the learner, who only passes, is found.
        return (rng.random(legal.shape) * legal).argmax(1)

    rng = np.random.default_rng(1)
    if opponents == "function":
        opponents = [hunter, "hunter"]
    envs = make(12, seat=0, opponents=opponents, autoreset=mode)
    envs.reset(seed=1)
    outlived, had_ended = 0, np.zeros(12, dtype=bool)
    for _ in range(700):
        _, _, terminated, truncated, infos = envs.step(np.full(12, -1))
        assert infos["is_active"].all(), "the learner never waits"
        if mode == "next_step":
            assert (infos["tick"][had_ended] == 0).all()
            had_ended = terminated | truncated
        else:
            assert (infos["tick"][terminated | truncated] == 0).all()
            for env in np.flatnonzero(terminated):
                assert infos["_final_obs"][env]
        outlived += int((terminated & ~infos["has_won"]).sum())
    assert outlived > 6


def test_games_that_the_learner_left_are_kept_as_given_up():
    envs = make(4, seat=0, opponents="hunter", record=True, autoreset="same_step")
    envs.reset(seed=1)
    for _ in range(700):
        envs.step(np.full(4, -1))
    games = envs.games()
    assert any(game.is_truncated and game.ticks < 500 for game in games)


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (lambda n: np.zeros(n + 1, int), r"seat 2 \(5,\): give one for each, \(4,\)"),
        (lambda n: np.zeros((n, 1), int), r"seat 2 \(4, 1\)"),
        (lambda n: np.zeros(n), "seat 2 of float64: give whole numbers"),
        (lambda n: None, r"seat 2 \(\)"),
        (lambda n: [[1], [2, 3], [4], [5]], "seat 2: no array of numbers"),
    ],
)
def test_what_a_function_gives_is_checked_and_names_its_seat(answer, named):
    envs = make(4, seat=1, opponents=["random", lambda rows, legal: answer(len(legal))])
    envs.reset(seed=1)
    before = envs.frame
    with pytest.raises(bivouac.InvalidArgument, match=named):
        envs.step(np.full(4, -1))
    assert envs.frame is before, "nothing was played"


def test_a_function_that_gives_any_number_is_refused_as_a_learner_is():
    envs = make(2, players=2, opponents=lambda rows, legal: np.array([2**40, -(2**40)]))
    envs.reset(seed=1)
    envs.step(np.full(2, -1))
    assert envs.refusals()["out_of_range"] == 2


def test_only_one_argument_says_who_plays():
    with pytest.raises(bivouac.InvalidArgument, match="opponents and policies"):
        make(2, opponents="random", policies=["external", "random", "random"])
    with pytest.raises(bivouac.InvalidArgument, match="opponents 7"):
        make(2, opponents=[7, "random"])
    assert make(1, policies=["external", "hunter", "random"], seat=0).form.seats == (0,)


def test_a_copy_of_environments_has_the_players_of_its_source():
    rng = np.random.default_rng(1)
    for options in [
        {"opponents": ["hunter", "expander"]},
        {"opponents": ["hunter", lambda rows, legal: (rng.random(legal.shape) * legal).argmax(1)]},
        {"policies": ["external", "hunter", "expander"]},
    ]:
        envs = make(2, record=True, **options)
        envs.reset(seed=1)
        twin = envs.clone([0, 1], 1)
        for both in (envs, twin):
            for _ in range(10):
                both.step(np.full(2, -1))
            both.reset()
        assert [game.policies for game in twin.games()] == [game.policies for game in envs.games()]


def test_maps_of_a_pool_are_those_of_its_seed():
    def maps(seed):
        envs = make(20, players=2, map_pool=3, map_seed=seed)
        envs.reset(seed=1)
        return {envs.draw(game, None).split("\n", 1)[1] for game in range(20)}

    assert maps(0) == maps(0) and len(maps(0)) == 3
    assert not maps(0) & maps(1)


def test_a_pool_that_is_there_is_not_made_again():
    from time import perf_counter

    began = perf_counter()
    envs = make(32, players=2, map_pool=2_000, size=20)
    first = perf_counter() - began
    began = perf_counter()
    for game in range(32):
        envs.set_game([game], max_ticks=100 + game)
    assert perf_counter() - began < 16 * first


def test_games_are_drawn_while_they_are_played_and_after(tmp_path):
    from PIL import Image

    envs = make(2, players=2, policies=["hunter"] * 2, seat=None, record=True, max_ticks=30)
    with pytest.raises(bivouac.InvalidState, match="game 1"):
        envs.save_gif(tmp_path / "none.gif", game=1)
    envs.reset(seed=1)
    for _ in range(12):
        envs.step(np.full(4, -1))
    assert envs.last_game(1).ticks == 12 and envs.games() == []
    boards = envs.last_game(1).boards(0)
    assert bivouac.render.text(boards[-1]) == envs.draw(1, 0)
    envs.save_gif(tmp_path / "game.gif", game=1, seat=0, every=4)
    envs.save_html(tmp_path / "game.html", game=1)
    with Image.open(tmp_path / "game.gif") as picture:
        assert picture.n_frames == 4
    for _ in range(19):
        envs.step(np.full(4, -1))
    # A new game has begun; the last one is whole.
    assert envs.frame.step.max() == 0 and envs.last_game(1).ticks == 30
    assert [game.ticks for game in envs.games()] == [30, 30] and envs.last_game(1).ticks == 30
    plain = make(2, players=2)
    plain.reset(), plain.step(np.full(2, -1))
    with pytest.raises(bivouac.InvalidState, match="record=True"):
        plain.save_html(tmp_path / "none.html")
