"""Experiences submitted by actors, over a real socket."""

import threading

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import bivouac
from bivouac.client import InvalidRequest

GAMES = ["--games", "12", "--size", "8x8", "--max-ticks", "20", "--seed", "3"]
ENDLESS = ["--size", "8x8", "--max-ticks", "20", "--seed", "9", "--at-once", "16"]


@pytest.fixture
def played(serve):
    """Rows of games of another server, in batches, as an actor would have played them."""
    with bivouac.connect(serve(*GAMES).uri) as client:
        return [batch.rows for batch in client.experiences(batch_rows=100)]


def keys(batches):
    columns = ["episode_id", "agent_id", "step"]
    return [
        row
        for batch in batches
        for row in zip(*(batch[name].to_pylist() for name in columns), strict=True)
    ]


def changed(batch, name, values):
    index = batch.schema.get_field_index(name)
    field = batch.schema.field(index)
    return batch.set_column(index, field, pa.array(values, field.type))


def as_learner(batch, version):
    """The rows as a learner's: with its name, and a version of its policy."""
    names = pa.array(["learner"] * batch.num_rows)
    index = batch.schema.get_field_index("policy")
    batch = batch.set_column(index, "policy", names)
    return changed(batch, "policy_version", [version] * batch.num_rows)


def test_submitted_rows_join_the_streams_once(serve, played):
    server = serve(*ENDLESS)
    submitted = [as_learner(batch, version) for version, batch in enumerate(played, 5)]
    with bivouac.connect(server.uri) as client:
        stream = client.experiences(policies=["learner"], batch_rows=50)
        found = []

        def read():
            rows = 0
            for batch in stream:
                found.append(batch)
                rows += len(batch)
                if rows == len(keys(submitted)):
                    return

        reader = threading.Thread(target=read)
        reader.start()
        first = client.submit(submitted)
        again = client.submit(submitted)
        reader.join(timeout=60)
        assert not reader.is_alive()
        stream.close()
    assert [taken.seq for taken in first] == list(range(len(submitted)))
    assert all(taken.accepted == len(batch) for taken, batch in zip(first, submitted, strict=True))
    assert all(taken.duplicates == len(batch) for taken, batch in zip(again, submitted, strict=True))
    assert keys([batch.rows for batch in found]) == keys(submitted)
    assert found[0].policy_version_min == 5
    assert max(batch.policy_version_max for batch in found) == 4 + len(submitted)
    army = [row for batch in found for row in batch["army"].to_pylist()]
    assert army == [row for batch in submitted for row in batch["army"].to_pylist()]


def test_rows_that_cannot_be_are_named_with_what_is_wrong(serve, played):
    batch = as_learner(played[0], 1)
    first = np.flatnonzero(np.array(batch["step"].to_pylist()) == 0)
    with bivouac.connect(serve(*ENDLESS).uri) as client, client.experiences():
        values = batch["action"].to_pylist()
        values[int(first[0])] = 99_999
        rewards = batch["reward"].to_pylist()
        rewards[int(first[1])] = float("nan")
        wrong = changed(changed(batch, "action", values), "reward", rewards)
        (taken,) = client.submit([wrong])
        reasons = {reason["row"]: reason["reason"] for reason in taken.reasons}
        assert reasons[int(first[0])].startswith("action: 99999")
        assert reasons[int(first[1])].startswith("reward: ")
        assert taken.accepted + taken.rejected == len(batch)
        # The rows after those that were refused do not follow anything.
        later = [row for row, reason in reasons.items() if reason.startswith("is_first: ")]
        assert len(later) == taken.rejected - 2


def test_rows_that_are_missing_are_named(serve, played):
    table = pa.Table.from_batches([as_learner(batch, 1) for batch in played])
    mask = pc.and_(
        pc.equal(table["episode_id"], table["episode_id"][0]), pc.equal(table["agent_id"], 0)
    )
    rows = table.filter(mask).combine_chunks().to_batches()[0]
    with bivouac.connect(serve(*ENDLESS).uri) as client, client.experiences():
        one, two, three = client.submit([rows[:3], rows[5:], rows[3:]])
    assert (one.accepted, two.accepted) == (3, 0)
    assert two.reasons[0]["reason"] == "step: 3 to 4 are missing"
    assert three.accepted == rows.num_rows - 3


def test_wrong_columns_are_refused_by_name(serve, played):
    batch = played[0]
    with bivouac.connect(serve(*ENDLESS).uri) as client, client.experiences():
        with pytest.raises(InvalidRequest, match="army: "):
            client.submit([batch.drop_columns(["army"])])
        index = batch.schema.get_field_index("action")
        floats = batch.set_column(index, "action", pa.array([0.5] * batch.num_rows))
        with pytest.raises(InvalidRequest, match="action: "):
            client.submit([floats])
        unknown = as_learner(batch, 1)
        index = batch.schema.get_field_index("policy")
        unknown = unknown.set_column(index, "policy", pa.array(["alphago"] * batch.num_rows))
        with pytest.raises(InvalidRequest, match="--learners"):
            client.submit([unknown])


def test_versions_are_told_whatever_columns_are_asked_for(serve, played):
    # Nobody reads while they are submitted, and nobody has to.
    with bivouac.connect(serve("--games", "0", "--size", "8x8").uri) as client:
        client.submit([as_learner(batch, 5) for batch in played])
        batches = list(client.experiences(follow=False, columns=["step"]))
        told = client.stats()["submitted"]
    assert {(batch.policy_version_min, batch.policy_version_max) for batch in batches} == {(5, 5)}
    rows = sum(batch.num_rows for batch in played)
    assert told["accepted"] == told["rows"] == rows == sum(map(len, batches))
    assert told["batches"] == len(played) and told["rejected"] == told["waiting"] == 0
