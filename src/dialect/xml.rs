//! Reading and writing XML for both dialects: bounded in size and depth, no entities beyond the five and numeric ones.
