//! Ids that name a request towards its client and in the log.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::sync::OnceLock;

/// What a request id is made of.
pub(super) fn random() -> [u8; 16] {
    let mut random = [0; 16];
    fill(&mut random);
    random
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
    fn requests_differ_and_the_host_stays() {
        assert_ne!(random(), random());
        assert_eq!(host_id(), host_id());
    }
}
