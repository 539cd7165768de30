//! The three crates composed.
