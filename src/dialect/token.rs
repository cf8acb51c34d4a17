//! Continuation tokens: where a listing goes on, in letters that clients leave alone when they percent-decode them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// First byte of a token, so that another form can be told from this one.
const VERSION: u8 = 1;

/// The token for going on after this text.
pub(super) fn write(after: &str) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(after.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a token says; `None` when it is none of ours.
pub(super) fn read(token: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let after = bytes.strip_prefix(&[VERSION])?;
    String::from_utf8(after.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tokens_lead_back_to_where_they_were_given(after in "\\PC*") {
            let token = write(&after);
            prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{}", token);
            prop_assert_eq!(read(&token), Some(after));
        }

        #[test]
        fn no_token_panics(token in "\\PC*") {
            let _ = read(&token);
        }
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        for bad in ["fun", "_", "AmE", "Af8", ""] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
