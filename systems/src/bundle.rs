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
        game: spec.label.unwrap_or(spec.game),
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

/// The first words of a plane, or all of them and empty ones.
fn fitted_plane<const K: usize, const L: usize>(plane: &Plane<K>) -> Plane<L> {
    Plane(std::array::from_fn(|word| plane.0.get(word).copied().unwrap_or(0)))
}

/// The first entries of another array, or all of them and fillers.
fn fitted_array<T: Copy, const P: usize, const Q: usize>(values: [T; P], filler: T) -> [T; Q] {
    std::array::from_fn(|i| values.get(i).copied().unwrap_or(filler))
}

/// The same game in another class, which must hold it.
pub(crate) fn fitted<
    const K: usize,
    const P: usize,
    A: Cell,
    const L: usize,
    const Q: usize,
    B: Cell,
>(
    bundle: &Bundle<K, P, A>,
    shape: u16,
) -> Bundle<L, Q, B> {
    let (setup, standing, ledger, terrain, territory, armies, vision, orders) = bundle;
    let mut moved = Armies::default();
    for tile in Plane::<K>::first(64 * K.min(L)).tiles() {
        let units = armies.get(tile);
        if units != 0 {
            moved.set(tile, units);
        }
    }
    (
        fitted_setup(setup, shape),
        fitted_standing(standing),
        fitted_ledger(ledger),
        Terrain {
            passable: fitted_plane(&terrain.passable),
            cities: fitted_plane(&terrain.cities),
            generals: fitted_plane(&terrain.generals),
        },
        Territory(fitted_array(territory.0.map(|plane| fitted_plane(&plane)), Plane::EMPTY)),
        moved,
        Vision(fitted_array(vision.0.map(|plane| fitted_plane(&plane)), Plane::EMPTY)),
        Orders(fitted_array(orders.0, Order::PASS)),
    )
}

fn fitted_setup<const P: usize, const Q: usize>(setup: &Setup<P>, shape: u16) -> Setup<Q> {
    let mut allies = fitted_array(setup.allies, 0);
    for (seat, allies) in allies.iter_mut().enumerate().skip(P) {
        *allies = 1 << seat;
    }
    Setup {
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
        policies: fitted_array(setup.policies, 0),
        allies,
    }
}

fn fitted_standing<const P: usize, const Q: usize>(standing: &Standing<P>) -> Standing<Q> {
    Standing {
        turn: standing.turn,
        idle: standing.idle,
        neutral: standing.neutral,
        alive: standing.alive,
        active: standing.active,
        state: standing.state,
        departing: standing.departing,
        fallen: standing.fallen,
        is_first: standing.is_first,
        generals: fitted_array(standing.generals, NO_TILE),
        land: fitted_array(standing.land, 0),
        army: fitted_array(standing.army, 0),
    }
}

fn fitted_ledger<const P: usize, const Q: usize>(ledger: &Ledger<P>) -> Ledger<Q> {
    let blank = Ledger::<1>::BLANK;
    Ledger {
        deaths: fitted_array(ledger.deaths, 0),
        n_deaths: ledger.n_deaths,
        surrenders: fitted_array(ledger.surrenders, 0),
        n_surrenders: ledger.n_surrenders,
        captures: fitted_array(ledger.captures, 0),
        neutralise_at: fitted_array(ledger.neutralise_at, u32::MAX),
        fallen: fitted_array(ledger.fallen, blank.fallen[0]),
        worth: fitted_array(ledger.worth, 0.0),
        notes: fitted_array(ledger.notes, [0; 2]),
    }
}
