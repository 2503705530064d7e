"""Environments on a server, played through Gymnasium's interface over a real socket."""

import warnings

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from test_client import Relay

import bivouac
from bivouac.client import ConnectionLost, InvalidRequest, LimitExceeded
from bivouac.data import dense, legal_actions

DUEL = {"size": "8x8", "max_ticks": 30, "reward": "shaped"}


@pytest.fixture
def server(serve):
    return serve("--games", "1", "--max-envs", "100")


def random_legal(rng, obs):
    return np.array([rng.choice(np.flatnonzero(mask)) for mask in obs["action_mask"]])


def play(envs, steps, seed=0):
    """A trajectory of random legal actions."""
    rng = np.random.default_rng(seed)
    obs, _ = envs.reset(seed=5)
    out = []
    for _ in range(steps):
        obs, rewards, terminated, truncated, infos = envs.step(random_legal(rng, obs))
        out.append((obs["observation"], rewards, terminated, truncated, infos["step"]))
    return out


def same(one, two):
    return len(one) == len(two) and all(
        np.array_equal(a, b) for x, y in zip(one, two, strict=True) for a, b in zip(x, y, strict=True)
    )


def test_a_remote_environment_is_a_vector_environment_of_gymnasium(server):
    envs = bivouac.RemoteVectorEnv(server.uri, 3, opponents=["hunter"], **DUEL)
    assert envs.num_envs == 3 and envs.seats == [0]
    assert envs.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    obs, infos = envs.reset(seed=1)
    assert obs["observation"].shape == (3, 9, 8, 8) == envs.observation_space["observation"].shape
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert envs.observation_space.contains(obs)
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(65):
        obs, rewards, terminated, truncated, infos = envs.step(random_legal(rng, obs))
        assert rewards.shape == terminated.shape == truncated.shape == (3,)
        assert rewards.dtype == np.float32 and terminated.dtype == truncated.dtype == np.bool_
        assert (infos["refused"] == 0).all(), "what the mask allows is accepted"
        ended += int((terminated | truncated).sum())
    assert ended >= 3
    assert envs.stats()["steps"] == 65
    envs.close()
    with bivouac.connect(server.uri) as client:
        assert client.stats()["envs"] == 0


def test_a_seed_gives_the_same_games_again(server):
    one = bivouac.RemoteVectorEnv(server.uri, 2, **DUEL)
    two = bivouac.RemoteVectorEnv(server.uri, 2, **DUEL)
    assert one.num_envs == 4, "both seats of two games"
    assert same(play(one, 40), play(two, 40))
    assert not same(play(one, 40), play(two, 40, seed=1))


def test_illegal_actions_are_passes_with_a_reason(server):
    envs = bivouac.RemoteVectorEnv(server.uri, 1, **DUEL)
    obs, _ = envs.reset()
    _, _, _, _, infos = envs.step(np.array([10_000, -1]))
    assert [envs.refusals[number] for number in infos["refused"]] == ["out_of_range", "accepted"]
    illegal = np.flatnonzero(~obs["action_mask"][1])[0]
    _, _, _, _, infos = envs.step(np.array([-1, illegal]))
    assert infos["refused"][0] == 0 and infos["refused"][1] > 0
    assert sum(envs.stats()["refused"].values()) == 2


def test_compact_observations_decode_to_dense_ones(server):
    compact = bivouac.RemoteVectorEnv(server.uri, 2, layout=None, **DUEL)
    decoded = bivouac.RemoteVectorEnv(server.uri, 2, layout="generals-bots", **DUEL)
    (one, _), (two, _) = compact.reset(seed=3), decoded.reset(seed=3)
    assert compact.observation_space.contains(one)
    form = compact.format
    found = dense(one["army"], one["planes"], one["size"], form, "generals-bots")
    assert np.array_equal(found, two["observation"])
    assert np.array_equal(legal_actions(one["action_mask"], form), two["action_mask"])


def test_the_last_observation_is_not_lost_in_same_step_mode(server):
    same_step = bivouac.RemoteVectorEnv(
        server.uri, 2, autoreset_mode=AutoresetMode.SAME_STEP, **DUEL
    )
    next_step = bivouac.RemoteVectorEnv(server.uri, 2, **DUEL)
    for envs in (same_step, next_step):
        envs.reset(seed=2)
    for _ in range(30):
        obs, rewards, terminated, truncated, infos = same_step.step(np.full(4, -1))
        wanted = next_step.step(np.full(4, -1))
    assert truncated.all() and infos["_final_obs"].all()
    assert np.array_equal(rewards, wanted[1]) and np.array_equal(truncated, wanted[3])
    for env in range(4):
        assert np.array_equal(infos["final_obs"][env]["observation"], wanted[0]["observation"][env])
    assert (infos["final_info"]["step"] == 30).all() and (infos["step"] == 0).all()
    # The next step of the other mode is the first row of the next episode.
    wanted = next_step.step(np.full(4, -1))
    assert np.array_equal(obs["observation"], wanted[0]["observation"])


def test_games_are_reset_by_mask_and_stay_as_they_are_otherwise(server):
    mode = AutoresetMode.DISABLED
    envs = bivouac.RemoteVectorEnv(
        server.uri, 3, opponents=["expander"], autoreset_mode=mode, **DUEL
    )
    envs.reset()
    for _ in range(7):
        before, *_ = envs.step(np.full(3, -1))
    mask = np.array([False, True, False])
    obs, infos = envs.reset(options={"reset_mask": mask})
    assert infos["step"].tolist() == [7, 0, 7]
    assert np.array_equal(obs["observation"][~mask], before["observation"][~mask])
    with pytest.raises(ValueError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.array([True])})


def test_snapshots_are_restored_and_games_are_cloned(server):
    envs = bivouac.RemoteVectorEnv(server.uri, 2, **DUEL)
    envs.reset(seed=9)
    snapshot = envs.snapshot()
    first = [envs.step(np.full(4, -1))[0]["observation"] for _ in range(10)]
    obs, infos = envs.restore(snapshot)
    assert (infos["step"] == 0).all()
    again = [envs.step(np.full(4, -1))[0]["observation"] for _ in range(10)]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    obs, _ = envs.clone([0], [1])
    assert np.array_equal(obs["observation"][:2], obs["observation"][2:])
    envs.forget(snapshot)
    with pytest.raises(InvalidRequest, match="snapshot"):
        envs.restore(snapshot)


def test_groups_are_played_while_another_is_thought_about(server):
    envs = bivouac.RemoteVectorEnv(server.uri, 2, groups=2, **DUEL)
    envs.reset(group=0), envs.reset(group=1)
    for group in (0, 1):
        envs.send(np.full(4, -1), group)
    for step in range(1, 20):
        for expected in (0, 1):
            group, (_, _, _, _, infos) = envs.receive()
            assert group == expected and (infos["step"] == step).all()
            envs.send(np.full(4, -1), group)
    with pytest.raises(RuntimeError, match="in flight"):
        envs.step(np.full(4, -1))


def test_a_broken_connection_loses_nothing_and_plays_nothing_twice(server):
    wanted = play(bivouac.RemoteVectorEnv(server.uri, 2, **DUEL), 50)
    relay = Relay(server.uri)
    envs = bivouac.RemoteVectorEnv(relay.uri, 2, **DUEL)
    rng = np.random.default_rng(0)
    obs, _ = envs.reset(seed=5)
    found = []
    for step in range(50):
        actions = random_legal(rng, obs)
        if step % 20 == 7:
            relay.cut()
        if step % 20 == 15:
            envs.send(actions)
            relay.cut()
            _, (obs, rewards, terminated, truncated, infos) = envs.receive()
        else:
            obs, rewards, terminated, truncated, infos = envs.step(actions)
        found.append((obs["observation"], rewards, terminated, truncated, infos["step"]))
    assert same(found, wanted)
    relay.close()


def test_a_server_that_is_gone_is_an_error(serve):
    server = serve("--games", "1")
    envs = bivouac.RemoteVectorEnv(server.uri, 1, reconnect_seconds=0.2, **DUEL)
    server.kill()
    with pytest.raises(ConnectionLost):
        envs.step(np.full(2, -1))


def test_wrong_wishes_are_refused_by_name(server):
    for wrong in [
        {"size": "99x8"},
        {"ruleset": "chess"},
        {"opponents": ["alphago"]},
        {"reward": "gold"},
        {"players": 17},
        {"num_games": 0},
    ]:
        name = next(iter(wrong)).replace("num_games", "num_envs")
        with pytest.raises(InvalidRequest, match=f"{name}: "):
            bivouac.RemoteVectorEnv(server.uri, **wrong)
    with pytest.raises(LimitExceeded, match="--max-envs"):
        bivouac.RemoteVectorEnv(server.uri, 101, size="8x8")
    envs = bivouac.RemoteVectorEnv(server.uri, 2, **DUEL)
    with pytest.raises(InvalidRequest, match="action: "):
        envs.step(np.zeros(3, int))
    envs.step(np.full(4, -1))
    with pytest.raises(ValueError, match="rgb"):
        bivouac.RemoteVectorEnv(server.uri, layout="rgb")
