//! Limits that belong to the dialect a request speaks.

/// What one dialect allows. Values below `dialect` come from here, never from `if dialect == …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Smallest size of every part but the last, checked at completion. Bytes.
    pub part_size_bytes_min: u64,
    /// Largest part and largest single PUT. Bytes.
    pub part_size_bytes_max: u64,
    /// Largest object. Bytes.
    pub object_size_bytes_max: u64,
    /// Whether completing the same upload with the same list again answers as the first time.
    pub complete_is_replayable: bool,
}

impl Limits {
    /// Amazon S3 ("Amazon S3 multipart upload limits").
    pub const S3: Self = Self {
        part_size_bytes_min: 5 << 20,
        part_size_bytes_max: 5 << 30,
        object_size_bytes_max: 50_000_000_000_000,
        complete_is_replayable: true,
    };
    /// Aliyun OSS ("Multipart upload", "Limits").
    pub const OSS: Self = Self {
        part_size_bytes_min: 100 << 10,
        part_size_bytes_max: 5 << 30,
        object_size_bytes_max: 48_800_000_000_000,
        complete_is_replayable: false,
    };
}
