//! The operations as stories, over stores in memory.
