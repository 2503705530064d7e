//! What happens in which order: the only place that says so.

use bevy_ecs::{
    prelude::*,
    schedule::{LogLevel, ScheduleBuildSettings, SingleThreadedExecutor},
};

use crate::{
    act,
    components::Cell,
    delta, experience, fog, reset, turn,
    visit::{Stage, Visit, over_all_games},
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

macro_rules! stages {
    ($($stage:ident: $module:ident),*) => {$(
        struct $stage;
        impl Stage for $stage {
            const WRITES_ROWS: bool = matches!(Phase::$stage, Phase::Experience);
            #[inline(always)]
            fn visit<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
                $module::$module(visit);
            }
        }
    )*};
}
stages!(Reset: reset, Act: act, Turn: turn, Fog: fog, Delta: delta, Experience: experience);

/// All phases of one game in a row.
struct Fused;
impl Stage for Fused {
    const WRITES_ROWS: bool = true;
    #[inline(always)]
    fn visit<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
        reset::reset(visit);
        act::act(visit);
        turn::turn(visit);
        fog::fog(visit);
        delta::delta(visit);
        experience::experience(visit);
    }
}

/// The schedule of a step that runs the given phases.
#[must_use]
pub fn schedule(order: Order, phases: &[Phase]) -> Schedule {
    let mut schedule = Schedule::default();
    // Parallelism is inside the systems; a parallel executor would cost 14 to 44 µs a step.
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule.set_build_settings(ScheduleBuildSettings {
        ambiguity_detection: LogLevel::Error,
        ..ScheduleBuildSettings::default()
    });
    if order == Order::Fused && phases == Phase::ALL {
        schedule.add_systems(every_class::<Fused>());
        return schedule;
    }
    schedule.configure_sets(
        (Phase::Reset, Phase::Act, Phase::Turn, Phase::Fog, Phase::Delta, Phase::Experience)
            .chain(),
    );
    for &phase in phases {
        let systems = match phase {
            Phase::Reset => every_class::<Reset>(),
            Phase::Act => every_class::<Act>(),
            Phase::Turn => every_class::<Turn>(),
            Phase::Fog => every_class::<Fog>(),
            Phase::Delta => every_class::<Delta>(),
            Phase::Experience => every_class::<Experience>(),
        };
        schedule.add_systems(systems.in_set(phase));
    }
    schedule
}

/// A stage over the games of every class, one class after the other.
fn every_class<S: Stage>() -> bevy_ecs::schedule::ScheduleConfigs<bevy_ecs::system::ScheduleSystem>
{
    (
        over_all_games::<S, 8, 2, u16>,
        over_all_games::<S, 8, 4, u16>,
        over_all_games::<S, 8, 8, u16>,
        over_all_games::<S, 8, 16, u16>,
        over_all_games::<S, 16, 2, u16>,
        over_all_games::<S, 16, 4, u16>,
        over_all_games::<S, 16, 8, u16>,
        over_all_games::<S, 16, 16, u16>,
        over_all_games::<S, 16, 16, i32>,
    )
        .chain()
}
