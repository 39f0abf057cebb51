//! Random choices.

/// A seeded source of choices.
pub(super) struct Dice(fastrand::Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Returns `true` in `percent` of 100 cases.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.0.u32(0..100) < percent
    }

    /// Returns a number from zero up to but not including `end`, which is not zero.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0.usize(0..end)
    }

    /// Returns a number of a range, both ends included.
    pub(super) fn between(&mut self, least: i64, most: i64) -> i64 {
        self.0.i64(least..=most)
    }

    pub(super) fn bits(&mut self) -> u128 {
        self.0.u128(..)
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Picks by weight.
    pub(super) fn weigh<T: Copy>(&mut self, items: &[(u32, T)]) -> T {
        let total = items.iter().map(|(weight, _)| weight).sum();
        let mut rest = self.0.u32(0..total);
        for (weight, item) in items {
            if rest < *weight {
                return *item;
            }
            rest -= weight;
        }
        items[0].1
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        self.0.shuffle(items);
    }

    /// Returns a text with other cases of its letters, for what is compared without case.
    pub(super) fn change_case(&mut self, text: &str) -> String {
        match self.below(3) {
            0 => text.to_ascii_lowercase(),
            1 => text.to_ascii_uppercase(),
            _ => text
                .chars()
                .map(|letter| {
                    if self.chance(50) {
                        letter.to_ascii_uppercase()
                    } else {
                        letter.to_ascii_lowercase()
                    }
                })
                .collect(),
        }
    }

    /// Returns a text that is spelled in another case now and then.
    pub(super) fn vary_case(&mut self, text: &str, percent: u32) -> String {
        if self.chance(percent) { self.change_case(text) } else { text.to_owned() }
    }
}
