"""The package's client of a server, over a real socket to a real server."""

import asyncio
import json
import os
import re
import socket
import subprocess
import threading
import urllib.error
import urllib.request

import numpy as np
import pyarrow as pa
import pytest

import bivouac
from bivouac import InvalidArgument
from bivouac.client import (
    ConnectionLost,
    DataLost,
    InvalidRequest,
    NotFound,
    StreamCancelled,
    aio,
)
from bivouac.data import Experiences

GAMES = ["--games", "24", "--size", "8x8", "--max-ticks", "40", "--seed", "3"]
ENDLESS = ["--size", "8x8", "--max-ticks", "40", "--seed", "3", "--at-once", "64"]


@pytest.fixture
def dataset(tmp_path):
    out = tmp_path / "dataset"
    command = [os.environ["BIVOUAC_BINARY"], "generate", "--quiet", "--out", out, *GAMES]
    subprocess.run(command, check=True)
    return out


def keys(batches):
    """Who and when, of every row of record batches."""
    columns = ["episode_id", "agent_id", "step"]
    return [
        row
        for batch in batches
        for row in zip(*(batch.rows[name].to_pylist() for name in columns), strict=True)
    ]


def test_a_stream_gives_every_row_once_and_ends(serve):
    with bivouac.connect(serve(*GAMES).uri) as client:
        stream = client.experiences()
        batches = list(stream)
        stats = client.stats()
    assert all(isinstance(batch.rows, pa.RecordBatch) for batch in batches)
    assert stream.rows == sum(map(len, batches)) == stats["experiences"]["rows"] > 0
    assert batches[-1].seq == stream.rows and stream.dropped == 0
    found = keys(batches)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("layout", [None, "durbin9", "generals-bots"])
def test_numpy_batches_are_those_of_the_dataset_of_the_same_games(serve, dataset, layout):
    with bivouac.connect(serve(*GAMES).uri) as client:
        batches = [batch.rows for batch in client.experiences(to="numpy", layout=layout)]
        assert client.format == Experiences(dataset).format
    rows = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    data = Experiences(dataset)
    for index in range(len(data)):
        about, expected = data.about(index), data.episode(index, layout=layout)
        at = np.flatnonzero(
            (rows["episode_id"] == about.episode_id) & (rows["agent_id"] == about.agent_id)
        )
        assert set(rows["policy"][at]) == {about.policy}
        for name, values in expected.items():
            if name != "size":
                assert np.array_equal(rows[name][at], values), name
    wanted = np.float32 if layout else np.uint16
    assert rows["observation" if layout else "army"].dtype == wanted


def test_filters_and_columns_reach_the_server(serve):
    with bivouac.connect(serve(*GAMES).uri) as client:
        wish = {"players": [1], "min_step": 10, "policies": ["hunter"], "batch_rows": 50}
        columns = ["observation", "action", "agent_id", "step", "policy"]
        stream = client.experiences(**wish, columns=columns, to="numpy", layout="durbin9")
        for batch in stream:
            assert set(columns) <= set(batch.keys()) and "reward" not in batch.keys()
            assert len(batch) <= 50
            assert (batch["agent_id"] == 1).all() and (batch["policy"] == "hunter").all()
            assert (batch["step"] >= 10).all()
            assert batch["observation"].shape == (len(batch), 9, 8, 8)
        assert stream.rows > 0


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_compressed_batches_are_those_that_are_not(serve, dataset, compression):
    server = serve(*GAMES, "--dataset", f"old={dataset}")
    with bivouac.connect(server.uri) as client:
        for wish in [{}, {"layout": "durbin9", "players": [1]}, {"dataset": "old"}]:
            plain, packed = (
                pa.Table.from_batches([batch.rows for batch in client.experiences(**wish, **how)])
                for how in ({}, {"compression": compression})
            )
            assert plain.num_rows > 0 and packed.equals(plain)
        with pytest.raises(InvalidRequest, match="lz4"):
            list(client.experiences(compression="gzip"))


def test_a_dataset_is_read_like_a_stream(serve, dataset):
    server = serve("--games", "1", "--dataset", f"old={dataset}")
    with bivouac.connect(server.uri) as client:
        assert [flight.path for flight in client.flights()] == [
            ("experiences",),
            ("dataset", "old"),
            ("analytics",),
        ]
        stream = client.experiences(dataset="old", to="numpy", layout="durbin9")
        rows = sum(len(batch["observation"]) for batch in stream)
    assert rows == sum(Experiences(dataset).about(i).length + 1 for i in range(48))


class Relay:
    """A proxy whose connections a test can break."""

    def __init__(self, uri):
        host, port = uri.split("//")[1].split(":")
        self.to = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"grpc://127.0.0.1:{self.listener.getsockname()[1]}"
        self.open, self.passed = [], 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self.to)
            except OSError:
                near.close()
                continue
            self.open += [near, far]
            for a, b in [(near, far), (far, near)]:
                threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    def _copy(self, a, b):
        try:
            while data := a.recv(1 << 16):
                b.sendall(data)
        except OSError:
            pass
        for end in (a, b):
            end.close()

    def cut(self):
        for end in self.open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.open = []

    def close(self):
        self.listener.close()
        self.cut()


def test_a_broken_connection_is_opened_again_and_nothing_is_lost(serve):
    relay = Relay(serve(*GAMES).uri)
    with bivouac.connect(relay.uri) as client:
        stream = client.experiences(batch_rows=20, buffer=1)
        batches = [next(stream)]
        relay.cut()
        batches += [next(stream) for _ in range(5)]
        relay.cut()
        batches += list(stream)
        rows = client.stats()["experiences"]["rows"]
    found = keys(batches)
    assert len(found) == len(set(found)) == rows
    relay.close()


def test_a_server_that_stays_away_is_an_error_that_names_it(serve):
    server = serve(*ENDLESS)
    with bivouac.connect(server.uri) as client:
        stream = client.experiences(batch_rows=20, buffer=1, reconnect_seconds=0.2)
        next(stream)
        server.kill()
        with pytest.raises(ConnectionLost, match=server.address):
            for _ in stream:
                pass


def test_a_server_that_begins_anew_is_told_as_lost_rows(serve):
    first = serve(*ENDLESS)
    with bivouac.connect(first.uri) as client:
        stream = client.experiences(batch_rows=20, buffer=1)
        seq = next(stream).seq
        first.kill()
        serve(*GAMES, listen=first.address)
        with pytest.raises(DataLost, match="began anew") as raised:
            for batch in stream:
                seq = batch.seq
        assert raised.value.dropped is None and raised.value.seq >= seq
        # What the new one makes comes from its beginning.
        found = keys(stream)
        assert len(set(found)) == len(found) == client.stats()["experiences"]["rows"]


def test_a_trainer_that_is_killed_goes_on_where_it_was(serve):
    first = serve(*ENDLESS)
    with bivouac.connect(first.uri) as client:
        with client.experiences(batch_rows=20, buffer=1) as stream:
            batch = next(stream)
        # What a checkpoint would hold.
        place = {"after": batch.seq, "run": batch.run}
        with client.experiences(batch_rows=20, buffer=1, **place) as stream:
            assert next(stream).seq > batch.seq
        first.kill()
        serve(*ENDLESS, listen=first.address)
        # The same number means other rows now.
        with client.experiences(batch_rows=20, buffer=1, **place) as stream:
            with pytest.raises(DataLost, match="began anew") as raised:
                next(stream)
            assert raised.value.seq == batch.seq
            assert next(stream).run != batch.run
        with pytest.raises(InvalidArgument, match="after"):
            client.experiences(run=batch.run)


def test_what_an_administrator_ends_stays_ended(serve, dataset):
    server = serve(*ENDLESS, "--dataset", f"old={dataset}")
    with bivouac.connect(server.uri) as client:
        for wanted in ({}, {"dataset": "old", "batch_rows": 1}):
            stream = client.experiences(buffer=1, **wanted)
            next(stream)
            (told,) = client.stats()["streams"]
            assert told["flight"] == ("dataset/old" if wanted else "experiences")
            assert client.cancel(stream=told["id"])
            with pytest.raises(StreamCancelled, match="administrator"):
                for _ in stream:
                    pass
            stream.close()
        session = client.open_envs({"size": "8x8"})
        (told,) = client.stats()["remote"]["sessions"]
        assert told["envs"] == 1 and told["is_connected"]
        assert client.cancel(session=told["id"])
        session.command("stats")
        with pytest.raises(StreamCancelled, match="session"):
            session.receive()
        assert client.stats()["envs"] == 0
        assert not client.cancel(session=told["id"])


def test_lost_rows_are_an_error_or_counted_as_wished(serve):
    # A ring of a few batches, so a stream that begins far back has lost rows.
    server = serve(*ENDLESS, "--retain", "1")
    with bivouac.connect(server.uri) as client:
        with client.experiences(columns=["step"], buffer=8) as other:
            while client.stats()["experiences"]["oldest"] == 0:
                next(other)
        with client.experiences(after=0) as stream, pytest.raises(DataLost) as raised:
            next(stream)
        assert raised.value.dropped > 0 and raised.value.seq == 0
        with client.experiences(after=0, allow_loss=True) as stream:
            assert next(stream).dropped >= raised.value.dropped


def test_several_servers_are_read_side_by_side(serve):
    uris = [serve(*GAMES).uri, serve(*GAMES[:-1], "4").uri]
    with bivouac.connect(uris) as client:
        batches = list(client.experiences(columns=["episode_id", "agent_id", "step"]))
    found = keys(batches)
    assert {batch.endpoint for batch in batches} == {0, 1}
    assert len(set(found)) == len(found)


def test_closing_a_stream_lets_the_server_go(serve):
    server = serve(*ENDLESS)
    with bivouac.connect(server.uri) as client:
        with client.experiences(buffer=1) as stream:
            next(stream)
            assert client.stats()["experiences"]["streams"] == 1
        # A stream that is forgotten is closed as well.
        forgotten = client.experiences(buffer=1)
        next(forgotten)
        del forgotten
        while client.stats()["experiences"]["streams"] > 0:
            pass
        with pytest.raises(StopIteration):
            next(stream)


def test_asyncio_reads_the_same_rows(serve):
    server = serve(*GAMES)

    async def read():
        async with aio.connect(server.uri) as client:
            one, two = client.experiences(batch_rows=40), client.experiences(batch_rows=70)
            both = await asyncio.gather(gathered(one), gathered(two))
            return both, await client.stats()

    async def gathered(stream):
        return [batch async for batch in stream]

    (one, two), stats = asyncio.run(read())
    assert keys(one) == keys(two)
    assert len(keys(one)) == stats["experiences"]["rows"]


def test_asyncio_has_what_the_client_has(serve):
    async def use():
        async with aio.connect(serve(*ENDLESS).uri) as client:
            assert "stats" in await client.actions()
            form = await client.format()
            assert (form.height, form.width) == (8, 8)
            async with await client.open_envs({"size": "8x8", "num_envs": 2}) as session:
                await session.send(np.full(4, -1))
                (rows,) = (await session.receive()).rows
                assert rows.num_rows == 4
                assert (await session.ask("stats")).about["stats"]["steps"] == 1
            nothing = pa.RecordBatch.from_pylist([], await client.schema())
            (taken,) = await client.submit([nothing])
            assert taken.accepted == 0
            with pytest.raises(InvalidArgument, match="cancel"):
                await client.cancel()

    asyncio.run(use())


def test_errors_are_typed_and_name_the_field(serve):
    with bivouac.connect(serve(*GAMES).uri) as client:
        with pytest.raises(InvalidRequest, match="players: ") as raised:
            client.experiences(players=[99])
        assert "gRPC" not in str(raised.value)
        with pytest.raises(InvalidRequest, match="policies: "):
            client.experiences(policies=["alphago"])
        with pytest.raises(NotFound, match="dataset"):
            client.experiences(dataset="none")
        with pytest.raises(NotFound, match="stats"):
            client.action("dance")
        for wrong in [
            {"to": "jax"},
            {"layout": "rgb"},
            {"layout": "rgb", "to": "numpy"},
            {"columns": ["observation"], "to": "numpy"},
            {"buffer": 0},
        ]:
            with pytest.raises(ValueError):
                client.experiences(**wrong)
    with bivouac.connect("grpc://127.0.0.1:1") as client, pytest.raises(ConnectionLost):
        client.stats()


def test_actions_are_listed_with_what_they_do(serve):
    with bivouac.connect(serve(*GAMES).uri) as client:
        assert all(client.actions().values())
        assert json.dumps(client.action("stats"))


def test_metrics_are_told_to_prometheus(serve):
    server = serve(*GAMES, "--metrics", "127.0.0.1:0")
    with bivouac.connect(server.uri) as client:
        rows = sum(len(batch) for batch in client.experiences())
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as page:
        assert page.headers["content-type"].startswith("text/plain")
        text = page.read().decode()
    values = dict(
        line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")
    )
    assert int(values["bivouac_rows_total"]) == int(values["bivouac_rows_sent_total"]) == rows
    assert values["bivouac_streams"] == "0"
    # Every metric says what it is.
    for name in values:
        kind = re.sub(r"(_bucket|_sum|_count)$", "", name.split("{")[0])
        assert f"# TYPE {kind} " in text
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"http://{server.metrics}/other")


def test_a_learner_reads_a_loss_that_goes_down(serve):
    """The loop of the README, with a linear policy in numpy in place of a network."""
    server = serve("--size", "8x8", "--policies", "expander", "--seed", "1")
    weights, losses = np.zeros((9, 9)), []
    with bivouac.connect(server.uri) as client:
        # Batches are full, so that they are the same on any machine.
        wish = {"players": [0], "batch_rows": 512, "max_wait_ms": 60000}
        stream = client.experiences(**wish, to="numpy", layout="durbin9")
        for batch in stream:
            chosen = batch["action"] >= 0
            passes = (batch["action"][chosen] == client.format.pass_action).astype(int)
            x = batch["observation"][chosen].mean((2, 3)) * 10
            x[:, 8] = 1.0
            logits = x @ weights[:, :2]
            odds = np.exp(logits - logits.max(1, keepdims=True))
            odds /= odds.sum(1, keepdims=True)
            losses.append(-np.log(odds[np.arange(len(x)), passes]).mean())
            odds[np.arange(len(x)), passes] -= 1
            weights[:, :2] -= 0.3 * x.T @ odds / len(x)
            if len(losses) == 60:
                break
        stream.close()
    assert np.mean(losses[-10:]) < 0.7 * losses[0]
