//! All components of one game by value: made from a specification, lent to the rules, widened.

use crate::{
    components::{
        Armies, Cell, Game, Ledger, NO_TILE, Order, Orders, Setup, Standing, State, Terrain,
        Territory, Vision,
    },
    dice,
    policies::Policy,
    rules::plane::Plane,
    world::GameSpec,
};

/// Every component of one game, as a bundle.
pub(crate) type Bundle<const K: usize, const P: usize, A> = (
    Setup<P>,
    Standing<P>,
    Ledger<P>,
    Terrain<K>,
    Territory<K, P>,
    Armies<K, A>,
    Vision<K, P>,
    Orders<P>,
);

pub(crate) fn setup<const P: usize>(spec: &GameSpec<'_>, shape: u16) -> Setup<P> {
    let start = spec.start;
    let mut policies = [Policy::External as u8; P];
    for (slot, policy) in policies.iter_mut().zip(spec.policies) {
        *slot = *policy as u8;
    }
    let mut allies = [0; P];
    for (seat, allies) in allies.iter_mut().enumerate() {
        // Seats beyond the players are nobody's allies but their own, so they count for nothing.
        let team = start.teams.get(seat);
        let mates = (0..P)
            .filter(|&other| other == seat || team.is_some() && start.teams.get(other) == team);
        *allies = mates.fold(0, |set, other| set | 1 << other);
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 16 players")]
    Setup {
        id: 0,
        key: dice::episode_key(spec.seed, spec.game, spec.episode),
        game: spec.game,
        episode: spec.episode,
        max_ticks: spec.max_ticks,
        shape,
        rules: spec.rules,
        players: start.players() as u8,
        has_teams: start.has_teams(),
        has_fog: spec.has_fog,
        policies,
        allies,
    }
}

pub(crate) fn blank<const K: usize, const P: usize, A: Cell>(setup: Setup<P>) -> Bundle<K, P, A> {
    let standing = Standing {
        turn: 0,
        idle: 0,
        neutral: 0,
        alive: 0,
        active: 0,
        state: State::Running,
        departing: false,
        fallen: 0,
        is_first: true,
        generals: [NO_TILE; P],
        land: [0; P],
        army: [0; P],
    };
    (
        setup,
        standing,
        Ledger::BLANK,
        Terrain::default(),
        Territory([Plane::EMPTY; P]),
        Armies::default(),
        Vision([Plane::EMPTY; P]),
        Orders([Order::PASS; P]),
    )
}

pub(crate) fn borrow<const K: usize, const P: usize, A: Cell>(
    bundle: &mut Bundle<K, P, A>,
) -> Game<'_, K, P, A> {
    let (setup, standing, ledger, terrain, territory, armies, vision, orders) = bundle;
    Game { setup, standing, ledger, terrain, territory, armies, vision, orders }
}

fn wide_plane<const K: usize>(plane: &Plane<K>) -> Plane<16> {
    let mut wide = Plane::EMPTY;
    wide.0[..K].copy_from_slice(&plane.0);
    wide
}

/// The first entries of a longer array.
fn longer<T: Copy, const P: usize, const Q: usize>(values: [T; P], filler: T) -> [T; Q] {
    std::array::from_fn(|i| values.get(i).copied().unwrap_or(filler))
}

/// The same game in the class that holds any game.
pub(crate) fn widened<const K: usize, const P: usize, A: Cell>(
    bundle: &Bundle<K, P, A>,
    shape: u16,
) -> Bundle<16, 16, i32> {
    let (setup, standing, ledger, terrain, territory, armies, vision, orders) = bundle;
    let mut wide = Armies::default();
    for tile in Plane::<K>::first(64 * K).tiles() {
        wide.set(tile, armies.get(tile));
    }
    let mut allies = longer(setup.allies, 0);
    for (seat, allies) in allies.iter_mut().enumerate().skip(P) {
        *allies = 1 << seat;
    }
    let setup = Setup {
        id: setup.id,
        key: setup.key,
        game: setup.game,
        episode: setup.episode,
        max_ticks: setup.max_ticks,
        shape,
        rules: setup.rules,
        players: setup.players,
        has_teams: setup.has_teams,
        has_fog: setup.has_fog,
        policies: longer(setup.policies, 0),
        allies,
    };
    let standing = Standing {
        turn: standing.turn,
        idle: standing.idle,
        neutral: standing.neutral,
        alive: standing.alive,
        active: standing.active,
        state: standing.state,
        departing: standing.departing,
        fallen: standing.fallen,
        is_first: standing.is_first,
        generals: longer(standing.generals, NO_TILE),
        land: longer(standing.land, 0),
        army: longer(standing.army, 0),
    };
    let blank = Ledger::<16>::BLANK;
    let ledger = Ledger {
        deaths: longer(ledger.deaths, 0),
        n_deaths: ledger.n_deaths,
        surrenders: longer(ledger.surrenders, 0),
        n_surrenders: ledger.n_surrenders,
        captures: longer(ledger.captures, 0),
        neutralise_at: longer(ledger.neutralise_at, u32::MAX),
        fallen: longer(ledger.fallen, blank.fallen[0]),
        worth: longer(ledger.worth, 0.0),
        notes: longer(ledger.notes, [0; 2]),
    };
    (
        setup,
        standing,
        ledger,
        Terrain {
            passable: wide_plane(&terrain.passable),
            cities: wide_plane(&terrain.cities),
            generals: wide_plane(&terrain.generals),
        },
        Territory(longer(territory.0.map(|plane| wide_plane(&plane)), Plane::EMPTY)),
        wide,
        Vision(longer(vision.0.map(|plane| wide_plane(&plane)), Plane::EMPTY)),
        Orders(longer(orders.0, Order::PASS)),
    )
}
