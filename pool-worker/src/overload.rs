//! What to do when there is more work than a pool can do: who waits, who is
//! turned away, and how many workers there are, decided by how long jobs wait.
//!
//! A pool that is told nothing serves in order, and when twice as much comes as it
//! can do, everyone waits until nobody does any more. The pools of this module,
//! `ControlledPool` of either engine, are told by [`Control`]: they never block
//! those who submit, and give back each job that they do not run, with the reason and
//! the time that it waited.
//!
//! | what is wanted | by |
//! |---|---|
//! | what nobody waits for any more is not run, and its owner told, whatever the workers do | [`Class::deadline`] |
//! | the queue never stands | [`Control::codel`]: the one to begin with |
//! | those who are served are served soon, also at the height of it | and [`Control::newest_first`] |
//! | the urgent are served whatever comes | [`Class::priority`] |
//! | and the others are not forgotten | [`Control::ageing`] |
//! | callers are turned away before they wait, least urgent first, and can be told ahead | [`Control::dagor`] |
//! | one tenant does not take what is everyone's | [`Control::fair`] |
//! | something behind the pool bears only so much, nobody knows how much | [`Control::vegas`] |
//! | jobs block, and more workers would help | [`Control::elastic`] |
//!
//! CoDel answers within an interval and needs nothing from callers; DAGOR needs
//! priorities, takes some windows to answer, and spares callers the wait. Alone it serves
//! what it let in before it knew, late as that is, and less is served in time; together,
//! CoDel sheds that. Beside any of them, a full queue has
//! the less urgent make room for the more urgent, and where shares are fair, those of who
//! has many there for those of who has few. `src/overload/simulation` holds each
//! of these to what it promises, at half the capacity and up to four times of it, in
//! virtual time; `examples/overload/` shows them on real workers.
//!
//! Each job costs a lock at submission, one at its start and one at its end, beside
//! what the pool costs; a level is told without, but once in a window.

mod alarm;
mod class;
mod codel;
mod control;
mod controlled;
mod dagor;
mod desk;
mod elastic;
mod epoch;
mod face;
mod figures;
mod gate;
mod lane;
mod schedule;
#[cfg(test)]
mod simulation;
mod token;
mod unserved;
mod vegas;

pub use class::Class;
pub use codel::Codel;
pub use control::Control;
pub use dagor::{Dagor, Level};
pub use elastic::Elastic;
pub use figures::{ClassStats, ControlStats};
pub use unserved::{Unserved, WhyUnserved};
pub use vegas::Vegas;

pub(crate) use controlled::Controlled;
pub(crate) use desk::{HoldEnd, Resize};
pub(crate) use face::controlled;
pub(crate) use token::Token;
