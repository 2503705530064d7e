"""What several tests need: servers."""

import json
import os
import signal
import subprocess

import pytest


class Server:
    """A `bivouac serve` with these arguments, on a free port or at the address of another."""

    def __init__(self, *args, listen="127.0.0.1:0", env=None):
        command = [os.environ["BIVOUAC_BINARY"], "serve", "--listen", listen, "--json", *args]
        env = {**os.environ, **(env or {})}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
        told = json.loads(self.process.stdout.readline())
        self.uri, self.metrics = told["listening"], told.get("metrics")

    @property
    def address(self):
        return self.uri.split("//")[1]

    def kill(self):
        """Ends it as a crash would."""
        self.process.kill()
        self.process.wait(timeout=60)

    def stop(self):
        """Ends it with Ctrl-C, which has to end it well."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()


@pytest.fixture
def serve():
    """Starts servers, which are stopped after the test."""
    servers = []

    def start(*args, **options):
        servers.append(Server(*args, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def client(serve):
    """A client of live games, of a server that plays nothing else."""
    from bivouac.live import GameClient

    with GameClient(serve("--games", "0").uri) as client:
        yield client
