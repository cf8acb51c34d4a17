//! The `partway` command.

use std::process::ExitCode;

/// Many threads allocate and free buffers of the same few sizes; mimalloc keeps that cheap and memory bounded.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    partway::cli::run(std::env::args_os(), std::env::vars_os())
}
