//! What is read, what is refused, and that reading undoes writing.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The slots of a replay of two players on a board of four columns and three rows.
const SLOTS: [&str; 13] = [
    "15",
    r#""id""#,
    "4",
    "3",
    r#"["ann","bob"]"#,
    "[1,null]",
    "[5,6]",
    "[40,-1]",
    "[0,11]",
    "[1,2]",
    "[[0,0,4,0,3],[1,11,10,1,3]]",
    "[[1,9]]",
    "null",
];

/// Returns the text of [`SLOTS`] with one slot changed, null up to it if it lies beyond.
fn text_with(number: usize, slot: &str) -> String {
    let mut slots = SLOTS.map(str::to_owned).to_vec();
    slots.resize(slots.len().max(number + 1), "null".to_owned());
    slot.clone_into(&mut slots[number]);
    format!("[{}]", slots.join(","))
}

fn decode_text(text: &str) -> Result<Replay, GiorError> {
    Replay::decode(&lz::compress(text))
}

fn decode_with(number: usize, slot: &str) -> Result<Replay, GiorError> {
    decode_text(&text_with(number, slot))
}

/// Checks that a replay with one slot changed is refused with a message that begins like this.
fn check_refused(number: usize, slot: &str, message: &str) {
    let error = decode_with(number, slot).unwrap_err().to_string();
    assert!(error.starts_with(message), "{number} {slot}: {error}");
    assert!(!error.ends_with('.'), "{error}");
}

#[test]
fn every_slot_that_affects_play_is_read() {
    let replay = decode_with(12, "[7,-7]").unwrap();
    let expected = Replay {
        version: 15,
        id: "id".to_owned(),
        width: 4,
        height: 3,
        names: vec!["ann".to_owned(), "bob".to_owned()],
        stars: vec![Some(1.0), None],
        cities: vec![5, 6],
        city_armies: vec![40, -1],
        generals: vec![Some(0), Some(11)],
        mountains: vec![1, 2],
        moves: vec![
            ReplayMove { player: 0, from: 0, to: 4, half: false, turn: 3 },
            ReplayMove { player: 1, from: 11, to: 10, half: true, turn: 3 },
        ],
        afk: vec![AfkEvent { player: 1, turn: 9 }],
        teams: Some(vec![7, -7]),
        ..Replay::default()
    };
    assert_eq!(replay, expected);
}

#[test]
fn values_of_the_wrong_type_or_range_are_refused_by_slot_and_index() {
    for (number, slot, message) in [
        (0, "null", "slot 0 (version): invalid type: null"),
        (0, "-1", "slot 0 (version): invalid value: integer `-1`, expected u32"),
        (2, "4.5", "slot 2 (width): invalid type: floating point `4.5`, expected u32"),
        (3, "4294967296", "slot 3 (height): invalid value: integer `4294967296`"),
        (6, "[5,-6]", "slot 6 (cities), index 1: invalid value: integer `-6`, expected u32"),
        (6, "{}", "slot 6 (cities): invalid type: map, expected a list or null"),
        (7, "[1,99999999999]", "slot 7 (city armies), index 1: invalid value"),
        (8, r#"["x",1]"#, r#"slot 8 (generals), index 0: invalid type: string "x""#),
        (10, "[[0,0,4,0]]", "slot 10 (moves), index 0: invalid length 4"),
        (10, "[[0,0,4,2,3]]", "slot 10 (moves), index 0: invalid value: integer `2`"),
        (10, r#"[[0,"0",4,0,3]]"#, r#"slot 10 (moves), index 0: invalid type: string "0""#),
        (10, "[[0,0,4,0.5,3]]", "slot 10 (moves), index 0: invalid value: floating point `0.5`"),
        (10, "[7]", "slot 10 (moves), index 0: invalid type: integer `7`"),
        (11, "[[0,1],[0]]", "slot 11 (AFK events), index 1: invalid length 1"),
        (12, "[null,1]", "slot 12 (teams), index 0: invalid type: null"),
        (12, r#"["a",1]"#, r#"slot 12 (teams), index 0: invalid type: string "a""#),
    ] {
        check_refused(number, slot, message);
    }
}

#[test]
fn slots_that_do_not_fit_together_are_refused() {
    for (number, slot, message) in [
        (0, "4", "slot 0 (version): version 4 is not supported, the oldest is 5"),
        (2, "0", "slot 2 (width): a board of 0x3 tiles is empty or too large"),
        (2, "4294967295", "slot 2 (width): a board of 4294967295x3 tiles is empty or too large"),
        (6, "[5,731]", "slot 6 (cities): tile 731 is outside the 4x3 board (index 1)"),
        (7, "[1]", "slot 7 (city armies): 1 items where slot 6 (cities) has 2"),
        (8, "[]", "slot 8 (generals): the list is empty, a game needs players"),
        (8, "[0,12]", "slot 8 (generals): tile 12 is outside the 4x3 board (index 1)"),
        (8, "[7,7]", "slot 8 (generals): tile 7 is the general of both player 0 and player 1"),
        (12, "[0]", "slot 12 (teams): 1 items where slot 8 (generals) has 2"),
        (14, "[3]", "slot 15 (neutral armies): 0 items where slot 14 (neutrals) has 1"),
        (24, "[12]", "slot 24 (deserts): tile 12 is outside the 4x3 board (index 0)"),
    ] {
        check_refused(number, slot, message);
    }
}

#[test]
fn texts_that_are_no_array_of_slots_are_refused() {
    for (text, message) in [
        ("", "text is not a JSON array: EOF while parsing a value"),
        ("hello", "text is not a JSON array: expected value"),
        ("{}", "text is not a JSON array: invalid type: map, expected the array of a replay"),
        ("[]", "slot 0 (version) is missing"),
        ("[15]", "slot 1 (replay id) is missing"),
        (r#"[15,"",4,3,[],[],[],[]]"#, "slot 8 (generals) is missing"),
        ("[3,9,9", "slot 0 (version): version 3 is not supported"),
        ("[15,", "slot 1 (replay id): EOF while parsing"),
    ] {
        let error = decode_text(text).unwrap_err().to_string();
        assert!(error.starts_with(message), "{text}: {error}");
    }
    let trailing = decode_text(&(text_with(12, "null") + "x")).unwrap_err().to_string();
    assert!(trailing.starts_with("text is not a JSON array: trailing characters"), "{trailing}");
}

#[test]
fn a_fault_names_slot_index_and_value_as_fields() {
    let slot = Slot::new(6);
    assert_eq!((slot.number(), slot.name()), (6, "cities"));
    assert_eq!(Slot::new(37).to_string(), "slot 37 (unknown)");
    assert_eq!(
        decode_with(6, "[5,731]"),
        Err(GiorError::TileOffBoard { slot, index: 1, tile: 731, width: 4, height: 3 })
    );
}

#[test]
fn a_hostile_string_does_not_fill_the_message() {
    let long = format!("[\"{}\"]", "é".repeat(5000));
    let error = decode_with(6, &long).unwrap_err();
    assert!(matches!(&error, GiorError::Malformed { problem, .. } if problem.len() < 210));
}

#[test]
fn nesting_and_sheer_number_of_raw_values_are_limited() {
    check_refused(17, &"[".repeat(100_000), "slot 17 (chat): recursion limit exceeded");
    let many = format!("[{}0]", "0,".repeat(1 << 18));
    check_refused(40, &many, "slot 40 (unknown): more than 262144 values");
}

#[test]
fn moves_off_the_board_or_between_distant_tiles_are_kept() {
    let replay = decode_with(10, "[[0,4294967295,99,0,4294967295]]").unwrap();
    let expected = ReplayMove { player: 0, from: u32::MAX, to: 99, half: false, turn: u32::MAX };
    assert_eq!(replay.moves, [expected]);
}

#[test]
fn acts_that_no_rule_allows_are_kept_as_acts_of_nobody_or_off_the_board() {
    let none = u32::MAX;
    for (slot, player, from, to, turn) in [
        ("[[0,-1,4,0,3]]", 0, none, 4, 3),
        ("[[0,1.5,null,0,3]]", 0, none, none, 3),
        ("[[0,4294967296,1e300,0,3]]", 0, none, none, 3),
        ("[[0.0,1.0,4,0,3.0]]", 0, 1, 4, 3),
        ("[[-1,0,4,0,-3]]", none, 0, 4, 0),
        ("[[7,0,4,0,2.5]]", 7, 0, 4, 3),
        ("[[null,0,4,0,99999999999]]", none, 0, 4, none),
    ] {
        let moves = decode_with(10, slot).unwrap().moves;
        assert_eq!(moves, [ReplayMove { player, from, to, half: false, turn }], "{slot}");
    }
    let afk = decode_with(11, "[[1,9],[2,4],[-1,5.5]]").unwrap().afk;
    let afk: Vec<_> = afk.iter().map(|event| (event.player, event.turn)).collect();
    assert_eq!(afk, [(1, 9), (2, 4), (none, 6)]);
}

#[test]
fn what_follows_the_numbers_of_an_act_is_passed_over() {
    let plain = decode_with(10, "[[0,0,4,1,3]]").unwrap();
    for half in ["1", "1.0", "true"] {
        let slot = format!("[[0,0,4,{half},3,[\"x\",{{}}],7]]");
        assert_eq!(decode_with(10, &slot).as_ref(), Ok(&plain), "{half}");
    }
    let plain = decode_with(10, "[[0,0,4,0,3]]").unwrap();
    for half in ["0.0", "-0.0", "null", "false"] {
        assert_eq!(decode_with(10, &format!("[[0,0,4,{half},3]]")).as_ref(), Ok(&plain), "{half}");
    }
    assert_eq!(decode_with(11, "[[1,9,null]]"), decode_with(11, "[[1,9]]"));
}

#[test]
fn slots_that_are_only_shown_are_read_whatever_they_hold() {
    let plain = decode_with(18, "null").unwrap();
    for anything in ["7", "-1", "2.5", "true", r#""x""#, "{\"a\":[1]}", "[[[]],{},null]", "null"] {
        for number in [1, 4, 5, 13, 17, 18, 25, 26, 27, 30, 31, 32, 33, 36] {
            let replay = decode_with(number, anything).unwrap();
            assert_eq!(replay.moves, plain.moves, "{number} {anything}");
            assert_eq!(Replay::decode(&replay.encode()), Ok(replay), "{number} {anything}");
        }
    }
    assert_eq!(decode_with(1, "5").unwrap().id, "5");
    assert_eq!(decode_with(13, "1.5").unwrap().map_name.as_deref(), Some("1.5"));
    assert_eq!(decode_with(4, r#"["a",7,null]"#).unwrap().names, ["a", "7", ""]);
    let stars = decode_with(5, r#"["61.5",3,"many",[]]"#).unwrap().stars;
    assert_eq!(stars, [Some(61.5), Some(3.0), None, None]);
    let colours = decode_with(18, "[4,null,-1,2.5]").unwrap().colours;
    assert_eq!(colours, Some(vec![4, 1, 2, 3]), "without a colour the seat's own number");
    assert_eq!(decode_with(12, "[]").unwrap().teams, None);
}

#[test]
fn half_a_letter_in_a_name_or_the_chat_is_replaced() {
    for text in [r#"["a\ud83d","b"]"#, "[\"a\u{fffd}\",\"b\"]"] {
        assert_eq!(decode_with(4, text).unwrap().names, ["a\u{fffd}", "b"]);
    }
    let chat = decode_with(17, r#"[["\ude00 \ud83d\ude00","",0,1]]"#).unwrap().chat;
    assert_eq!(chat[0][0], "\u{fffd} \u{1f600}");
}

#[test]
fn units_of_zero_pad_the_text() {
    let text = text_with(12, "null");
    assert_eq!(decode_text(&(text.clone() + "\0\0")), decode_text(&text));
}

#[test]
fn null_and_missing_slots_are_empty() {
    let nulls = text_with(36, "null");
    assert_eq!(decode_text(&nulls), decode_with(12, "null"));
    let replay = decode_text("[15,null,1,1,[null],null,null,null,[null]]").unwrap();
    assert_eq!(replay.names, [String::new()]);
    assert_eq!(replay.generals, [None]);
    assert_eq!(replay.chat, json!([]));
    assert_eq!(Replay::decode(&replay.encode()), Ok(replay));
}

#[test]
fn slots_we_do_not_know_are_kept_in_order() {
    let known = text_with(36, "null");
    let text =
        known.strip_suffix(']').unwrap().to_owned() + r#",null,{"b":[1.5,-2],"a":"x"},null]"#;
    let replay = decode_text(&text).unwrap();
    assert_eq!(replay.extra, [json!(null), json!({"a": "x", "b": [1.5, -2]}), json!(null)]);
    assert_eq!(Replay::decode(&replay.encode()), Ok(replay));
}

#[test]
fn the_number_of_slots_written_is_that_of_the_server() {
    let count = |replay: &Replay| {
        let text = lz::decompress(&replay.encode()).unwrap();
        serde_json::from_str::<Vec<Value>>(&text).unwrap().len()
    };
    for (version, n_slots) in [(5, 13), (7, 14), (9, 18), (15, 27), (16, 28), (18, 37), (19, 37)] {
        assert_eq!(count(&Replay { version, ..Replay::default() }), n_slots, "{version}");
    }
    let swamp = Replay { version: 5, swamps: vec![0], ..Replay::default() };
    assert_eq!(count(&swamp), 17);
}

#[test]
fn numbers_and_seats_are_written_as_javascript_writes_them() {
    let replay = Replay {
        version: 15,
        stars: vec![Some(8.0), Some(0.25), Some(-3.0), None],
        orientation: json!({"10": 1, "2": 0, "0": 4}),
        ..Replay::default()
    };
    let text = lz::decompress(&replay.encode()).unwrap();
    assert!(text.contains("[8,0.25,-3,null]"), "{text}");
    assert!(text.contains(r#"{"0":4,"2":0,"10":1}"#), "{text}");
}

fn raw_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

prop_compose! {
    /// Board, players and start position.
    fn start()(width in 1..9_u32, height in 2..9_u32, version in 5..30_u32)(
        tiles in Just((0..width * height).collect::<Vec<u32>>()).prop_shuffle(),
        n_players in 1..3_usize,
        n_cities in 0..5_usize,
        city_armies in prop::collection::vec(any::<i32>(), 5),
        has_general in any::<bool>(),
        teams in prop::option::of(prop::collection::vec(any::<i64>(), 2)),
        (width, height, version) in Just((width, height, version)),
    ) -> Replay {
        let (generals, rest) = tiles.split_at(n_players);
        let (cities, mountains) = rest.split_at(n_cities.min(rest.len()));
        let general = |&tile: &u32| (tile % 2 == 0 || has_general).then_some(tile);
        Replay {
            version,
            width,
            height,
            cities: cities.to_vec(),
            city_armies: city_armies[..cities.len()].to_vec(),
            generals: generals.iter().map(general).collect(),
            mountains: mountains.to_vec(),
            neutrals: cities.to_vec(),
            neutral_armies: city_armies[..cities.len()].to_vec(),
            swamps: cities.to_vec(),
            teams: teams.map(|teams| teams[..n_players].to_vec()),
            ..Replay::default()
        }
    }
}

prop_compose! {
    fn replays()(
        start in start(),
        mut moves in prop::collection::vec(any::<(u32, u32, u32, bool, u32)>(), 0..20),
        mut turns in prop::collection::vec(any::<u32>(), 0..4),
        id in any::<String>(),
        names in prop::collection::vec(any::<String>(), 0..3),
        stars in prop::collection::vec(prop::option::of(prop::num::f64::NORMAL), 0..3),
        numbers in prop::collection::vec(prop::option::of(prop::num::f64::NORMAL), 3),
        map_name in prop::option::of(any::<String>()),
        colours in prop::option::of(prop::collection::vec(any::<u32>(), 0..3)),
        modifiers in prop::collection::vec(any::<u32>(), 0..3),
        list in prop::collection::vec(raw_value(), 0..4),
        extra in prop::collection::vec(raw_value(), 0..3),
    ) -> Replay {
        moves.sort_by_key(|&(.., turn)| turn);
        turns.sort_unstable();
        let n_players = u32::try_from(start.generals.len()).unwrap();
        let step = |(player, from, to, half, turn)| {
            ReplayMove { player: player % n_players, from, to, half, turn }
        };
        Replay {
            id,
            names,
            stars,
            moves: moves.into_iter().map(step).collect(),
            afk: turns.into_iter().map(|turn| AfkEvent { player: 0, turn }).collect(),
            map_name,
            colours,
            modifiers,
            chat: list.clone().into(),
            settings: list.clone().into(),
            orientation: json!({ "1": list, "0": 3 }),
            tunnels: list.clone().into(),
            chess_clock: list.first().cloned().unwrap_or_default(),
            stronghold_density: numbers[0],
            stronghold_min: numbers[1],
            stronghold_max: numbers[2],
            strongholds: list.into(),
            extra,
            ..start
        }
    }
}

/// Checks that what was read, if anything, is read again after writing.
fn check_settled(bytes: &[u8]) {
    if let Ok(replay) = Replay::decode(bytes) {
        assert_eq!(Replay::decode(&replay.encode()), Ok(replay));
    }
}

proptest! {
    #[test]
    fn reading_undoes_writing(replay in replays()) {
        prop_assert_eq!(replay.check(), Ok(()));
        prop_assert_eq!(Replay::decode(&replay.encode()), Ok(replay));
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in any::<Vec<u8>>()) {
        check_settled(&bytes);
    }

    #[test]
    fn no_damage_to_a_file_makes_reading_panic(
        replay in replays(),
        flips in prop::collection::vec(any::<(prop::sample::Index, u8)>(), 0..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = replay.encode();
        for (at, mask) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        check_settled(&bytes);
    }

    #[test]
    fn no_damage_to_the_text_makes_reading_panic(
        number in 0..40_usize,
        slot in raw_value(),
        damage in prop::collection::vec(any::<(prop::sample::Index, char)>(), 0..3),
    ) {
        let mut letters: Vec<char> = text_with(number, &slot.to_string()).chars().collect();
        for (at, letter) in damage {
            let at = at.index(letters.len());
            letters[at] = letter;
        }
        check_settled(&lz::compress(&String::from_iter(letters)));
    }

    #[test]
    fn digits_exchanged_in_the_text_are_read_the_same_after_writing(
        damage in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(b"0123456789,[]-.e".to_vec())),
            1..4,
        ),
    ) {
        let mut text = text_with(20, "[0.5,0.25,1e9]").into_bytes();
        for (at, digit) in damage {
            let at = at.index(text.len());
            text[at] = digit;
        }
        check_settled(&lz::compress(&String::from_utf8(text).unwrap()));
    }
}
