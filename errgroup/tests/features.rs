//! What comes with the features `stream` and `tokio-util`.

#[cfg(feature = "tokio-util")]
mod token {
    use errgroup::Group;
    use tokio_util::sync::CancellationToken;

    #[tokio::test]
    async fn a_token_cancels_the_group() {
        let token = CancellationToken::new();
        let group = Group::<()>::new().cancel_with(&token);
        let handle = group.handle();
        group.spawn(async move {
            handle.cancelled().await;
            Ok(())
        });
        assert!(!group.is_cancelled());
        token.cancel();
        assert_eq!(group.wait().await, Ok(()));
    }

    #[tokio::test]
    async fn a_token_that_was_cancelled_before_lets_nothing_start() {
        let token = CancellationToken::new();
        token.cancel();
        let group = Group::<()>::new().cancel_with(&token);
        assert!(group.is_cancelled());
        group.spawn(async { panic!("started") });
        assert_eq!(group.wait().await, Ok(()));
    }

    #[tokio::test]
    async fn a_group_cancels_its_tokens_and_leaves_those_it_listens_to() {
        let above = CancellationToken::new();
        let group = Group::new().cancel_with(&above);
        let below = group.handle().token();
        group.spawn(async { Err("broken") });
        below.cancelled().await;
        assert!(!above.is_cancelled());
        assert_eq!(group.wait().await, Err("broken"));
    }

    #[tokio::test]
    async fn a_group_that_has_ended_well_cancels_its_tokens_too() {
        let group = Group::<()>::new();
        let token = group.handle().token();
        group.wait().await.unwrap();
        token.cancelled().await;
    }
}

#[cfg(feature = "stream")]
mod stream {
    use errgroup::{Gather, Policy};
    use futures::StreamExt;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn results_come_as_tasks_end() {
        let mut gather = Gather::<u32, ()>::new();
        let (tell, told) = oneshot::channel();
        gather.spawn(async move { told.await.map_err(|_| ()) });
        gather.spawn(async { Ok(1) });
        let first = StreamExt::next(&mut gather).await.unwrap();
        assert_eq!((first.index, first.outcome.done()), (1, Some(1)));
        tell.send(0).unwrap();
        let rest: Vec<_> = gather.by_ref().map(|report| report.index).collect().await;
        assert_eq!(rest, [0]);
        // More can be spawned after the end.
        gather.spawn(async { Ok(2) });
        let last = StreamExt::next(&mut gather).await.unwrap();
        assert_eq!(last.outcome.done(), Some(2));
        assert!(StreamExt::next(&mut gather).await.is_none());
    }

    #[tokio::test]
    async fn combinators_apply() {
        let gather = Gather::<u32, u32>::new().limit(2).policy(Policy::All);
        for n in 0..10 {
            gather.spawn(async move { if n % 2 == 0 { Ok(n) } else { Err(n) } });
        }
        assert_eq!(futures::Stream::size_hint(&gather), (10, None));
        let values = gather.filter_map(async |report| report.outcome.done());
        let mut values: Vec<_> = values.collect().await;
        values.sort_unstable();
        assert_eq!(values, [0, 2, 4, 6, 8]);
    }
}
