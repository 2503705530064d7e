"""Connections to servers, and what can be asked of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from ..data import LAYOUTS, Format
from ..errors import InvalidArgument
from .batches import SERVER_LAYOUTS, Decoder, Kind, columns_for
from .errors import ServerFailed, translated
from .session import EnvSession
from .stream import ExperienceStream, Place, Retry, Source

DEFAULT_URI = "grpc://127.0.0.1:50051"


def connect(
    uri: str | Sequence[str] = DEFAULT_URI,
    *,
    token: str | None = None,
    tls_root_certs: bytes | str | Path | None = None,
    cert_chain: bytes | str | Path | None = None,
    private_key: bytes | str | Path | None = None,
) -> Client:
    """Opens a client of one server, or of several whose streams are read side by side.

    Nothing is sent before the first request.

    Args:
        uri: `grpc://host:port`, or `grpc+tls://host:port`.
        token: the bearer token, where the server wants one.
        tls_root_certs: certificates to trust (PEM, or the path of a file); by default the system's.
        cert_chain: the client's own certificate (PEM or path), where the server wants one.
        private_key: the key of that certificate (PEM or path).

    Raises:
        ConnectionLost: a URI is malformed.
    """
    options: dict[str, Any] = {}
    for name, pem in (
        ("tls_root_certs", tls_root_certs),
        ("cert_chain", cert_chain),
        ("private_key", private_key),
    ):
        if pem is not None:
            options[name] = pem if isinstance(pem, bytes) else Path(pem).read_bytes()
    return Client([uri] if isinstance(uri, str) else list(uri), token, options)


@dataclass(frozen=True)
class Flight:
    """Something that a server offers to read."""

    path: tuple[str, ...]
    """`("experiences",)`, `("analytics",)` or `("dataset", name)`."""
    schema: pa.Schema
    """Its columns."""
    total_records: int
    """Its rows; -1 while they are being made."""


@dataclass(frozen=True)
class Taken:
    """What became of a batch that was submitted."""

    seq: int
    """Its number, from 0."""
    accepted: int
    """Rows that are in the streams now."""
    duplicates: int
    """Rows that came before."""
    rejected: int
    """Rows that were refused."""
    reasons: list[dict[str, Any]]
    """The first of them: `{"row": 3, "reason": "action: …"}`."""
    rows: int = 0
    """Rows that this added to the streams."""


class Client:
    """A client of one or more servers; see `connect`. Methods may be called from any thread."""

    def __init__(self, uris: list[str], token: str | None, options: dict[str, Any]) -> None:
        if not uris:
            raise InvalidArgument("uri: name one server or more")
        self._uris, self._options = uris, options
        headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
        self._call = flight.FlightCallOptions(headers=headers)
        with translated():
            self._connections = [flight.connect(uri, **options) for uri in uris]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"bivouac.Client({', '.join(self._uris)})"

    def close(self) -> None:
        """Closes the connections. Streams that are open end with an error."""
        for connection in self._connections:
            connection.close()

    def flights(self) -> list[Flight]:
        """What the first server offers: experiences as they are made, and its datasets."""
        with translated():
            found = list(self._connections[0].list_flights(options=self._call))
        return [
            Flight(
                path=tuple(part.decode() for part in info.descriptor.path),
                schema=info.schema,
                total_records=info.total_records,
            )
            for info in found
        ]

    def schema(self, dataset: str | None = None) -> pa.Schema:
        """The columns of the experiences, or of a dataset."""
        path = ["experiences"] if dataset is None else ["dataset", dataset]
        descriptor = flight.FlightDescriptor.for_path(*path)
        with translated():
            return self._connections[0].get_schema(descriptor, options=self._call).schema

    @cached_property
    def format(self) -> Format:
        """The canvas and the planes of the experiences."""
        return Format.of(self.schema())

    def action(self, name: str, **arguments: Any) -> Any:
        """Asks the first server to do something; see `actions` for what there is.

        Returns:
            Its answer, from JSON; None if it has none.
        """
        answer = self._act(name, json.dumps(arguments).encode() if arguments else b"")
        return json.loads(answer) if answer else None

    def _act(self, name: str, body: bytes) -> bytes:
        with translated():
            answers = list(
                self._connections[0].do_action(flight.Action(name, body), options=self._call)
            )
        return answers[0].body.to_pybytes() if answers else b""

    def actions(self) -> dict[str, str]:
        """Names of the actions of the first server, with what they do."""
        with translated():
            found = self._connections[0].list_actions(options=self._call)
            return {action.type: action.description for action in found}

    def stats(self, games: Iterable[int] | str | None = None) -> dict[str, Any]:
        """Rows made, kept, sent and dropped by the first server, its streams and its games.

        Args:
            games: indexes of games, or `"all"`: adds a list `games` with the rows that are kept of
                each, by player, and the mean, least and largest reward.
        """
        if games is None:
            return self.action("stats")
        return self.action("stats", games=games if isinstance(games, str) else list(games))

    def snapshot(self) -> bytes:
        """Where the simulated games of the first server stand, for `restore` (scope `admin`)."""
        return self._act("snapshot", b"")

    def restore(self, snapshot: bytes) -> int:
        """Brings the simulated games of the first server back to where they stood (scope `admin`).

        They make the same rows from there on, which are numbered anew.

        Args:
            snapshot: what `snapshot` returned, of a server with the same options.

        Returns:
            How many games the snapshot has.

        Raises:
            InvalidRequest: it is of other games, or of another version.
        """
        return int(json.loads(self._act("restore", snapshot))["games"])

    def analytics(self) -> pa.Table:
        """How policies and players fare on the first server: a row for each kind of game
        (`source`), `ruleset`, `policy` and seat (`agent_id`), with counts of games, wins, draws and
        captures, the win rate, and the length of games in ticks."""
        with translated():
            ticket = flight.Ticket(b'{"analytics": true}')
            return self._connections[0].do_get(ticket, options=self._call).read_all()

    def experiences(
        self,
        *,
        dataset: str | None = None,
        games: Iterable[int] | None = None,
        players: Iterable[int] | None = None,
        min_step: int = 0,
        policies: Iterable[str] | None = None,
        rulesets: Iterable[str] | None = None,
        columns: Iterable[str] | None = None,
        compression: str | None = None,
        batch_rows: int | None = None,
        max_wait_ms: int | None = None,
        follow: bool = True,
        after: int | None = None,
        run: str | None = None,
        slow: str = "block",
        to: Kind = "arrow",
        layout: str | None = None,
        device: Any = None,
        buffer: int = 4,
        allow_loss: bool | None = None,
        reconnect_seconds: float = 60.0,
    ) -> ExperienceStream:
        """Reads experiences of all servers, in background threads, until they end or are closed.

        Args:
            dataset: name of a closed dataset to read instead of what is being played.
            games: only these games, by index.
            players: only these seats.
            min_step: only from this tick on.
            policies: only rows that these policies played.
            rulesets: only games by these rulesets.
            columns: only these columns, in this order; `"observation"` with a layout.
            compression: `"lz4"` or `"zstd"` for a network that is slower than to compress: rows are a
                fifth or an eighth as long. Batches are unpacked before they are handed over.
            batch_rows: rows of a batch at most; by default what fills messages well.
            max_wait_ms: how long rows wait for their batch to fill; by default 100.
            follow: wait for new rows, or end with those that there are.
            after: begin after this place, as `seq` of a batch tells; with one server only.
            run: the run that `after` is a number of, as `run` of that batch tells. A program that is
                started again gives both: where the server was started anew meanwhile and its rows
                are gone, `DataLost` says so, instead of rows that happen to have the same numbers.
            slow: when this stream is slower than the world: `"block"` (the world waits),
                `"drop_oldest"` (rows are lost and counted) or `"spill"` (rows wait on the server's
                disk, also for a client that comes back; the server needs `--spill`).
            to: `"arrow"`, `"numpy"` or `"torch"`; see `Decoder` for shapes and types.
            layout: a dense layout: `"durbin9"` or `"generals-bots"`, which numpy and torch batches
                are decoded to here, or `"memory"`, which the server encodes. Record batches are
                encoded by the server in any layout; their `observation` is a tensor column.
            device: where tensors go.
            buffer: batches that wait for the reader, at most.
            allow_loss: go on silently when rows were lost, rather than raise `DataLost`; by default
                only with `"drop_oldest"`. `Batch.dropped` counts them either way.
            reconnect_seconds: for how long to try again, with growing pauses, when a server
                cannot be reached.

        Raises:
            ValueError: arguments that do not go together.
            ClientError: the server refuses. While iterating: `DataLost`, `ConnectionLost`,
                `StreamCancelled`.
        """
        if to not in ("arrow", "numpy", "torch"):
            raise InvalidArgument(f"to={to!r}: use 'arrow', 'numpy' or 'torch'")
        if layout is not None and layout not in LAYOUTS and layout not in SERVER_LAYOUTS:
            known = sorted({*LAYOUTS, *SERVER_LAYOUTS})
            raise InvalidArgument(f"layout={layout!r}: use one of {known}")
        is_encoded_there = layout is not None and (to == "arrow" or layout in SERVER_LAYOUTS)
        if after is not None and len(self._uris) > 1:
            raise InvalidArgument("after: each server counts its own rows, so name one server only")
        if run is not None and after is None:
            raise InvalidArgument("run: say with after=… how many of its rows came before")
        if buffer < 1:
            raise InvalidArgument(f"buffer={buffer}: use 1 or more")
        wanted = None if columns is None else list(columns)
        if not is_encoded_there:
            wanted = columns_for(wanted, layout)
        fields = {
            "dataset": dataset,
            "games": None if games is None else list(games),
            "players": None if players is None else list(players),
            "min_step": min_step or None,
            "policies": None if policies is None else list(policies),
            "rulesets": None if rulesets is None else list(rulesets),
            "layout": layout if is_encoded_there else None,
            "columns": wanted,
            "compression": compression,
            "batch_rows": batch_rows,
            "max_wait_ms": max_wait_ms,
            "follow": (follow and dataset is None) or None,
            "slow": None if slow == "block" else slow,
        }
        ticket = {name: value for name, value in fields.items() if value is not None}
        form = self.format if dataset is None else Format.of(self.schema(dataset))
        return ExperienceStream(
            [source for i in range(len(self._uris)) for source in self._sources(i, ticket)],
            place=Place(after, run),
            decoder=Decoder(to, layout, form, device),
            buffer=buffer,
            allow_loss=slow == "drop_oldest" if allow_loss is None else allow_loss,
            retry=Retry(seconds=reconnect_seconds),
        )

    def cancel(self, *, stream: int | None = None, session: int | None = None) -> bool:
        """Ends a stream of the first server, or a session of remote environments (scope `admin`).

        Args:
            stream: its `id` in `stats()["streams"]`.
            session: its `id` in `stats()["remote"]["sessions"]`.

        Returns:
            Whether there was one. Whoever reads or plays it gets `StreamCancelled`.
        """
        if (stream is None) == (session is None):
            raise InvalidArgument("cancel: give a stream or a session")
        given = {"stream": stream} if session is None else {"session": session}
        return bool(self.action("cancel", **given)["cancelled"])

    def submit(self, batches: Iterable[pa.RecordBatch]) -> list[Taken]:
        """Submits experiences that were played elsewhere, which join the streams of the first server.

        Args:
            batches: record batches with the columns of `schema()`; those that may be null may be left
                out. Rows of an agent's episode come in their order, in one batch or several. Or
                batches of whole games, as in the files of a dataset of games: each is played again,
                and all its agents' rows join the streams if it ends as it says.

        Returns:
            What became of each batch. Rows that came before count as duplicates, so a batch that may
            not have arrived can be submitted again.

        Raises:
            InvalidRequest: a column is wrong; batches before it were taken.
        """
        taken: list[Taken] = []
        with translated():
            writer = None
            for seq, batch in enumerate(batches):
                if writer is None:
                    descriptor = flight.FlightDescriptor.for_path("experiences")
                    writer, reader = self._connections[0].do_put(
                        descriptor, batch.schema, self._call
                    )
                try:
                    writer.write_with_metadata(batch, json.dumps({"seq": seq}).encode())
                    answer = reader.read()
                except (pa.ArrowException, OSError):
                    # What the server says is wrong comes when the writer is closed.
                    writer.close()
                    raise
                if answer is None:
                    writer.close()
                    raise ServerFailed("the server ended the stream without an answer")
                taken.append(Taken(**json.loads(answer.to_pybytes())))
            if writer is not None:
                writer.close()
        return taken

    def open_envs(self, opening: dict[str, Any], *, reconnect_seconds: float = 60.0) -> EnvSession:
        """Opens environments on the first server; `bivouac.RemoteVectorEnv` is easier to use.

        Args:
            opening: fields of the opening command; see the README.
            reconnect_seconds: for how long to try again when the server cannot be reached.
        """
        return EnvSession(
            self._uris[0],
            opening,
            options=self._options,
            call=self._call,
            reconnect_seconds=reconnect_seconds,
        )

    def _sources(self, server: int, ticket: dict[str, Any]) -> list[Source]:
        """Where a server says that the rows of a ticket are: as a rule itself."""
        command = flight.FlightDescriptor.for_command(json.dumps(ticket))
        with translated():
            info = self._connections[server].get_flight_info(command, options=self._call)
        sources = []
        for endpoint in info.endpoints:
            uri = endpoint.locations[0].uri.decode() if endpoint.locations else self._uris[server]
            fields = json.loads(endpoint.ticket.ticket or b"{}")
            sources.append(Source(uri, fields, self._options, self._call))
        return sources
