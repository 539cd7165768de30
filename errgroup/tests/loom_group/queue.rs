//! The queue of tasks as it is seen from outside; `loom_queue.rs` models the real one.

use crate::sync::SegQueue;

pub(crate) type Queue<J> = SegQueue<J>;
