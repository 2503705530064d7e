"""Experiences over Arrow Flight, read by a client in JavaScript beside pyarrow's.

Node.js and its packages come with `BIVOUAC_TEST_NODE=1` only: not everybody has them.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pyarrow.flight as flight
import pytest

ROOT = Path(__file__).parents[2]
GAMES = ["--games", "24", "--size", "8x8", "--max-ticks", "40", "--seed", "3", "--reward", "shaped"]
PROTO = ROOT / "proto/proto/arrow/flight/protocol.proto"


@pytest.mark.skipif("BIVOUAC_TEST_NODE" not in os.environ, reason="BIVOUAC_TEST_NODE is not set")
def test_a_client_in_javascript_reads_what_pyarrow_reads(serve):
    packages = ROOT / "target/javascript"
    packages.mkdir(parents=True, exist_ok=True)
    for name in ["package.json", "flight.mjs"]:
        shutil.copy(ROOT / "tests/javascript" / name, packages)
    install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    subprocess.run(install, cwd=packages, check=True)
    server = serve(*GAMES)
    client = flight.connect(server.uri)
    table = client.do_get(flight.Ticket(json.dumps({"follow": True}))).read_all()

    run = ["node", "flight.mjs", server.address, PROTO, "{}"]
    read = json.loads(subprocess.run(run, cwd=packages, check=True, stdout=subprocess.PIPE).stdout)
    listed = [b"/".join(info.descriptor.path).decode() for info in client.list_flights()]
    assert read["flights"] == listed
    assert read["columns"] == table.column_names
    names = ["agent_id", "step", "action", "reward", "policy"]
    columns = [table[name].to_pylist() for name in names]
    ids = [str(episode) for episode in table["episode_id"].to_pylist()]
    masks = [bytes(mask).hex() for mask in table["action_mask"].to_pylist()]
    assert read["rows"] == [list(row) for row in zip(ids, *columns, masks)]
    assert len(ids) > 1000
    client.close()
