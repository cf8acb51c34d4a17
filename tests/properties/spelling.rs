//! The many ways to write one URL: percent-encoding as the specifications of signatures ask for it, and any other.

use crate::gateway::Dice;

/// `UriEncode` of the S3 API Reference: all but the unreserved characters of RFC 3986, in upper-case hex; `/` if asked.
pub(crate) fn encode(text: &str, encode_slash: bool) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric() || "-._~".contains(letter) || (letter == '/' && !encode_slash) {
            encoded.push(letter);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// The same text as some client may write it: characters that need no encoding encoded all the same, hex in either case, and
/// sub-delimiters left as they are. In a query a space may be a plus.
pub(crate) fn somehow(text: &str, in_query: bool, dice: &mut Dice) -> String {
    let mut spelled = String::new();
    for byte in text.bytes() {
        let letter = char::from(byte);
        let is_plain = letter.is_ascii_alphanumeric() || "-._~/".contains(letter) || (!in_query && "!$'()*,;:@&=+".contains(letter));
        match byte {
            b' ' if in_query && dice.one_in(2) => spelled.push('+'),
            _ if is_plain && !dice.one_in(8) => spelled.push(letter),
            _ if dice.one_in(2) => spelled.push_str(&format!("%{byte:02x}")),
            _ => spelled.push_str(&format!("%{byte:02X}")),
        }
    }
    spelled
}

/// Some text of letters that spelling is about.
pub(crate) fn text(dice: &mut Dice, length_max: usize) -> String {
    const LETTERS: [char; 22] =
        ['a', 'b', 'Z', '0', '9', '-', '.', '_', '~', '/', ' ', '+', '%', '&', '=', '*', '!', '\'', ':', 'ü', '图', '"'];
    let length = dice.below(length_max + 1);
    (0..length).map(|_| *dice.pick(&LETTERS)).collect()
}
