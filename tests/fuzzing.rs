//! What fuzzing found and learnt, replayed on every run: each committed input of each target, and as many mutations of them
//! as `FUZZ_MUTATIONS` says (2,000). libFuzzer is not needed for it; `make fuzz` runs the same targets under libFuzzer.
//!
//! An input that breaks a promise is printed in hex. Kept as a file in `tests/fuzz/regressions/<target>/` it is replayed from
//! then on.

use partway::testkit::fuzzing::{self, TARGETS, Target};
use std::{
    collections::BTreeSet,
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

const MUTATION_COUNT: u64 = 2000;
/// Longer inputs tell nothing that shorter ones do not. Bytes.
const INPUT_SIZE_MAX: usize = 4096;

fn directory(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind)
}

/// The files of a target, in order; none when there is no directory.
fn inputs(kind: &str, target: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(directory(kind).join(target)) else { return Vec::new() };
    let paths: BTreeSet<PathBuf> = entries.map(|entry| entry.expect("the directory can be read").path()).collect();
    paths.iter().map(|path| fs::read(path).expect("the input can be read")).collect()
}

/// Dice of a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 to `end`, `end` left out; 0 when there is none.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).expect("it is below a usize")
    }

    fn byte(&mut self) -> u8 {
        // The low byte of a mixed number.
        self.next().to_le_bytes()[0]
    }

    fn range(&mut self, size: usize) -> std::ops::Range<usize> {
        let start = self.below(size + 1);
        start..start + self.below((size - start).min(64) + 1)
    }
}

/// An input that is like one of the seeds, with up to eight changes, of which some come from other seeds.
fn mutate(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut input = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(8) {
        let at = dice.below(input.len() + 1);
        match dice.below(7) {
            0 | 1 if !input.is_empty() => {
                let at = dice.below(input.len());
                input[at] ^= 1 << dice.below(8);
            }
            2 if !input.is_empty() => {
                let at = dice.below(input.len());
                input[at] = [0, 0xFF, b'\r', b'\n', b'%', b'"', b'<', b'9', dice.byte()][dice.below(9)];
            }
            3 => drop(input.drain(dice.range(input.len()))),
            4 => input.insert(at, dice.byte()),
            5 => {
                let piece = input[dice.range(input.len())].to_vec();
                drop(input.splice(at..at, piece));
            }
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let piece = other[dice.range(other.len())].to_vec();
                drop(input.splice(at..at, piece));
            }
        }
    }
    input.truncate(INPUT_SIZE_MAX);
    input
}

/// Runs a target, and says on which input when it fails.
fn run(target: Target, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{} broke a promise on {}\n{}", target.name, hex::encode(input), String::from_utf8_lossy(input));
    }
}

fn replay_and_mutate(target: Target) {
    let corpus = inputs("corpus", target.name);
    assert!(!corpus.is_empty(), "{} has no corpus", target.name);
    let seeds = [corpus, inputs("regressions", target.name)].concat();
    seeds.iter().for_each(|input| run(target, input));
    run(target, b"");
    let count = env::var("FUZZ_MUTATIONS").map_or(MUTATION_COUNT, |count| count.parse().expect("FUZZ_MUTATIONS is a number"));
    let mut dice = Dice(0x5EED);
    for _ in 0..count {
        run(target, &mutate(&seeds, &mut dice));
    }
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay_and_mutate(fuzzing::find(stringify!($name)).expect("there is such a target"));
            }
        )*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    s3_request oss_request sts_request s3_signature oss_signature xml documents chunked_received chunked_sent policy form
    form_policy record blob_file small_file control callback answer value config
}

#[test]
fn every_target_is_tested_and_every_input_belongs_to_one() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names, TESTED.iter().map(|&name| name.to_owned()).collect());
    for kind in ["corpus", "regressions"] {
        for entry in fs::read_dir(directory(kind)).into_iter().flatten() {
            let name = entry.expect("the directory can be read").file_name().into_string().expect("names are text");
            assert!(names.contains(&name), "tests/fuzz/{kind}/{name} belongs to no target");
        }
    }
}

#[test]
fn a_broken_promise_is_found_by_mutations() {
    let target = Target { name: "canary", run: |input| assert!(!input.windows(3).any(|bytes| bytes == b"\r\r\n"), "the canary sings") };
    let seeds = [b"a: b\r\nc: d\r\n\r\n".to_vec()];
    let mut dice = Dice(1);
    let found = (0..MUTATION_COUNT).any(|_| {
        let input = mutate(&seeds, &mut dice);
        catch_unwind(AssertUnwindSafe(|| run(target, &input))).is_err()
    });
    assert!(found, "two thousand mutations repeat no carriage return");
}
