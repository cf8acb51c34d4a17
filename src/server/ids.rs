//! Ids that name a request towards its client and in the log.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{cell::RefCell, sync::OnceLock};

/// How many ids the operating system is asked for at a time: each time costs what many of them do.
const IDS_AT_A_TIME: usize = 64;

/// What a request id is made of.
pub(super) fn random() -> [u8; 16] {
    thread_local! {
        static PREPARED: RefCell<Vec<[u8; 16]>> = const { RefCell::new(Vec::new()) };
    }
    PREPARED.with_borrow_mut(|prepared| {
        prepared.pop().unwrap_or_else(|| {
            let mut random = [[0; 16]; IDS_AT_A_TIME];
            fill(random.as_flattened_mut());
            let [first, rest @ ..] = random;
            prepared.extend_from_slice(&rest);
            first
        })
    })
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
        let ids: std::collections::HashSet<_> = (0..3 * IDS_AT_A_TIME).map(|_| random()).collect();
        assert_eq!(ids.len(), 3 * IDS_AT_A_TIME);
        assert_eq!(host_id(), host_id());
    }
}
