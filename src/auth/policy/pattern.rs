//! Wildcard patterns: `*` is any run of characters, `?` any one.

use std::collections::HashMap;

/// A pattern, compiled to a nondeterministic automaton of one state per matched character. All states are stepped at
/// once, 64 to a word, so the time is text × pattern / 64 whatever both look like: nothing to back-track over.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// For each character of the pattern, the states it leads on from; `?` is in all of them.
    steps: HashMap<char, Vec<u64>>,
    /// The states that any other character leads on from.
    any: Vec<u64>,
    /// The states that stay: those before a `*`.
    stays: Vec<u64>,
    /// The number of characters to match: the final state.
    length: usize,
}

impl Pattern {
    /// Compiles a pattern.
    pub(super) fn new(text: &str) -> Self {
        let length = text.chars().filter(|&character| character != '*').count();
        let words = length / 64 + 1;
        let mut any = vec![0; words];
        let mut stays = vec![0; words];
        let mut literals = Vec::with_capacity(length);
        let mut state = 0;
        for character in text.chars() {
            match character {
                '*' => set(&mut stays, state),
                '?' => {
                    set(&mut any, state);
                    state += 1;
                }
                _ => {
                    literals.push((character, state));
                    state += 1;
                }
            }
        }
        let mut steps: HashMap<char, Vec<u64>> = HashMap::new();
        for (character, state) in literals {
            set(steps.entry(character).or_insert_with(|| any.clone()), state);
        }
        Self { steps, any, stays, length }
    }

    /// Whether the whole text matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut states = vec![0; self.any.len()];
        set(&mut states, 0);
        for character in text.chars() {
            let steps = self.steps.get(&character).unwrap_or(&self.any);
            let mut carry = 0;
            let mut alive = 0;
            for ((word, step), stay) in states.iter_mut().zip(steps).zip(&self.stays) {
                let led_on = *word & step;
                *word = (led_on << 1) | carry | (*word & stay);
                carry = led_on >> 63;
                alive |= *word;
            }
            if alive == 0 {
                return false;
            }
        }
        states[self.length / 64] >> (self.length % 64) & 1 == 1
    }
}

fn set(words: &mut [u64], bit: usize) {
    words[bit / 64] |= 1 << (bit % 64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_match_runs_and_question_marks_single_characters() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("a*", "b", false),
            ("*.txt", "a.txt.txt", true),
            ("*.txt", "a.txt.bak", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("[a]+.", "[a]+.", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn hostile_patterns_cost_no_more_than_others() {
        let pattern = Pattern::new(&"*a?".repeat(3000));
        assert!(!pattern.matches(&"a".repeat(5999)));
        assert!(pattern.matches(&"a".repeat(6000)));
    }

    /// The textbook definition, exponential and obviously right.
    fn reference(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=text.len()).any(|skipped| reference(rest, &text[skipped..])),
            (['?', rest @ ..], [_, tail @ ..]) => reference(rest, tail),
            ([literal, rest @ ..], [character, tail @ ..]) => literal == character && reference(rest, tail),
            ([], [_, ..]) | ([_, ..], []) => false,
        }
    }

    proptest! {
        /// The automaton agrees with the definition, also across word borders.
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,9}", text in "[ab]{0,9}", padding in 0..130usize) {
            let padding = "x".repeat(padding);
            let (pattern, text) = (format!("{padding}{pattern}"), format!("{padding}{text}"));
            let of = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Pattern::new(&pattern).matches(&text), reference(&of(&pattern), &of(&text)));
        }
    }
}
