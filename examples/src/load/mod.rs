//! The load on the alarm system: live readings of this machine and, beside
//! them, a generated estate, at the profile of a busy day.

pub mod driver;
pub mod echo;
pub mod figures;
pub mod generated;
pub mod host;
pub mod overload;
pub mod profile;
