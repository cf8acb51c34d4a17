//! Commands: arguments to calls, nothing else.
