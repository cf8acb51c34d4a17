//! The operations as stories, over stores in memory, with a clock that tests set.

mod appends;
mod bodies;
mod careful;
mod checksums;
mod copies;
mod durable;
mod expiring;
mod links;
mod multipart;
mod objects;
mod older;
mod orphans;
mod quotas;
mod races;
mod reaping;
mod stale;
mod tellings;
mod world;
