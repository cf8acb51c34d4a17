//! The `partway` command.

fn main() {}
