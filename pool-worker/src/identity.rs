//! Who a pool is: what its errors call it, and which code is a job of it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::nesting;

/// Never given twice, unlike an address: what belongs to a pool may outlive it.
static NEXT: AtomicUsize = AtomicUsize::new(1);

/// Shared by a pool and by the handles of its jobs.
pub struct Identity {
    name: Arc<str>,
    number: usize,
    /// The numbers of all pools of its multi-pool, in order.
    kin: OnceLock<Arc<[usize]>>,
}

impl Identity {
    pub(crate) fn new(name: &Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            name: Arc::clone(name),
            number: NEXT.fetch_add(1, Relaxed),
            kin: OnceLock::new(),
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Tells it from every other pool.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// These pools are one from now on, as far as waiting is concerned: a job goes to
    /// either of them, so what waits for one may wait for a job that waits for it.
    pub(crate) fn unite(pools: &[&Self]) {
        let mut kin: Vec<_> = pools.iter().map(|pool| pool.number).collect();
        kin.sort_unstable();
        let kin: Arc<[usize]> = kin.into();
        for pool in pools {
            // A pool is part of one multi-pool, which has it by value.
            let _ = pool.kin.set(Arc::clone(&kin));
        }
    }

    /// Whether this is called from a job of the pool, or of one of its multi-pool.
    pub(crate) fn is_within(&self) -> bool {
        let Some(current) = nesting::current() else {
            return false;
        };
        let kin = || self.kin.get();
        current == self.number || kin().is_some_and(|kin| kin.binary_search(&current).is_ok())
    }

    /// For who is about to wait for the end of all jobs.
    pub(crate) fn assert_not_within(&self) {
        assert!(
            !self.is_within(),
            "a job of pool {:?} waits for its own end",
            self.name
        );
    }
}
