"""What runs a server meets: reflection, health and metrics, by the libraries that people use."""

import base64
import json
import urllib.request

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from prometheus_client.parser import text_string_to_metric_families

import bivouac
from bivouac.client import InvalidRequest, PermissionDenied

GAMES = ["--games", "12", "--size", "8x8", "--max-ticks", "40", "--reward", "shaped"]
SERVICES = ["arrow.flight.protocol.FlightService", "bivouac.v1.GameService"]


class Reflected:
    """Calls methods that it knows from the server alone, with JSON, as grpcurl does."""

    def __init__(self, address):
        self.channel = grpc.insecure_channel(address)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = DescriptorPool(self.database)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def call(self, service, method, **fields):
        told = self.pool.FindServiceByName(service).FindMethodByName(method)
        request = ParseDict(fields, GetMessageClass(told.input_type)())
        kind = self.channel.unary_stream if told.server_streaming else self.channel.unary_unary
        stub = kind(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(told.output_type).FromString,
        )
        answer = stub(request, timeout=600)
        return answer if told.server_streaming else MessageToDict(answer)


def test_a_game_is_played_by_what_reflection_tells(serve):
    with Reflected(serve("--games", "0").address) as server:
        assert set(SERVICES) <= set(server.database.get_services())
        games = SERVICES[1]
        created = server.call(games, "CreateGame", policies=["hunter"], pace="PACE_LOCKSTEP")
        joined = server.call(games, "JoinGame", game_id=created["gameId"], name="ada")
        seat = {"game_id": created["gameId"], "token": joined["token"]}
        server.call(games, "SubmitAction", **seat, orders=[{"action": 3200}])
        updates = server.call(games, "StreamGame", **seat)
        assert next(told for told in map(MessageToDict, updates) if "view" in told)
        updates.cancel()


def test_actions_of_flight_are_called_by_what_reflection_tells(serve):
    with Reflected(serve(*GAMES).address) as server:
        flight = SERVICES[0]
        (answer,) = server.call(flight, "DoAction", type="stats")
        assert "experiences" in json.loads(answer.body)
        body = base64.b64encode(b'{"games": "all"}').decode()
        (answer,) = server.call(flight, "DoAction", type="stats", body=body)
        assert "games" in json.loads(answer.body)


def test_both_services_are_healthy(serve):
    with grpc.insecure_channel(serve(*GAMES).address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ["", *SERVICES]:
            request = health_pb2.HealthCheckRequest(service=service)
            answer = health.Check(request, timeout=600)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING, service


def metrics(server):
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as page:
        families = list(text_string_to_metric_families(page.read().decode()))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "a family is told once"
    assert all(family.documentation for family in families)
    return {family.name.removeprefix("bivouac_"): family for family in families}


def values(family):
    """Values by the values of their labels."""
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


def test_metrics_are_what_a_parser_of_prometheus_takes(serve):
    server = serve(*GAMES, "--metrics", "127.0.0.1:0")
    with bivouac.connect(server.uri) as client:
        for _ in client.experiences():
            pass
        with bivouac.GameClient(server.address) as games:
            games.create(policies=["hunter", "expander"], pace="free", max_ticks=3, size=(8, 8))
            while client.stats()["live"]["ended"] == 0:
                pass
        found = metrics(server)
        told = client.stats()
        analytics = client.analytics().to_pylist()
    assert {family.type for family in found.values()} == {"counter", "gauge", "histogram"}
    phases = {phase for (phase,) in values(found["phase_seconds"])}
    assert phases == {"reset", "act", "turn", "fog", "delta", "experience"} == set(
        told["simulation"]["phase_ns"]
    )
    assert values(found["steps"])[()] == told["simulation"]["steps"] > 0
    assert values(found["simulated_games_ended"])[()] == 12
    live = {phase: number for (phase,), number in values(found["live_games"]).items()}
    assert live["ended"] == 1 and sum(live.values()) == 1
    assert values(found["live_created"])[()] == 1
    lateness = found["live_lateness_us"].samples
    buckets = [sample.value for sample in lateness if sample.name.endswith("_bucket")]
    assert buckets == sorted(buckets) and lateness[len(buckets) - 1].labels["le"] == "+Inf"
    assert buckets[-1] == told["live"]["ticks"] == 3
    for row in analytics:
        labels = tuple(row[name] for name in ("source", "ruleset", "policy"))
        labels = (*labels, str(row["agent_id"]))
        assert values(found["policy_games"])[labels] == row["games"] > 0
        assert values(found["policy_wins"])[labels] == row["wins"]
    assert {row["source"] for row in analytics} == {"simulated", "live"}


def test_bytes_of_a_stream_are_told_while_it_is_open(serve):
    server = serve("--size", "8x8", "--max-ticks", "20", "--metrics", "127.0.0.1:0")
    with bivouac.connect(server.uri) as client:
        stream = client.experiences()
        next(iter(stream))
        (number,) = [each["id"] for each in client.stats()["streams"]]
        found = metrics(server)
        assert values(found["stream_bytes"])[(str(number), "experiences", "block")] > 0
        assert values(found["stream_rows"])[(str(number), "experiences", "block")] > 0
        stream.close()


def test_games_go_back_to_a_snapshot(serve):
    admin = "admin-token-0123456789"
    env = {"BIVOUAC_TOKEN_ADMIN": admin, "BIVOUAC_TOKEN_READ": "read-token-0123456789"}
    server = serve("--size", "8x8", "--max-ticks", "20", "--at-once", "4", env=env)
    with bivouac.connect(server.uri, token=admin) as client:
        snapshot = client.snapshot()
        assert client.restore(snapshot) >= 4
        with pytest.raises(InvalidRequest, match="snapshot"):
            client.restore(snapshot[:-9])
        with pytest.raises(PermissionDenied):
            client.stats()
    with bivouac.connect(server.uri, token="read-token-0123456789") as client:
        games = client.stats(games="all")["games"]
        assert len(games) > 0 and all(game["players"]["0"]["rows"] > 0 for game in games)
        with pytest.raises(PermissionDenied):
            client.snapshot()


def test_the_version_of_a_policy_comes_back_with_its_rows(serve):
    server = serve("--games", "0")
    envs = bivouac.RemoteVectorEnv(server.uri, 3, size="8x8", opponents=["hunter"], groups=2)
    _, infos = envs.reset(seed=1)
    assert "policy_version" not in infos
    passes = [-1] * envs.num_envs
    *_, infos = envs.step(passes, policy_version=7)
    assert infos["policy_version"].tolist() == [7] * envs.num_envs
    envs.send(passes, 0, policy_version=2**63)
    envs.send(passes, 1)
    assert envs.receive()[1][-1]["policy_version"].tolist() == [2**63] * envs.num_envs
    assert "policy_version" not in envs.receive()[1][-1]
    with pytest.raises(InvalidRequest, match="policy_version"):
        envs.step(passes, policy_version=-1)
    *_, infos = envs.step(passes, policy_version=8)
    assert infos["policy_version"].dtype.name == "uint64"
    envs.close()
