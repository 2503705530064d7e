"""To whom clients of live games connect, what is encrypted, and streams that end too early."""

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

grpc = pytest.importorskip("grpc")

from bivouac.errors import InvalidArgument  # noqa: E402
from bivouac.live import AsyncGameClient, GameClient, GameError  # noqa: E402
from bivouac.v1 import games_pb2 as wire  # noqa: E402
from bivouac.v1 import games_pb2_grpc  # noqa: E402
from test_access import certificates, tls  # noqa: E402, F401

SECRET = "a-secret-of-some-length"


def create_with(kind, *args, **options):
    """Creates a game with one of the clients."""
    if kind is GameClient:
        with GameClient(*args, **options) as client:
            return client.create()

    async def create():
        async with AsyncGameClient(*args, **options) as client:
            return await client.create()

    return asyncio.run(create())


@pytest.mark.parametrize("kind", [GameClient, AsyncGameClient])
def test_a_token_goes_through_tls_alone_where_the_address_says_so(serve, certificates, kind):  # noqa: F811
    server = serve("--games", "0", *tls(certificates), env={"BIVOUAC_TOKEN_DRIVE": SECRET})
    assert server.uri.startswith("grpc+tls://")
    for trusted in (certificates / "authority.pem", (certificates / "authority.pem").read_bytes()):
        assert create_with(kind, server.uri, token=SECRET, tls_root_certs=trusted).id
    credentials = grpc.ssl_channel_credentials((certificates / "authority.pem").read_bytes())
    assert create_with(kind, server.address, token=SECRET, credentials=credentials).id
    with pytest.raises(GameError):
        create_with(kind, server.uri, token=SECRET, tls_root_certs=certificates / "stranger.pem")


@pytest.mark.parametrize("kind", [GameClient, AsyncGameClient])
def test_a_server_that_knows_no_tls_does_not_get_the_token(kind):
    """It hears the hello of a TLS client and nothing else."""
    heard = bytearray()
    listener = socket.create_server(("127.0.0.1", 0))

    def listen():
        try:
            while True:
                connection, _ = listener.accept()
                heard.extend(connection.recv(1 << 16))
                connection.close()
        except OSError:
            return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    uri = f"grpc+tls://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(GameError) as refusal:
        create_with(kind, uri, token=SECRET, timeout=20)
    assert refusal.value.may_pass or refusal.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    listener.close()
    assert heard[0] == 0x16 and SECRET.encode() not in heard and b"PRI *" not in heard


@pytest.mark.parametrize("kind", [GameClient, AsyncGameClient])
@pytest.mark.parametrize(
    ("target", "options"),
    [
        ("https://127.0.0.1:1", {}),
        ("tls://127.0.0.1:1", {}),
        ("grpc+tls:127.0.0.1://", {}),
        ("://127.0.0.1:1", {}),
        ("", {}),
        ("grpc://127.0.0.1:1", {"tls_root_certs": b"pem"}),
        ("127.0.0.1:1", {"tls_root_certs": b"pem"}),
        ("grpc://127.0.0.1:1", {"credentials": grpc.ssl_channel_credentials()}),
    ],
)
def test_an_address_that_would_not_be_encrypted_as_wanted_is_refused(kind, target, options):
    with pytest.raises(InvalidArgument, match="target"):
        create_with(kind, target, **options)


class Polite(games_pb2_grpc.GameServiceServicer):
    """Ends the first stream of a game in the middle, as if nothing were wrong."""

    def __init__(self):
        self.streams, self.is_mute = 0, False

    def StreamGame(self, request, context):  # noqa: N802
        self.streams += 1
        if self.is_mute:
            return
        if self.streams == 1:
            yield wire.Update(seq=5, phase=wire.PHASE_LOBBY)
        else:
            yield wire.Update(seq=1, phase=wire.PHASE_LOBBY)
            yield wire.Update(seq=2, phase=wire.PHASE_ABORTED)

    Spectate = StreamGame


@pytest.fixture
def polite():
    server = grpc.server(ThreadPoolExecutor(4))
    service = Polite()
    games_pb2_grpc.add_GameServiceServicer_to_server(service, server)
    service.uri = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield service
    server.stop(0).wait()


@pytest.mark.parametrize("watches", [False, True])
def test_a_stream_that_ends_before_its_game_is_opened_again(polite, watches):
    from bivouac.live import Seat

    with GameClient(polite.uri) as client:
        seat = Seat(client, "g", 0, "t")
        boards = client.spectate("g") if watches else seat.updates()
        phases = [board.phase for board in boards]
    assert (phases, polite.streams) == (["lobby", "lobby", "aborted"], 2)


@pytest.mark.parametrize("watches", [False, True])
def test_a_stream_of_asyncio_that_ends_before_its_game_is_opened_again(polite, watches):
    from bivouac.live import AsyncSeat

    async def watch():
        async with AsyncGameClient(polite.uri) as client:
            seat = AsyncSeat(client, "g", 0, "t")
            boards = client.spectate("g") if watches else seat.updates()
            return [board.phase async for board in boards]

    assert (asyncio.run(watch()), polite.streams) == (["lobby", "lobby", "aborted"], 2)


def test_a_stream_that_keeps_ending_is_given_up_with_an_error(polite):
    polite.is_mute = True
    with GameClient(polite.uri) as client, pytest.raises(GameError, match="before the game") as refusal:
        list(client.spectate("g", reconnect=0))
    assert refusal.value.may_pass and polite.streams > 1


def reason_of(call):
    with pytest.raises(GameError) as refusal:
        call()
    return refusal.value.reason


def test_who_may_not_play_is_told_why_in_one_word(serve):
    env = {"BIVOUAC_TOKEN_DRIVE": SECRET, "BIVOUAC_TOKEN_READ": "r" * 20}
    server = serve("--games", "0", env=env)
    for token, wanted in [(None, "BAD_TOKEN"), ("x" * 20, "BAD_TOKEN"), ("r" * 20, "NOT_ALLOWED")]:
        with GameClient(server.uri, token=token) as client:
            assert reason_of(client.create) == wanted


def test_the_reason_of_who_hears_nothing_is_the_code_of_grpc():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        uri = f"grpc://127.0.0.1:{deaf.getsockname()[1]}"
        with GameClient(uri, timeout=0.2) as client:
            assert reason_of(client.create) == "DEADLINE_EXCEEDED"
    with GameClient(uri, timeout=5) as client:
        assert reason_of(client.create) == "UNAVAILABLE"
