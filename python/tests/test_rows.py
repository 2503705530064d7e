"""Games streamed as the rows of their agents: `bivouac.data.expand`."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bivouac
from bivouac.data import Format, dense, expand, legal_actions


@pytest.fixture(scope="module")
def games(tmp_path_factory):
    """A file of games that the engine's own policies played, and the games."""
    envs = bivouac.make_vec(
        "generals", num_envs=12, size=(9, 8), seat=None, policies=["expander", "random"],
        max_ticks=60, record=True, threads=1,
    )
    envs.reset(seed=3)
    for _ in range(61):
        envs.step(np.zeros(24, dtype=np.int64))
    envs.reset()
    games = envs.games()
    path = tmp_path_factory.mktemp("games") / "games.parquet"
    pq.write_table(bivouac.games_table(games), path)
    return path, games


def column(table, name, dtype):
    """A column of flat bytes, `[rows, items]`."""
    return np.frombuffer(b"".join(table[name].to_pylist()), dtype).reshape(len(table), -1)


def test_rows_are_whole_episodes_in_the_order_of_the_games(games):
    path, games = games
    table = expand(path, batch_rows=256).read_all()
    expected = [
        (game.episode_id, seat, step)
        for game in games for seat in range(2) for step in range(game.ticks + 1)
    ]
    keys = zip(*(table[name].to_pylist() for name in ["episode_id", "agent_id", "step"]))
    assert list(keys) == expected
    assert table["is_last"].to_pylist() == [
        step == game.ticks for game in games for _ in range(2) for step in range(game.ticks + 1)
    ]
    actions, legal = table["action"].to_numpy(), column(table, "action_mask", "u1")
    form = Format.of(table.schema)
    legal = legal_actions(legal.reshape(len(table), len(form.masks), form.plane_bytes), form)
    moves = np.flatnonzero(actions >= 0)
    assert legal[moves, actions[moves]].all()
    assert (actions[moves] != form.pass_action).mean() > 0.5


@pytest.mark.parametrize("layout", ["durbin9", "generals-bots"])
@pytest.mark.parametrize("threads", [1, 3])
def test_layouts_are_those_that_the_package_decodes(games, layout, threads):
    path, _ = games
    compact = expand(path, threads=1).read_all()
    form = Format.of(compact.schema)
    size = np.stack([compact["height"].to_numpy(), compact["width"].to_numpy()], -1)
    expected = dense(
        column(compact, "army", "<u2").reshape(-1, form.height, form.width),
        column(compact, "planes", "u1").reshape(-1, len(form.planes), form.plane_bytes),
        size, form, layout,
    )
    table = expand(path, layout=layout, threads=threads, batch_rows=100).read_all()
    found = column(table, "observation", "<f4").reshape(expected.shape)
    assert np.array_equal(found, expected)
    assert Format.of(table.schema).layout == layout
    for name in ["action", "reward", "action_mask", "step"]:
        assert table[name].to_pylist() == compact[name].to_pylist()


def test_players_reward_and_canvas_are_chosen(games):
    path, _ = games
    table = expand(path, players=[1], reward="shaped", canvas=(12, 11)).read_all()
    assert set(table["agent_id"].to_pylist()) == {1}
    assert (Format.of(table.schema).height, Format.of(table.schema).width) == (12, 11)
    own = expand(path, players=[1], reward="win = 3.0\nland = 0.5").read_all()
    assert np.abs(own["reward"].to_numpy()).max() > np.abs(table["reward"].to_numpy()).max()
    both = expand(path, reward="shaped").read_all()
    second = both.filter(pa.compute.equal(both["agent_id"], 1))
    assert second["reward"].to_pylist() == table["reward"].to_pylist()


def test_a_stream_is_read_batch_by_batch_and_by_other_libraries(games):
    path, _ = games
    sizes = [batch.num_rows for batch in expand(path, batch_rows=64)]
    assert max(sizes) == 64 and sizes.count(64) > len(sizes) // 2
    assert pl.DataFrame(expand(path, layout="memory")).height == sum(sizes)
    next(iter(expand(path, batch_rows=8)))  # and no more: the threads end


def test_wrong_arguments_are_named(games, tmp_path):
    path, _ = games
    for arguments, named in [
        ({"layout": "rgb"}, "generals-bots"),
        ({"reward": "dense"}, "shaped"),
        ({"canvas": (0, 20)}, "canvas 0: give a whole number from 1 to 32"),
        ({"canvas": "20x20"}, "canvas '20x20'"),
        ({"players": [-1]}, "players -1"),
        ({"batch_rows": 0}, "batch_rows 0"),
        ({"threads": -2}, "threads -2"),
    ]:
        with pytest.raises(bivouac.InvalidArgument, match=named):
            expand(path, **arguments)
    with pytest.raises(bivouac.InvalidArgument, match="nowhere"):
        expand(tmp_path / "nowhere")
    with pytest.raises(bivouac.InvalidArgument, match="9x8"):
        expand(path, canvas=(5, 5)).read_all()
