//! Calls of Echo beside those of Check: what comes back is held against what was sent.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use errgroup::Group;
use tokio::time::{Instant, sleep_until};

use super::figures::CallFigures;
use super::profile::Profile;
use crate::alarm::service::ECHO;
use crate::client::{CallOptions, Client};
use crate::wire::{Code, ContentType};

/// Bytes of a body.
const BODY: usize = 128;

/// Calls Echo at `profile` until it is over or `stop` completes; returns when every call
/// that was begun has ended. One that answers something else is an error with code 999.
pub async fn drive(
    client: Client,
    profile: Profile,
    timeout: Duration,
    figures: Arc<CallFigures>,
    stop: impl Future<Output = ()>,
) {
    let calls = Group::<Infallible>::new();
    let start = Instant::now();
    let send = async {
        for (nth, due) in profile.arrivals().enumerate() {
            sleep_until(start + Duration::from_secs_f64(due)).await;
            let (client, figures) = (client.clone(), Arc::clone(&figures));
            calls.spawn(call(client, nth, timeout, figures));
        }
    };
    tokio::select! {
        () = stop => {}
        () = send => {}
    }
    let Ok(()) = calls.wait().await;
}

async fn call(
    client: Client,
    nth: usize,
    timeout: Duration,
    figures: Arc<CallFigures>,
) -> Result<(), Infallible> {
    figures.begin(0);
    let begun = Instant::now();
    let body = Bytes::from(format!("{nth:0BODY$}"));
    let options = CallOptions {
        timeout,
        ..CallOptions::default()
    };
    let answer = client
        .call_raw(ECHO, ContentType::RAW, body.clone(), &options)
        .await;
    let error = match answer {
        Ok(answer) if answer == body => None,
        Ok(_) => Some(Code::UNKNOWN),
        Err(error) => Some(error.code()),
    };
    figures.end(begun.elapsed(), error.map(Into::into));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::service;
    use crate::client::ClientOptions;
    use crate::server::{Server, ServerOptions, Service};

    async fn driven(service: Service) -> crate::load::figures::CallSnapshot {
        let mut server = Server::new(ServerOptions::default());
        let addr = server.serve(service, "127.0.0.1:0").await.unwrap();
        let client = Client::new(addr, ClientOptions::default());
        let (figures, minute) = (Arc::<CallFigures>::default(), Duration::from_secs(60));
        let profile = Profile::new(100.0, 100.0, Duration::from_millis(100)).unwrap();
        let (told, never) = (Arc::clone(&figures), std::future::pending());
        drive(client, profile, minute, told, never).await;
        figures.snapshot()
    }

    #[tokio::test]
    async fn an_answer_that_is_not_what_was_sent_is_an_error() {
        let right = driven(service::echo()).await;
        assert_eq!((right.ended, right.errors), (right.begun, [].into()));
        assert!(right.begun > 0);
        let service = Service::new("Echo", "rpcdemo.Echo");
        let wrong = service.raw("Echo", |_, _| async { Ok(Bytes::from_static(b"else")) });
        let wrong = driven(wrong).await;
        assert_eq!(wrong.errors, [(999, wrong.begun)].into());
    }
}
