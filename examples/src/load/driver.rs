//! Sending the load, each call when it is due.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use errgroup::Group;
use tokio::time::{Instant, MissedTickBehavior};

use super::figures::CallFigures;
use super::generated::Generator;
use super::host::{HostSampler, unix_ms};
use super::profile::Profile;
use crate::alarm::message::{CheckReply, CheckRequest};
use crate::alarm::service::CHECK;
use crate::client::{CallOptions, Client};

/// What to send.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// When calls are due.
    pub profile: Profile,
    /// How long the run is.
    pub duration: Duration,
    /// Seed of the generated estate.
    pub seed: u64,
    /// How many policies of the estate there are.
    pub policies: u32,
    /// How long a call may take.
    pub timeout: Duration,
}

/// Sends the load until it is all sent or `stop` completes; returns when
/// every call that was begun has ended.
///
/// Calls are sent when they are due (to a millisecond or two, the timer's
/// step), whether or not earlier ones have ended, so a slow server cannot slow
/// down the load. Their latency counts from the moment they are handed to the
/// runtime.
pub async fn drive(
    client: Client,
    plan: LoadPlan,
    figures: Arc<CallFigures>,
    stop: impl Future<Output = ()>,
) {
    let caller = Caller {
        client,
        timeout: plan.timeout,
        figures,
    };
    let calls = Group::<Infallible>::new();
    let start = Instant::now();
    tokio::select! {
        () = stop => {}
        // Both end with the run.
        ((), ()) = futures::future::join(
            generated(&calls, &caller, &plan, start),
            host(&calls, &caller, start + plan.duration),
        ) => {}
    }
    let Ok(()) = calls.wait().await;
}

async fn generated(calls: &Group<Infallible>, caller: &Caller, plan: &LoadPlan, start: Instant) {
    let mut generator = Generator::new(plan.seed, plan.policies);
    for due in plan.profile.arrivals() {
        let due = start + Duration::from_secs_f64(due);
        tokio::time::sleep_until(due).await;
        calls.spawn(
            caller
                .clone()
                .call(generator.next(unix_ms()), Instant::now(), 0),
        );
    }
}

async fn host(calls: &Group<Infallible>, caller: &Caller, end: Instant) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sampler = None;
    while ticks.tick().await < end {
        // Reading the machine blocks, so it is done aside.
        let reading = tokio::task::spawn_blocking(move || {
            let mut sampler: HostSampler = sampler.unwrap_or_default();
            (sampler.sample(), sampler)
        });
        match reading.await {
            Ok((points, kept)) => {
                sampler = Some(kept);
                let count = points.len();
                calls.spawn(
                    caller
                        .clone()
                        .call(CheckRequest { points }, Instant::now(), count),
                );
            }
            Err(error) => {
                tracing::error!(%error, "reading this machine failed");
                sampler = None;
            }
        }
    }
}

#[derive(Clone)]
struct Caller {
    client: Client,
    timeout: Duration,
    figures: Arc<CallFigures>,
}

impl Caller {
    async fn call(
        self,
        request: CheckRequest,
        begun: Instant,
        host_points: usize,
    ) -> Result<(), Infallible> {
        self.figures.begin(host_points);
        let options = CallOptions {
            timeout: self.timeout,
            ..CallOptions::default()
        };
        let result = self
            .client
            .call::<_, CheckReply>(CHECK, &request, &options)
            .await;
        let error = result
            .err()
            .inspect(|error| tracing::debug!(%error, "check failed"));
        self.figures
            .end(begun.elapsed(), error.map(|error| error.code().into()));
        Ok(())
    }
}
