"""Games that were played, as a dataset: written, verified, read back, and begun from at any row."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import bivouac
import numpy as np
import pyarrow as pa
import pytest
from bivouac.data import Format, expand
from bivouac.frame import SCORES


def played(seed=3, **options) -> list[bivouac.Game]:
    """Two episodes of each of six environments."""
    defaults = {"size": (9, 8), "seat": None, "policies": ["expander", "hunter"], "max_ticks": 60}
    envs = bivouac.make_vec("generals", 6, **{**defaults, **options}, record=True, threads=1)
    for first in [{"seed": seed}, {}]:
        envs.reset(**first)
        for _ in range(50):
            envs.step(np.full(envs.num_envs, -1))
    envs.reset()
    return envs.games()


@pytest.fixture(scope="module")
def games() -> list[bivouac.Game]:
    return played()


@pytest.fixture(scope="module")
def dataset(games, tmp_path_factory):
    # package.rs verifies it as `bivouac verify` does.
    path = os.environ.get("BIVOUAC_TEST_PLAYED") or tmp_path_factory.mktemp("played") / "games"
    path = Path(path)
    bivouac.write_games(games, path)
    return path


def column(table: pa.Table, name: str, like: np.ndarray) -> np.ndarray:
    """A column of a table in the form of a frame's."""
    values = table[name].to_pylist()
    if isinstance(values[0], bytes):
        return np.frombuffer(b"".join(values), like.dtype).reshape(-1, *like.shape[2:])
    return np.array(values, dtype=like.dtype)


def places(rows: pa.Table) -> dict[tuple[int, int, int], int]:
    """The place of each row by episode, agent and step."""
    names = ["episode_id", "agent_id", "step"]
    keys = zip(*(rows[name].to_pylist() for name in names))
    return {key: place for place, key in enumerate(keys)}


def test_what_was_played_is_a_dataset_of_games_that_says_what_it_is(games, dataset):
    assert any(game.seed[2] == 1 for game in games), "an environment played more than one episode"
    info = json.loads((dataset / "meta/info.json").read_text(encoding="utf-8"))
    assert (info["kind"], info["is_complete"]) == ("games", True)
    assert info["totals"]["games"] == len(games)
    assert info["totals"]["ticks"] == sum(game.ticks for game in games)
    assert f"{len(games)} played games with digest " in info["inputs"]
    again = bivouac.read_games(dataset)
    in_order = sorted(games, key=lambda game: game.seed)
    assert bivouac.games_table(again).equals(bivouac.games_table(in_order))
    assert bivouac.games_table(bivouac.read_games(bivouac.games_table(games))).equals(
        bivouac.games_table(games)
    )


def test_the_same_games_are_the_same_bytes(games, dataset, tmp_path):
    bivouac.write_games(reversed(games), tmp_path / "again")
    files = sorted(path.relative_to(dataset) for path in dataset.rglob("*") if path.is_file())
    assert len(files) >= 3
    for name in files:
        assert (dataset / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_its_rows_are_those_that_the_environments_showed(dataset):
    envs = bivouac.make_vec(
        "generals", 6, size=(9, 8), seat=None, policies=["expander", "hunter"], max_ticks=60
    )
    envs.reset(seed=3)
    rows = expand(dataset).read_all()
    place = places(rows)
    for _ in range(12):
        frame = envs.frame
        for row in range(12):
            key = (int(frame.episode_id.flat[row]), row % 2, int(frame.step.flat[row]))
            found = rows.slice(place[key], 1)
            for name in ["army", "planes", "action_mask", "land"]:
                shown = frame.column(name)
                assert np.array_equal(column(found, name, shown)[0], shown[row // 2, row % 2]), name
        envs.step(np.full(12, -1))


@pytest.mark.skipif("BIVOUAC_BINARY" not in os.environ, reason="no program is named")
@pytest.mark.parametrize("as_file", [False, True])
def test_the_program_finds_it_sound(games, dataset, as_file, tmp_path):
    path = tmp_path / "games.parquet" if as_file else dataset
    if as_file:
        bivouac.write_games(sorted(games, key=lambda game: game.seed), path)
    command = [os.environ["BIVOUAC_BINARY"], "verify", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["games_played"] == len(games)


def test_what_cannot_be_written_is_named_with_the_fix(games, tmp_path):
    with pytest.raises(bivouac.InvalidArgument, match="record=True"):
        bivouac.write_games([], tmp_path / "none")
    with pytest.raises(bivouac.InvalidArgument, match=f"of seed {games[0].seed[0]} is among the games twice"):
        bivouac.write_games([games[0], games[1], games[0]], tmp_path / "twice")
    assert not (tmp_path / "twice").exists()
    bivouac.write_games(games[:1], tmp_path / "there")
    with pytest.raises(bivouac.InvalidArgument, match="there/?: the folder is not empty.*replace=True"):
        bivouac.write_games(games, tmp_path / "there")
    bivouac.write_games(games, tmp_path / "there", replace=True)
    assert len(bivouac.read_games(tmp_path / "there")) == len(games)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(bivouac.InvalidArgument, match="nothing in it was removed"):
        bivouac.write_games(games, tmp_path / "other", replace=True)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"players": 4, "policies": ["hunter", "expander"] * 2, "size": (12, 12)},
        {"fog": False, "ruleset": "generals-classic"},
    ],
)
@pytest.mark.parametrize("as_table", [False, True])
def test_every_seat_sees_its_row_of_the_dataset_where_an_episode_begins(options, as_table, tmp_path):
    options = {"ruleset": "generals", "size": (9, 8), **options}
    ruleset, players = options.pop("ruleset"), options.get("players", 2)
    defaults = {"seat": None, "policies": ["expander", "hunter"], "max_ticks": 60, "record": True}
    envs = bivouac.make_vec(ruleset, 5, **{**defaults, **options})
    envs.reset(seed=8)
    for _ in range(61):
        envs.step(np.full(envs.num_envs, -1))
    games = envs.games()
    path = tmp_path / "games"
    bivouac.write_games(games, path)
    dataset = bivouac.games_table(games) if as_table else path
    rows = expand(path, canvas=options["size"]).read_all()
    starts = [(g.episode_id, step) for g in games for step in (0, 1, g.ticks // 2, g.ticks - 1)]
    # Boards, rulesets and fog are those of the games, whatever the environments have.
    later = bivouac.make_vec("generals", len(starts), size=options["size"], players=players, seat=None)
    later.set_rows(dataset, starts)
    later.reset()
    frame, compared, place = later.frame, 0, places(rows)
    for number, (episode, step) in enumerate(starts):
        for seat in range(players):
            if (episode, seat, step) not in place:
                continue  # The seat was out of the game by then.
            found = rows.slice(place[episode, seat, step], 1)
            compared += 1
            assert frame.step[number, seat] == step
            for name in [*frame.columns(), *SCORES]:
                shown = frame.column(name)
                assert np.array_equal(column(found, name, shown)[0], shown[number, seat]), name
    assert compared > len(starts)
    later.step(np.full(later.num_envs, -1))
    assert (frame.step + 1 == later.frame.step)[:, 0].any()


def test_only_the_games_that_are_named_begin_at_rows_and_maps_come_back(games, dataset):
    envs = bivouac.make_vec("generals", 3, size=(9, 8), seat=0)
    envs.set_rows(dataset, [(games[0].episode_id, 20)], games=[1])
    assert envs.reset()[1]["tick"].tolist() == [0, 20, 0]
    first = envs.seeds()
    assert envs.reset(seed=0)[1]["tick"].tolist() == [0, 20, 0] and envs.seeds() == first
    envs.set_game()
    assert envs.reset()[1]["tick"].tolist() == [0, 0, 0]


def test_rows_that_nothing_begins_at_are_named(games, dataset, tmp_path):
    envs = bivouac.make_vec("generals", 1, size=(9, 8), max_ticks=30)
    game = games[0]
    unknown = next(n for n in range(20) if n not in {game.episode_id for game in games})
    for rows, named in [
        ([(game.episode_id, game.ticks)], "max_ticks 30 ends it at 30: give a step from 0 to 29"),
        ([(game.episode_id, -1)], "step -1"),
        ([(unknown, 0)], f"episode {unknown}: it is not in "),
        ([], "rows has 0 entries: give one for each, 1"),
    ]:
        with pytest.raises(bivouac.InvalidArgument, match=named):
            envs.set_rows(dataset, rows)
    with pytest.raises(bivouac.InvalidArgument, match="nowhere"):
        envs.set_rows(tmp_path / "nowhere", [(game.episode_id, 0)])
    # The rows of experiences are what players saw: nothing can be played on from them.
    (tmp_path / "rows/meta").mkdir(parents=True)
    info = json.loads((dataset / "meta/info.json").read_text(encoding="utf-8"))
    info.update(kind="experiences", command="bivouac generate --games 9")
    (tmp_path / "rows/meta/info.json").write_text(json.dumps(info), encoding="utf-8")
    with pytest.raises(bivouac.InvalidArgument, match="--kind games.*bivouac generate --games 9"):
        envs.set_rows(tmp_path / "rows", [(game.episode_id, 0)])


def test_dense_formats_of_expanded_rows_have_the_board_of_the_games(dataset):
    form = Format.of(expand(dataset, layout="durbin9").schema)
    assert (form.height, form.width, form.layout) == (9, 8, "durbin9")
