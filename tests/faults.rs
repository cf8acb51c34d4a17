//! Hardware that fails under the real binary: full disks, disks that fail, and bytes that rot.
//! docs/adr/0010-failing-hardware.md says what must hold.
//!
//! Most tests take root, loop devices and the tools of ext4. Without, they say what is missing and pass.

#[path = "faults/bit_rot.rs"]
mod bit_rot;
#[path = "crash/client.rs"]
mod client;
#[path = "crash/disk.rs"]
#[allow(dead_code, reason = "the disks of the crash tests can do more")]
mod disk;
#[path = "faults/disk_full.rs"]
mod disk_full;
mod gateway;
#[path = "faults/image.rs"]
mod image;
#[path = "faults/index_rot.rs"]
mod index_rot;
#[path = "faults/io_errors.rs"]
mod io_errors;
#[path = "crash/namespace.rs"]
mod namespace;
#[path = "crash/server.rs"]
#[allow(dead_code, reason = "the servers of the crash tests can do more")]
mod server;
#[path = "faults/store.rs"]
mod store;
