//! Storage classes: labels, kept as the client wrote them. Each dialect shows those of the other as the class of its own that
//! reads like it: of every one of them objects are read at once.

/// OSS's classes but Standard.
const OF_OSS: [&str; 4] = ["IA", "Archive", "ColdArchive", "DeepColdArchive"];

/// Whether this is a class of OSS other than Standard.
pub(super) fn of_oss(class: &str) -> bool {
    OF_OSS.contains(&class)
}

/// A class as OSS names it.
pub(super) fn in_oss(class: Option<&str>) -> &str {
    match class {
        None | Some("STANDARD" | "REDUCED_REDUNDANCY" | "INTELLIGENT_TIERING") => "Standard",
        Some("STANDARD_IA" | "ONEZONE_IA" | "GLACIER_IR") => "IA",
        Some(other) => other,
    }
}

/// A class as S3 names it. Archives are shown as the one that needs no restoring: clients of S3 leave objects of the others
/// alone until they have been restored.
pub(super) fn in_s3(class: Option<&str>) -> &str {
    match class {
        None => "STANDARD",
        Some("IA") => "STANDARD_IA",
        Some("Archive" | "ColdArchive" | "DeepColdArchive") => "GLACIER_IR",
        Some(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_shows_the_classes_of_the_other_as_one_of_its_own() {
        const OF_S3: [&str; 6] = ["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"];
        assert_eq!((in_oss(None), in_s3(None)), ("Standard", "STANDARD"));
        for class in OF_OSS {
            assert_eq!(in_oss(Some(class)), class);
            assert!(OF_S3.contains(&in_s3(Some(class))), "{class}");
        }
        for class in OF_S3 {
            assert_eq!(in_s3(Some(class)), class);
            assert!(in_oss(Some(class)) == "Standard" || of_oss(in_oss(Some(class))), "{class}");
        }
        assert_eq!((in_s3(Some("IA")), in_oss(Some("STANDARD_IA"))), ("STANDARD_IA", "IA"));
        assert_eq!(in_s3(Some("Archive")), "GLACIER_IR");
    }
}
