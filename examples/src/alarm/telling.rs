//! An alarm that is being told, and what becomes of it over all its channels.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use super::channel::Notification;
use super::dedup::{AlarmKey, Dedup};
use super::message::AlarmState;

/// So many products are counted each by itself: who calls may name any.
const MOST_PRODUCTS: usize = 64;
/// What the others are counted as.
const OTHER_PRODUCTS: &str = "others";

/// What people were told, and were not.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) dedup: Dedup,
    /// By product.
    told: Mutex<BTreeMap<String, u64>>,
    untold: AtomicU64,
}

impl Ledger {
    pub(super) fn new(dedup: Dedup) -> Self {
        Self {
            dedup,
            told: Mutex::default(),
            untold: AtomicU64::new(0),
        }
    }

    pub(super) fn told(&self) -> BTreeMap<String, u64> {
        self.told.lock().clone()
    }

    pub(super) fn untold(&self) -> u64 {
        self.untold.load(Relaxed)
    }

    fn count(&self, product: &str) {
        let mut told = self.told.lock();
        let known = told.len();
        if let Some(count) = told.get_mut(product) {
            *count += 1;
            return;
        }
        let product = if known < MOST_PRODUCTS {
            product
        } else {
            OTHER_PRODUCTS
        };
        *told.entry(product.to_owned()).or_default() += 1;
    }
}

/// Shared by the queues of its channels. When the last of them lets go of it and nobody was
/// told, it counts as untold, and the next one of its kind is no duplicate.
///
/// It may lock its alarm then, so it is not to be dropped where that is locked.
#[derive(Debug)]
pub(super) struct Telling {
    key: AlarmKey,
    state: AlarmState,
    admitted_ms: u64,
    notification: Arc<Notification>,
    ledger: Arc<Ledger>,
    told: AtomicBool,
}

impl Telling {
    pub(super) fn new(
        (key, state, admitted_ms): (AlarmKey, AlarmState, u64),
        notification: Notification,
        ledger: &Arc<Ledger>,
    ) -> Self {
        Self {
            key,
            state,
            admitted_ms,
            notification: Arc::new(notification),
            ledger: Arc::clone(ledger),
            told: AtomicBool::new(false),
        }
    }

    pub(super) fn notification(&self) -> &Arc<Notification> {
        &self.notification
    }

    /// One of its channels has delivered it.
    pub(super) fn told(&self) {
        if !self.told.swap(true, Relaxed) {
            self.ledger.count(&self.notification.product);
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if !*self.told.get_mut() {
            self.ledger.untold.fetch_add(1, Relaxed);
            self.ledger
                .dedup
                .forget(self.key, self.state, self.admitted_ms);
        }
    }
}
