from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_BAD_COORDINATES: _ClassVar[Reason]
    REASON_NOT_ADJACENT: _ClassVar[Reason]
    REASON_NOT_OWNED: _ClassVar[Reason]
    REASON_ARMY_TOO_SMALL: _ClassVar[Reason]
    REASON_GAME_OVER: _ClassVar[Reason]
    REASON_BAD_PLAYER: _ClassVar[Reason]
    REASON_TARGET_IS_MOUNTAIN: _ClassVar[Reason]
    REASON_WRONG_TICK: _ClassVar[Reason]
    REASON_GAME_NOT_FOUND: _ClassVar[Reason]
    REASON_GAME_FULL: _ClassVar[Reason]
    REASON_ALREADY_JOINED: _ClassVar[Reason]
    REASON_WRONG_PHASE: _ClassVar[Reason]
    REASON_BAD_TOKEN: _ClassVar[Reason]
    REASON_TOO_MANY_GAMES: _ClassVar[Reason]
    REASON_QUEUE_FULL: _ClassVar[Reason]
    REASON_KEY_REUSED: _ClassVar[Reason]
    REASON_INVALID_ARGUMENT: _ClassVar[Reason]
    REASON_ELIMINATED: _ClassVar[Reason]
    REASON_CANNOT_BUILD: _ClassVar[Reason]
    REASON_NOT_ALLOWED: _ClassVar[Reason]
    REASON_TOO_MANY_STREAMS: _ClassVar[Reason]
    REASON_UNAVAILABLE: _ClassVar[Reason]
    REASON_TOO_MANY_REQUESTS: _ClassVar[Reason]
    REASON_NO_PAUSES: _ClassVar[Reason]
    REASON_STOPPING: _ClassVar[Reason]

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_LOBBY: _ClassVar[Phase]
    PHASE_STARTING: _ClassVar[Phase]
    PHASE_RUNNING: _ClassVar[Phase]
    PHASE_PAUSED: _ClassVar[Phase]
    PHASE_ENDED: _ClassVar[Phase]
    PHASE_ABORTED: _ClassVar[Phase]

class Pace(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PACE_UNSPECIFIED: _ClassVar[Pace]
    PACE_TIMED: _ClassVar[Pace]
    PACE_LOCKSTEP: _ClassVar[Pace]
    PACE_FREE: _ClassVar[Pace]
REASON_UNSPECIFIED: Reason
REASON_BAD_COORDINATES: Reason
REASON_NOT_ADJACENT: Reason
REASON_NOT_OWNED: Reason
REASON_ARMY_TOO_SMALL: Reason
REASON_GAME_OVER: Reason
REASON_BAD_PLAYER: Reason
REASON_TARGET_IS_MOUNTAIN: Reason
REASON_WRONG_TICK: Reason
REASON_GAME_NOT_FOUND: Reason
REASON_GAME_FULL: Reason
REASON_ALREADY_JOINED: Reason
REASON_WRONG_PHASE: Reason
REASON_BAD_TOKEN: Reason
REASON_TOO_MANY_GAMES: Reason
REASON_QUEUE_FULL: Reason
REASON_KEY_REUSED: Reason
REASON_INVALID_ARGUMENT: Reason
REASON_ELIMINATED: Reason
REASON_CANNOT_BUILD: Reason
REASON_NOT_ALLOWED: Reason
REASON_TOO_MANY_STREAMS: Reason
REASON_UNAVAILABLE: Reason
REASON_TOO_MANY_REQUESTS: Reason
REASON_NO_PAUSES: Reason
REASON_STOPPING: Reason
PHASE_UNSPECIFIED: Phase
PHASE_LOBBY: Phase
PHASE_STARTING: Phase
PHASE_RUNNING: Phase
PHASE_PAUSED: Phase
PHASE_ENDED: Phase
PHASE_ABORTED: Phase
PACE_UNSPECIFIED: Pace
PACE_TIMED: Pace
PACE_LOCKSTEP: Pace
PACE_FREE: Pace

class MapChoice(_message.Message):
    __slots__ = ("size", "text", "json")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    JSON_FIELD_NUMBER: _ClassVar[int]
    size: BoardSize
    text: str
    json: str
    def __init__(self, size: _Optional[_Union[BoardSize, _Mapping]] = ..., text: _Optional[str] = ..., json: _Optional[str] = ...) -> None: ...

class BoardSize(_message.Message):
    __slots__ = ("width", "height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class CreateGameRequest(_message.Message):
    __slots__ = ("map", "players", "teams", "ruleset", "without_fog", "pace", "turn_ms", "max_ticks", "policies", "seed", "is_private", "allow_spectators", "spectator_delay", "without_record", "collect_experiences", "join_as", "join_seat", "further_players")
    MAP_FIELD_NUMBER: _ClassVar[int]
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    TEAMS_FIELD_NUMBER: _ClassVar[int]
    RULESET_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_FOG_FIELD_NUMBER: _ClassVar[int]
    PACE_FIELD_NUMBER: _ClassVar[int]
    TURN_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_TICKS_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    IS_PRIVATE_FIELD_NUMBER: _ClassVar[int]
    ALLOW_SPECTATORS_FIELD_NUMBER: _ClassVar[int]
    SPECTATOR_DELAY_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_RECORD_FIELD_NUMBER: _ClassVar[int]
    COLLECT_EXPERIENCES_FIELD_NUMBER: _ClassVar[int]
    JOIN_AS_FIELD_NUMBER: _ClassVar[int]
    JOIN_SEAT_FIELD_NUMBER: _ClassVar[int]
    FURTHER_PLAYERS_FIELD_NUMBER: _ClassVar[int]
    map: MapChoice
    players: int
    teams: _containers.RepeatedScalarFieldContainer[int]
    ruleset: str
    without_fog: bool
    pace: Pace
    turn_ms: int
    max_ticks: int
    policies: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    is_private: bool
    allow_spectators: bool
    spectator_delay: int
    without_record: bool
    collect_experiences: bool
    join_as: str
    join_seat: int
    further_players: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, map: _Optional[_Union[MapChoice, _Mapping]] = ..., players: _Optional[int] = ..., teams: _Optional[_Iterable[int]] = ..., ruleset: _Optional[str] = ..., without_fog: _Optional[bool] = ..., pace: _Optional[_Union[Pace, str]] = ..., turn_ms: _Optional[int] = ..., max_ticks: _Optional[int] = ..., policies: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., is_private: _Optional[bool] = ..., allow_spectators: _Optional[bool] = ..., spectator_delay: _Optional[int] = ..., without_record: _Optional[bool] = ..., collect_experiences: _Optional[bool] = ..., join_as: _Optional[str] = ..., join_seat: _Optional[int] = ..., further_players: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateGameResponse(_message.Message):
    __slots__ = ("game_id", "owner_token", "seed", "joined", "further")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    FURTHER_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    owner_token: str
    seed: int
    joined: JoinGameResponse
    further: _containers.RepeatedCompositeFieldContainer[JoinGameResponse]
    def __init__(self, game_id: _Optional[str] = ..., owner_token: _Optional[str] = ..., seed: _Optional[int] = ..., joined: _Optional[_Union[JoinGameResponse, _Mapping]] = ..., further: _Optional[_Iterable[_Union[JoinGameResponse, _Mapping]]] = ...) -> None: ...

class CreateGamesRequest(_message.Message):
    __slots__ = ("games",)
    GAMES_FIELD_NUMBER: _ClassVar[int]
    games: _containers.RepeatedCompositeFieldContainer[CreateGameRequest]
    def __init__(self, games: _Optional[_Iterable[_Union[CreateGameRequest, _Mapping]]] = ...) -> None: ...

class CreateGamesResponse(_message.Message):
    __slots__ = ("games",)
    GAMES_FIELD_NUMBER: _ClassVar[int]
    games: _containers.RepeatedCompositeFieldContainer[GameCreation]
    def __init__(self, games: _Optional[_Iterable[_Union[GameCreation, _Mapping]]] = ...) -> None: ...

class GameCreation(_message.Message):
    __slots__ = ("created", "failure")
    CREATED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    created: CreateGameResponse
    failure: Failure
    def __init__(self, created: _Optional[_Union[CreateGameResponse, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ...) -> None: ...

class JoinGameRequest(_message.Message):
    __slots__ = ("game_id", "name", "seat")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEAT_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    name: str
    seat: int
    def __init__(self, game_id: _Optional[str] = ..., name: _Optional[str] = ..., seat: _Optional[int] = ...) -> None: ...

class JoinGameResponse(_message.Message):
    __slots__ = ("seat", "token", "phase")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    seat: int
    token: str
    phase: Phase
    def __init__(self, seat: _Optional[int] = ..., token: _Optional[str] = ..., phase: _Optional[_Union[Phase, str]] = ...) -> None: ...

class LeaveGameRequest(_message.Message):
    __slots__ = ("game_id", "token")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    token: str
    def __init__(self, game_id: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class LeaveGameResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Order(_message.Message):
    __slots__ = ("march", "build", "action")
    MARCH_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    march: March
    build: Build
    action: int
    def __init__(self, march: _Optional[_Union[March, _Mapping]] = ..., build: _Optional[_Union[Build, _Mapping]] = ..., action: _Optional[int] = ...) -> None: ...

class March(_message.Message):
    __slots__ = ("from_row", "from_column", "to_row", "to_column", "half")
    FROM_ROW_FIELD_NUMBER: _ClassVar[int]
    FROM_COLUMN_FIELD_NUMBER: _ClassVar[int]
    TO_ROW_FIELD_NUMBER: _ClassVar[int]
    TO_COLUMN_FIELD_NUMBER: _ClassVar[int]
    HALF_FIELD_NUMBER: _ClassVar[int]
    from_row: int
    from_column: int
    to_row: int
    to_column: int
    half: bool
    def __init__(self, from_row: _Optional[int] = ..., from_column: _Optional[int] = ..., to_row: _Optional[int] = ..., to_column: _Optional[int] = ..., half: _Optional[bool] = ...) -> None: ...

class Build(_message.Message):
    __slots__ = ("row", "column")
    ROW_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    row: int
    column: int
    def __init__(self, row: _Optional[int] = ..., column: _Optional[int] = ...) -> None: ...

class SubmitActionRequest(_message.Message):
    __slots__ = ("game_id", "token", "orders", "expected_tick", "idempotency_key", "replace_queue")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_TICK_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    REPLACE_QUEUE_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    token: str
    orders: _containers.RepeatedCompositeFieldContainer[Order]
    expected_tick: int
    idempotency_key: str
    replace_queue: bool
    def __init__(self, game_id: _Optional[str] = ..., token: _Optional[str] = ..., orders: _Optional[_Iterable[_Union[Order, _Mapping]]] = ..., expected_tick: _Optional[int] = ..., idempotency_key: _Optional[str] = ..., replace_queue: _Optional[bool] = ...) -> None: ...

class SubmitActionResponse(_message.Message):
    __slots__ = ("tick", "queued")
    TICK_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    tick: int
    queued: int
    def __init__(self, tick: _Optional[int] = ..., queued: _Optional[int] = ...) -> None: ...

class ClearQueueRequest(_message.Message):
    __slots__ = ("game_id", "token")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    token: str
    def __init__(self, game_id: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class ClearQueueResponse(_message.Message):
    __slots__ = ("cleared",)
    CLEARED_FIELD_NUMBER: _ClassVar[int]
    cleared: int
    def __init__(self, cleared: _Optional[int] = ...) -> None: ...

class SurrenderRequest(_message.Message):
    __slots__ = ("game_id", "token")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    token: str
    def __init__(self, game_id: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class SurrenderResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetGameStateRequest(_message.Message):
    __slots__ = ("game_id", "token")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    token: str
    def __init__(self, game_id: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class GetGameStateResponse(_message.Message):
    __slots__ = ("state", "action_mask", "info", "seat")
    STATE_FIELD_NUMBER: _ClassVar[int]
    ACTION_MASK_FIELD_NUMBER: _ClassVar[int]
    INFO_FIELD_NUMBER: _ClassVar[int]
    SEAT_FIELD_NUMBER: _ClassVar[int]
    state: Update
    action_mask: bytes
    info: GameInfo
    seat: int
    def __init__(self, state: _Optional[_Union[Update, _Mapping]] = ..., action_mask: _Optional[bytes] = ..., info: _Optional[_Union[GameInfo, _Mapping]] = ..., seat: _Optional[int] = ...) -> None: ...

class View(_message.Message):
    __slots__ = ("width", "height", "faces", "owners", "armies")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    ARMIES_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    faces: bytes
    owners: bytes
    armies: bytes
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ..., faces: _Optional[bytes] = ..., owners: _Optional[bytes] = ..., armies: _Optional[bytes] = ...) -> None: ...

class Delta(_message.Message):
    __slots__ = ("tiles", "faces", "owners", "armies")
    TILES_FIELD_NUMBER: _ClassVar[int]
    FACES_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    ARMIES_FIELD_NUMBER: _ClassVar[int]
    tiles: bytes
    faces: bytes
    owners: bytes
    armies: bytes
    def __init__(self, tiles: _Optional[bytes] = ..., faces: _Optional[bytes] = ..., owners: _Optional[bytes] = ..., armies: _Optional[bytes] = ...) -> None: ...

class Scoreboard(_message.Message):
    __slots__ = ("land", "army", "alive")
    LAND_FIELD_NUMBER: _ClassVar[int]
    ARMY_FIELD_NUMBER: _ClassVar[int]
    ALIVE_FIELD_NUMBER: _ClassVar[int]
    land: _containers.RepeatedScalarFieldContainer[int]
    army: _containers.RepeatedScalarFieldContainer[int]
    alive: int
    def __init__(self, land: _Optional[_Iterable[int]] = ..., army: _Optional[_Iterable[int]] = ..., alive: _Optional[int] = ...) -> None: ...

class Update(_message.Message):
    __slots__ = ("seq", "tick", "phase", "view", "delta", "scoreboard", "events", "skipped_actions", "queued", "players")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    SCOREBOARD_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_FIELD_NUMBER: _ClassVar[int]
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    seq: int
    tick: int
    phase: Phase
    view: View
    delta: Delta
    scoreboard: Scoreboard
    events: _containers.RepeatedCompositeFieldContainer[Event]
    skipped_actions: _containers.RepeatedScalarFieldContainer[int]
    queued: int
    players: _containers.RepeatedCompositeFieldContainer[Player]
    def __init__(self, seq: _Optional[int] = ..., tick: _Optional[int] = ..., phase: _Optional[_Union[Phase, str]] = ..., view: _Optional[_Union[View, _Mapping]] = ..., delta: _Optional[_Union[Delta, _Mapping]] = ..., scoreboard: _Optional[_Union[Scoreboard, _Mapping]] = ..., events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., skipped_actions: _Optional[_Iterable[int]] = ..., queued: _Optional[int] = ..., players: _Optional[_Iterable[_Union[Player, _Mapping]]] = ...) -> None: ...

class Player(_message.Message):
    __slots__ = ("seat", "name", "team", "is_policy")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    IS_POLICY_FIELD_NUMBER: _ClassVar[int]
    seat: int
    name: str
    team: int
    is_policy: bool
    def __init__(self, seat: _Optional[int] = ..., name: _Optional[str] = ..., team: _Optional[int] = ..., is_policy: _Optional[bool] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("joined", "left", "started", "eliminated", "surrendered", "neutralised", "phase_changed", "ended", "disconnected", "reconnected")
    JOINED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ELIMINATED_FIELD_NUMBER: _ClassVar[int]
    SURRENDERED_FIELD_NUMBER: _ClassVar[int]
    NEUTRALISED_FIELD_NUMBER: _ClassVar[int]
    PHASE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    DISCONNECTED_FIELD_NUMBER: _ClassVar[int]
    RECONNECTED_FIELD_NUMBER: _ClassVar[int]
    joined: Joined
    left: Left
    started: Started
    eliminated: Eliminated
    surrendered: Surrendered
    neutralised: Neutralised
    phase_changed: PhaseChanged
    ended: Ended
    disconnected: Disconnected
    reconnected: Reconnected
    def __init__(self, joined: _Optional[_Union[Joined, _Mapping]] = ..., left: _Optional[_Union[Left, _Mapping]] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., eliminated: _Optional[_Union[Eliminated, _Mapping]] = ..., surrendered: _Optional[_Union[Surrendered, _Mapping]] = ..., neutralised: _Optional[_Union[Neutralised, _Mapping]] = ..., phase_changed: _Optional[_Union[PhaseChanged, _Mapping]] = ..., ended: _Optional[_Union[Ended, _Mapping]] = ..., disconnected: _Optional[_Union[Disconnected, _Mapping]] = ..., reconnected: _Optional[_Union[Reconnected, _Mapping]] = ...) -> None: ...

class Joined(_message.Message):
    __slots__ = ("seat", "name")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    seat: int
    name: str
    def __init__(self, seat: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class Left(_message.Message):
    __slots__ = ("seat",)
    SEAT_FIELD_NUMBER: _ClassVar[int]
    seat: int
    def __init__(self, seat: _Optional[int] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Eliminated(_message.Message):
    __slots__ = ("seat", "by")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    seat: int
    by: int
    def __init__(self, seat: _Optional[int] = ..., by: _Optional[int] = ...) -> None: ...

class Surrendered(_message.Message):
    __slots__ = ("seat",)
    SEAT_FIELD_NUMBER: _ClassVar[int]
    seat: int
    def __init__(self, seat: _Optional[int] = ...) -> None: ...

class Neutralised(_message.Message):
    __slots__ = ("seat", "heir")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    HEIR_FIELD_NUMBER: _ClassVar[int]
    seat: int
    heir: int
    def __init__(self, seat: _Optional[int] = ..., heir: _Optional[int] = ...) -> None: ...

class PhaseChanged(_message.Message):
    __slots__ = ("before", "now")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOW_FIELD_NUMBER: _ClassVar[int]
    before: Phase
    now: Phase
    def __init__(self, before: _Optional[_Union[Phase, str]] = ..., now: _Optional[_Union[Phase, str]] = ...) -> None: ...

class Ended(_message.Message):
    __slots__ = ("winners", "ranking", "is_truncated")
    WINNERS_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    IS_TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    winners: _containers.RepeatedScalarFieldContainer[int]
    ranking: _containers.RepeatedScalarFieldContainer[int]
    is_truncated: bool
    def __init__(self, winners: _Optional[_Iterable[int]] = ..., ranking: _Optional[_Iterable[int]] = ..., is_truncated: _Optional[bool] = ...) -> None: ...

class Disconnected(_message.Message):
    __slots__ = ("seat",)
    SEAT_FIELD_NUMBER: _ClassVar[int]
    seat: int
    def __init__(self, seat: _Optional[int] = ...) -> None: ...

class Reconnected(_message.Message):
    __slots__ = ("seat",)
    SEAT_FIELD_NUMBER: _ClassVar[int]
    seat: int
    def __init__(self, seat: _Optional[int] = ...) -> None: ...

class StreamGameRequest(_message.Message):
    __slots__ = ("game_id", "token")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    token: str
    def __init__(self, game_id: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class PlayRequest(_message.Message):
    __slots__ = ("watch", "submit", "clear_queue", "surrender", "refresh", "id")
    WATCH_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_FIELD_NUMBER: _ClassVar[int]
    CLEAR_QUEUE_FIELD_NUMBER: _ClassVar[int]
    SURRENDER_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    watch: StreamGameRequest
    submit: SubmitActionRequest
    clear_queue: ClearQueueRequest
    surrender: SurrenderRequest
    refresh: Refresh
    id: int
    def __init__(self, watch: _Optional[_Union[StreamGameRequest, _Mapping]] = ..., submit: _Optional[_Union[SubmitActionRequest, _Mapping]] = ..., clear_queue: _Optional[_Union[ClearQueueRequest, _Mapping]] = ..., surrender: _Optional[_Union[SurrenderRequest, _Mapping]] = ..., refresh: _Optional[_Union[Refresh, _Mapping]] = ..., id: _Optional[int] = ...) -> None: ...

class Refresh(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PlayResponse(_message.Message):
    __slots__ = ("update", "submitted", "cleared", "surrendered", "failure", "id")
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    CLEARED_FIELD_NUMBER: _ClassVar[int]
    SURRENDERED_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    update: Update
    submitted: SubmitActionResponse
    cleared: ClearQueueResponse
    surrendered: SurrenderResponse
    failure: Failure
    id: int
    def __init__(self, update: _Optional[_Union[Update, _Mapping]] = ..., submitted: _Optional[_Union[SubmitActionResponse, _Mapping]] = ..., cleared: _Optional[_Union[ClearQueueResponse, _Mapping]] = ..., surrendered: _Optional[_Union[SurrenderResponse, _Mapping]] = ..., failure: _Optional[_Union[Failure, _Mapping]] = ..., id: _Optional[int] = ...) -> None: ...

class Failure(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: Reason
    message: str
    def __init__(self, reason: _Optional[_Union[Reason, str]] = ..., message: _Optional[str] = ...) -> None: ...

class SpectateRequest(_message.Message):
    __slots__ = ("game_id",)
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    def __init__(self, game_id: _Optional[str] = ...) -> None: ...

class ListGamesRequest(_message.Message):
    __slots__ = ("phases", "ruleset", "players", "page_size", "page_token")
    PHASES_FIELD_NUMBER: _ClassVar[int]
    RULESET_FIELD_NUMBER: _ClassVar[int]
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    phases: _containers.RepeatedScalarFieldContainer[Phase]
    ruleset: str
    players: int
    page_size: int
    page_token: str
    def __init__(self, phases: _Optional[_Iterable[_Union[Phase, str]]] = ..., ruleset: _Optional[str] = ..., players: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListGamesResponse(_message.Message):
    __slots__ = ("games", "next_page_token")
    GAMES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    games: _containers.RepeatedCompositeFieldContainer[GameInfo]
    next_page_token: str
    def __init__(self, games: _Optional[_Iterable[_Union[GameInfo, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GameInfo(_message.Message):
    __slots__ = ("game_id", "phase", "tick", "width", "height", "ruleset", "pace", "turn_ms", "max_ticks", "has_fog", "allow_spectators", "players", "seed_is_chosen", "seed", "collect_experiences", "spectator_delay")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    RULESET_FIELD_NUMBER: _ClassVar[int]
    PACE_FIELD_NUMBER: _ClassVar[int]
    TURN_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_TICKS_FIELD_NUMBER: _ClassVar[int]
    HAS_FOG_FIELD_NUMBER: _ClassVar[int]
    ALLOW_SPECTATORS_FIELD_NUMBER: _ClassVar[int]
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    SEED_IS_CHOSEN_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    COLLECT_EXPERIENCES_FIELD_NUMBER: _ClassVar[int]
    SPECTATOR_DELAY_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    phase: Phase
    tick: int
    width: int
    height: int
    ruleset: str
    pace: Pace
    turn_ms: int
    max_ticks: int
    has_fog: bool
    allow_spectators: bool
    players: _containers.RepeatedCompositeFieldContainer[Player]
    seed_is_chosen: bool
    seed: int
    collect_experiences: bool
    spectator_delay: int
    def __init__(self, game_id: _Optional[str] = ..., phase: _Optional[_Union[Phase, str]] = ..., tick: _Optional[int] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., ruleset: _Optional[str] = ..., pace: _Optional[_Union[Pace, str]] = ..., turn_ms: _Optional[int] = ..., max_ticks: _Optional[int] = ..., has_fog: _Optional[bool] = ..., allow_spectators: _Optional[bool] = ..., players: _Optional[_Iterable[_Union[Player, _Mapping]]] = ..., seed_is_chosen: _Optional[bool] = ..., seed: _Optional[int] = ..., collect_experiences: _Optional[bool] = ..., spectator_delay: _Optional[int] = ...) -> None: ...

class DeleteGameRequest(_message.Message):
    __slots__ = ("game_id", "owner_token")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_TOKEN_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    owner_token: str
    def __init__(self, game_id: _Optional[str] = ..., owner_token: _Optional[str] = ...) -> None: ...

class DeleteGameResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseGameRequest(_message.Message):
    __slots__ = ("game_id", "token")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    token: str
    def __init__(self, game_id: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class PauseGameResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeGameRequest(_message.Message):
    __slots__ = ("game_id", "token")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    token: str
    def __init__(self, game_id: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class ResumeGameResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
