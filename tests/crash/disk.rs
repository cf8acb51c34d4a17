//! A disk with a volatile write cache whose power can be cut, made of loop devices.
//!
//! ```text
//! outer.img       a file on the machine's own file system
//! └─ outer/       an ext4 mounted from it: its page cache plays the disk's write cache
//!    ├─ 0.img     written over once, so that every block has its place
//!    │  └─ 0/     the file system under test, mounted from 0.img through a loop device
//!    └─ 1.img     the same again, where the blobs have a disk of their own
//! ```
//!
//! Why a cut here is a faithful one:
//!
//! - What the file system under test has not written back is in its own page cache, which dies with its mount.
//! - What it has written went through the loop device into the page cache of the outer file system and is not on the disk:
//!   the loop device announces a volatile write cache, and only a flush (which is what `fsync` ends in) makes it sync the image.
//! - The cut is the outer file system's shutdown without a log flush: at one instant every further write and flush fails and
//!   what its page cache has not written back is lost. Nothing is copied, so there is no copy that could be torn: all images
//!   of the outer file system lose power in the same instant.
//! - A real disk writes parts of its cache whenever it likes and in any order. So a cut first writes back random ranges of the
//!   images (or none, or all) without a flush: what was written since the last flush survives in any combination.
//! - After the cut the outer file system and then the one under test are mounted again and replay their journals, as after a
//!   reboot.
//! - The server is killed only after the cut: a write that comes after it, fails and is acknowledged all the same would be found,
//!   too. What was under way at the cut proves nothing when it is acknowledged after it: nobody hears of that when the power
//!   really goes, and a kernel that lives on may then call a sync done that is not (docs/adr/0009-how-crashes-are-tested.md).
//!
//! What is not modelled: sectors torn in themselves (the cache works in pages of 4 KiB), and disks that lie about flushes.
//!
//! Everything is mounted within a mount and process namespace (`super::within_namespace`) and the loop devices clear
//! themselves when they are unmounted. So the kernel cleans up whatever happens to the test.

use crate::gateway::Dice;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The file system under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Ext4,
    Xfs,
}

impl FileSystem {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// Size of its image. MiB; mkfs.xfs refuses less than 300.
    fn size_mib(self) -> u64 {
        match self {
            Self::Ext4 => 256,
            Self::Xfs => 320,
        }
    }

    /// Makes one in a file, without giving back blocks of the file.
    pub(crate) fn make(self, image: &Path) -> Result<(), String> {
        let image = image.to_str().expect("the path is text");
        match self {
            Self::Ext4 => run("mkfs.ext4", &["-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", image]),
            Self::Xfs => run("mkfs.xfs", &["-q", "-f", "-K", image]),
        }
    }
}

/// Room for the outer file system's own needs. MiB.
const OUTER_OVERHEAD_MIB: u64 = 96;

/// Pieces of an image that are written back, or not, one by one before a cut.
const RANGES: u64 = 48;

/// How often unmounting is tried before something is wrong, ten times a second.
const UNMOUNT_TRIES_MAX: usize = 300;

/// What a disk's cache had written of its own accord when the power went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destaged {
    /// Only what a flush made it write.
    Nothing,
    /// Some of the rest.
    Some,
    /// All of the rest.
    All,
}

/// One or two disks that lose power together.
pub(crate) struct Disk {
    place: PathBuf,
    file_system: FileSystem,
    /// Where the images are mounted, in this order.
    mounts: Vec<PathBuf>,
    is_on: bool,
}

impl Disk {
    /// Makes `count` file systems in `place` and mounts the first. The others wait for [`Self::mount_next`].
    pub(crate) fn create(place: &Path, file_system: FileSystem, count: u64) -> Self {
        let mut disk = Self { place: place.to_owned(), file_system, mounts: vec![], is_on: false };
        let outer_image = disk.outer_image();
        let file = fs::File::create(&outer_image).expect("an image can be made");
        file.set_len((file_system.size_mib() * count + OUTER_OVERHEAD_MIB) << 20).expect("an image may be sparse");
        FileSystem::Ext4.make(&outer_image).expect("the outer file system is made");
        fs::create_dir(disk.outer()).expect("a mount point");
        mount(&outer_image, &disk.outer());
        disk.is_on = true;
        for index in 0..count {
            let image = disk.image(index);
            let size = format!("{}m", file_system.size_mib());
            let image = image.to_str().expect("the path is text");
            run("xfs_io", &["-f", "-c", &format!("pwrite -q -S 0 -b 4m 0 {size}"), "-c", "fsync", image])
                .expect("an image is written over");
            file_system.make(Path::new(image)).expect("a file system is made");
        }
        run("sync", &["-f", disk.outer().to_str().expect("the path is text")]).expect("the outer file system syncs");
        let first = disk.place.join("0");
        fs::create_dir(&first).expect("a mount point");
        disk.mount_next(&first);
        disk
    }

    /// Mounts the next file system there, an existing directory.
    pub(crate) fn mount_next(&mut self, path: &Path) {
        mount(&self.image(self.mounts.len() as u64), path);
        self.mounts.push(path.to_owned());
    }

    /// Where the first file system is.
    pub(crate) fn path(&self) -> &Path {
        &self.mounts[0]
    }

    /// Cuts the power, with random ranges of what was not flushed on the disk.
    pub(crate) fn cut(&mut self, dice: &mut Dice) {
        self.destage(dice);
        self.shut_down();
    }

    /// Writes back random ranges of what was not flushed, or nothing, or all.
    pub(crate) fn destage(&self, dice: &mut Dice) {
        let destaged = *dice.pick(&[Destaged::Nothing, Destaged::Some, Destaged::Some, Destaged::All]);
        let mut commands = Vec::new();
        for index in 0..self.mounts.len() as u64 {
            commands.push(format!("open {}", self.image(index).display()));
            let length = (self.file_system.size_mib() << 20) / RANGES;
            for range in 0..RANGES {
                let write_back = match destaged {
                    Destaged::Nothing => false,
                    Destaged::Some => dice.one_in(2),
                    Destaged::All => true,
                };
                if write_back {
                    commands.push(format!("sync_range -w -a {} {length}", range * length));
                }
            }
        }
        self.xfs_io(&commands);
    }

    /// The cut itself.
    pub(crate) fn shut_down(&self) {
        // Without `-f` the shutdown does not flush the log.
        self.xfs_io(&["shutdown".to_owned()]);
    }

    fn xfs_io(&self, commands: &[String]) {
        let image = self.image(0);
        let mut arguments = vec!["-x"];
        commands.iter().for_each(|command| arguments.extend(["-c", command]));
        arguments.push(image.to_str().expect("the path is text"));
        run("xfs_io", &arguments).expect("the power is cut");
    }

    /// Unmounts what is left after a cut and mounts it again, as a reboot does.
    pub(crate) fn power_on(&mut self) {
        self.unmount();
        mount(&self.outer_image(), &self.outer());
        self.is_on = true;
        for path in std::mem::take(&mut self.mounts) {
            self.mount_next(&path);
        }
    }

    fn unmount(&mut self) {
        self.mounts.iter().rev().for_each(|path| unmount(path));
        unmount(&self.outer());
        self.is_on = false;
    }

    fn outer_image(&self) -> PathBuf {
        self.place.join("outer.img")
    }

    fn outer(&self) -> PathBuf {
        self.place.join("outer")
    }

    fn image(&self, index: u64) -> PathBuf {
        self.outer().join(format!("{index}.img"))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // While a test fails, the namespace's end is what unmounts.
        if self.is_on && !std::thread::panicking() {
            self.unmount();
        }
    }
}

/// Mounts a file. The loop device clears itself when it is unmounted.
pub(crate) fn mount(image: &Path, path: &Path) {
    run("mount", &["-o", "loop", image.to_str().expect("the path is text"), path.to_str().expect("the path is text")])
        .expect("an image is mounted");
}

/// Unmounts. Whoever looks at new devices, such as udev, may keep one open for a moment, and with it what its image is on.
pub(crate) fn unmount(path: &Path) {
    let path = path.to_str().expect("the path is text");
    for _ in 0..UNMOUNT_TRIES_MAX {
        if run("umount", &[path]).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    run("umount", &[path]).expect("a file system is unmounted");
}

/// Runs a tool; its complaint when it fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
