//! The arithmetic of room, and the reserve over a real directory.

use super::*;

const MIB: u64 = 1 << 20;

fn state(room: u64) -> Space {
    let space = Space::unbounded();
    space.state.volumes[0].note(room);
    space
}

/// Whether bytes are let in, to stay.
fn admits(space: &Space, store: Store, size_bytes: u64) -> bool {
    space.admit(store, size_bytes).map(Admission::is_used).is_some()
}

#[test]
fn bytes_that_do_not_stay_are_not_counted_any_longer() {
    let space = state(10);
    let given_up = space.admit(Store::Blobs, 8).unwrap();
    assert!(!admits(&space, Store::Blobs, 4));
    drop(given_up);
    assert!(admits(&space, Store::Blobs, 4));
    let late = space.admit(Store::Blobs, 6).unwrap();
    space.state.volumes[0].note(10);
    assert!(admits(&space, Store::Blobs, 10));
    drop(late);
    assert!(!admits(&space, Store::Blobs, 1), "the look did not count them either");
}

#[test]
fn many_who_ask_between_two_looks_are_not_let_in_to_the_same_room() {
    let space = state(10);
    assert!(admits(&space, Store::Blobs, 6));
    assert!(!admits(&space, Store::Blobs, 6));
    assert!(admits(&space, Store::Index, 4), "both are on one file system here");
    assert!(!admits(&space, Store::Blobs, 1));
    assert!(space.has_room(Store::Blobs, 10), "asking alone does not count");
    space.state.volumes[0].note(10);
    assert!(admits(&space, Store::Blobs, 10), "the next look begins anew");
    assert!(!admits(&space, Store::Blobs, u64::MAX), "a size that no disk has");
}

#[test]
fn a_full_disk_lets_nothing_in_however_small() {
    let space = state(0);
    assert!(space.is_full());
    assert!(!admits(&space, Store::Index, 0) && !space.has_room(Store::Index, 0));
    space.state.volumes[0].note(1);
    assert!(!space.is_full() && admits(&space, Store::Index, 0) && admits(&space, Store::Index, 0));
    assert!(admits(&Space::unbounded(), Store::Blobs, u64::MAX));
}

#[test]
fn the_reserve_is_given_up_late_and_taken_early_enough_not_to_flap() {
    let directory = tempfile::tempdir().unwrap();
    let mut reserve = Reserve::find(directory.path().join("reserve"), 8 * MIB);
    let margin = margin(8 * MIB, &reserve);
    assert_eq!(margin, 2 * MIB);
    assert_eq!(wanted(0, margin, &reserve), Wanted::AsItIs, "there is nothing to give up");
    assert_eq!(wanted(12 * MIB - 1, margin, &reserve), Wanted::AsItIs);
    assert_eq!(wanted(12 * MIB, margin, &reserve), Wanted::All);
    reserve.fill().unwrap();
    assert_eq!(wanted(4 * MIB, margin, &reserve), Wanted::AsItIs, "what is left after it was taken");
    assert_eq!(wanted(MIB, margin, &reserve), Wanted::AsItIs);
    assert_eq!(wanted(MIB - 1, margin, &reserve), Wanted::Nothing);
    reserve.give_up().unwrap();
    assert_eq!(wanted(9 * MIB - 1, margin, &reserve), Wanted::AsItIs, "what is there after it was given up");
}

#[test]
fn what_is_kept_for_the_reserve_is_no_room() {
    let directory = tempfile::tempdir().unwrap();
    let free_before = free(directory.path()).expect("a file system that tells").bytes;
    let space = Space::open(directory.path(), directory.path(), MIB);
    assert_eq!(fs::metadata(directory.path().join(RESERVE_FILE)).unwrap().len(), MIB);
    let room = space.state.volumes[0].room.load(Ordering::Acquire);
    assert!(room > 0 && room < free_before, "{room} of {free_before}");
    drop(space);

    drop(Space::open(directory.path(), directory.path(), MIB / 2));
    assert_eq!(fs::metadata(directory.path().join(RESERVE_FILE)).unwrap().len(), MIB / 2, "a smaller setting frees the rest");

    // A reserve that the disk has no room for is kept from others all the same.
    let space = Space::open(directory.path(), directory.path(), u64::MAX / 4);
    assert!(space.is_full() && !admits(&space, Store::Index, 0));
    drop(space);
    drop(Space::open(directory.path(), directory.path(), 0));
    assert!(!directory.path().join(RESERVE_FILE).exists(), "none is wanted");
}

#[test]
fn what_is_written_beside_the_stores_takes_the_same_room_and_elsewhere_none() {
    let directory = tempfile::tempdir().unwrap();
    let space = Space::open(directory.path(), directory.path(), MIB);
    let room = space.room();
    space.state.volumes[0].note(0);
    assert!(room.is_watched(directory.path()) && !room.admit(directory.path(), 0));
    assert!(!room.is_watched(Path::new("/proc")) && room.admit(Path::new("/proc"), u64::MAX));
    assert!(Space::unbounded().room().admit(directory.path(), u64::MAX));
}
