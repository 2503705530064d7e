//! The rulesets that a world's games are played by, by number.

use std::sync::LazyLock;

use super::{World, WorldError};
use crate::{
    rules::ruleset::{Rules, Ruleset},
    visit::Rulebook,
};

/// Rulesets of a world at most.
const MOST: usize = 255;

/// The rulesets built in, without their names.
static BUILT_IN: LazyLock<Vec<Ruleset>> = LazyLock::new(|| {
    Ruleset::NAMES.iter().filter_map(|name| Ruleset::named(name).ok()).map(nameless).collect()
});

/// A ruleset, and who needs it. Its name is left out: games played by the same rules share it.
#[derive(Debug)]
struct Slot {
    rules: Ruleset,
    /// Those who hold it and have not released it.
    holders: usize,
    /// Whether it stays as long as the world.
    is_kept: bool,
}

impl Slot {
    fn is_free(&self) -> bool {
        self.holders == 0 && !self.is_kept
    }
}

/// The rulesets of a world by number.
#[derive(Debug, Default)]
pub(super) struct Rulesets(Vec<Slot>);

impl Rulesets {
    /// The ruleset of a number that somebody needs.
    pub(super) fn get(&self, number: u8) -> Option<&Ruleset> {
        let slot = self.0.get(usize::from(number)).filter(|slot| !slot.is_free())?;
        Some(&slot.rules)
    }

    /// The place of these rules, which may be free or one more than there are.
    fn place(&self, rules: &Ruleset) -> usize {
        let known = self.0.iter().position(|slot| slot.rules == *rules);
        let free = || self.0.iter().position(Slot::is_free);
        known.or_else(free).unwrap_or(self.0.len())
    }

    fn has(&self, rules: &Ruleset) -> bool {
        self.0.iter().any(|slot| !slot.is_free() && slot.rules == *rules)
    }

    /// Whether these rules can be added without taking a place that one built in may need.
    fn leaves_room(&self, rules: &Ruleset) -> bool {
        if self.has(rules) {
            return true;
        }
        let missing = BUILT_IN.iter().filter(|rules| !self.has(rules)).count();
        let used = self.0.iter().filter(|slot| !slot.is_free()).count();
        BUILT_IN.contains(rules) || used + missing < MOST
    }
}

fn nameless(ruleset: Ruleset) -> Ruleset {
    Ruleset { name: String::new(), ..ruleset }
}

impl World {
    /// Adds a ruleset that games may be played by as long as the world is there, and returns its
    /// number.
    ///
    /// # Errors
    ///
    /// [`WorldError::RulesetsFull`] after 255.
    pub fn add_ruleset(&mut self, ruleset: &Ruleset) -> Result<u8, WorldError> {
        let (number, slot) = self.ruleset_slot(nameless(ruleset.clone()))?;
        slot.is_kept = true;
        Ok(number)
    }

    /// The same for a ruleset that is needed for a while: its number stands for it until
    /// [`World::release_ruleset`] has been called as often as this.
    ///
    /// # Errors
    ///
    /// [`WorldError::RulesetsFull`] while 255 are needed, places that are kept for those built in
    /// included: these can always be held.
    pub fn hold_ruleset(&mut self, ruleset: &Ruleset) -> Result<u8, WorldError> {
        let rules = nameless(ruleset.clone());
        if !self.rulesets.leaves_room(&rules) {
            return Err(WorldError::RulesetsFull);
        }
        let (number, slot) = self.ruleset_slot(rules)?;
        slot.holders += 1;
        Ok(number)
    }

    /// Gives back a ruleset that was held. No game may be played by it any more, unless somebody
    /// else holds it as well.
    ///
    /// # Panics
    ///
    /// If nobody holds it.
    pub fn release_ruleset(&mut self, number: u8) {
        let slot = self.rulesets.0.get_mut(usize::from(number)).filter(|slot| slot.holders > 0);
        let slot = slot.expect("a ruleset is released as often as it was held");
        slot.holders -= 1;
    }

    fn ruleset_slot(&mut self, rules: Ruleset) -> Result<(u8, &mut Slot), WorldError> {
        let place = self.rulesets.place(&rules);
        let number = u8::try_from(place).ok().filter(|_| place < MOST);
        let number = number.ok_or(WorldError::RulesetsFull)?;
        let (book, slots) = (&mut self.ecs.resource_mut::<Rulebook>().0, &mut self.rulesets.0);
        if place == slots.len() {
            book.push(Rules::from(&rules));
            slots.push(Slot { rules, holders: 0, is_kept: false });
        } else if slots[place].rules != rules {
            // Nobody needs the ones that had the place.
            book[place] = Rules::from(&rules);
            slots[place].rules = rules;
        }
        Ok((number, &mut slots[place]))
    }
}
