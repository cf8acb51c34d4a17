//! The one pass on the way in: receive, digest, write, verify what the client claimed.
