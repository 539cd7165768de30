//! One suite over every pool of either engine: what is promised of one is
//! promised of all.
#![cfg(all(feature = "tokio", not(loom_models)))]

/// The named cases of a module, once for each kind of pool.
macro_rules! over_all_pools {
    ($($case:ident,)*) => {
        mod threads_pool {
            $(#[test] fn $case() { super::$case::<pool_worker::threads::Pool>(); })*
        }
        mod threads_func_pool {
            $(#[test] fn $case() {
                super::$case::<pool_worker::threads::FuncPool<$crate::harness::Job>>();
            })*
        }
        mod tasks_pool {
            $(#[test] fn $case() {
                super::$case::<$crate::harness::Tasks<pool_worker::tasks::Pool>>();
            })*
        }
        mod tasks_func_pool {
            $(#[test] fn $case() {
                type Inner = pool_worker::tasks::FuncPool<$crate::harness::Job>;
                super::$case::<$crate::harness::Tasks<Inner>>();
            })*
        }
    };
}

/// The same for the pools whose jobs may have a handle.
macro_rules! over_pools_with_handles {
    ($($case:ident,)*) => {
        mod threads_pool {
            $(#[test] fn $case() { super::$case::<pool_worker::threads::Pool>(); })*
        }
        mod tasks_pool {
            $(#[test] fn $case() {
                super::$case::<$crate::harness::Tasks<pool_worker::tasks::Pool>>();
            })*
        }
    };
}

mod accounting;
mod ants;
mod calls;
mod closing;
mod figures;
mod handles;
mod harness;
mod hooks;
mod panics;
mod parted;
mod parts;
mod pausing;
mod spawning;
mod states;
mod submitting;
mod tuning;
