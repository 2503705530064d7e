//! The experience phase: one row per player and step, written straight into column buffers.

use crate::{
    components::{Cell, Standing},
    reward::sides,
    rows::{PLANES, RowBatch, RowFormat, flag},
    rules::{plane::Plane, ruleset::Rules, view::View},
    visit::Visit,
};

/// Writes the rows of the game's seats whose episodes go on, and ends those that are over.
#[inline(always)]
pub fn experience<const K: usize, const P: usize, A: Cell>(visit: &mut Visit<'_, '_, K, P, A>) {
    if visit.game.standing.active == 0 {
        return;
    }
    let mut left = visit.game.standing.active;
    for seat in 0..usize::from(visit.game.setup.players) {
        if visit.game.standing.active >> seat & 1 == 0 {
            continue;
        }
        let end = end_of_episode(visit.game.standing, visit.game.setup.allies[seat], seat);
        if end & (flag::TERMINATED | flag::TRUNCATED) != 0 {
            left &= !(1 << seat);
        }
        write_row(visit, seat, end);
    }
    visit.game.standing.active = left;
    visit.game.standing.is_first = false;
}

/// How this tick ended the seat's episode, as [`flag`]s.
///
/// An agent's episode ends with the game, or when nobody of its side lives any more.
#[inline(always)]
fn end_of_episode<const P: usize>(standing: &Standing<P>, allies: u16, _seat: usize) -> u8 {
    use crate::components::State;
    let side_lives = standing.alive & allies != 0;
    match standing.state {
        State::Running if side_lives => 0,
        State::Truncated if side_lives => flag::TRUNCATED,
        State::Over if side_lives => flag::TERMINATED | flag::WON,
        _ => flag::TERMINATED,
    }
}

#[inline(always)]
fn write_row<const K: usize, const P: usize, A: Cell>(
    visit: &mut Visit<'_, '_, K, P, A>,
    seat: usize,
    end: u8,
) {
    let Visit { game, rows, context, shape, rules, isa, .. } = visit;
    let Some(rows) = rows.as_deref_mut() else { return };
    let (format, row) = (rows.format, rows.len);
    let first = game.standing.is_first;
    let view = View::by(game, shape, seat, *isa);
    let reward = &context.outbox.reward;
    let mut earned = if end & flag::WON != 0 {
        reward.win
    } else if end & flag::TERMINATED != 0 && game.standing.alive != 0 {
        // With nobody alive the game is a draw, which costs nobody anything.
        reward.lose
    } else {
        0.0
    };
    let mut worth = 0.0;
    if !context.outbox.is_sparse {
        worth = reward.worth(&view);
        let is_replaced = reward.end_replaces && end & flag::TERMINATED != 0;
        if !first && !is_replaced {
            earned += worth - game.ledger.worth[seat] + reward.presence(&view);
        }
    }
    let large = write_observation(rows, row, &view, rules);
    let sides = sides(&view);
    rows.episode[row] = game.setup.key;
    rows.game[row] = game.setup.game;
    #[expect(clippy::cast_possible_truncation, reason = "seats are below 16, sides at most 32")]
    {
        rows.agent[row] = seat as u8;
        rows.size[row] = [shape.height as u8, shape.width as u8];
    }
    rows.step[row] = game.standing.turn;
    let canvas = format.width;
    rows.action[row] =
        if first { -1 } else { padded_action(game.orders.0[seat], shape.width, canvas, format) };
    rows.reward[row] = if first { 0.0 } else { earned };
    let large = if large { flag::LARGE_ARMY } else { 0 };
    rows.flags[row] = end | large | if first { flag::FIRST } else { 0 };
    rows.land[row] = sides.land;
    rows.army_total[row] = sides.army;
    rows.opponent_land[row] = sides.opponent_land;
    rows.opponent_army[row] = sides.opponent_army;
    rows.len += 1;
    if !context.outbox.is_sparse {
        game.ledger.worth[seat] = worth;
    }
}

/// The action's index in the space of the padded board.
#[inline(always)]
fn padded_action(
    order: crate::components::Order,
    width: u16,
    canvas: u16,
    format: RowFormat,
) -> i32 {
    use crate::components::{Command, Order};
    #[expect(clippy::cast_possible_truncation, reason = "a board has at most 1024 tiles")]
    let tiles = format.tiles() as u16;
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
    rows: &mut RowBatch,
    row: usize,
    view: &View<'_, K, P, A>,
    rules: &Rules,
) -> bool {
    let format = rows.format;
    let fits = view.shape().width == format.width && view.shape().height == format.height;
    let tiles = format.tiles();
    let army = &mut rows.army[row * tiles..][..tiles];
    let (words, n_masks) = (format.words(), format.mask_planes());
    let plane_words = &mut rows.planes[row * PLANES.len() * words..];
    let mask_words = &mut rows.mask[row * n_masks * words..];
    if fits {
        view.write_planes(words, plane_words, mask_words);
        if format.has_builds {
            mask_words[4 * words..][..K].copy_from_slice(&view.builds(rules).0);
        }
        view.write_army(army);
    } else {
        pad_planes(plane_words, mask_words, words, view, rules, format);
        pad_army(army, view, format.width);
    }
    if format.has_owners {
        write_owners(&mut rows.owner[row * tiles..][..tiles], view, format.width);
    }
    size_of::<A>() > 2 && keep_large_armies(rows, row, view)
}

/// The planes of a board that is smaller than the format.
#[cold]
fn pad_planes<const K: usize, const P: usize, A: Cell>(
    planes: &mut [u64],
    masks: &mut [u64],
    words: usize,
    view: &View<'_, K, P, A>,
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
    view: &View<'_, K, P, A>,
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

/// Owners as seats after the viewer: 0 is the viewer, 255 nobody or unseen.
#[cold]
fn write_owners<const K: usize, const P: usize, A: Cell>(
    out: &mut [u8],
    view: &View<'_, K, P, A>,
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
    rows: &mut RowBatch,
    row: usize,
    view: &View<'_, K, P, A>,
) -> bool {
    let outside = |army: i32| u16::try_from(army).is_err();
    if !view.visible().tiles().any(|tile| outside(view.army(tile))) {
        return false;
    }
    let (width, format) = (view.shape().width, rows.format);
    let mut exact = vec![0; format.tiles()];
    for tile in view.visible().tiles() {
        exact[usize::from(tile / width * format.width + tile % width)] = view.army(tile);
    }
    rows.large_army.push((u32::try_from(row).expect("a batch has few rows"), exact));
    true
}
