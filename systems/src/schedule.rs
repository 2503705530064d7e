//! What happens in which order: the only place that says so.

use bevy_ecs::{
    prelude::*,
    schedule::{
        IntoScheduleConfigs, LogLevel, ScheduleBuildSettings, ScheduleConfigs,
        SingleThreadedExecutor, common_conditions::any_match_filter,
    },
    system::ScheduleSystem,
};

use crate::{
    columns::Row,
    components::{Armies, Cell, Territory},
    visit::{Live, Phases, Tables, over_all_games},
};

/// The phases of a step, in their order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Ended games begin their next episode.
    Reset,
    /// Built-in policies choose orders from their views.
    Act,
    /// The rules play one tick.
    Turn,
    /// Views are recomputed. From here on nobody reads the truth.
    Fog,
    /// Changes of watched views are listed.
    Delta,
    /// Rows are written.
    Experience,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 6] =
        [Self::Reset, Self::Act, Self::Turn, Self::Fog, Self::Delta, Self::Experience];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Act => "act",
            Self::Turn => "turn",
            Self::Fog => "fog",
            Self::Delta => "delta",
            Self::Experience => "experience",
        }
    }
}

/// How the phases traverse the games. Both give equal bytes; see ARCHITECTURE.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Each phase is a system over all games. The definition.
    PhaseByPhase,
    /// One system takes each chunk of games through all phases while it is in the cache.
    Fused,
}

/// The schedule of a step.
#[must_use]
pub fn schedule(order: Order) -> Schedule {
    let mut schedule = empty();
    match order {
        Order::Fused => {
            schedule.add_systems(every_class(Phases::ALL));
        }
        Order::PhaseByPhase => {
            schedule.configure_sets(
                (
                    Phase::Reset,
                    Phase::Act,
                    Phase::Turn,
                    Phase::Fog,
                    Phase::Delta,
                    Phase::Experience,
                )
                    .chain(),
            );
            for phase in Phase::ALL {
                schedule.add_systems(systems_of(phase).in_set(phase));
            }
        }
    }
    schedule
}

/// The schedule of one phase alone.
#[must_use]
pub fn schedule_of(phase: Phase) -> Schedule {
    let mut schedule = empty();
    schedule.add_systems(systems_of(phase));
    schedule
}

fn empty() -> Schedule {
    let mut schedule = Schedule::default();
    // Parallelism is inside the systems; a parallel executor would cost 14 to 44 µs a step.
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule.set_build_settings(ScheduleBuildSettings {
        ambiguity_detection: LogLevel::Error,
        ..ScheduleBuildSettings::default()
    });
    schedule
}

/// The systems of a phase, one for each class of games.
fn systems_of(phase: Phase) -> Systems {
    every_class(Phases::only(phase))
}

type Systems = ScheduleConfigs<ScheduleSystem>;

/// Systems that take the games of every class through some phases, one class after the other.
fn every_class(phases: Phases) -> Systems {
    (
        of_class::<8, 2, u16>(phases),
        of_class::<8, 8, u16>(phases),
        of_class::<16, 2, u16>(phases),
        of_class::<16, 8, u16>(phases),
        of_class::<16, 16, u16>(phases),
        of_class::<16, 16, i32>(phases),
    )
        .chain()
}

fn of_class<const K: usize, const P: usize, A: Cell>(phases: Phases) -> Systems {
    let system = move |mut batch: Query<Row<K, P, A>, Without<Live>>,
                       mut live: Query<Row<K, P, A>, With<Live>>,
                       mut tables: Tables<K>| {
        over_all_games(phases, &mut batch, &mut live, &mut tables);
    };
    // Preparing a system costs more than taking a small game through all phases.
    let has_games = any_match_filter::<(With<Territory<K, P>>, With<Armies<K, A>>)>;
    system.run_if(has_games)
}
