//! Words of the wire for what the arena says, and back.

use proto::v1::{self, event::Kind, update::Board};

use crate::live::{
    LiveError, Reason,
    game::Phase,
    lobby::show,
    request::{GameInfo, RawOrder},
    settings::Pace,
    update::{BoardNews, Event, Player, Update},
};

pub(super) fn phase(phase: Phase) -> v1::Phase {
    match phase {
        Phase::Lobby => v1::Phase::Lobby,
        Phase::Starting => v1::Phase::Starting,
        Phase::Running => v1::Phase::Running,
        Phase::Paused => v1::Phase::Paused,
        Phase::Ended => v1::Phase::Ended,
        Phase::Aborted => v1::Phase::Aborted,
    }
}

pub(super) fn read_phase(number: i32) -> Result<Phase, LiveError> {
    Phase::ALL
        .into_iter()
        .find(|&known| i32::from(phase(known)) == number)
        .ok_or_else(|| LiveError::invalid("phases", format!("{number} is no phase: use 1 to 6")))
}

pub(super) fn reason(reason: Reason) -> v1::Reason {
    let name = format!("REASON_{}", reason.name());
    v1::Reason::from_str_name(&name).unwrap_or(v1::Reason::Unspecified)
}

/// Why something could not be, in an answer about many things.
pub(super) fn failure(error: &LiveError) -> v1::Failure {
    v1::Failure { reason: reason(error.reason()).into(), message: error.to_string() }
}

pub(super) fn order(order: v1::Order) -> RawOrder {
    use v1::order::Kind;
    match order.kind {
        None => RawOrder::Pass,
        Some(Kind::March(march)) => RawOrder::March {
            from: (march.from_row, march.from_column),
            to: (march.to_row, march.to_column),
            half: march.half,
        },
        Some(Kind::Build(build)) => RawOrder::Build((build.row, build.column)),
        Some(Kind::Action(action)) => RawOrder::Action(action),
    }
}

pub(super) fn update(update: &Update) -> v1::Update {
    v1::Update {
        seq: update.seq,
        tick: update.tick,
        phase: phase(update.phase).into(),
        scoreboard: update.scoreboard.as_ref().map(|scoreboard| v1::Scoreboard {
            land: scoreboard.land.clone(),
            army: scoreboard.army.clone(),
            alive: scoreboard.alive.into(),
        }),
        events: update.events.iter().map(event).collect(),
        skipped_actions: update.skipped.clone(),
        queued: update.queued,
        players: update.players.iter().map(player).collect(),
        board: update.board.as_ref().map(board),
    }
}

/// The columns are shared with all other messages about this view.
fn board(board: &BoardNews) -> Board {
    match board {
        BoardNews::View(view) => Board::View(v1::View {
            width: view.width.into(),
            height: view.height.into(),
            faces: view.faces.clone(),
            owners: view.owners.clone(),
            armies: view.armies.clone(),
        }),
        BoardNews::Delta(delta) => Board::Delta(v1::Delta {
            tiles: delta.tiles.clone(),
            faces: delta.faces.clone(),
            owners: delta.owners.clone(),
            armies: delta.armies.clone(),
        }),
    }
}

fn player(player: &Player) -> v1::Player {
    v1::Player {
        seat: player.seat.into(),
        name: player.name.clone(),
        team: player.team.into(),
        is_policy: player.is_policy,
    }
}

fn event(event: &Event) -> v1::Event {
    let seats = |seats: &[u8]| seats.iter().map(|&seat| seat.into()).collect();
    let kind = match event {
        Event::Joined { seat, name } => {
            Kind::Joined(v1::Joined { seat: (*seat).into(), name: name.clone() })
        }
        Event::Left { seat } => Kind::Left(v1::Left { seat: (*seat).into() }),
        Event::Started => Kind::Started(v1::Started {}),
        Event::Eliminated { seat, by } => {
            Kind::Eliminated(v1::Eliminated { seat: (*seat).into(), by: by.map(u32::from) })
        }
        Event::Surrendered { seat } => Kind::Surrendered(v1::Surrendered { seat: (*seat).into() }),
        Event::Neutralised { seat, heir } => {
            Kind::Neutralised(v1::Neutralised { seat: (*seat).into(), heir: heir.map(u32::from) })
        }
        Event::PhaseChanged { before, now } => Kind::PhaseChanged(v1::PhaseChanged {
            before: phase(*before).into(),
            now: phase(*now).into(),
        }),
        Event::Ended { winners, ranking, is_truncated } => Kind::Ended(v1::Ended {
            winners: seats(winners),
            ranking: seats(ranking),
            is_truncated: *is_truncated,
        }),
        Event::Disconnected { seat } => {
            Kind::Disconnected(v1::Disconnected { seat: (*seat).into() })
        }
        Event::Reconnected { seat } => Kind::Reconnected(v1::Reconnected { seat: (*seat).into() }),
    };
    v1::Event { kind: Some(kind) }
}

pub(super) fn info(info: &GameInfo) -> v1::GameInfo {
    let (pace, turn) = match info.pace {
        Pace::Timed(turn) => (v1::Pace::Timed, turn),
        Pace::Lockstep(turn) => (v1::Pace::Lockstep, turn),
        Pace::Free => (v1::Pace::Free, std::time::Duration::ZERO),
    };
    v1::GameInfo {
        game_id: show(info.game),
        phase: phase(info.phase).into(),
        tick: info.tick,
        width: info.size.0.into(),
        height: info.size.1.into(),
        ruleset: info.ruleset.clone(),
        pace: pace.into(),
        turn_ms: u32::try_from(turn.as_millis()).unwrap_or(u32::MAX),
        max_ticks: info.max_ticks,
        has_fog: info.has_fog,
        allow_spectators: info.allows_spectators,
        players: info.players.iter().map(player).collect(),
        seed_is_chosen: info.is_seed_chosen,
        seed: info.seed,
        collect_experiences: info.is_collected,
        spectator_delay: info.spectator_delay,
    }
}
