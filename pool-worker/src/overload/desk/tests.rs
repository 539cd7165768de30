use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};

use super::*;
use crate::outcome::Outcome;
use crate::overload::{Codel, Dagor, Elastic, Vegas};

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

#[test]
fn the_level_that_is_read_follows_the_time_though_nobody_submits() {
    let dagor = Dagor::new(MS).window(10 * MS, 1000);
    let (desk, set_time, _back) = desk(Control::new().dagor(dagor));
    for at in 1..20 {
        for user in 0..100 {
            let class = Class::new().priority(7).user(user);
            let _ = desk.submit(class, 1, || Ok(()));
        }
        set_time(10 * at);
        while desk.look().1 > 0 {
            next(&desk);
        }
    }
    let read = |at| {
        set_time(at);
        desk.level()
    };
    let levels = [190, 200, 210, 1_000_000].map(read);
    assert!(levels.is_sorted_by(|a, b| a < b), "{levels:?}");
    assert_eq!(levels[3], Level::ALL);
}

#[test]
fn jobs_that_do_not_end_well_say_nothing_of_the_limit() {
    let limit_after = |outcome: fn() -> Outcome| {
        let (desk, _set_time, _back) = desk(Control::new().vegas(Vegas::new(2, 20)));
        let told = Arc::new(AtomicUsize::new(2));
        let sizes = Arc::clone(&told);
        desk.resize_by(Box::new(move |size| sizes.store(size, Relaxed)));
        for _ in 0..10 {
            for job in 1..=2 {
                submit(&desk, 0, job);
            }
            for (_job, running) in [(); 2].map(|()| desk.next().unwrap()) {
                running.ended(&outcome());
            }
        }
        told.load(Relaxed)
    };
    assert!(limit_after(|| Outcome::Ran) > 2, "a window of short jobs");
    assert_eq!(limit_after(|| Outcome::Panicked(None)), 2);
    assert_eq!(limit_after(|| Outcome::Cancelled), 2);
}

/// How often the desk's alarm was woken.
fn alarm_of(desk: &Desk<u32>) -> impl Fn() -> usize + use<> {
    let woken = Arc::new(AtomicUsize::new(0));
    let alarm = Arc::clone(&woken);
    desk.wake_by(Box::new(move || _ = alarm.fetch_add(1, Relaxed)));
    move || woken.load(Relaxed)
}

/// When the alarm that rings now is to ring next, in milliseconds.
fn ring(desk: &Desk<u32>) -> Option<u128> {
    let began = desk.epoch.moment(Duration::ZERO);
    let next = desk.ring()?;
    Some(next.duration_since(began).as_millis())
}

fn submit_until(desk: &Desk<u32>, at: u64, job: u32) {
    let at = desk.epoch.moment(Duration::from_millis(at));
    let submitted = desk.submit(Class::new().deadline(at), job, || Ok(()));
    assert!(submitted.is_ok());
}

fn expired(job: u32, after: u32) -> (u32, WhyUnserved, Duration) {
    (job, WhyUnserved::Expired, after * MS)
}

#[test]
fn the_alarm_gives_back_what_expires_where_nobody_comes() {
    let (desk, set_time, back) = desk(Control::new());
    let woken = alarm_of(&desk);
    submit(&desk, 0, 1);
    assert_eq!(woken(), 0, "nothing expires");
    submit_until(&desk, 50, 2);
    submit_until(&desk, 30, 3);
    submit_until(&desk, 40, 4);
    assert_eq!(woken(), 2, "for what is earlier than all before");
    set_time(30);
    assert_eq!(ring(&desk), Some(40));
    assert_eq!(*back.lock(), [expired(3, 30)]);
    set_time(60);
    assert_eq!(ring(&desk), None, "none is left to expire");
    assert_eq!(back.lock()[1..], [expired(4, 60), expired(2, 60)]);
    assert_eq!(woken(), 2);
    assert_eq!(next(&desk), Some(1));
    let (figures, queued, _) = desk.look();
    assert_eq!((figures.total().expired, queued), (3, 0));
}

#[test]
fn an_alarm_that_was_lost_is_woken_anew_by_who_submits() {
    let (desk, set_time, back) = desk(Control::new());
    let woken = alarm_of(&desk);
    submit_until(&desk, 10, 1);
    set_time(20);
    submit_until(&desk, 50, 2);
    assert_eq!(*back.lock(), [expired(1, 20)]);
    assert_eq!(woken(), 2);
}

#[test]
fn an_alarm_that_rings_late_rings_again_for_what_came_meanwhile() {
    let (desk, set_time, back) = desk(Control::new());
    submit_until(&desk, 10, 1);
    set_time(12);
    submit_until(&desk, 50, 2);
    assert_eq!(ring(&desk), Some(50));
    assert_eq!(*back.lock(), [expired(1, 12)]);
}

#[test]
fn what_comes_while_the_alarm_gives_back_is_seen_before_it_sleeps() {
    let time = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let epoch = Epoch::is_told(std::time::Instant::now(), Arc::clone(&time));
    let desk = Arc::new_cyclic(|desk: &Weak<Desk<u32>>| {
        let desk = Weak::clone(desk);
        Desk::since(epoch, Control::new(), move |unserved: Unserved<u32>| {
            // Its wake-up may be lost here, on the alarm's own thread.
            submit_until(&desk.upgrade().unwrap(), 40, unserved.job + 1);
        })
    });
    submit_until(&desk, 10, 1);
    submit_until(&desk, 50, 5);
    time.store(10_000_000, Relaxed);
    assert_eq!(ring(&desk), Some(40));
}

#[test]
fn a_full_queue_is_shared_by_its_keys() {
    let (desk, set_time, back) = desk(Control::new().fair());
    let of = |key| Class::new().priority(3).key(key);
    for job in 1..=4 {
        let taken = desk.submit(of(7), job, || Ok(()));
        assert!(taken.is_ok());
    }
    let squeeze = |class, job| {
        let taken = desk.submit(class, job, || Err::<(), _>(Reason::Full));
        taken.map_err(|away| away.reason)
    };
    set_time(2);
    assert_eq!(squeeze(of(7), 9), Err(Reason::Full), "it has most itself");
    assert_eq!(squeeze(of(8), 5), Ok(None));
    assert_eq!(squeeze(of(8), 6), Ok(None));
    assert_eq!(squeeze(of(8), 9), Err(Reason::Full), "each has two");
    let other = of(8).priority(4);
    assert_eq!(squeeze(other, 9), Err(Reason::Full), "less urgent");
    let displaced = |job| (job, WhyUnserved::Displaced, 2 * MS);
    assert_eq!(
        *back.lock(),
        [4, 3].map(displaced),
        "the newest of the many"
    );
    let order = [(); 4].map(|()| next(&desk));
    assert_eq!(order, [1, 5, 2, 6].map(Some));
}

#[test]
fn what_has_expired_makes_room_wherever_it_waits() {
    let (desk, set_time, back) = desk(Control::new());
    submit(&desk, 0, 1);
    submit_until(&desk, 10, 2);
    submit(&desk, 5, 3);
    set_time(10);
    // Neither the first of all, nor less urgent than this.
    assert_eq!(squeeze(&desk, 5, 4), Ok(()));
    assert_eq!(*back.lock(), [expired(2, 10)]);
    assert_eq!(squeeze(&desk, 5, 5), Err((Reason::Full, 10 * MS)));
    assert_eq!([(); 3].map(|()| next(&desk)), [1, 3, 4].map(Some));
}
