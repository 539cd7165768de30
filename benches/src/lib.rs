//! Benches of the suite.
