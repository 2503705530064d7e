//! On open boards, where players meet: a player sees what lies next to its land, and is sent the same
//! bytes as long as that is the same.

use bivouac::live::LiveConfig;
use prost::Message;
use proto::v1::{
    CreateGameRequest, GetGameStateResponse, ListGamesRequest, PlayRequest, PlayResponse,
    SpectateRequest, StreamGameRequest, play_request, play_response::Kind,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::client::{Client, Dice, Mirror, Seat, Watcher, create, drawn, join, order, with_server};

/// Sides of the board. What lies right of the first player's home is upside down in the other game.
const HEIGHT: usize = 9;
const WIDTH: usize = 12;
const HOME: usize = 4;

/// An open board, and the same with all but the home of the first player upside down.
///
/// Hidden mountains and cities look alike, and stand in both halves of both boards. Which is which
/// differs, and so does where the others live.
fn boards(dice: &mut Dice) -> (String, String) {
    let mut tiles = vec![vec!["."; WIDTH]; HEIGHT];
    for tile in 0..HEIGHT / 2 * WIDTH {
        if dice.below(8) == 0 {
            let (row, column) = (tile / WIDTH, tile % WIDTH);
            let kinds = [["#", "c5"], ["c4", "#"], ["c3", "c6"]][dice.below(3)];
            tiles[row][column] = kinds[0];
            tiles[HEIGHT - 1 - row][column] = kinds[1];
        }
    }
    tiles[3 + dice.below(3)][dice.below(2)] = "A";
    for (general, row, column) in [("B", 1, HOME + 3), ("C", 6, WIDTH - 2)] {
        let row = row + dice.below(2);
        tiles[HEIGHT - 1 - row][column] = ".";
        tiles[row][column] = general;
    }
    let mut other = tiles.clone();
    for row in 0..HEIGHT {
        other[row][HOME..].copy_from_slice(&tiles[HEIGHT - 1 - row][HOME..]);
    }
    let text = |tiles: Vec<Vec<&str>>| {
        tiles.iter().map(|row| row.join(" ")).collect::<Vec<_>>().join("\n")
    };
    (text(tiles), text(other))
}

/// The same march upside down.
fn mirrored(action: u32) -> u32 {
    let (width, height) = (WIDTH as u32, HEIGHT as u32);
    let (tile, direction, half) = (action / 8, action / 2 % 4, action % 2);
    let (row, column) = (tile / width, tile % width);
    let direction = [1, 0, 2, 3][direction as usize];
    (((height - 1 - row) * width + column) * 4 + direction) * 2 + half
}

/// A game of three, what the first is sent through `Play`, and the whole board.
struct Table {
    seats: Vec<Seat>,
    down: Streaming<PlayResponse>,
    /// Where mountains and cities stood in the beginning. A general that was taken is a city from then
    /// on, which fog hides.
    structures: Vec<bool>,
    /// Keeps the stream up open.
    _up: mpsc::Sender<PlayRequest>,
    hers: Mirror,
    whole: Watcher,
}

impl Table {
    async fn new(client: &mut Client, map: &str) -> Self {
        let request = CreateGameRequest { max_ticks: 200, allow_spectators: true, ..drawn(map) };
        let game = create(client, request).await;
        let mut seats = Vec::new();
        for name in ["ada", "bob", "eve"] {
            seats.push(join(client, &game.id, name).await);
        }
        let (up, requests) = mpsc::channel(1);
        let watch = StreamGameRequest { game_id: game.id.clone(), token: seats[0].token.clone() };
        let kind = Some(play_request::Kind::Watch(watch));
        up.send(PlayRequest { kind, id: 0 }).await.unwrap();
        let down = client.play(ReceiverStream::new(requests)).await.unwrap().into_inner();
        let stream = client.spectate(SpectateRequest { game_id: game.id }).await.unwrap();
        let whole = Watcher { stream: stream.into_inner(), mirror: Mirror::default() };
        let hers = Mirror::default();
        let mut table = Self { seats, down, structures: Vec::new(), _up: up, hers, whole };
        table.next().await;
        table.whole.next().await.unwrap();
        let faces = table.whole.mirror.faces.iter();
        table.structures = faces.map(|face| matches!(face, 2 | 3)).collect();
        table
    }

    /// The next thing that the first player is sent.
    async fn next(&mut self) -> Vec<u8> {
        let response = self.down.message().await.unwrap().unwrap();
        match &response.kind {
            Some(Kind::Update(update)) => self.hers.apply(update),
            other => panic!("{other:?}"),
        }
        response.encode_to_vec()
    }

    /// All that she is sent up to a tick, which the spectator sees too.
    async fn until(&mut self, tick: u32) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while self.hers.tick < tick {
            sent.push(self.next().await);
        }
        self.whole.until(|whole| whole.tick >= tick).await;
        sent
    }

    /// What the first player may see, by the rules, of the board as it is.
    fn sight(&self) -> (Vec<u8>, Vec<u8>, Vec<i32>) {
        let Mirror { faces, owners, armies, .. } = &self.whole.mirror;
        let near = |tile: usize| {
            let (row, column) = (tile / WIDTH, tile % WIDTH);
            (0..owners.len()).any(|own| {
                owners[own] == 0
                    && (own / WIDTH).abs_diff(row) <= 1
                    && (own % WIDTH).abs_diff(column) <= 1
            })
        };
        let tiles = || 0..owners.len();
        let hidden = |tile: usize| if self.structures[tile] { 5 } else { 0 };
        (
            tiles().map(|tile| if near(tile) { faces[tile] } else { hidden(tile) }).collect(),
            tiles().map(|tile| if near(tile) { owners[tile] } else { 255 }).collect(),
            tiles().map(|tile| if near(tile) { armies[tile] } else { 0 }).collect(),
        )
    }

    /// The public numbers.
    fn scores(&self) -> (Vec<u32>, Vec<u32>, u32) {
        let Mirror { land, army, alive, .. } = &self.whole.mirror;
        (land.clone(), army.clone(), *alive)
    }

    /// What the first player is told if it asks, but for the name of the game.
    async fn asked(&self) -> (GetGameStateResponse, Vec<u8>) {
        let mut state = self.seats[0].state().await;
        state.info.as_mut().unwrap().game_id.clear();
        let mut client = self.seats[0].client.clone();
        let list = client.list_games(ListGamesRequest::default()).await.unwrap().into_inner();
        let its = |info: &&proto::v1::GameInfo| info.game_id == self.seats[0].game;
        let mut info = list.games.iter().find(its).unwrap().clone();
        info.game_id.clear();
        (state, info.encode_to_vec())
    }
}

/// A march of some army, or of the largest, so that players meet.
fn choose(mirror: &Mirror, seat: u32, dice: &mut Dice) -> Option<u32> {
    let legal = mirror.legal(seat);
    let army = |action: &&u32| mirror.armies[(**action / 8) as usize];
    let most = legal.iter().max_by_key(army)? / 8;
    let of_largest: Vec<u32> = legal.iter().copied().filter(|action| action / 8 == most).collect();
    let wanted = if dice.below(4) == 0 { &legal } else { &of_largest };
    dice.pick(wanted)
}

#[test]
fn a_player_is_sent_what_lies_next_to_its_land_and_the_same_bytes_while_that_is_the_same() {
    with_server(LiveConfig::default(), async |mut client, _live| {
        let (mut compared, mut met) = (0, 0);
        for seed in 0..8 {
            let mut dice = Dice(seed);
            let (one, other) = boards(&mut dice);
            assert_ne!(one, other);
            let mut table = Table::new(&mut client, &one).await;
            // The other game, as long as the first player can see no difference.
            let mut twin = Some(Table::new(&mut client, &other).await);
            assert_eq!(twin.as_ref().unwrap().hers, table.hers);
            while !table.hers.is_over() && table.hers.alive & 1 != 0 {
                let (tick, alive) = (table.hers.tick, table.hers.alive);
                for number in (0..3).filter(|number| alive >> number & 1 != 0) {
                    let seat = &table.seats[number as usize];
                    let mirror = if number == 0 { table.hers.clone() } else { seat.mirror().await };
                    let action = choose(&mirror, number, &mut dice);
                    seat.submit(order(action)).await.unwrap();
                    let Some(Table { seats, .. }) = &twin else { continue };
                    let action = if number == 0 { action } else { action.map(mirrored) };
                    let answer = seats[number as usize].submit(order(action)).await;
                    if number == 0 {
                        answer.unwrap();
                    } else if answer.is_err() {
                        // They came to where the two boards are not alike.
                        twin = None;
                    }
                }
                let sent = table.until(tick + 1).await;
                let Mirror { faces, owners, armies, .. } = &table.hers;
                let shown = (faces.clone(), owners.clone(), armies.clone());
                assert_eq!(shown, table.sight(), "seed {seed}, tick {tick}");
                met += u32::from(owners.iter().any(|owner| matches!(owner, 1 | 2)));
                let Some(same) = &mut twin else { continue };
                let also = same.until(tick + 1).await;
                if (same.sight(), same.scores()) != (table.sight(), table.scores()) {
                    twin = None;
                    continue;
                }
                assert_eq!(also, sent, "seed {seed}, tick {tick}");
                assert_eq!(same.asked().await, table.asked().await, "seed {seed}, tick {tick}");
                compared += 1;
            }
        }
        assert!(
            compared > 100 && met > 100,
            "{compared} ticks compared, {met} with others in sight"
        );
    });
}
