//! The object that a list of parts makes: checks and sums, without I/O.
//!
//! The order of the checks is what clients see: every listed part exists, sizes, checksums of parts,
//! the object's checksum and size (S3 API Reference, "CompleteMultipartUpload"; S3 User Guide,
//! "Checking object integrity").

use crate::{
    digest::{self, CrcKind, Hasher},
    meta::record::{ManifestPart, PartRecord, Revision},
    model::*,
};
use std::collections::BTreeMap;

/// A part as it is recorded.
pub(super) struct UploadedPart {
    pub(super) revision: Revision,
    pub(super) record: PartRecord,
}

/// What the request and the upload ask of the object.
pub(super) struct Demand {
    pub(super) upload_id: UploadId,
    /// The upload's declared checksum.
    pub(super) declared: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// The checksum type the request expects.
    pub(super) checksum_type: Option<ChecksumType>,
    /// The checksum the request expects.
    pub(super) checksum: Option<ObjectChecksum>,
    /// The size the request expects.
    pub(super) object_size: Option<u64>,
    pub(super) limits: Limits,
}

/// The object.
pub(super) struct Assembled {
    pub(super) etag: ETag,
    pub(super) size: u64,
    pub(super) part_count: u16,
    pub(super) checksum: ObjectChecksum,
    pub(super) crc64_ecma: u64,
    pub(super) parts: Vec<ManifestPart>,
    /// The revisions it is made of, ascending.
    pub(super) kept: Vec<(PartNumber, Revision)>,
}

/// Works out the object that a list of parts makes.
///
/// # Errors
/// `PartInvalid`, `PartTooSmall`, `TooLarge`, `PartsOutOfOrder`, `ChecksumTypeMismatch`, `PartChecksumMissing`,
/// `PartChecksumMismatch`, `ChecksumMismatch`, `ObjectSizeMismatch`.
pub(super) fn assemble(demand: &Demand, list: &PartList, mut uploaded: BTreeMap<PartNumber, UploadedPart>) -> Result<Assembled, Failure> {
    let mut parts = Vec::with_capacity(list.parts().len());
    for listed in list.parts() {
        match uploaded.remove(&listed.number) {
            Some(part) if ETag::Whole(part.record.md5) == listed.etag => parts.push(part),
            Some(_) | None => return Err(invalid(demand, listed)),
        }
    }
    let size = check_sizes(demand, list, &parts)?;
    check_part_checksums(demand, list, &parts)?;
    let part_count = u16::try_from(parts.len()).expect("part numbers are distinct and at most 10,000");
    let checksum = object_checksum(demand, &parts, part_count)?;
    if let Some(expected) = demand.object_size.filter(|&expected| expected != size) {
        return Err(Failure::ObjectSizeMismatch { expected, actual: size });
    }
    let digests: Vec<u8> = parts.iter().flat_map(|part| part.record.md5).collect();
    Ok(Assembled {
        etag: ETag::Multipart { digest: digest::md5(&digests), part_count },
        size,
        part_count,
        checksum,
        crc64_ecma: combined(CrcKind::Crc64Ecma, parts.iter().map(|part| (part.record.crc64_ecma, part.record.size))),
        kept: list.parts().iter().zip(&parts).map(|(listed, part)| (listed.number, part.revision)).collect(),
        parts: parts.into_iter().map(|part| manifest_part(demand, part.record)).collect(),
    })
}

fn invalid(demand: &Demand, listed: &CompletedPart) -> Failure {
    Failure::PartInvalid { upload_id: demand.upload_id, number: listed.number, etag: listed.etag }
}

fn check_sizes(demand: &Demand, list: &PartList, parts: &[UploadedPart]) -> Result<u64, Failure> {
    let size_min = demand.limits.part_size_bytes_min;
    let all_but_last = &parts[..parts.len() - 1];
    for (listed, part) in list.parts().iter().zip(all_but_last) {
        if part.record.size < size_min {
            return Err(Failure::PartTooSmall { number: listed.number, etag: listed.etag, size: part.record.size, size_min });
        }
    }
    let size = parts.iter().fold(0_u64, |size, part| size.saturating_add(part.record.size));
    let size_max = demand.limits.object_size_bytes_max;
    if size > size_max { Err(Failure::TooLarge { size, size_max }) } else { Ok(size) }
}

fn check_part_checksums(demand: &Demand, list: &PartList, parts: &[UploadedPart]) -> Result<(), Failure> {
    // An upload that declared nothing gets CRC64NVME over the whole object.
    let kind = demand.declared.map_or(ChecksumType::FullObject, |(_, kind)| kind);
    if demand.checksum_type.is_some_and(|expected| expected != kind) {
        return Err(Failure::ChecksumTypeMismatch { declared: kind });
    }
    for (listed, part) in list.parts().iter().zip(parts) {
        let number = listed.number;
        let Some(checksum) = &listed.checksum else {
            match demand.declared {
                Some((algorithm, ChecksumType::Composite)) => return Err(Failure::PartChecksumMissing { number, algorithm }),
                Some((_, ChecksumType::FullObject)) | None => continue,
            }
        };
        let algorithm = checksum.algorithm();
        if demand.declared.is_some_and(|(declared, _)| declared != algorithm) {
            return Err(Failure::PartChecksumMismatch { number, algorithm });
        }
        match known(&part.record, algorithm) {
            Some(known) if known == *checksum => {}
            Some(_) => return Err(invalid(demand, listed)),
            None => return Err(Failure::PartChecksumMismatch { number, algorithm }),
        }
    }
    let with_checksums = demand.declared.is_some() && list.parts().iter().any(|part| part.checksum.is_some());
    let consecutive = (1..).zip(list.parts()).all(|(number, part): (u16, _)| part.number.get() == number);
    if with_checksums && !consecutive {
        return Err(Failure::PartsOutOfOrder { upload_id: demand.upload_id });
    }
    Ok(())
}

/// The checksum of a part that is known for an algorithm.
fn known(part: &PartRecord, algorithm: ChecksumAlgorithm) -> Option<Checksum> {
    match &part.checksum {
        Some(checksum) if checksum.algorithm() == algorithm => Some(checksum.clone()),
        Some(_) | None if algorithm == ChecksumAlgorithm::Crc64Nvme => crc_checksum(algorithm, part.crc64_nvme),
        Some(_) | None => None,
    }
}

fn object_checksum(demand: &Demand, parts: &[UploadedPart], part_count: u16) -> Result<ObjectChecksum, Failure> {
    let (algorithm, kind) = demand.declared.unwrap_or((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject));
    let value = match kind {
        ChecksumType::Composite => composite(algorithm, parts),
        ChecksumType::FullObject => full_object(algorithm, parts),
    };
    let Some(value) = value else {
        tracing::error!(upload = %demand.upload_id, "a part's record lacks the checksum that its upload declared");
        return Err(Failure::Internal);
    };
    let computed = ObjectChecksum { value, composite_of: (kind == ChecksumType::Composite).then_some(part_count) };
    if let Some(expected) = &demand.checksum
        && !holds(demand, parts, expected, &computed)
    {
        return Err(Failure::ChecksumMismatch(expected.value.algorithm()));
    }
    Ok(computed)
}

/// Whether the object has the checksum that the caller expects.
fn holds(demand: &Demand, parts: &[UploadedPart], expected: &ObjectChecksum, computed: &ObjectChecksum) -> bool {
    if expected.value.algorithm() == computed.value.algorithm() {
        // A composite value may be sent without its part count.
        return expected.value == computed.value && (expected.composite_of.is_none() || expected.composite_of == computed.composite_of);
    }
    // An upload that declared nothing may still have parts that all came with the algorithm asked about.
    demand.declared.is_none()
        && expected.composite_of.is_none()
        && full_object(expected.value.algorithm(), parts).as_ref() == Some(&expected.value)
}

/// The checksum of the parts' checksums.
fn composite(algorithm: ChecksumAlgorithm, parts: &[UploadedPart]) -> Option<Checksum> {
    let mut hasher = Hasher::new(algorithm);
    for part in parts {
        hasher.update(known(&part.record, algorithm)?.digest());
    }
    Some(hasher.finish())
}

/// The checksum of the whole, from the parts' values and sizes; `None` when it does not follow from them.
fn full_object(algorithm: ChecksumAlgorithm, parts: &[UploadedPart]) -> Option<Checksum> {
    let crc = CrcKind::of(algorithm)?;
    let values = parts.iter().map(|part| {
        let checksum = known(&part.record, algorithm)?;
        Some((crc.from_be_bytes(checksum.digest())?, part.record.size))
    });
    crc_checksum(algorithm, combined(crc, values.collect::<Option<Vec<_>>>()?))
}

/// The CRC of a whole, from the CRC and the size of each of its pieces.
fn combined(crc: CrcKind, pieces: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let nothing = crc.of_bytes(&[]);
    pieces.into_iter().fold(nothing, |whole, (value, size)| crc.combine(whole, value, size))
}

fn crc_checksum(algorithm: ChecksumAlgorithm, value: u64) -> Option<Checksum> {
    Checksum::new(algorithm, CrcKind::of(algorithm)?.to_be_bytes(value))
}

/// A part of the object keeps its checksum when it is of the algorithm the upload declared.
fn manifest_part(demand: &Demand, part: PartRecord) -> ManifestPart {
    let checksum = demand.declared.and_then(|(algorithm, _)| known(&part, algorithm));
    ManifestPart { size: part.size, checksum, extents: part.extents }
}
