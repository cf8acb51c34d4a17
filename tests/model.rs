//! Generated sequences of requests against a gateway and against a model of it, compared after every step.
//!
//! A failure prints the seed of its sequence and the shortest sequence found that still fails. To run one
//! seed again: `MODEL_SEED=<seed> cargo test --release --test model`; more sequences: `MODEL_SEQUENCES=<count>`.

#[path = "model/drive.rs"]
mod drive;
mod gateway;
#[path = "model/listing.rs"]
mod listing;
#[path = "model/plan.rs"]
mod plan;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/wrong.rs"]
mod wrong;

use drive::{Difference, Seen, Wrapper, run};
use gateway::{Dice, Place};

/// Steps in a sequence.
const STEPS: usize = 100;

/// Tries to shorten a sequence that fails.
const SHORTENINGS_MAX: usize = 2_000;

/// What some sequence must lead to, or they do not try enough.
const TO_BE_SEEN: [&str; 71] = [
    "AbortMultipartUpload NoSuchUpload",
    "AbortMultipartUpload Ok",
    "AppendObject AppendPositionMismatch",
    "AppendObject Crc64Mismatch",
    "AppendObject NotAppendable",
    "AppendObject Ok",
    "CompleteMultipartUpload NoParts",
    "CompleteMultipartUpload NoSuchUpload",
    "CompleteMultipartUpload ObjectSizeMismatch",
    "CompleteMultipartUpload Ok",
    "CompleteMultipartUpload Ok of many parts",
    "CompleteMultipartUpload PartChecksumMissing",
    "CompleteMultipartUpload PartInvalid",
    "CompleteMultipartUpload PartTooSmall",
    "CompleteMultipartUpload PartsOutOfOrder",
    "CompleteMultipartUpload PreconditionFailed",
    "CompleteMultipartUpload TooLarge",
    "CompleteMultipartUpload again Ok",
    "CompleteMultipartUpload of all parts Ok",
    "CopyObject CopyOntoItself",
    "CopyObject NoSuchKey",
    "CopyObject ObjectExists",
    "CopyObject Ok",
    "CopyObject PreconditionFailed",
    "CreateBucket BucketAlreadyOwnedByYou",
    "CreateBucket Ok",
    "CreateMultipartUpload PreconditionFailed",
    "DeleteBucket BucketNotEmpty",
    "DeleteBucket NoSuchBucket",
    "DeleteBucket Ok",
    "DeleteBucket with uploads Ok",
    "DeleteObject Ok",
    "DeleteObject PreconditionFailed",
    "DeleteObjects Ok",
    "GetObject NoSuchKey",
    "GetObject NoSuchPart",
    "GetObject NotModified",
    "GetObject Ok",
    "GetObject PreconditionFailed",
    "GetObject RangeNotSatisfiable",
    "GetObject through a link SymlinkTargetIsLink",
    "GetObject through a link SymlinkTargetMissing",
    "GetObject through a link Ok",
    "GetObjectTagging Ok",
    "GetSymlink NotSymlink",
    "GetSymlink Ok",
    "HeadObject Ok",
    "ListMultipartUploads Ok",
    "ListMultipartUploads UnknownUploadIdMarker",
    "ListObjects Ok",
    "ListParts NoSuchUpload",
    "ListParts Ok",
    "PutObject IncompleteBody",
    "PutObject Md5Mismatch",
    "PutObject Ok",
    "PutObject PreconditionFailed",
    "PutObjectAcl Ok",
    "PutObjectTagging Ok",
    "PutBucketLifecycle NoSuchBucket",
    "PutBucketLifecycle Ok",
    "PutSymlink ObjectExists",
    "PutSymlink Ok",
    "UploadPart ChecksumAlgorithmMismatch",
    "UploadPart ChecksumMismatch",
    "UploadPart NoSuchUpload",
    "UploadPart Ok",
    "UploadPart PartNotSequential",
    "UploadPartCopy CopyRangeInvalid",
    "UploadPartCopy Ok",
    "objects expire",
    "uploads expire",
];

fn seeds_of(seed: u64) -> Vec<u64> {
    let mut dice = Dice::new(seed);
    (0..STEPS).map(|_| dice.number()).collect()
}

fn sequence(seeds: &[u64], place: fn() -> Place, wrapper: Wrapper) -> Result<Seen, Difference> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(run(seeds, place(), wrapper))
}

/// Leaves out steps, ever fewer at a time, as long as the sequence still fails.
fn shortened(mut seeds: Vec<u64>, mut found: Difference, place: fn() -> Place) -> (usize, Difference) {
    let mut left_out = seeds.len() / 2;
    let mut tries = 0;
    while left_out > 0 {
        let mut at = 0;
        while at < seeds.len() && tries < SHORTENINGS_MAX {
            tries += 1;
            let shorter: Vec<u64> = seeds[..at].iter().chain(seeds.iter().skip(at + left_out)).copied().collect();
            match sequence(&shorter, place, |kv| kv) {
                Err(difference) => (seeds, found) = (shorter, difference),
                Ok(_) => at += left_out,
            }
        }
        left_out /= 2;
    }
    (seeds.len(), found)
}

fn sequences(count: u64, place: fn() -> Place) -> Seen {
    let mut all = Seen::new();
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match setting("MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("MODEL_SEQUENCES").unwrap_or(count),
    };
    for seed in seeds {
        match sequence(&seeds_of(seed), place, |kv| kv) {
            Ok(seen) => seen.into_iter().for_each(|(kind, count)| *all.entry(kind).or_default() += count),
            Err(difference) => {
                let (steps, Difference { trace, message }) = shortened(seeds_of(seed), difference, place);
                panic!("MODEL_SEED={seed} fails, shortened to {steps} steps:\n{}\n\n{message}", trace.join("\n"));
            }
        }
    }
    all
}

#[test]
fn sequences_in_memory_go_as_in_the_model() {
    let seen = sequences(400, Place::memory);
    if std::env::var("MODEL_SEED").is_err() {
        let unseen: Vec<_> = TO_BE_SEEN.into_iter().filter(|kind| !seen.contains_key(*kind)).collect();
        assert!(unseen.is_empty(), "no sequence led to {unseen:?}: {seen:#?}");
    }
}

#[test]
fn sequences_on_disk_go_as_in_the_model_also_across_restarts() {
    sequences(24, Place::directory);
}

/// The canaries: an index that is wrong now and then must not pass.
#[test]
fn a_gateway_over_a_wrong_index_is_noticed() {
    for (name, wrapper) in wrong::WRAPPERS {
        let fails = (0..40).any(|seed| sequence(&seeds_of(seed), Place::memory, wrapper).is_err());
        assert!(fails, "nobody noticed an index that {name}");
    }
}
