"""`bivouac.VectorEnv` under Gymnasium's own spaces and modes."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys

import bivouac
import bivouac.render
import gymnasium
import numpy as np
import pytest
from bivouac.data.layouts import dense
from gymnasium.vector import AutoresetMode

MODES = ["next_step", "same_step", "disabled"]


def make(num_envs: int = 4, **options):
    defaults = {"size": (8, 9), "max_ticks": 60, "threads": 1}
    if not options.get("policies"):
        defaults["opponents"] = "random"
    return bivouac.make_vec("generals", num_envs, **{**defaults, **options})


def legal_actions(envs, rng: np.random.Generator) -> np.ndarray:
    masks = envs.action_masks()
    return np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)
    return np.array_equal(a, b)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("layout", [None, "durbin9", "memory"])
@pytest.mark.parametrize("seat", [0, 1, None])
def test_everything_returned_is_in_its_space(mode, layout, seat):
    envs = make(autoreset=mode, layout=layout, seat=seat)
    assert isinstance(envs, gymnasium.vector.VectorEnv)
    assert envs.metadata["autoreset_mode"] is AutoresetMode[mode.upper()]
    assert envs.num_envs == (4 if seat is not None else 8)
    observations, _ = envs.reset(seed=1)
    rng = np.random.default_rng(1)
    ended = 0
    for _ in range(130):
        assert observations in envs.observation_space
        actions = legal_actions(envs, rng)
        assert actions in envs.action_space
        observations, rewards, terminations, truncations, _ = envs.step(actions)
        for array, dtype in [(rewards, np.float32), (terminations, bool), (truncations, bool)]:
            assert (array.shape, array.dtype) == ((envs.num_envs,), np.dtype(dtype))
        over = terminations | truncations
        ended += int(over.sum())
        if mode == "disabled" and over.any():
            observations, _ = envs.reset(options={"reset_mask": over})
    assert ended >= 2 * envs.num_envs
    assert sum(envs.refusals().values()) == 0


def test_the_modes_of_autoreset_show_the_same_steps():
    runs = {}
    for mode in MODES:
        envs = make(6, autoreset=mode, seat=None)
        observations, _ = envs.reset(seed=3)
        seen = [[] for _ in range(envs.num_envs)]

        def note(i, row, reward=0.0, ends=(False, False)):
            seen[i].append((row["army"].copy(), float(reward), bool(ends[0]), bool(ends[1])))

        def rows(i):
            return {name: column[i] for name, column in observations.items()}

        for i in range(envs.num_envs):
            note(i, rows(i))
        for tick in range(140):
            actions = np.full(envs.num_envs, envs.single_action_space.n - 1)
            # A function of what is seen, so that the modes play alike.
            for i in range(envs.num_envs):
                legal = np.flatnonzero(envs.action_masks()[i])
                actions[i] = legal[observations["scoreboard"][i].sum() % len(legal)]
            observations, rewards, terminated, truncated, infos = envs.step(actions)
            for i in range(envs.num_envs):
                if mode == "same_step" and "_final_obs" in infos and infos["_final_obs"][i]:
                    note(i, infos["final_obs"][i], rewards[i], (terminated[i], truncated[i]))
                    assert infos["final_info"]["_tick"][i]
                    note(i, rows(i))
                else:
                    note(i, rows(i), rewards[i], (terminated[i], truncated[i]))
            over = terminated | truncated
            if mode == "disabled" and over.any():
                observations, _ = envs.reset(options={"reset_mask": over})
                for i in np.flatnonzero(over):
                    note(i, rows(i))
        runs[mode] = [steps[:135] for steps in seen]
    for mode in MODES[1:]:
        for ours, theirs in zip(runs[mode], runs["next_step"], strict=True):
            for a, b in zip(ours, theirs, strict=True):
                assert np.array_equal(a[0], b[0]) and a[1:] == b[1:]


def test_seeds_decide_everything_on_any_number_of_threads():
    def play(threads, seed):
        envs = make(400, threads=threads, seat=None, layout="durbin9")
        envs.reset(seed=seed)
        rng = np.random.default_rng(5)
        for _ in range(20):
            step = envs.step(rng.integers(0, envs.single_action_space.n, envs.num_envs))
        return step[0], envs.frame.planes, envs.refusals()

    first, second, other = play(1, 7), play(3, 7), play(1, 8)
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    assert first[2]["not_owned"] > 0
    assert not same(first[0], other[0])


@pytest.mark.parametrize("layout", ["durbin9", "memory"])
def test_rows_of_many_environments_are_those_of_few(layout):
    # Of so many that rows are stored past the caches: more than 32 MiB.
    many, few = (make(n, seat=None, layout=layout, size=(20, 20)) for n in (1_200, 40))
    assert many.reset(seed=7)[0].nbytes > 32 << 20 > few.reset(seed=7)[0].nbytes
    rng = np.random.default_rng(3)
    for _ in range(4):
        actions = rng.integers(0, many.single_action_space.n, many.num_envs)
        rows = many.step(actions)[0]
        assert np.array_equal(rows[: few.num_envs], few.step(actions[: few.num_envs])[0])


def test_effective_seeds_play_the_same_episodes_again():
    envs = make(3, seat=None, policies=["expander", "random"])
    envs.reset(seed=9)
    passes = np.full(6, envs.single_action_space.n - 1)
    for _ in range(30):
        observations = envs.step(passes)[0]
    assert [seed[:3] for seed in envs.seeds()] == [(9, 0, 0), (9, 1, 0), (9, 2, 0)]
    again = make(2, seat=None, policies=["expander", "random"])
    again.reset(seed=[9, 9])
    for _ in range(30):
        theirs = again.step(passes[:4])[0]
    assert np.array_equal(theirs["army"][:2], observations["army"][:2])
    assert np.array_equal(theirs["army"][2:], theirs["army"][:2])
    assert envs.frame.episode_id[0, 0] == again.frame.episode_id[1, 0]


def test_an_array_is_valid_and_as_it_was_for_as_long_as_it_is_held():
    envs = make(64, seat=None, layout="durbin9")
    observations, _ = envs.reset(seed=1)
    rng = np.random.default_rng(2)
    held = []
    for _ in range(30):
        held.append((observations, observations.copy(), envs.frame.army, envs.frame.army.copy()))
        observations = envs.step(legal_actions(envs, rng))[0]
    base = observations
    del envs
    assert all(same(a, b) and same(c, d) for a, b, c, d in held)
    with pytest.raises(ValueError, match="read-only"):
        base[0] = 1


def test_memory_is_used_again_when_nobody_holds_it():
    envs = make(256, seat=None)
    envs.reset(seed=1)
    passes = np.zeros(512, dtype=np.int64)
    places = set()
    for _ in range(50):
        places.add(envs.step(passes)[0]["army"].__array_interface__["data"][0])
    assert len(places) <= 4


@pytest.mark.parametrize("layout", ["durbin9", "generals-bots"])
def test_dense_layouts_are_those_of_the_datasets(layout):
    envs = make(8, layout=layout, seat=None, players=2, size=(8, 9), canvas=(10, 12))
    observations, _ = envs.reset(seed=4)
    rng = np.random.default_rng(4)
    for _ in range(40):
        frame = envs.frame
        army, planes, size = (frame.of(x, None) for x in (frame.army, frame.planes, frame.size))
        expected = dense(army, planes, size, envs.form.format, layout)
        assert np.array_equal(observations, expected)
        observations = envs.step(legal_actions(envs, rng))[0]


def test_a_snapshot_goes_on_as_it_did_and_copies_do_too():
    for layout in [None, "memory"]:
        envs = make(5, layout=layout, autoreset="same_step")
        envs.reset(seed=6)
        rng = np.random.default_rng(1)
        for _ in range(25):
            observations = envs.step(legal_actions(envs, rng))[0]
        snapshot, twin = envs.snapshot(), envs.clone([3], 2)
        actions = [legal_actions(envs, rng)] + [
            rng.integers(0, envs.single_action_space.n, 5) for _ in range(60)
        ]
        first = [envs.step(a) for a in actions]
        back, _ = envs.restore(snapshot)
        assert same(back, observations)
        second = [envs.step(a) for a in actions]
        third = [twin.step(a[[3, 3]]) for a in actions]
        for one, two, copies in zip(first, second, third, strict=True):
            assert same(one[0], two[0]) and all(same(a, b) for a, b in zip(one[1:4], two[1:4]))
            rewards = copies[1]
            assert rewards[0] == rewards[1] == one[1][3]
    with pytest.raises(bivouac.InvalidArgument, match="snapshot"):
        make(2, seat=1).restore(make(2).snapshot())


def test_a_step_can_be_sent_and_received_later():
    waiting, direct = make(16), make(16)
    waiting.reset(seed=2), direct.reset(seed=2)
    rng = np.random.default_rng(3)
    for _ in range(20):
        actions = legal_actions(direct, rng)
        waiting.send(actions)
        with pytest.raises(bivouac.InvalidState, match="recv"):
            waiting.seeds()
        for a, b in zip(waiting.recv()[:4], direct.step(actions)[:4], strict=True):
            assert same(a, b)
    with pytest.raises(bivouac.InvalidState, match="send"):
        waiting.recv()


def test_an_opponent_can_be_a_function():
    seen = []

    def opponent(observations, legal):
        seen.append((observations["army"].shape, legal.shape))
        return np.argmax(legal, axis=1)

    envs = make(3, opponents=opponent)
    envs.reset(seed=1)
    moved = 0
    for _ in range(20):
        envs.step(np.full(3, envs.single_action_space.n - 1))
        moved += int((envs.frame.action[:, 1] != envs.form.format.pass_action).sum())
    assert seen[0] == ((3, 8, 9), (3, envs.single_action_space.n)) and moved > 0


def test_what_is_played_can_change_while_it_runs():
    envs = make(3, canvas=(20, 20), size=(8, 8), opponents="expander")
    envs.reset(seed=1)
    envs.set_game([1], size=(20, 15), ruleset="generals-classic", max_ticks=5)
    envs.set_policy(1, "random", [0])
    observations, _ = envs.reset()
    assert observations["size"].tolist() == [[8, 8], [20, 15], [8, 8]]
    pass_action = np.full(3, envs.form.format.pass_action)
    for _ in range(5):
        truncated = envs.step(pass_action)[3]
    assert truncated.tolist() == [False, True, False]


def test_games_that_were_played_are_kept_read_back_and_entered():
    envs = make(4, record=True, policies=["expander", "random"], seat=None)
    envs.reset(seed=1)
    for _ in range(44):
        envs.step(np.zeros(8, dtype=np.int64))
    armies = envs.frame.army
    envs.step(np.zeros(8, dtype=np.int64))
    envs.reset()
    games = [game for game in envs.games() if game.ticks == 45]
    assert games and all(game.is_truncated and not game.winners for game in games)
    table = bivouac.games_table(games)
    assert table["episode_id"].to_pylist() == [game.episode_id for game in games]
    game = games[0]
    later = make(2, seat=None, game=game, tick=44, max_ticks=500, threads=1)
    assert later.frame.step.tolist() == [[44, 44], [44, 44]]
    number = game.seed[1]
    assert all(np.array_equal(army, armies[number]) for army in later.frame.army)
    with pytest.raises(bivouac.InvalidArgument, match="give 0 to 44"):
        make(2, seat=None, game=game, tick=45)


def test_games_are_written_and_read_as_parquet(tmp_path):
    envs = make(3, record=True, opponents="random")
    envs.reset(seed=1)
    for _ in range(70):
        envs.step(np.full(3, envs.form.format.pass_action))
    games = envs.games()
    path = tmp_path / "games.parquet"
    bivouac.write_games(games, path)
    again = bivouac.read_games(path)
    assert [g.digest for g in again] == [g.digest for g in games]
    assert repr(again[0]) == repr(games[0])
    with pytest.raises(bivouac.InvalidArgument):
        bivouac.read_games(tmp_path / "nothing.parquet")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"num_envs": 0}, "num_envs 0"),
        ({"size": (8, 40)}, "size 40"),
        ({"size": "huge"}, "size 'huge'"),
        ({"layout": "dense"}, '"dense"'),
        ({"autoreset": "never"}, "autoreset 'never'"),
        ({"opponents": "chess"}, '"chess"'),
        ({"reward": "much"}, '"much"'),
        ({"seat": 2}, "seat 2"),
        ({"players": 17}, "players 17"),
        ({"max_ticks": 0}, "max_ticks 0"),
        ({"canvas": (4, 4)}, "canvas"),
        ({"threads": 0}, "threads 0"),
        ({"seed": -1}, "seed -1"),
        ({"colour": "red"}, "colour"),
        ({"render_mode": "human"}, "render_mode 'human'"),
        ({"map": "/nowhere/map.txt"}, "map /nowhere/map.txt"),
        ({"ruleset": "go"}, '"go"'),
    ],
)
def test_a_wrong_argument_is_named(options, named):
    options = {"num_envs": 2, "size": (8, 8), **options}
    with pytest.raises(bivouac.InvalidArgument) as error:
        if "ruleset" in options:
            bivouac.make_vec(**options)
        else:
            bivouac.make_vec("generals", **options)
    assert named in str(error.value)
    assert isinstance(error.value, (bivouac.BivouacError, ValueError))


def test_wrong_actions_and_masks_are_named():
    envs = make(3)
    envs.reset(seed=1)
    for actions, named in [(np.zeros(2, int), "(2,)"), (np.zeros(3), "float64")]:
        with pytest.raises(bivouac.InvalidArgument, match=named.replace("(", r"\(").replace(")", r"\)")):
            envs.step(actions)
    with pytest.raises(bivouac.InvalidArgument, match="reset_mask"):
        envs.reset(options={"reset_mask": np.ones(2, bool)})
    with pytest.raises(bivouac.InvalidArgument, match="reset_masks"):
        envs.reset(options={"reset_masks": np.ones(3, bool)})
    with pytest.raises(bivouac.InvalidArgument, match="environment 7"):
        envs.snapshot([7])
    envs.step(np.array([2**40, -(2**40), 0]))
    assert envs.refusals()["out_of_range"] == 2


def test_boards_are_drawn_as_a_player_sees_them_and_whole():
    envs = make(2, render_mode="ansi", size=(8, 9))
    envs.reset(seed=1)
    text = envs.render()
    assert text.startswith("tick 0\n") and text.count("\n") == 8
    assert ".." in text and ".." not in envs.draw(0, None)
    image = envs.draw(1, 0, "rgb_array")
    assert (image.shape, image.dtype) == ((8 * 16, 9 * 16, 3), np.dtype(np.uint8))
    whole = envs.draw(1, None, "rgb_array")
    assert not np.array_equal(image, whole)


def test_a_game_is_drawn_from_its_start_to_its_end(tmp_path):
    from PIL import Image

    envs = make(1, record=True, policies=["expander", "random"], seat=None)
    envs.reset(seed=1)
    for _ in range(21):
        envs.step(np.zeros(2, dtype=np.int64))
    whole, seen = envs.draw(0, None), envs.draw(0, 1)
    envs.reset()
    (game,) = envs.games()
    assert [board[2] for board in game.boards(every=5)] == [0, 5, 10, 15, 20, 21]
    for seat, last in [(None, whole), (1, seen)]:
        assert bivouac.render.text(game.boards(seat)[-1]) == last
        bivouac.save_gif(game, tmp_path / "game.gif", seat=seat, every=5)
        with Image.open(tmp_path / "game.gif") as picture:
            assert (picture.n_frames, picture.size) == (6, (9 * 16, 8 * 16))
    with pytest.raises(bivouac.InvalidArgument, match="seat 2"):
        game.boards(2)


def forked(envs, answers):
    try:
        envs.seeds()
        answers.put("answered")
    except bivouac.InvalidState as error:
        answers.put(str(error))


def spawned(answers):
    envs = make(3)
    envs.reset(seed=5)
    answers.put(envs.frame.army.sum().item())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_told_to_make_its_own():
    context = multiprocessing.get_context("fork")
    envs, answers = make(3, threads=2), context.Queue()
    child = context.Process(target=forked, args=(envs, answers))
    child.start()
    answer = answers.get(timeout=300)
    child.join(300)
    assert "forked" in answer
    assert envs.seeds()


def test_a_spawned_process_plays_the_same():
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    child = context.Process(target=spawned, args=(answers,))
    child.start()
    answer = answers.get(timeout=300)
    child.join(300)
    envs = make(3)
    envs.reset(seed=5)
    assert answer == envs.frame.army.sum().item()


def test_importing_the_package_imports_no_library():
    code = (
        "import sys, bivouac\n"
        "late = {'gymnasium', 'pettingzoo', 'numpy', 'pyarrow', 'torch', 'bivouac._engine'}\n"
        "print(sorted(late & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
