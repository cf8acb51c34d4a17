//! libFuzzer around one of the targets in `partway::testkit::fuzzing`: the one that `FUZZ_TARGET` names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use partway::testkit::fuzzing::{self, Target};
use std::{cell::OnceCell, env};

thread_local! {
    // libFuzzer calls from one thread.
    static TARGET: OnceCell<Target> = const { OnceCell::new() };
}

fn target() -> Target {
    let name = env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a target");
    fuzzing::find(&name).unwrap_or_else(|| panic!("there is no target {name}"))
}

fuzz_target!(|input: &[u8]| {
    TARGET.with(|found| (found.get_or_init(target).run)(input));
});
