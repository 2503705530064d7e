"""Tokens, scopes, limits and TLS of a server, over a real socket."""

import datetime
import ipaddress
import json
import os
import signal
import subprocess

import numpy as np
import pyarrow as pa
import pyarrow.flight as flight
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import bivouac
from bivouac.client import (
    ClientError,
    InvalidRequest,
    LimitExceeded,
    PermissionDenied,
    Unauthenticated,
)

SMALL = ["--games", "4", "--size", "8x8", "--max-ticks", "20"]
ENDLESS = ["--size", "8x8", "--max-ticks", "20", "--at-once", "16"]
READ, DRIVE, BOTH = "r" * 20, "d" * 20, "b" * 20


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens.toml"
    path.write_text(
        f"""
        [reader]
        token = "{READ}"
        scopes = ["read"]
        max-streams = 1

        [driver]
        token-env = "DRIVER"
        scopes = ["drive"]
        max-envs = 3

        [both]
        token = "{BOTH}"
        scopes = ["read", "drive"]
        """
    )
    return path


def attempts(client):
    """What each scope needs, as things to try."""
    return {
        "read": [client.stats, client.flights, client.schema, client.actions, client.experiences],
        "drive": [
            lambda: client.open_envs({"size": "8x8"}),
            lambda: client.submit([pa.record_batch({"step": pa.array([1], pa.uint32())})]),
        ],
    }


def test_every_scope_allows_what_it_says_and_nothing_else(serve, tokens):
    server = serve(*SMALL, "--tokens", str(tokens), env={"DRIVER": DRIVE})
    for token, scopes in [(READ, {"read"}), (DRIVE, {"drive"}), (BOTH, {"read", "drive"})]:
        with bivouac.connect(server.uri, token=token) as client:
            for scope, calls in attempts(client).items():
                for call in calls:
                    if scope in scopes:
                        try:
                            getattr(call(), "close", lambda: None)()
                        except InvalidRequest:
                            # Let in, and found wrong.
                            pass
                    else:
                        with pytest.raises(PermissionDenied, match=scope):
                            call()


@pytest.mark.parametrize("token", [None, "wrong", READ[:-1], READ + "r", "é"])
def test_without_a_known_token_nothing_is_allowed(serve, tokens, token):
    server = serve(*SMALL, "--tokens", str(tokens), env={"DRIVER": DRIVE})
    with bivouac.connect(server.uri, token=token) as client:
        for calls in attempts(client).values():
            for call in calls:
                with pytest.raises(ClientError) as raised:
                    call()
                assert READ not in str(raised.value)
                if token != "é":
                    assert isinstance(raised.value, Unauthenticated)


def test_tokens_of_the_environment_have_one_scope_each(serve):
    server = serve(*SMALL, env={"BIVOUAC_TOKEN_READ": READ})
    with bivouac.connect(server.uri, token=READ) as client:
        assert client.stats()
        with pytest.raises(PermissionDenied, match="drive"):
            client.open_envs({"size": "8x8"})


def test_a_basic_handshake_gives_a_token(serve, tokens):
    server = serve(*SMALL, "--tokens", str(tokens), env={"DRIVER": DRIVE})
    client = flight.connect(server.uri)
    pair = client.authenticate_basic_token("reader", READ)
    options = flight.FlightCallOptions(headers=[pair])
    assert list(client.list_flights(options=options))
    with pytest.raises(flight.FlightUnauthenticatedError):
        client.authenticate_basic_token("reader", BOTH)


def test_messages_and_batches_are_limited_by_token(serve, tmp_path):
    path = tmp_path / "tokens.toml"
    path.write_text(
        f'[small]\ntoken = "{BOTH}"\nscopes = ["read", "drive"]\n'
        "max-message-bytes = 4000\nmax-batch-rows = 8\n"
    )
    server = serve(*ENDLESS, "--tokens", str(path))
    with bivouac.connect(server.uri, token=BOTH) as client:
        limits = client.action("limits")["token"]
        assert (limits["message_bytes"], limits["batch_rows"]) == (4000, 8)
        with client.experiences() as stream:
            assert len(next(stream)) <= 8
        with client.experiences(batch_rows=9) as stream, pytest.raises(
            LimitExceeded, match="max-batch-rows"
        ):
            next(stream)
        rows = pa.record_batch({"step": pa.array(range(9), pa.uint32())})
        with pytest.raises(LimitExceeded, match="max-batch-rows"):
            client.submit([rows])
        with pytest.raises(LimitExceeded, match="max-message-bytes"):
            client.submit([pa.record_batch({"step": pa.array(range(2000), pa.uint32())})])
        session = client.open_envs({"size": "8x8", "num_envs": 8})
        session.send(np.full(16, -1))
        with pytest.raises(LimitExceeded, match="max-batch-rows"):
            session.receive()
        # The session goes on.
        assert session.ask("stats").about["stats"]["steps"] == 0
        session.close()


def test_what_is_too_large_for_the_server_is_a_limit(serve):
    server = serve(*SMALL)
    with bivouac.connect(server.uri) as client:
        large = "x" * (17 << 20)
        with pytest.raises(LimitExceeded):
            client.action("stats", games=large)
        with pytest.raises(LimitExceeded):
            client.submit([pa.record_batch({"step": pa.array([large])})])
        session = client.open_envs({"size": "8x8"}, reconnect_seconds=0)
        session.command(large)
        with pytest.raises(LimitExceeded, match="bytes of a message"):
            session.receive()


def test_a_file_of_tokens_without_a_token_lets_nobody_in(tmp_path):
    path = tmp_path / "tokens.toml"
    path.write_text("# [trainer]\n")
    command = [os.environ["BIVOUAC_BINARY"], "serve", "--listen", "127.0.0.1:0", "--tokens", path]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0 and "no token" in ended.stderr


def test_limits_of_a_token_are_told_and_free_again(serve, tokens):
    server = serve(*ENDLESS, "--tokens", str(tokens), env={"DRIVER": DRIVE})
    with bivouac.connect(server.uri, token=READ) as client:
        stream = client.experiences(buffer=1)
        next(stream)
        with client.experiences(reconnect_seconds=0) as other, pytest.raises(
            LimitExceeded, match="max-streams"
        ):
            next(other)
        stream.close()
        # Closing takes a moment to reach the server.
        while True:
            try:
                with client.experiences(buffer=1) as other:
                    next(other)
                break
            except LimitExceeded:
                pass
    with bivouac.connect(server.uri, token=DRIVE) as client:
        session = client.open_envs({"size": "8x8", "num_envs": 2})
        with pytest.raises(LimitExceeded, match="max-envs"):
            client.open_envs({"size": "8x8", "num_envs": 2})
        session.close()


def certificate(folder, name, issuer=None):
    """A key and a certificate as PEM files, signed by an issuer or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signed_by, signing_key = issuer or (subject, key)
    now = datetime.datetime.now(datetime.UTC)
    local = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signed_by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(local), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(signing_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    )
    (folder / f"{name}.pem").write_bytes(built.public_bytes(pem))
    return subject, key


@pytest.fixture
def certificates(tmp_path):
    authority = certificate(tmp_path, "authority")
    certificate(tmp_path, "server", authority)
    certificate(tmp_path, "client", authority)
    certificate(tmp_path, "stranger")
    return tmp_path


def tls(folder):
    return ["--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")]


def test_connections_are_encrypted_where_there_is_a_certificate(serve, certificates):
    server = serve(*SMALL, *tls(certificates))
    assert server.uri.startswith("grpc+tls://")
    authority = certificates / "authority.pem"
    with bivouac.connect(server.uri, tls_root_certs=authority) as client:
        rows = sum(len(batch) for batch in client.experiences())
        assert rows == client.stats()["experiences"]["rows"] > 0
        session = client.open_envs({"size": "8x8"})
        session.send(np.full(2, -1))
        assert session.receive().rows[0].num_rows == 2
        session.close()
    for uri, trusted in [
        (server.uri, certificates / "stranger.pem"),
        (server.uri.replace("grpc+tls", "grpc"), None),
    ]:
        with bivouac.connect(uri, tls_root_certs=trusted) as client:
            with pytest.raises(ClientError):
                client.stats()


def test_a_client_shows_its_certificate_where_it_has_to(serve, certificates):
    authority = certificates / "authority.pem"
    server = serve(*SMALL, *tls(certificates), "--tls-client-ca", str(authority))

    def connect(name):
        own = {}
        if name is not None:
            own["cert_chain"] = certificates / f"{name}.pem"
            own["private_key"] = certificates / f"{name}.key"
        return bivouac.connect(server.uri, tls_root_certs=authority, **own)

    with connect("client") as client:
        assert client.stats()
    for name in [None, "stranger"]:
        with connect(name) as client, pytest.raises(ClientError):
            client.stats()


def run(*args, env=None, cwd=None):
    command = [os.environ["BIVOUAC_BINARY"], "serve", *args]
    env = {**os.environ, **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd, timeout=60)


def test_a_server_for_strangers_needs_tls_and_tokens(serve, certificates, tokens):
    for args in [[], tls(certificates)]:
        refused = run("--listen", "0.0.0.0:0", *args)
        assert refused.returncode == 1
        assert "--tls-cert" in refused.stderr and "--insecure" in refused.stderr
    serve(*SMALL, "--insecure", listen="0.0.0.0:0")
    with_both = [*tls(certificates), "--tokens", str(tokens)]
    serve(*SMALL, *with_both, listen="0.0.0.0:0", env={"DRIVER": DRIVE})


def test_options_come_from_flags_then_environment_then_file(tmp_path):
    (tmp_path / "bivouac.toml").write_text(
        '[serve]\nmax-streams = 3\nat-once = 7\nretain = 5\npolicies = ["hunter"]\ninsecure = true\n'
    )
    env = {"BIVOUAC_AT_ONCE": "8", "BIVOUAC_RETAIN": "6"}
    shown = run("--print-config", "--retain", "9", env=env, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == "[serve]"
    for line in ['max-streams = "3"', 'at-once = "8"', 'retain = "9"', "insecure = true"]:
        assert line in lines
    assert 'policies = "hunter"' in lines
    # What is printed is a file that says the same.
    again = tmp_path / "again.toml"
    again.write_text(shown.stdout)
    repeated = run("--print-config", "--config", str(again), cwd=tmp_path / "..")
    plain = [line.removesuffix("  # default") for line in lines]
    assert [line.removesuffix("  # default") for line in repeated.stdout.splitlines()] == plain


def test_what_is_wrong_with_the_options_is_named(tmp_path):
    for text, named in [
        ("[serve]\nspeed = 1\n", "speed"),
        ("[serve]\nmax-streams = 0\n", "max-streams"),
        ("[server]\n", "server"),
    ]:
        (tmp_path / "bivouac.toml").write_text(text)
        refused = run(cwd=tmp_path)
        assert refused.returncode != 0 and named in refused.stderr, refused.stderr
    missing = run("--config", "nowhere.toml")
    assert missing.returncode == 1 and "nowhere.toml" in missing.stderr


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_streams_with_their_last_batch(serve, sent):
    server = serve(*ENDLESS)
    with bivouac.connect(server.uri) as client:
        stream = client.experiences()
        batches = [next(stream)]
        server.process.send_signal(sent)
        batches += list(stream)
    assert server.process.wait(timeout=60) == 0
    assert sum(map(len, batches)) == batches[-1].seq
    assert json.dumps(batches[-1].seq)
