//! What a player receives does not depend on what it cannot see.

use bivouac::live::LiveConfig;
use prost::Message;
use proto::v1::CreateGameRequest;

use crate::client::{Client, Dice, Seat, Watcher, create, drawn, join, march, order, with_server};

/// Sides of the board. The first player lives left of a wall, the others right of it.
const HEIGHT: u32 = 9;
const WALL: u32 = 4;
const WIDTH: u32 = 13;

/// A board whose hidden part is drawn by dice, and the same with that part upside down.
///
/// What the first player may know is the same on both: where the hidden mountains and cities
/// stand, which look alike. Which of them are which differs, and so does all else.
fn boards(dice: &mut Dice) -> (String, String) {
    let mut tiles = vec![vec![".".to_owned(); WIDTH as usize]; HEIGHT as usize];
    let mut structures = Vec::new();
    for row in 0..HEIGHT as usize {
        tiles[row][WALL as usize] = "#".to_owned();
        for column in 0..WIDTH as usize {
            if column != WALL as usize && row < HEIGHT as usize / 2 && dice.below(6) == 0 {
                structures.push((row, column));
            }
        }
    }
    for &(row, column) in &structures {
        let kinds = [["#", "c45"], ["c41", "#"], ["#", "#"]][dice.below(3)];
        tiles[row][column] = kinds[0].to_owned();
        tiles[HEIGHT as usize - 1 - row][column] = kinds[1].to_owned();
    }
    let generals = [("A", 0, 2), ("B", 1, WALL as usize + 2), ("C", 6, WIDTH as usize - 2)];
    for (general, row, column) in generals {
        let (row, mirrored) = (row + dice.below(2), HEIGHT as usize - 1);
        tiles[row][column] = general.to_owned();
        if general != "A" {
            // Nothing stands where the general is mirrored to.
            tiles[mirrored - row][column] = ".".to_owned();
        }
    }
    let mut other = tiles.clone();
    for row in 0..HEIGHT as usize {
        for column in WALL as usize + 1..WIDTH as usize {
            other[row][column] = tiles[HEIGHT as usize - 1 - row][column].clone();
        }
    }
    let text = |tiles: Vec<Vec<String>>| {
        tiles.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join("\n")
    };
    (text(tiles), text(other))
}

/// The same march upside down.
fn mirrored(action: u32) -> u32 {
    let (tile, direction, half) = (action / 8, action / 2 % 4, action % 2);
    let (row, column) = (tile / WIDTH, tile % WIDTH);
    let direction = [1, 0, 2, 3][direction as usize];
    (((HEIGHT - 1 - row) * WIDTH + column) * 4 + direction) * 2 + half
}

async fn three(client: &mut Client, map: &str) -> (Vec<Seat>, Watcher) {
    let request = CreateGameRequest { max_ticks: 120, ..drawn(map) };
    let game = create(client, request).await;
    let mut seats = Vec::new();
    for name in ["ada", "bob", "eve"] {
        seats.push(join(client, &game.id, name).await);
    }
    let mut watcher = seats[0].stream().await;
    watcher.next().await.unwrap();
    (seats, watcher)
}

#[test]
fn two_games_that_differ_where_a_player_cannot_look_give_it_equal_bytes() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let mut ticks = 0;
        for seed in 0..6 {
            let mut dice = Dice(seed);
            let (one, other) = boards(&mut dice);
            assert_ne!(one, other);
            let (seats, mut watcher) = three(&mut client, &one).await;
            let (twins, mut twin) = three(&mut client, &other).await;
            assert_eq!(twin.mirror, watcher.mirror);
            while !watcher.mirror.is_over() {
                ticks += 1;
                let alive = watcher.mirror.alive;
                let nonsense = march((8, dice.below(13) as u32), (8, dice.below(13) as u32));
                for (number, seat) in seats.iter().enumerate().filter(|(n, _)| alive >> n & 1 != 0)
                {
                    let action = dice.pick(&seat.mirror().await.legal(number as u32));
                    let upside_down = if number == 0 { action } else { action.map(mirrored) };
                    if number == 0 {
                        // Refusals tell no more than updates. Whether this one is a refusal is
                        // the same in both games too, so both play on.
                        let said = seat.submit(nonsense).await.map_err(|s| s.message().to_owned());
                        let same = twins[0].submit(nonsense).await;
                        let same = same.map_err(|status| status.message().to_owned());
                        let plain = |answer: Result<tonic::Response<_>, String>| {
                            answer.map(tonic::Response::into_inner)
                        };
                        assert_eq!(plain(said), plain(same), "seed {seed}");
                    }
                    seat.submit(order(action)).await.unwrap();
                    twins[number].submit(order(upside_down)).await.unwrap();
                }
                let tick = watcher.mirror.tick;
                while watcher.mirror.tick == tick {
                    let bytes = watcher.next().await.unwrap().encode_to_vec();
                    assert_eq!(twin.next().await.unwrap().encode_to_vec(), bytes, "seed {seed}");
                }
                let (mut state, mut same) = (seats[0].state().await, twins[0].state().await);
                (state.info, same.info) = (None, None);
                assert_eq!(same.encode_to_vec(), state.encode_to_vec(), "seed {seed}");
            }
            while let Some(update) = watcher.next().await {
                assert_eq!(twin.next().await, Some(update));
            }
            assert_eq!(twin.next().await, None);
        }
        assert!(ticks > 400, "{ticks} ticks");
    });
}
