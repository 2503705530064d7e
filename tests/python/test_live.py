"""Live games with grpcio, through the package in `python/`."""

import asyncio
import filecmp
import random
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("grpc")

import bivouac  # noqa: E402
import bivouac.live  # noqa: E402
from bivouac.live import AsyncGameClient, Board, Bot, GameClient, GameError  # noqa: E402
from bivouac.v1 import games_pb2 as wire  # noqa: E402
from test_client import Relay  # noqa: E402

REPOSITORY = Path(__file__).parents[2]


class Wanderer(Bot):
    """Plays random legal marches and keeps what it was told."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.told = []

    def on_start(self, board):
        self.told.append("start")

    def act(self, board):
        return self.random.choice(board.legal_actions() or [None])

    def on_end(self, board):
        self.told.append("end")


def test_the_package_has_the_client_at_its_top():
    assert bivouac.GameClient is GameClient
    assert bivouac.Bot is Bot


def test_generated_code_is_that_of_the_proto_files(tmp_path):
    protoc = pytest.importorskip("grpc_tools.protoc")
    out = [f"--{kind}={tmp_path}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    source = f"-I{REPOSITORY / 'proto/proto'}"
    assert protoc.main(["protoc", source, *out, "bivouac/v1/games.proto"]) == 0
    for name in ("games_pb2.py", "games_pb2.pyi", "games_pb2_grpc.py"):
        kept = REPOSITORY / "python/bivouac/v1" / name
        assert filecmp.cmp(kept, tmp_path / "bivouac/v1" / name, shallow=False), name


def test_an_update_of_a_lobby_takes_the_place_of_others():
    def lobby(seq, name):
        return wire.Update(seq=seq, phase=wire.PHASE_LOBBY, players=[wire.Player(name=name)])

    board = Board(0).apply(lobby(1, "ada")).apply(lobby(9, "bob"))
    assert board.players == ["bob"]
    with pytest.raises(ValueError, match="update 10 is missing"):
        board.apply(wire.Update(seq=11))


def test_many_games_are_created_with_one_request(client):
    wanted = {"pace": "lockstep", "size": (6, 6), "join_as": "ada", "further_players": ["bob"]}
    made = client.create_many([wanted, {**wanted, "policies": ["random"]}, {**wanted, "seed": 3}])
    (game, (ada, bob)), refused, (other, _) = made
    assert isinstance(refused, GameError) and refused.reason == "GAME_FULL"
    assert other.seed == 3 and game.id != other.id
    assert (ada.seat, bob.seat) == (0, 1)
    assert {listed.game_id for listed in client.list(["running"])} == {game.id, other.id}
    assert bob.state().seat == 1

    async def of_coroutines():
        async with AsyncGameClient(client.target) as other:
            (_, seats), failed = await other.create_many([wanted, {**wanted, "turn_ms": 2**32 - 1}])
            assert isinstance(failed, GameError) and failed.reason == "INVALID_ARGUMENT"
            return (await seats[1].state()).seat

    assert asyncio.run(of_coroutines()) == 1


def test_who_creates_a_game_can_join_it_in_the_same_request(client):
    game, seat = client.create_and_join("ada", policies=["random"], pace="lockstep", size=(6, 6))
    assert (seat.game_id, seat.seat) == (game.id, 0)
    assert [listed.game_id for listed in client.list(["running"])] == [game.id]
    _, second = client.create_and_join("ada", 1, pace="lockstep")
    assert second.seat == 1
    with pytest.raises(GameError) as refusal:
        client.create_and_join("ada", 1, policies=["random"])
    assert refusal.value.reason == "BAD_PLAYER"


def test_the_client_for_asyncio_creates_and_joins(client):
    async def play():
        async with AsyncGameClient(client.target) as other:
            game, seat = await other.create_and_join("ada", 1, pace="lockstep")
            assert (seat.game_id, seat.seat) == (game.id, 1)
            await other.delete(game)

    asyncio.run(play())


def test_the_example_of_the_module_plays_a_game_to_its_end(serve):
    lines = bivouac.live.__doc__.splitlines()
    code = "\n".join(line[4:] for line in lines if line.startswith((">>> ", "... ")))
    assert "GameClient" in code and "submit" in code
    names = {}
    exec(code.replace("grpc://127.0.0.1:50051", serve("--games", "0").uri), names)
    assert names["board"].is_over and names["board"].tick > 10
    names["client"].close()


def test_bots_play_a_game_to_its_end(client):
    game = client.create(size=(6, 6), pace="lockstep", turn_ms=3_600_000, max_ticks=100, seed=3)
    bots = [Wanderer(seed) for seed in range(2)]
    boards = [None, None]

    def play(number):
        boards[number] = bots[number].play(client, game.id, f"bot {number}")

    threads = [threading.Thread(target=play, args=(number,)) for number in range(2)]
    [thread.start() for thread in threads]
    [thread.join(timeout=300) for thread in threads]
    assert [board.is_over for board in boards] == [True, True]
    assert boards[0].ended == boards[1].ended
    assert sorted(boards[0].ended.ranking) == [0, 1]
    for bot in bots:
        assert bot.told == ["start", "end"]
        assert bot.refused == []


def test_updates_give_the_state(client):
    game = client.create(size=(9, 7), policies=["expander"], pace="lockstep", max_ticks=60, seed=1)
    seat = client.join(game.id, "ada")
    dice = random.Random(5)
    for board in seat.updates():
        if board.is_over:
            break
        state = seat.state()
        assert (board.faces.shape, board.tick) == ((9, 7), state.tick)
        for name in ("faces", "owners", "armies", "land", "army"):
            assert np.array_equal(getattr(board, name), getattr(state, name)), name
        seat.submit(dice.choice(board.legal_actions() or [None]), expected_tick=board.tick)
    assert board.tick == 60 or not board.ended.is_truncated


def test_refusals_have_reasons(client):
    game = client.create(pace="lockstep")
    seat = client.join(game.id, "ada")
    with pytest.raises(GameError) as refusal:
        client.join(game.id, "ada")
    assert refusal.value.reason == "ALREADY_JOINED"
    with pytest.raises(GameError) as refusal:
        seat.submit(None)
    assert refusal.value.reason == "WRONG_PHASE"
    assert "lobby" in str(refusal.value)
    seat.token = "0" * 32
    with pytest.raises(GameError) as refusal:
        seat.state()
    assert refusal.value.reason == "BAD_TOKEN"
    client.delete(game)
    assert list(client.list()) == []


def test_spectators_see_what_players_do_not(client):
    game = client.create(
        size=(8, 8), policies=["expander", "hunter"], pace="free", max_ticks=50, spectators=True
    )
    boards = [board.faces.copy() for board in client.spectate(game.id)]
    assert all((faces != 0).all() for faces in boards)


def test_the_client_for_asyncio_plays(client):
    async def play():
        async with AsyncGameClient(client.target) as other:
            game = await other.create(size=(6, 6), policies=["random"], pace="lockstep", max_ticks=30)
            seat = await other.join(game.id, "ada")
            async for board in seat.updates():
                if board.is_over:
                    return board
                assert np.array_equal(board.faces, (await seat.state()).faces)
                await seat.submit((board.legal_actions() or [None])[0])

    board = asyncio.run(play())
    assert isinstance(board, Board) and board.ended is not None


def test_a_server_that_wants_a_token_gets_it(serve):
    secret = "a-secret-of-some-length"
    server = serve("--games", "0", env={"BIVOUAC_TOKEN_DRIVE": secret})
    with GameClient(server.uri) as stranger, pytest.raises(GameError):
        stranger.create()
    with GameClient(server.uri, token=secret) as client:
        game = client.create(size=(6, 6), policies=["random"], pace="lockstep", max_ticks=5)
        assert Wanderer(1).play(client, game.id, "ada").is_over


def test_the_client_for_asyncio_does_all_that_the_other_does(client):
    async def govern():
        async with AsyncGameClient(client.target) as other:
            game = await other.create(players=2, pace="lockstep", spectators=True, turn_ms=10_000)
            seats = [await other.join(game.id, name) for name in ("ada", "bob")]
            assert [seat.seat for seat in seats] == [0, 1]
            assert [info.game_id async for info in other.list(["running"])] == [game.id]
            await other.pause(game)
            assert (await seats[0].state()).phase == "paused"
            await other.resume(game)
            # Bob sends nothing, so nothing is played.
            await seats[0].submit([None, None, None])
            assert await seats[0].clear_queue() == 3
            watched = other.spectate(game.id)
            first = await anext(watched)
            assert (first.faces != 0).all()
            await seats[1].leave()
            last = first
            async for last in watched:
                pass
            assert list(last.ended.winners) == [0]
            lobby = await other.create()
            await other.delete(lobby)
            with pytest.raises(GameError) as refusal:
                await other.join(lobby.id, "ada")
            assert refusal.value.reason == "GAME_NOT_FOUND"
            with pytest.raises(GameError) as refusal:
                await anext(other.spectate(lobby.id))
            assert refusal.value.reason == "GAME_NOT_FOUND"

    asyncio.run(govern())


def test_a_stream_whose_connection_breaks_is_opened_again(serve):
    relay = Relay(serve("--games", "0").uri)
    with GameClient(relay.uri) as client:
        game = client.create(size=(6, 6), policies=["random"], pace="lockstep", max_ticks=12, seed=2)
        seat = client.join(game.id, "ada")
        ticks = []
        for board in seat.updates(reconnect=600):
            ticks.append(board.tick)
            state = look_through(seat)
            assert state.tick != board.tick or np.array_equal(board.faces, state.faces)
            if board.tick in (3, 7) and ticks.count(board.tick) == 1:
                relay.cut()
            elif board.is_running:
                submit_through(seat, board)
    relay.close()
    assert ticks == sorted(ticks)
    assert ticks.count(3) > 1 and ticks.count(7) > 1, "each cut shows the same tick anew"


def test_a_stream_of_asyncio_whose_connection_breaks_is_opened_again(serve):
    relay = Relay(serve("--games", "0").uri)

    async def play():
        async with AsyncGameClient(relay.uri) as client:
            game = await client.create(size=(6, 6), policies=["random"], pace="lockstep", max_ticks=9)
            seat = await client.join(game.id, "ada")
            ticks = []
            async for board in seat.updates(reconnect=600):
                ticks.append(board.tick)
                if not board.is_running:
                    continue
                if board.tick == 4 and ticks.count(4) == 1:
                    relay.cut()
                    continue
                for _ in range(1000):
                    try:
                        await seat.submit(None, expected_tick=board.tick, key=f"t{board.tick}")
                        break
                    except GameError as refusal:
                        if not refusal.may_pass:
                            raise
            return ticks, board

    ticks, board = asyncio.run(play())
    relay.close()
    assert board.is_over and ticks == sorted(ticks) and ticks.count(4) > 1


def test_a_server_that_is_gone_is_given_up_after_a_time(serve):
    server = serve("--games", "0")
    with GameClient(server.uri) as client:
        game = client.create(policies=["random"], pace="lockstep")
        seat = client.join(game.id, "ada")
        updates = seat.updates(reconnect=0.5)
        next(updates)
        server.kill()
        with pytest.raises(GameError) as refusal:
            next(updates)
        assert refusal.value.may_pass


def submit_through(seat, board):
    """Sends a pass, again if the connection broke; the key keeps it from being played twice."""
    through(lambda: seat.submit(None, expected_tick=board.tick, key=f"t{board.tick}"))


def look_through(seat):
    return through(seat.state)


def through(call):
    for _ in range(1000):
        try:
            return call()
        except GameError as refusal:
            if not refusal.may_pass:
                raise
    raise AssertionError("the connection does not come back")
