//! CRCs: computing and combining them, against the definition taken bit by bit.

use partway::digest::CrcKind;
use proptest::{collection::vec, prelude::*};

/// Each CRC with its width and its polynomial, highest coefficient first and not reflected (catalogue of parametrised CRC
/// algorithms). All four reflect input and output, begin with all ones and end inverted.
const KINDS: [(CrcKind, u32, u64); 4] = [
    (CrcKind::Crc32, 32, 0x04C1_1DB7),
    (CrcKind::Crc32c, 32, 0x1EDC_6F41),
    (CrcKind::Crc64Nvme, 64, 0xAD93_D235_94C9_3659),
    (CrcKind::Crc64Ecma, 64, 0x42F0_E1EB_A9EA_3693),
];

fn by_definition(width: u32, polynomial: u64, bytes: &[u8]) -> u64 {
    let mask = u64::MAX >> (64 - width);
    let mut register = mask;
    for byte in bytes {
        for bit in 0..8 {
            let input = u64::from(byte >> bit & 1);
            let leaves = (register >> (width - 1) & 1) ^ input;
            register = (register << 1 & mask) ^ if leaves == 1 { polynomial } else { 0 };
        }
    }
    (register.reverse_bits() >> (64 - width)) ^ mask
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(Vec::new()), vec(any::<u8>(), 0..70), vec(any::<u8>(), 200..400)]
}

proptest! {
    #[test]
    fn every_crc_is_as_defined(bytes in bytes()) {
        for (kind, width, polynomial) in KINDS {
            prop_assert_eq!(kind.of_bytes(&bytes), by_definition(width, polynomial, &bytes), "{:?}", kind);
        }
    }

    /// The CRC of a whole follows from those of its parts, however it is cut, empty parts included.
    #[test]
    fn combining_the_parts_gives_the_whole(parts in vec(bytes(), 0..6)) {
        let whole = parts.concat();
        for (kind, width, polynomial) in KINDS {
            let empty = kind.of_bytes(b"");
            let combined = parts.iter().fold(empty, |crc, part| kind.combine(crc, kind.of_bytes(part), part.len() as u64));
            prop_assert_eq!(combined, by_definition(width, polynomial, &whole), "{:?}", kind);
        }
    }

    /// It does not matter which neighbours are combined first, also for sizes that nobody could hash here.
    #[test]
    fn combining_is_associative(crcs in any::<[u64; 3]>(), sizes in any::<[u32; 2]>()) {
        for (kind, width, _) in KINDS {
            let [a, b, c] = crcs.map(|crc| crc & (u64::MAX >> (64 - width)));
            let [b_size, c_size] = sizes.map(|size| u64::from(size) << 8);
            let left = kind.combine(kind.combine(a, b, b_size), c, c_size);
            let right = kind.combine(a, kind.combine(b, c, c_size), b_size + c_size);
            prop_assert_eq!(left, right, "{:?}", kind);
        }
    }
}
