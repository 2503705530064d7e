//! The columns of every table, by name, type and meaning. Nothing else names them.
//!
//! Wide columns are flat bytes ([`DataType::FixedSizeBinary`]), which every reader opens and which
//! are written and read several times faster than nested lists. Their field metadata say how to
//! look at them: `shape`, `dtype`, `order`, `channels`, `bit_order`, `schema_version`.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use systems::rows::{PLANES, RowFormat};

use crate::layouts::Layout;

/// Version of the columns, in every file. Raised when a reader of the last one would misread them.
pub const VERSION: u32 = 1;

/// Metadata key of a table's kind: `games`, `experiences` or `episodes`.
pub const KIND: &str = "bivouac.kind";

/// Metadata key of the name of a dense layout.
pub const LAYOUT: &str = "layout";

/// Channels of `action_mask`: the direction in which a tile's army may march, and building.
pub const MASK_CHANNELS: [&str; 5] = ["up", "down", "left", "right", "build"];

/// Names of columns.
pub mod column {
    /// Id of the episode, the same for all its agents.
    pub const EPISODE_ID: &str = "episode_id";
    /// Seat of the agent.
    pub const AGENT_ID: &str = "agent_id";
    /// Tick of the observation.
    pub const STEP: &str = "step";
    /// Units on each seen tile.
    pub const ARMY: &str = "army";
    /// Bit planes of the observation.
    pub const PLANES: &str = "planes";
    /// Bit planes of the legal actions.
    pub const ACTION_MASK: &str = "action_mask";
    /// The observation as dense channels, in place of the compact columns.
    pub const OBSERVATION: &str = "observation";
    /// Owner of each seen tile.
    pub const OWNER: &str = "owner";
    /// Units on each seen tile where `army` saturates.
    pub const ARMY_EXACT: &str = "army_exact";
    /// Action taken on this observation.
    pub const ACTION: &str = "action";
    /// Reward of that action.
    pub const REWARD: &str = "reward";
    /// Whether that action ended the episode by the rules.
    pub const TERMINATED: &str = "terminated";
    /// Whether the tick limit ended the episode after that action.
    pub const TRUNCATED: &str = "truncated";
    /// Whether this is the episode's first row.
    pub const IS_FIRST: &str = "is_first";
    /// Whether this is the episode's last row, which has no action.
    pub const IS_LAST: &str = "is_last";
    /// Who chose the action.
    pub const POLICY: &str = "policy";
    /// Logarithm of the probability with which it was chosen.
    pub const ACTION_LOGP: &str = "action_logp";
    /// What its chooser thought the observation was worth.
    pub const VALUE: &str = "value";
    /// Version of the policy that chose it.
    pub const POLICY_VERSION: &str = "policy_version";
    /// Tiles of the agent.
    pub const LAND: &str = "land";
    /// Units of the agent.
    pub const ARMY_TOTAL: &str = "army_total";
    /// Tiles of all opponents.
    pub const OPP_LAND: &str = "opp_land";
    /// Units of all opponents.
    pub const OPP_ARMY: &str = "opp_army";
    /// Rows of the board itself.
    pub const HEIGHT: &str = "height";
    /// Columns of the board itself.
    pub const WIDTH: &str = "width";
}

/// The type of `policy`: few names, many rows.
pub fn policy_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The columns of an experiences table (design: one row per episode, agent and step).
#[must_use]
pub fn experiences(format: &RowFormat) -> SchemaRef {
    use DataType::{Boolean, Float32, Int32, UInt8, UInt32, UInt64};
    let (height, width, words) = (format.height, format.width, format.words());
    let board = format!("[{height},{width}]");
    let masks = &MASK_CHANNELS[..format.mask_planes()];
    let mut fields = vec![
        scalar(column::EPISODE_ID, UInt64),
        scalar(column::AGENT_ID, UInt8),
        scalar(column::STEP, UInt32),
        wide(column::ARMY, format.tiles() * 2, &[("shape", &board), ("dtype", "uint16")]),
        planes(column::PLANES, &PLANES, &board, words),
        planes(column::ACTION_MASK, masks, &board, words),
    ];
    if format.has_owners {
        let about = [("shape", board.as_str()), ("dtype", "uint8"), ("nobody", "255")];
        fields.push(wide(column::OWNER, format.tiles(), &about));
    }
    let exact = Field::new(column::ARMY_EXACT, DataType::Binary, true);
    fields.push(described(exact, &[("shape", &board), ("dtype", "int32")]));
    fields.extend([
        scalar(column::ACTION, Int32),
        scalar(column::REWARD, Float32),
        scalar(column::TERMINATED, Boolean),
        scalar(column::TRUNCATED, Boolean),
        scalar(column::IS_FIRST, Boolean),
        scalar(column::IS_LAST, Boolean),
        scalar(column::POLICY, policy_type()),
        Field::new(column::ACTION_LOGP, Float32, true),
        Field::new(column::VALUE, Float32, true),
        Field::new(column::POLICY_VERSION, UInt64, true),
        scalar(column::LAND, UInt32),
        scalar(column::ARMY_TOTAL, UInt32),
        scalar(column::OPP_LAND, UInt32),
        scalar(column::OPP_ARMY, UInt32),
        scalar(column::HEIGHT, UInt8),
        scalar(column::WIDTH, UInt8),
    ]);
    table("experiences", fields)
}

/// The columns of an experiences table whose observations are dense: `observation` in the place of
/// the compact columns, the others as in [`experiences`].
#[must_use]
pub fn dense_experiences(format: &RowFormat, layout: Layout) -> SchemaRef {
    let compact = experiences(format);
    let of_field = |field: &FieldRef| match field.name().as_str() {
        column::ARMY => Some(Arc::new(observation(format, layout))),
        column::PLANES | column::OWNER | column::ARMY_EXACT => None,
        _ => Some(field.clone()),
    };
    let fields: Fields = compact.fields().iter().filter_map(of_field).collect();
    Arc::new(Schema::new_with_metadata(fields, compact.metadata().clone()))
}

/// The column of dense observations: float32 `[channels, height, width]` as flat bytes.
fn observation(format: &RowFormat, layout: Layout) -> Field {
    let [channels, height, width] = layout.shape(format);
    let about = [
        ("shape", format!("[{channels},{height},{width}]")),
        ("dtype", "float32".to_owned()),
        (LAYOUT, layout.name().to_owned()),
        ("channels", layout.channels().join(",")),
        ("scale", layout.scale().to_owned()),
    ];
    let about = about.each_ref().map(|(key, value)| (*key, value.as_str()));
    wide(column::OBSERVATION, layout.row_len(format) * 4, &about)
}

/// The columns of [`dense_experiences`] as they are sent: the observation is a tensor of the extension
/// type `arrow.fixed_shape_tensor`, float32 `[channels, height, width]`, which libraries show as an
/// array without being told its shape.
#[must_use]
pub fn tensor_experiences(format: &RowFormat, layout: Layout) -> SchemaRef {
    let dense = dense_experiences(format, layout);
    let shape = layout.shape(format).map(|side| side.to_string()).join(",");
    let tensor = |field: &FieldRef| {
        if field.name() != column::OBSERVATION {
            return field.clone();
        }
        let item = Arc::new(Field::new_list_field(DataType::Float32, true));
        let numbers = i32::try_from(layout.row_len(format)).unwrap_or(i32::MAX);
        let mut metadata = field.metadata().clone();
        metadata.extend([
            ("ARROW:extension:name".to_owned(), "arrow.fixed_shape_tensor".to_owned()),
            (
                "ARROW:extension:metadata".to_owned(),
                format!("{{\"shape\":[{shape}],\"dim_names\":[\"channel\",\"row\",\"column\"]}}"),
            ),
        ]);
        let data_type = DataType::FixedSizeList(item, numbers);
        Arc::new(Field::new(field.name(), data_type, false).with_metadata(metadata))
    };
    let fields: Fields = dense.fields().iter().map(tensor).collect();
    Arc::new(Schema::new_with_metadata(fields, dense.metadata().clone()))
}

/// The dense layout of the observations in a table of experiences, from the metadata of its columns;
/// none if they are compact.
#[must_use]
pub fn layout_of(schema: &Schema) -> Option<Layout> {
    let field = schema.field_with_name(column::OBSERVATION).ok()?;
    field.metadata().get(LAYOUT)?.parse().ok()
}

/// The form of the rows in a table of experiences, from the metadata of its columns; none if they
/// are not such columns. Dense rows do not tell owners, so their form has none.
#[must_use]
pub fn format_of(schema: &Schema) -> Option<RowFormat> {
    let shape = |name| -> Option<Vec<u16>> {
        serde_json::from_str(schema.field_with_name(name).ok()?.metadata().get("shape")?).ok()
    };
    let board = match layout_of(schema) {
        Some(_) => shape(column::OBSERVATION)?.split_off(1),
        None => shape(column::ARMY)?,
    };
    let &[height, width] = board.as_slice() else { return None };
    let &[masks, ..] = shape(column::ACTION_MASK)?.as_slice() else { return None };
    let has_owners = schema.field_with_name(column::OWNER).is_ok();
    let has_builds = usize::from(masks) == MASK_CHANNELS.len();
    let sides = 1..=32;
    (sides.contains(&height) && sides.contains(&width)).then_some(RowFormat {
        height,
        width,
        has_builds,
        has_owners,
    })
}

/// Names of the columns of a games table, in its order.
pub mod game {
    /// Id of the episode.
    pub const EPISODE_ID: &str = "episode_id";
    /// Seed of all games it belongs to.
    pub const SEED: &str = "seed";
    /// Its index among them.
    pub const GAME: &str = "game";
    /// Number of the episode within the game.
    pub const EPISODE: &str = "episode";
    /// Name of the ruleset.
    pub const RULESET: &str = "ruleset";
    /// The ruleset with every number, as TOML.
    pub const RULESET_TOML: &str = "ruleset_toml";
    /// Whether players saw only what was near their land.
    pub const HAS_FOG: &str = "has_fog";
    /// Tick at which the game would have been cut off.
    pub const MAX_TICKS: &str = "max_ticks";
    /// Rows of the board.
    pub const HEIGHT: &str = "height";
    /// Columns of the board.
    pub const WIDTH: &str = "width";
    /// Number of seats.
    pub const PLAYERS: &str = "players";
    /// Team of each seat.
    pub const TEAMS: &str = "teams";
    /// Who chose for each seat.
    pub const POLICIES: &str = "policies";
    /// General's tile of each seat, null where it has none.
    pub const GENERALS: &str = "generals";
    /// Mountain tiles.
    pub const MOUNTAINS: &str = "mountains";
    /// City tiles.
    pub const CITIES: &str = "cities";
    /// Their armies.
    pub const CITY_ARMIES: &str = "city_armies";
    /// Plain tiles with a neutral army.
    pub const NEUTRALS: &str = "neutrals";
    /// Their armies.
    pub const NEUTRAL_ARMIES: &str = "neutral_armies";
    /// All orders, see [`crate::moves`].
    pub const MOVES: &str = "moves";
    /// Number of orders.
    pub const N_MOVES: &str = "n_moves";
    /// Turns of surrenders and neutralisations.
    pub const DEPARTURE_TURNS: &str = "departure_turns";
    /// Their seats.
    pub const DEPARTURE_SEATS: &str = "departure_seats";
    /// Ticks played.
    pub const TICKS: &str = "ticks";
    /// Whether the tick limit ended it.
    pub const TRUNCATED: &str = "truncated";
    /// Winning seats.
    pub const WINNERS: &str = "winners";
    /// Seats from first to last.
    pub const RANKING: &str = "ranking";
    /// Generals taken by each seat.
    pub const CAPTURES: &str = "captures";
    /// Tiles of each seat at the end.
    pub const LAND: &str = "land";
    /// Units of each seat at the end.
    pub const ARMY: &str = "army";
    /// Fingerprint of the final position.
    pub const DIGEST: &str = "digest";
    /// Imported games: id of the replay on the server.
    pub const REPLAY_ID: &str = "replay_id";
    /// Imported games: version of the replay's format.
    pub const REPLAY_VERSION: &str = "replay_version";
    /// Imported games: name of the custom map.
    pub const MAP_NAME: &str = "map_name";
    /// Imported games: modifiers in force.
    pub const MODIFIERS: &str = "modifiers";
    /// Imported games: rating of each seat, in stars.
    pub const RATINGS: &str = "ratings";
    /// Imported games: user name of each seat, if names were kept.
    pub const NAMES: &str = "names";
}

/// The columns of a games table: one row per game, moves instead of tensors.
#[must_use]
pub fn games() -> SchemaRef {
    use DataType::{Binary, Boolean, Float32, Int32, UInt8, UInt16, UInt32, UInt64, Utf8};
    let tiles = |name| described(list(name, UInt16, false), &[("unit", "tile")]);
    let fields = vec![
        scalar(game::EPISODE_ID, UInt64),
        scalar(game::SEED, UInt64),
        scalar(game::GAME, UInt64),
        scalar(game::EPISODE, UInt32),
        scalar(game::RULESET, Utf8),
        scalar(game::RULESET_TOML, Utf8),
        scalar(game::HAS_FOG, Boolean),
        scalar(game::MAX_TICKS, UInt32),
        scalar(game::HEIGHT, UInt8),
        scalar(game::WIDTH, UInt8),
        scalar(game::PLAYERS, UInt8),
        list(game::TEAMS, UInt8, false),
        list(game::POLICIES, Utf8, false),
        described(list(game::GENERALS, UInt16, true), &[("unit", "tile")]),
        tiles(game::MOUNTAINS),
        tiles(game::CITIES),
        list(game::CITY_ARMIES, Int32, false),
        tiles(game::NEUTRALS),
        list(game::NEUTRAL_ARMIES, Int32, false),
        described(scalar(game::MOVES, Binary), &[("layout", "bivouac moves 1")]),
        scalar(game::N_MOVES, UInt32),
        list(game::DEPARTURE_TURNS, UInt32, false),
        list(game::DEPARTURE_SEATS, UInt8, false),
        scalar(game::TICKS, UInt32),
        scalar(game::TRUNCATED, Boolean),
        list(game::WINNERS, UInt8, false),
        list(game::RANKING, UInt8, false),
        list(game::CAPTURES, UInt8, false),
        list(game::LAND, UInt32, false),
        list(game::ARMY, UInt32, false),
        scalar(game::DIGEST, UInt64),
        Field::new(game::REPLAY_ID, Utf8, true),
        Field::new(game::REPLAY_VERSION, UInt32, true),
        Field::new(game::MAP_NAME, Utf8, true),
        nullable(list(game::MODIFIERS, UInt32, false)),
        nullable(list(game::RATINGS, Float32, true)),
        nullable(list(game::NAMES, Utf8, false)),
    ];
    table("games", fields)
}

/// Names of the columns of `meta/episodes`, beside `episode_id`, `agent_id` and `policy`.
pub mod episode {
    /// Index of the game among those of its seed.
    pub const GAME: &str = "game";
    /// Seed of all games it belongs to.
    pub const SEED: &str = "seed";
    /// Actions, one less than the rows.
    pub const LENGTH: &str = "length";
    /// Sum of the rewards.
    pub const RETURN: &str = "return";
    /// Whether the agent won.
    pub const WON: &str = "won";
    /// Place among the seats at the end of the game, from 1.
    pub const PLACE: &str = "place";
    /// How the agent's episode ended: `won`, `lost`, `draw` or `truncated`.
    pub const END: &str = "end";
    /// Ticks of the whole game.
    pub const TICKS: &str = "ticks";
    /// Data file that holds the rows, below the dataset's folder.
    pub const FILE: &str = "file";
    /// Row group within the file.
    pub const ROW_GROUP: &str = "row_group";
    /// First row within the file.
    pub const ROW: &str = "row";
    /// Rows.
    pub const ROWS: &str = "rows";
}

/// Names of the columns that rows have besides while they wait on disk for a slow stream.
pub mod spill {
    /// Index of the game among those of its seed.
    pub const GAME: &str = super::episode::GAME;
    /// Name of the ruleset, where it is known.
    pub const RULESET: &str = super::game::RULESET;
    /// The row's number in its run of the server.
    pub const NUMBER: &str = "number";
}

/// The columns of a segment of spilled rows: those of the rows, and [`spill`].
#[must_use]
pub fn spilled(rows: &SchemaRef) -> SchemaRef {
    let besides = [
        scalar(spill::GAME, DataType::UInt64),
        Field::new(spill::RULESET, policy_type(), true),
        scalar(spill::NUMBER, DataType::UInt64),
    ];
    let fields: Fields = rows.fields().iter().cloned().chain(besides.map(Arc::new)).collect();
    let mut metadata = rows.metadata().clone();
    metadata.insert(KIND.to_owned(), "spill".to_owned());
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// The columns of `meta/episodes`: one row per episode and agent.
#[must_use]
pub fn episodes() -> SchemaRef {
    use DataType::{Boolean, Float64, UInt8, UInt32, UInt64, Utf8};
    let fields = vec![
        scalar(column::EPISODE_ID, UInt64),
        scalar(column::AGENT_ID, UInt8),
        scalar(episode::SEED, UInt64),
        scalar(episode::GAME, UInt64),
        scalar(column::POLICY, policy_type()),
        scalar(episode::LENGTH, UInt32),
        scalar(episode::RETURN, Float64),
        scalar(episode::WON, Boolean),
        scalar(episode::PLACE, UInt8),
        scalar(episode::END, Utf8),
        scalar(episode::TICKS, UInt32),
        scalar(column::HEIGHT, UInt8),
        scalar(column::WIDTH, UInt8),
        scalar(episode::FILE, Utf8),
        scalar(episode::ROW_GROUP, UInt32),
        scalar(episode::ROW, UInt64),
        scalar(episode::ROWS, UInt32),
    ];
    table("episodes", fields)
}

fn table(kind: &str, fields: Vec<Field>) -> SchemaRef {
    let metadata = HashMap::from([
        ("bivouac.schema_version".to_owned(), VERSION.to_string()),
        (KIND.to_owned(), kind.to_owned()),
    ]);
    Arc::new(Schema::new_with_metadata(Fields::from(fields), metadata))
}

fn scalar(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn list(name: &str, item: DataType, has_nulls: bool) -> Field {
    Field::new_list(name, Field::new_list_field(item, has_nulls), false)
}

fn nullable(field: Field) -> Field {
    field.with_nullable(true)
}

/// A column of flat bytes.
#[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "under 32 KiB")]
fn wide(name: &str, bytes: usize, about: &[(&str, &str)]) -> Field {
    described(Field::new(name, DataType::FixedSizeBinary(bytes as i32), false), about)
}

/// A column of bit planes, each padded to whole 64-bit words.
fn planes(name: &str, channels: &[&str], board: &str, words: usize) -> Field {
    let shape = format!("[{},{}]", channels.len(), &board[1..board.len() - 1]);
    let packed = format!("[{},{}]", channels.len(), words * 8);
    let about = [
        ("shape", shape.as_str()),
        ("dtype", "bit"),
        ("packed_shape", &packed),
        ("packed_dtype", "uint8"),
        ("bit_order", "little"),
        ("channels", &channels.join(",")),
    ];
    wide(name, channels.len() * words * 8, &about)
}

fn described(field: Field, about: &[(&str, &str)]) -> Field {
    let common = [("schema_version", VERSION.to_string()), ("order", "row_major".to_owned())];
    let about = about.iter().map(|&(key, value)| (key, value.to_owned()));
    let metadata = about.chain(common).chain([("byte_order", "little".to_owned())]);
    field.with_metadata(
        metadata.map(|(key, value)| (key.to_owned(), value)).collect::<HashMap<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, type and nullability of each column: a reader of old files relies on every line.
    fn golden(schema: &Schema) -> String {
        let line = |field: &Arc<Field>| {
            let null = if field.is_nullable() { "?" } else { "" };
            format!("{}: {}{null}\n", field.name(), field.data_type())
        };
        schema.fields().iter().map(line).collect()
    }

    #[test]
    fn columns_of_experiences_never_change_within_a_version() {
        let format = RowFormat { height: 20, width: 20, has_builds: false, has_owners: false };
        let expected = "episode_id: UInt64\nagent_id: UInt8\nstep: UInt32\n\
            army: FixedSizeBinary(800)\nplanes: FixedSizeBinary(576)\n\
            action_mask: FixedSizeBinary(256)\narmy_exact: Binary?\naction: Int32\n\
            reward: Float32\nterminated: Boolean\ntruncated: Boolean\nis_first: Boolean\n\
            is_last: Boolean\npolicy: Dictionary(Int32, Utf8)\naction_logp: Float32?\n\
            value: Float32?\npolicy_version: UInt64?\nland: UInt32\narmy_total: UInt32\n\
            opp_land: UInt32\nopp_army: UInt32\nheight: UInt8\nwidth: UInt8\n";
        assert_eq!((VERSION, golden(&experiences(&format)).as_str()), (1, expected));
        let many = RowFormat { has_builds: true, has_owners: true, ..format };
        let schema = experiences(&many);
        assert_eq!(format_of(&schema), Some(many));
        assert_eq!(format_of(&experiences(&format)), Some(format));
        assert_eq!(format_of(&games()), None);
        let owner = schema.field_with_name(column::OWNER).unwrap();
        assert_eq!(*owner.data_type(), DataType::FixedSizeBinary(400));
        let mask = schema.field_with_name(column::ACTION_MASK).unwrap();
        assert_eq!(*mask.data_type(), DataType::FixedSizeBinary(5 * 64));
        assert_eq!(mask.metadata()["channels"], "up,down,left,right,build");
        assert_eq!(mask.metadata()["shape"], "[5,20,20]");
        assert_eq!(mask.metadata()["packed_shape"], "[5,64]");
    }

    #[test]
    fn dense_columns_stand_in_for_the_compact_ones_and_tell_their_layout() {
        let format = RowFormat { height: 20, width: 21, has_builds: true, has_owners: false };
        let compact = experiences(&RowFormat { has_owners: true, ..format });
        assert_eq!(layout_of(&compact), None);
        for layout in Layout::ALL {
            let dense = dense_experiences(&RowFormat { has_owners: true, ..format }, layout);
            assert_eq!((layout_of(&dense), format_of(&dense)), (Some(layout), Some(format)));
            let replaced = [column::ARMY, column::PLANES, column::OWNER, column::ARMY_EXACT];
            assert!(replaced.iter().all(|name| dense.field_with_name(name).is_err()));
            assert_eq!(dense.fields().len(), compact.fields().len() - 3);
            let field = dense.field_with_name(column::OBSERVATION).unwrap();
            let channels = layout.channels();
            let bytes = i32::try_from(channels.len() * 20 * 21 * 4).unwrap();
            assert_eq!(*field.data_type(), DataType::FixedSizeBinary(bytes));
            assert_eq!(field.metadata()["shape"], format!("[{},20,21]", channels.len()));
            assert_eq!(field.metadata()["channels"], channels.join(","));
            assert_eq!(field.metadata()["dtype"], "float32");
        }
    }

    #[test]
    fn tables_say_what_they_are() {
        for (schema, kind) in [(games(), "games"), (episodes(), "episodes")] {
            assert_eq!(schema.metadata()["bivouac.kind"], kind);
            assert_eq!(schema.metadata()["bivouac.schema_version"], "1");
            let mut names: Vec<_> = schema.fields().iter().map(|f| f.name().clone()).collect();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), schema.fields().len());
        }
    }
}
