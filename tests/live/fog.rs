//! What a player receives does not depend on what it cannot see.

use bivouac::live::LiveConfig;
use prost::Message;
use proto::v1::{CreateGameRequest, GameInfo, ListGamesRequest, SurrenderRequest};

use crate::client::{
    Client, Dice, Mirror, Seat, Watcher, create, drawn, join, lockstep, march, order, pair,
    with_server,
};

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
    for (row, tiles) in tiles.iter_mut().enumerate() {
        tiles[WALL as usize] = "#".to_owned();
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
                for state in [&mut state, &mut same] {
                    state.info.as_mut().unwrap().game_id.clear();
                }
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

/// What everybody may know of a player's game.
async fn info(seat: &Seat) -> GameInfo {
    seat.state().await.info.unwrap()
}

#[test]
fn a_seed_that_the_server_drew_is_told_nobody_before_the_end() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let drawn = CreateGameRequest { seed: None, ..lockstep() };
        let created = client.create_game(drawn).await.unwrap().into_inner();
        assert_eq!(created.seed, None, "its creator may play, and see the board in another game");
        let ada = join(&client, &created.game_id, "ada").await;
        assert_eq!(info(&ada).await.seed, None, "in the lobby");
        let bob = join(&client, &created.game_id, "bob").await;
        assert_eq!(info(&ada).await.seed, None, "at play");
        let listed = client.list_games(ListGamesRequest::default()).await.unwrap().into_inner();
        assert_eq!((listed.games[0].seed_is_chosen, listed.games[0].seed), (false, None));
        let (game_id, token) = (bob.game.clone(), bob.token.clone());
        client.surrender(SurrenderRequest { game_id, token }).await.unwrap();
        ada.submit(order(None)).await.unwrap();
        ada.submit(order(None)).await.unwrap();
        ada.stream().await.rest().await;
        let seed = info(&ada).await.seed.expect("the game is over");
        let again = CreateGameRequest { seed: Some(seed), ..lockstep() };
        let (_, [same, _]) = pair(&mut client, again).await;
        let general = |mirror: Mirror| mirror.faces.iter().position(|&face| face == 4);
        assert_eq!(general(same.mirror().await), general(ada.mirror().await));
    });
}

#[test]
fn a_seed_that_the_creator_chose_is_told_everybody() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let created = client.create_game(lockstep()).await.unwrap().into_inner();
        assert_eq!(created.seed, Some(7));
        let ada = join(&client, &created.game_id, "ada").await;
        let told = info(&ada).await;
        assert_eq!((told.seed_is_chosen, told.seed), (true, Some(7)), "before the game begins");
    });
}

#[test]
fn who_else_looks_at_a_game_is_told_before_it_begins() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let request = CreateGameRequest {
            allow_spectators: true,
            spectator_delay: 9,
            collect_experiences: true,
            ..lockstep()
        };
        let game = create(&mut client, request).await;
        let told = info(&join(&client, &game.id, "ada").await).await;
        assert!(told.allow_spectators && told.collect_experiences);
        assert_eq!(told.spectator_delay, 9);
    });
}
