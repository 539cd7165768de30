//! The main job: the services, load on them, for a moment far too much of it, and the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;

use super::{CALL_TIMEOUT, JobError, create, finish, load_plan, show, start_unless};
use crate::client::{Client, ClientOptions};
use crate::config::{ConfigError, Settings};
use crate::listen::Listen;
use crate::load::figures::CallFigures;
use crate::load::overload::{self, Load, Tally};
use crate::load::profile::Profile;
use crate::load::{driver, echo};
use crate::report::{Report, Sent};
use crate::say;
use crate::shutdown;
use crate::stack::{Stack, StartError};
use crate::view::View;

/// The most that the overload takes of the time there is.
const OVERLOAD: Duration = Duration::from_secs(3);

pub(super) async fn run(settings: Settings, json: Option<PathBuf>) -> Result<(), JobError> {
    // Before the work, so that a file that cannot be written costs none.
    let json = json
        .map(|path| create(&path).map(|file| (path, file)))
        .transpose()?;
    let too_much = Load::double(OVERLOAD.min(settings.duration / 9));
    let usual = settings.duration - too_much.run;
    let profile = Profile::new(settings.qps, settings.peak, usual).map_err(ConfigError::from)?;
    let stop = shutdown::requested(settings.grace)?.shared();
    let Some(mut stack) = start_unless(&settings, stop.clone()).await? else {
        return finish(&Report::new(Sent::default(), None), json);
    };
    let addrs = stack.addrs();
    say::err(format_args!(
        "alarm.Check at {}, alarm.Notify at {}, Echo at {}, live page at http://{}/, \
         figures at /metrics",
        addrs.check, addrs.notify, addrs.echo, addrs.admin
    ));
    let start = Instant::now();
    let (checks, echoes) = usual_load(&settings, profile, usual, &stack, stop.clone()).await;
    let took = start.elapsed();
    let tally = match stop.clone().now_or_never() {
        // Who wants to stop does not wait for that.
        Some(()) => None,
        None => Some(overload(&mut stack, too_much, took, stop).await?),
    };
    let last = stack.stop(settings.grace).await;
    let sent = Sent {
        checks: checks.snapshot(),
        echoes: Some(echoes.snapshot()),
        overload: tally.map(|tally| tally.report(too_much, last.control(overload::NAME))),
        seconds: took.as_secs_f64(),
    };
    finish(&Report::new(sent, Some(&last)), json)
}

/// Check and Echo, at the profile.
async fn usual_load(
    settings: &Settings,
    profile: Profile,
    duration: Duration,
    stack: &Stack,
    stop: impl Future<Output = ()> + Clone,
) -> (Arc<CallFigures>, Arc<CallFigures>) {
    let plan = load_plan(settings, profile, duration);
    let addrs = stack.addrs();
    let [check, other] =
        [addrs.check, addrs.echo].map(|addr| Client::new(addr, ClientOptions::default()));
    let [checks, echoes] = [(); 2].map(|()| Arc::<CallFigures>::default());
    let view = View::sending(duration);
    let all = futures::future::join(
        driver::drive(check.clone(), plan, Arc::clone(&checks), stop.clone()),
        echo::drive(
            other.clone(),
            profile,
            CALL_TIMEOUT,
            Arc::clone(&echoes),
            stop,
        ),
    );
    tokio::select! {
        ((), ()) = all => {}
        () = show(&view, &checks, Some(stack.watch())) => {}
    }
    view.finish();
    check.close().await;
    other.close().await;
    (checks, echoes)
}

/// More than can be served, for a moment, of a service of its own.
async fn overload(
    stack: &mut Stack,
    load: Load,
    after: Duration,
    stop: impl Future<Output = ()>,
) -> Result<Arc<Tally>, JobError> {
    let addr = stack.serve(overload::controlled(), Listen::FREE.echo).await;
    let client = Client::new(addr.map_err(StartError::from)?, ClientOptions::default());
    let tally = Arc::<Tally>::default();
    let view = View::overload(load.run, after);
    let show = async {
        let start = Instant::now();
        let mut ticks = tokio::time::interval((load.run / 3).max(Duration::from_millis(1)));
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let [calls, served, other] = tally.now();
            let (offered, capacity) = (load.per_second, overload::CAPACITY);
            let text = format!(
                "{offered} calls/s for {capacity}  {calls:>6} calls  {served:>6} served  \
                 {other:>6} turned away or late"
            );
            view.show(start.elapsed(), &text);
        }
    };
    tokio::select! {
        () = overload::drive(client.clone(), load, Arc::clone(&tally), stop) => {}
        () = show => {}
    }
    view.finish();
    client.close().await;
    Ok(tally)
}
