use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};

use super::*;
use crate::overload::{Codel, Elastic};

const MS: Duration = Duration::from_millis(1);

/// A desk that is told the time, in milliseconds, and what it gives back.
fn desk(control: Control) -> (Arc<Desk<u32>>, impl Fn(u64), Given) {
    let time = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let epoch = Epoch::is_told(std::time::Instant::now(), Arc::clone(&time));
    let back = Arc::new(Mutex::new(Vec::new()));
    let gets_back = Arc::clone(&back);
    let desk = Desk::since(epoch, control, move |unserved: Unserved<u32>| {
        let Unserved {
            job, why, delay, ..
        } = unserved;
        gets_back.lock().push((job, why, delay));
    });
    let set_time = move |now: u64| time.store(now * 1_000_000, Relaxed);
    (Arc::new(desk), set_time, back)
}

type Given = Arc<Mutex<Vec<(u32, WhyUnserved, Duration)>>>;

/// A job with a token, of which there is one more.
fn submit(desk: &Desk<u32>, priority: u8, job: u32) {
    let submitted = desk.submit(Class::new().priority(priority), job, || Ok(()));
    assert!(submitted.is_ok_and(|token| token.is_some()));
}

/// A job for which the pool has no token.
fn squeeze(desk: &Desk<u32>, priority: u8, job: u32) -> Result<(), (Reason, Duration)> {
    let class = Class::new().priority(priority);
    match desk.submit(class, job, || Err::<(), _>(Reason::Full)) {
        Ok(token) => {
            assert!(token.is_none(), "it was not given");
            Ok(())
        }
        Err(away) => {
            assert_eq!(away.job, job);
            Err((away.reason, away.delay))
        }
    }
}

fn next(desk: &Desk<u32>) -> Option<u32> {
    let (job, running) = desk.next()?;
    running.ended(&Outcome::Ran);
    Some(job.into_job())
}

#[test]
fn no_size_is_told_after_a_later_one() {
    let eager = Elastic::new(1, 4)
        .target(Duration::ZERO)
        .pace(Duration::ZERO);
    let (desk, set_time, _back) = desk(Control::new().elastic(eager));
    let told = Arc::new(AtomicUsize::new(1));
    let (of_desk, sizes) = (Arc::downgrade(&desk), Arc::clone(&told));
    desk.resize_by(Box::new(move |size| {
        if size == 2 {
            // Another worker has come, and finds that there are to be more, before
            // this has been told.
            let desk: Arc<Desk<u32>> = Weak::upgrade(&of_desk).unwrap();
            std::mem::forget(desk.next().unwrap());
        }
        sizes.store(size, Relaxed);
    }));
    submit(&desk, 0, 1);
    std::mem::forget(desk.next().unwrap());
    submit(&desk, 0, 2);
    set_time(1);
    submit(&desk, 0, 3);
    assert_eq!(told.load(Relaxed), 3);
}

#[test]
fn a_token_that_is_lost_gives_back_a_job_unless_it_is_one_too_many() {
    let (desk, set_time, back) = desk(Control::new());
    submit(&desk, 0, 1);
    submit(&desk, 0, 2);
    set_time(7);
    desk.lost_token();
    assert_eq!(*back.lock(), [(1, WhyUnserved::Dropped, 7 * MS)]);
    assert_eq!(next(&desk), Some(2));
}

#[test]
fn a_job_that_was_shed_leaves_its_room() {
    let codel = Codel::new(MS, 10 * MS);
    let (desk, set_time, back) = desk(Control::new().codel(codel));
    (1..=4).for_each(|job| submit(&desk, 0, job));
    set_time(100);
    assert_eq!(next(&desk), Some(1), "the first of an interval");
    assert_eq!(next(&desk), None, "all others waited for too long");
    assert_eq!(back.lock().len(), 3);
    // Two tokens are left, and no job.
    assert_eq!(squeeze(&desk, 0, 5), Ok(()));
    assert_eq!(squeeze(&desk, 0, 6), Ok(()));
    assert_eq!(squeeze(&desk, 0, 7), Err((Reason::Full, 100 * MS)));
    desk.lost_token();
    assert_eq!(
        back.lock().last(),
        Some(&(5, WhyUnserved::Dropped, Duration::ZERO))
    );
    assert_eq!(next(&desk), Some(6));
    assert_eq!(desk.look().1, 0, "no job is left without a token");
}

#[test]
fn who_is_turned_away_is_told_how_long_others_wait() {
    let (desk, set_time, _back) = desk(Control::new());
    submit(&desk, 0, 1);
    set_time(3);
    assert_eq!(next(&desk), Some(1));
    assert_eq!(squeeze(&desk, 0, 2), Err((Reason::Full, 3 * MS)));
    submit(&desk, 0, 3);
    set_time(10);
    assert_eq!(squeeze(&desk, 0, 4), Err((Reason::Full, 7 * MS)), "so far");
    assert_eq!(desk.oldest(), Some(7 * MS));
}

#[test]
fn a_pool_that_nobody_uses_has_shrunk_when_it_is_looked_at() {
    let eager = Elastic::new(1, 4)
        .target(Duration::ZERO)
        .pace(Duration::ZERO)
        .idle(10 * MS);
    let (desk, set_time, _back) = desk(Control::new().elastic(eager));
    let told = Arc::new(AtomicUsize::new(1));
    let sizes = Arc::clone(&told);
    desk.resize_by(Box::new(move |size| sizes.store(size, Relaxed)));
    (1..=5).for_each(|job| submit(&desk, 0, job));
    set_time(1);
    let running: Vec<_> = std::iter::repeat_with(|| desk.next().unwrap())
        .take(5)
        .map(|next| next.1)
        .collect();
    assert_eq!(told.load(Relaxed), 4);
    drop(running);
    set_time(1000);
    desk.look();
    assert_eq!(told.load(Relaxed), 1);
}
