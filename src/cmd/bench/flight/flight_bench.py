"""The part of `bivouac bench --flight` that is a pyarrow client. Prints one JSON object.

Arguments: the server's URI, the URI of a server that repeats its exchanges, the binary, seconds.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight

ACTIONS = pa.schema([("action", pa.int32())])


class Prebuilt(flight.FlightServerBase):
    """pyarrow's own server, sending batches that it has in memory."""

    def __init__(self, batches):
        super().__init__("grpc://127.0.0.1:0")
        self.table = pa.Table.from_batches(batches)

    def do_get(self, context, ticket):
        return flight.RecordBatchStream(self.table)


def serve_prebuilt(uri, told):
    # Read here, so that nothing is copied between processes.
    stream = flight.connect(uri).do_get(flight.Ticket(b"{}"))
    server = Prebuilt([chunk.data for chunk in stream])
    told.send(server.port)
    server.serve()


def drain(uri, seconds):
    """Rows and bytes a second of streams read to their end, one after the other."""
    client = flight.connect(uri)
    rows, nbytes, since = 0, 0, time.perf_counter()
    while time.perf_counter() - since < seconds:
        for chunk in client.do_get(flight.Ticket(b"{}")):
            rows += chunk.data.num_rows
            nbytes += chunk.data.nbytes
    took = time.perf_counter() - since
    return {"rows_per_second": rows / took, "bytes_per_second": nbytes / took}


def served(binary, *args):
    command = [binary, "serve", "--listen", "127.0.0.1:0", "--json", *args]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return server, json.loads(server.stdout.readline())["listening"]


def end_to_end(binary, seconds, compression="none"):
    """Rows a second of games that are played while they are streamed."""
    server, uri = served(binary, "--policies", "random", "--at-once", "1024")
    ticket = json.dumps({"follow": True, "compression": compression}).encode()
    stream = flight.connect(uri).do_get(flight.Ticket(ticket))
    rows, since = 0, None
    for chunk in stream:
        if since is None:
            # The first batches were made before.
            since = time.perf_counter()
            continue
        rows += chunk.data.num_rows
        if time.perf_counter() - since > seconds:
            break
    took = time.perf_counter() - since
    stream.cancel()
    server.kill()
    server.wait()
    return {"rows_per_second": rows / took}


class Exchange:
    def __init__(self, uri, opening):
        self.client = flight.connect(uri)
        descriptor = flight.FlightDescriptor.for_path("env")
        self.writer, self.reader = self.client.do_exchange(descriptor)
        self.writer.begin(ACTIONS)
        self.writer.write_metadata(json.dumps({"open": opening}).encode())
        self.about = json.loads(self.reader.read_chunk().app_metadata.to_pybytes())

    def send(self, actions, metadata=b'{"group": 0}'):
        batch = pa.RecordBatch.from_arrays([pa.array(actions)], schema=ACTIONS)
        self.writer.write_with_metadata(batch, metadata)

    def receive(self):
        while True:
            chunk = self.reader.read_chunk()
            if b'"more"' not in chunk.app_metadata.to_pybytes():
                return chunk.data


def opening(n, groups):
    return {
        "num_envs": n,
        "size": "20x20",
        "groups": groups,
        "seed": 1,
        "message_bytes": 1 << 28,
    }


def exchange_rate(uri, n, seconds):
    """Agent-steps a second of many environments, two groups in flight."""
    envs = Exchange(uri, opening(n // 2, 2))
    rng = np.random.default_rng(0)
    actions = [rng.integers(0, 3200, n, dtype=np.int32) for _ in range(16)]
    groups = [json.dumps({"group": group}).encode() for group in (0, 1)]
    for group in (0, 1):
        envs.send(actions[0], groups[group])
    rows, step, since = 0, 0, time.perf_counter()
    while time.perf_counter() - since < seconds:
        rows += envs.receive().num_rows
        step += 1
        envs.send(actions[step % 16], groups[(step - 1) % 2])
    return {"agent_steps_per_second": rows / (time.perf_counter() - since)}


def round_trip(uri, seconds):
    """Median round trip of one environment, in microseconds."""
    envs = Exchange(uri, opening(1, 1))
    actions = np.full(2, -1, np.int32)
    times, since = [], time.perf_counter()
    while time.perf_counter() - since < seconds or len(times) < 100:
        before = time.perf_counter()
        envs.send(actions)
        envs.receive()
        times.append(time.perf_counter() - before)
    return 1e6 * float(np.median(times))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def idle(binary, streams, seconds):
    """What streams cost in which nothing comes."""
    server, uri = served(binary, "--size", "8x8", "--policies", "random", "--at-once", "16")
    client = flight.connect(uri)

    def stats():
        (answer,) = client.do_action(flight.Action("stats", b""))
        return json.loads(answer.body.to_pybytes())["experiences"]

    # A stream that nobody reads holds the world back once its buffers are full. The others begin after
    # the last row there is then, so that nothing is sent.
    holder = client.do_get(flight.Ticket(json.dumps({"follow": True, "batch_rows": 1}).encode()))
    last = -1
    while (now := stats()["rows"]) != last:
        last = now
        time.sleep(0.2)
    memory = resident_bytes(server.pid)
    ticket = flight.Ticket(json.dumps({"follow": True, "after": last, "slow": "drop_oldest"}).encode())
    open_streams = [client.do_get(ticket) for _ in range(streams)]
    while stats()["streams"] < streams + 1:
        time.sleep(0.05)
    memory = resident_bytes(server.pid) - memory
    before = cpu_seconds(server.pid)
    time.sleep(seconds)
    share = (cpu_seconds(server.pid) - before) / seconds
    del open_streams, holder
    server.kill()
    server.wait()
    return {"streams": streams, "cpu_share": share, "bytes": memory}


def main():
    uri, ceiling, binary, seconds = *sys.argv[1:4], float(sys.argv[4])
    context = multiprocessing.get_context("spawn")
    told, tell = context.Pipe(duplex=False)
    prebuilt = context.Process(target=serve_prebuilt, args=(uri, tell), daemon=True)
    prebuilt.start()
    prebuilt_uri = f"grpc://127.0.0.1:{told.recv()}"
    found = {}
    # In turn, so that a machine that slows down does so for both.
    for name in ("get", "get_prebuilt"):
        drain(uri if name == "get" else prebuilt_uri, 0.1)
    parts = [(drain(uri, seconds / 3), drain(prebuilt_uri, seconds / 3)) for _ in range(3)]
    for name, reads in zip(("get", "get_prebuilt"), zip(*parts, strict=True), strict=True):
        found[name] = {key: sum(read[key] for read in reads) / 3 for key in reads[0]}
    prebuilt.terminate()
    trips = [(round_trip(uri, seconds / 6), round_trip(ceiling, seconds / 6)) for _ in range(5)]
    for name, medians in zip(("round_trip", "round_trip_bare"), zip(*trips, strict=True), strict=True):
        found[name] = {"median_us": float(np.median(medians))}
    found["exchange"] = exchange_rate(uri, 4096, seconds)
    found["end_to_end"] = end_to_end(binary, seconds)
    found["end_to_end_lz4"] = end_to_end(binary, seconds, "lz4")
    found["end_to_end_zstd"] = end_to_end(binary, seconds, "zstd")
    found["idle"] = idle(binary, 200, seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
