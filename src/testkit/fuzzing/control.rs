//! Lines on the control socket.

use crate::cli;

/// A line, as a command and as an answer: what is understood is sent on so that it is understood alike, and what the terminal
/// gets of an answer has no control characters.
pub(super) fn line(line: &[u8]) {
    for (message, sent_on) in cli::sent_on(line).into_iter().enumerate() {
        let Some(sent_on) = sent_on else { continue };
        assert!(!sent_on.contains(&b'\n'), "a message is one line");
        let again = cli::sent_on(&sent_on);
        assert_eq!(again[message].as_ref(), Some(&sent_on), "{}", sent_on.escape_ascii());
    }
    let Some((text, json)) = cli::printed(line) else { return };
    assert!(!text.chars().any(|character| character.is_control() && character != '\n'), "{text:?}");
    assert!(json.is_empty() || serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::fuzzing::corpus;

    #[test]
    fn the_corpus_is_of_commands_and_answers() {
        for (name, line) in corpus("control") {
            let is_answer = name.contains("answer-");
            assert!(cli::sent_on(&line)[usize::from(is_answer)].is_some(), "{name}");
            assert_eq!(cli::printed(&line).is_some(), is_answer && !name.ends_with("-error"), "{name}");
        }
    }
}
