"""Experiences over Arrow Flight, read by pyarrow from a server of its own."""

import json
import os
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq
import pytest

GAMES = ["--games", "24", "--size", "8x8", "--max-ticks", "40", "--seed", "3"]


@pytest.fixture
def serve(serve):
    """Starts a server with these arguments and returns a client of pyarrow's."""
    clients = []

    def start(*args):
        clients.append(flight.connect(serve(*args).uri))
        return clients[-1]

    yield start
    for client in clients:
        client.close()


def ticket(**fields):
    return flight.Ticket(json.dumps(fields))


def by_agent(table):
    order = [("episode_id", "ascending"), ("agent_id", "ascending"), ("step", "ascending")]
    return table.combine_chunks().sort_by(order)


def test_a_stream_has_the_rows_of_the_dataset_of_the_same_games(serve, tmp_path):
    out = tmp_path / "dataset"
    command = [os.environ["BIVOUAC_BINARY"], "generate", "--quiet", "--out", out, *GAMES]
    subprocess.run(command, check=True)
    written = pq.read_table(sorted((out / "data").glob("**/*.parquet")))
    streamed = serve(*GAMES).do_get(ticket(follow=True)).read_all()
    assert streamed.num_rows == written.num_rows > 0
    assert streamed.column_names == written.column_names
    streamed, written = by_agent(streamed), by_agent(written)
    for name in written.column_names:
        # A dictionary may have other values than another that says the same.
        assert streamed[name].to_pylist() == written[name].to_pylist(), name


def test_flights_are_listed_with_a_schema_and_a_ticket_that_works(serve):
    client = serve(*GAMES)
    flights = list(client.list_flights())
    assert [info.descriptor.path for info in flights] == [[b"experiences"], [b"analytics"]]
    for info in flights:
        assert info.total_records == -1
        assert info.schema == client.get_schema(info.descriptor).schema
        reader = client.do_get(info.endpoints[0].ticket)
        assert reader.schema == info.schema
        reader.read_all()


def test_filters_and_columns_are_applied(serve):
    client = serve(*GAMES)
    columns = ["agent_id", "step", "policy", "action", "action_mask"]
    wish = ticket(
        follow=True, players=[1], min_step=10, policies=["hunter"], columns=columns, batch_rows=50
    )
    rows = 0
    for batch in client.do_get(wish):
        assert batch.data.schema.names == columns
        assert batch.data.num_rows <= 50
        assert set(batch.data["agent_id"].to_pylist()) == {1}
        assert set(batch.data["policy"].to_pylist()) == {"hunter"}
        assert min(batch.data["step"].to_pylist()) >= 10
        rows += batch.data.num_rows
    assert rows > 0


def test_a_batch_says_how_to_resume_after_it(serve):
    client = serve(*GAMES)
    batches = list(client.do_get(ticket(follow=True, batch_rows=100)))
    metadata = [json.loads(batch.app_metadata.to_pybytes()) for batch in batches]
    names = {"seq", "dropped", "policy_version_min", "policy_version_max", "run"}
    assert all(set(of) == names and of["dropped"] == 0 for of in metadata)
    rest = client.do_get(ticket(after=metadata[1]["seq"], batch_rows=100)).read_all()
    # How rows are cut into batches also depends on when they came.
    wanted = pa.Table.from_batches([batch.data for batch in batches[2:]])
    assert rest.combine_chunks() == wanted.combine_chunks()


def test_wide_columns_are_arrays_without_a_copy(serve):
    batch = serve(*GAMES).do_get(ticket(follow=True)).read_chunk().data
    shape = json.loads(batch.schema.field("army").metadata[b"shape"])
    army = np.frombuffer(batch["army"].buffers()[1], dtype=np.uint16)
    army = army[: batch.num_rows * np.prod(shape)].reshape(batch.num_rows, *shape)
    assert (army.sum(axis=(1, 2)) > 0).all()


def test_errors_have_the_standard_codes(serve):
    client = serve(*GAMES)
    with pytest.raises(pa.ArrowInvalid, match="players: "):
        client.do_get(ticket(players=["me"])).read_all()
    with pytest.raises(pa.ArrowInvalid, match="batch_rows: "):
        client.do_get(ticket(batch_rows=0)).read_all()
    with pytest.raises(pa.ArrowKeyError, match="experiences"):
        client.get_flight_info(flight.FlightDescriptor.for_path("dreams"))


def test_stats_and_actions_are_told(serve):
    client = serve(*GAMES)
    client.do_get(ticket(follow=True)).read_all()
    assert "stats" in [action.type for action in client.list_actions()]
    (answer,) = list(client.do_action(flight.Action("stats", b"")))
    stats = json.loads(answer.body.to_pybytes())
    assert stats["rows_sent"] == stats["experiences"]["rows"] > 0
