//! The experience phase: one row per player and step, written straight into column buffers.

use crate::{
    components::{Cell, Game, Standing},
    isa::{Isa, Work},
    replay::Script,
    reward::sides,
    row_writer::{Facts, RowWriter},
    rows::{RowFormat, flag},
    rules::{plane::Plane, ruleset::Rules, shape::Shape, view::View},
    visit::{Context, Outbox, Visit},
};

/// Writes the rows of the game's seats whose episodes go on, and ends those that are over.
#[inline(always)]
pub(crate) fn experience<const K: usize, const P: usize, A: Cell>(
    visit: &mut Visit<'_, '_, K, P, A>,
    mut rows: Option<&mut RowWriter<'_>>,
    isa: Isa,
) {
    let Visit { game, script, shape, rules, context, .. } = visit;
    let active = game.standing.active;
    if active == 0 {
        return;
    }
    if let Some(block) = script.as_deref().and_then(Script::block)
        && let Some(rows) = rows.as_deref_mut()
    {
        rows.turn_to_block(block, game.standing.turn);
    }
    let mut left = active;
    let mut seats = active;
    while seats != 0 {
        // Below P as it is; said once more so that the compiler knows.
        let seat = seats.trailing_zeros() as usize % P;
        seats &= seats - 1;
        let end = end_of_episode(game.standing, game.setup.allies[seat]);
        if end & (flag::TERMINATED | flag::TRUNCATED) != 0 {
            left &= !(1 << seat);
        }
        if let Some(rows) = rows.as_deref_mut()
            && rows.turn_to_seat(seat)
        {
            isa.run(Scribe { game, shape, rules, context, rows, seat, end });
        }
    }
    game.standing.active = left;
    game.standing.is_first = false;
}

/// How this tick ended the seat's episode, as [`flag`]s.
///
/// An agent's episode ends with the game, or when nobody of its side lives any more.
#[inline(always)]
fn end_of_episode<const P: usize>(standing: &Standing<P>, allies: u16) -> u8 {
    use crate::components::State;
    let side_lives = standing.alive & allies != 0;
    match standing.state {
        State::Running if side_lives => 0,
        State::Truncated if side_lives => flag::TRUNCATED,
        State::Over if side_lives => flag::TERMINATED | flag::WON,
        _ => flag::TERMINATED,
    }
}

/// What writes the row of one seat.
///
/// A function of its own, compiled for the instructions in use: inside the loop over seats the
/// compiler would work out beforehand, and keep on the stack, what is used twice.
struct Scribe<'a, 'g, 'r, const K: usize, const P: usize, A: Cell> {
    game: &'a mut Game<'g, K, P, A>,
    shape: &'a Shape<K>,
    rules: &'a Rules,
    context: &'a Context<'a, K>,
    rows: &'a mut RowWriter<'r>,
    seat: usize,
    end: u8,
}

impl<const K: usize, const P: usize, A: Cell> Work for Scribe<'_, '_, '_, K, P, A> {
    #[inline(always)]
    fn run(self, isa: Isa) {
        let Self { game, shape, rules, context, rows, seat, end } = self;
        let (format, first) = (rows.format(), game.standing.is_first);
        let view = View::by(game, shape, seat, isa);
        let is_large = write_observation(rows, view, rules);
        let sides = sides(view);
        let mut flags = end | if is_large { flag::LARGE_ARMY } else { 0 };
        let mut action = -1;
        if first {
            flags |= flag::FIRST;
        } else {
            action = padded_action(game.orders.0[seat], shape.width, format);
        }
        let (reward, worth) = earned(context.outbox, view, end);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "seats are below 16, sides at most 32"
        )]
        rows.finish(Facts {
            episode: game.setup.key,
            game: game.setup.game,
            agent: seat as u8,
            step: game.standing.turn,
            action,
            reward: if first { 0.0 } else { reward },
            flags,
            size: [shape.height as u8, shape.width as u8],
            land: sides.land,
            army_total: sides.army,
            opponent_land: sides.opponent_land,
            opponent_army: sides.opponent_army,
        });
        if let Some(worth) = worth {
            game.ledger.worth[seat] = worth;
        }
    }
}

/// What the tick earned the view's seat, and what its view is worth now if that matters.
#[inline(always)]
fn earned<const K: usize, const P: usize, A: Cell>(
    outbox: &Outbox,
    view: View<'_, K, P, A>,
    end: u8,
) -> (f32, Option<f32>) {
    let reward = &outbox.reward;
    let mut earned = if end & flag::WON != 0 {
        reward.win
    } else if end & flag::TERMINATED != 0 && view.is_anybody_alive() {
        // With nobody alive the game is a draw, which costs nobody anything.
        reward.lose
    } else {
        0.0
    };
    if outbox.is_sparse {
        return (earned, None);
    }
    let worth = reward.worth(view);
    let is_replaced = reward.end_replaces && end & flag::TERMINATED != 0;
    if !is_replaced {
        earned += worth - view.last_worth() + reward.presence(view);
    }
    (earned, Some(worth))
}
/// The action's index in the space of the padded board.
#[inline(always)]
fn padded_action(order: crate::components::Order, width: u16, format: RowFormat) -> i32 {
    use crate::components::{Command, Order};
    #[expect(clippy::cast_possible_truncation, reason = "a board has at most 1024 tiles")]
    let tiles = format.tiles() as u16;
    let canvas = format.width;
    let pad = |tile: u16| if width == canvas { tile } else { tile / width * canvas + tile % width };
    match order.command() {
        Command::Pass => Order::PASS.action(tiles),
        Command::Step { from, direction, half } => {
            Order::step(pad(from), direction, half).action(tiles)
        }
        Command::Build { tile } => Order::build(pad(tile)).action(tiles),
    }
}

/// Writes the army plane, the bit planes and the mask. Returns whether an army saturated.
#[inline(always)]
fn write_observation<const K: usize, const P: usize, A: Cell>(
    rows: &mut RowWriter<'_>,
    view: View<'_, K, P, A>,
    rules: &Rules,
) -> bool {
    let (format, words) = (rows.format(), rows.words());
    if view.shape().width == format.width && view.shape().height == format.height {
        let (planes, mask) = rows.planes();
        view.write_planes(words, planes, mask);
        if format.has_builds {
            mask[4 * words..][..K].copy_from_slice(&view.builds(rules).0);
        }
        view.write_army(rows.army());
        if format.has_owners {
            view.write_owners(rows.owner());
        }
    } else {
        let (planes, mask) = rows.planes();
        pad_planes(planes, mask, words, view, rules, format);
        pad_army(rows.army(), view, format.width);
        if format.has_owners {
            pad_owners(rows.owner(), view, format.width);
        }
    }
    size_of::<A>() > 2 && keep_large_armies(rows, view)
}

/// The planes of a board that is smaller than the format.
#[cold]
fn pad_planes<const K: usize, const P: usize, A: Cell>(
    planes: &mut [u64],
    masks: &mut [u64],
    words: usize,
    view: View<'_, K, P, A>,
    rules: &Rules,
    format: RowFormat,
) {
    let nine = [
        view.visible(),
        view.own(),
        view.allies(),
        view.enemies(),
        view.neutral(),
        view.cities(),
        view.mountains(),
        view.generals(),
        view.fog_structures(),
    ];
    let width = view.shape().width;
    for (out, plane) in planes.chunks_exact_mut(words).zip(&nine) {
        pad_plane(out, plane, width, format.width);
    }
    let mask = view.mask(rules);
    let legal = mask.steps.iter().chain([&mask.builds]).take(format.mask_planes());
    for (out, plane) in masks.chunks_exact_mut(words).zip(legal) {
        pad_plane(out, plane, width, format.width);
    }
}

/// Lays a plane of a board `width` wide out on one `canvas` wide.
#[cold]
fn pad_plane<const K: usize>(out: &mut [u64], plane: &Plane<K>, width: u16, canvas: u16) {
    out.fill(0);
    for tile in plane.tiles() {
        let padded = usize::from(tile / width * canvas + tile % width);
        out[padded / 64] |= 1 << (padded % 64);
    }
}

#[cold]
fn pad_army<const K: usize, const P: usize, A: Cell>(
    out: &mut [u16],
    view: View<'_, K, P, A>,
    canvas: u16,
) {
    out.fill(0);
    let width = view.shape().width;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 16 bits first"
    )]
    for tile in view.visible().tiles() {
        let padded = tile / width * canvas + tile % width;
        out[usize::from(padded)] = view.army(tile).clamp(0, i32::from(u16::MAX)) as u16;
    }
}

/// See [`View::write_owners`].
#[cold]
fn pad_owners<const K: usize, const P: usize, A: Cell>(
    out: &mut [u8],
    view: View<'_, K, P, A>,
    canvas: u16,
) {
    out.fill(255);
    let width = view.shape().width;
    for seat in 0..view.players() {
        let relative = (seat + view.players() - view.seat()) % view.players();
        #[expect(clippy::cast_possible_truncation, reason = "a seat is below 16")]
        for tile in view.land_of(seat).tiles() {
            out[usize::from(tile / width * canvas + tile % width)] = relative as u8;
        }
    }
}

/// Keeps the exact armies of a row in which some do not fit 16 bits.
#[cold]
fn keep_large_armies<const K: usize, const P: usize, A: Cell>(
    rows: &mut RowWriter<'_>,
    view: View<'_, K, P, A>,
) -> bool {
    let outside = |army: i32| u16::try_from(army).is_err();
    if !view.visible().tiles().any(|tile| outside(view.army(tile))) {
        return false;
    }
    let (width, format) = (view.shape().width, rows.format());
    let mut exact = vec![0; format.tiles()];
    for tile in view.visible().tiles() {
        exact[usize::from(tile / width * format.width + tile % width)] = view.army(tile);
    }
    rows.keep_large_army(exact);
    true
}
