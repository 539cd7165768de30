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
use crate::alarm::policy::Level;
use crate::alarm::service::CHECK;
use crate::client::{CallOptions, Client};
use crate::urgency::{PRIORITY, USER};

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
        let (level, request) = generator.next(unix_ms());
        calls.spawn(caller.clone().call(level, request, Instant::now(), 0));
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
                let request = CheckRequest { points };
                // It may have to tell of a machine that is about to fail.
                let call = caller
                    .clone()
                    .call(Level::Critical, request, Instant::now(), count);
                calls.spawn(call);
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
        level: Level,
        request: CheckRequest,
        begun: Instant,
        host_points: usize,
    ) -> Result<(), Infallible> {
        self.figures.begin(host_points);
        let instance = request.points.first().map(|point| point.instance.clone());
        let said = [
            (PRIORITY, level.priority().to_string()),
            (USER, instance.unwrap_or_default()),
        ];
        let options = CallOptions {
            timeout: self.timeout,
            meta: said
                .map(|(key, value)| (key.to_owned(), value.into()))
                .into(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::message::Point;
    use crate::client::ClientOptions;
    use crate::server::{Context, Server, ServerOptions, Service};

    #[tokio::test]
    async fn a_call_says_how_urgent_it_is_and_for_whom() {
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let service = Service::new("alarm.Check", "alarm.Check").method(
            "Check",
            move |context: Context, _: CheckRequest| {
                let said = [PRIORITY, USER].map(|key| context.metadata()[key].clone());
                tell.send(said).unwrap();
                async { Ok(CheckReply::default()) }
            },
        );
        let mut server = Server::new(ServerOptions::default());
        let addr = server.serve(service, "127.0.0.1:0").await.unwrap();
        let caller = Caller {
            client: Client::new(addr, ClientOptions::default()),
            timeout: Duration::from_secs(60),
            figures: Arc::default(),
        };
        let point = Point {
            instance: "db-7".to_owned(),
            ..Point::default()
        };
        let points = vec![point];
        let request = CheckRequest { points };
        let call = caller.call(Level::Warning, request, Instant::now(), 0);
        let Ok(()) = call.await;
        assert_eq!(told.recv().await.unwrap(), ["20", "db-7"]);
    }
}
