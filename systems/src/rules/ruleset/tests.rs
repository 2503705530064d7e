//! What rulesets are read, and what they say where nobody says otherwise.

use super::*;

#[test]
fn rulesets_built_in_read_back_as_written() {
    for name in Ruleset::NAMES {
        let ruleset = Ruleset::named(name).unwrap();
        assert_eq!(ruleset.name, name);
        assert_eq!(Ruleset::from_toml(&ruleset.to_toml()).unwrap(), ruleset);
    }
    assert!(Ruleset::named("chess").unwrap_err().to_string().contains("generals-classic"));
}

#[test]
fn a_variant_changes_only_what_it_names() {
    let text = "extends = \"generals\"\nname = \"fast\"\n[growth]\nland_every = 25\n";
    let mut expected = Ruleset::named("generals").unwrap();
    expected.name = "fast".to_owned();
    expected.growth.land_every = 25;
    assert_eq!(Ruleset::from_toml(text).unwrap(), expected);
}

#[test]
fn competition_is_cut_off_and_sized_as_its_format_says_and_variants_may_change_it() {
    let competition = Ruleset::named("competition").unwrap();
    assert_eq!(competition.max_ticks_or(500), 1200);
    assert_eq!(competition.map.usual_size(), Size::Random);
    let generals = Ruleset::named("generals").unwrap();
    assert_eq!(generals.max_ticks_or(500), 500);
    assert_eq!(generals.map.usual_size(), Size::Fixed { width: 20, height: 20 });
    let text = "extends = \"competition\"\n[end]\nmax_ticks = 300\n[map]\nrandom_size = false";
    let variant = Ruleset::from_toml(text).unwrap();
    assert_eq!(variant.max_ticks_or(500), 300);
    assert_eq!(variant.map.usual_size(), generals.map.usual_size());
}

#[test]
fn a_ruleset_from_before_a_field_is_read() {
    let text = Ruleset::named("generals").unwrap().to_toml();
    assert!(!text.contains("max_ticks") && !text.contains("random_size"), "{text}");
    let text = Ruleset::named("competition").unwrap().to_toml();
    let older: String =
        text.split_inclusive('\n').filter(|line| !line.contains("max_ticks")).collect();
    assert_eq!(Ruleset::from_toml(&older).unwrap().max_ticks_or(500), 500);
}

#[test]
fn nonsense_is_refused_by_field() {
    let refuse = |body: &str| {
        let text = format!("extends = \"generals\"\n{body}");
        Ruleset::from_toml(&text).unwrap_err().to_string()
    };
    assert!(refuse("[growth]\nland_every = 0").contains("growth.land_every is 0"));
    assert!(refuse("[growth]\nland_evry = 3").contains("land_evry"));
    assert!(refuse("[moves]\norder = \"random\"").contains("random"));
    assert!(refuse("[build]\nprice = 35").contains("chase_first"));
    assert!(refuse("[capture]\nwhen = \"after_moves\"").contains("capture.when"));
    assert!(Ruleset::from_toml("extends = 3").is_err());
    assert!(Ruleset::from_toml("][").is_err());
}

#[test]
fn intervals_divide_like_the_remainder() {
    for every in [1, 2, 3, 7, 25, 50, 64, 1000, u32::MAX] {
        let interval = Interval::every(every);
        for turn in (0..3000).chain([u32::MAX - 1, u32::MAX]) {
            assert_eq!(interval.divides(turn), turn % every == 0, "{turn} by {every}");
        }
    }
}
