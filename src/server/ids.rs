//! Ids that name a request towards its client and in the log.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::sync::OnceLock;

const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// x-amz-request-id: 16 upper-case letters and digits, 80 random bits.
pub(super) fn new_request_id() -> String {
    let mut random = [0; 16];
    fill(&mut random);
    random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

/// x-amz-id-2: names this process, without telling anything about its machine.
pub(super) fn host_id() -> &'static str {
    static HOST_ID: OnceLock<String> = OnceLock::new();
    HOST_ID.get_or_init(|| {
        let mut random = [0; 48];
        fill(&mut random);
        STANDARD.encode(random)
    })
}

fn fill(random: &mut [u8]) {
    getrandom::fill(random).expect("the operating system has random numbers");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_look_like_s3s_and_differ() {
        let (one, other) = (new_request_id(), new_request_id());
        assert_ne!(one, other);
        assert!(one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{one}");
        assert_eq!(host_id(), host_id());
    }
}
