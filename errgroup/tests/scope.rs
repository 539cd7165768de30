//! What only a scope does: tasks borrow, and its body is one of those who fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use errgroup::scope;

#[test]
fn tasks_borrow_from_the_stack_and_write_to_it() {
    let words = ["a", "bb", "ccc"];
    let mut lengths = [0; 3];
    let sum = scope(|group| {
        group.set_limit(2);
        for (word, length) in words.iter().zip(&mut lengths) {
            group.spawn(|| {
                *length = word.len();
                Ok::<(), ()>(())
            });
        }
        Ok(words.len())
    });
    assert_eq!(sum, Ok(3));
    assert_eq!(lengths, [1, 2, 3]);
}

#[test]
fn an_error_may_borrow_too() {
    let name = String::from("disk");
    let result = scope(|group| {
        group.spawn(|| Err(name.as_str()));
        Ok(())
    });
    assert_eq!(result, Err("disk"));
}

#[test]
fn an_error_of_the_body_cancels() {
    let result: Result<(), &str> = scope(|group| {
        let sibling = group.clone();
        group.spawn(move || {
            sibling.wait_cancelled();
            assert_eq!(sibling.with_cause(ToString::to_string).unwrap(), "body");
            Ok(())
        });
        Err("body")
    });
    assert_eq!(result, Err("body"));
}

#[test]
fn a_panic_of_the_body_cancels_and_goes_on_once_every_task_is_gone() {
    let mut done = false;
    let result = catch_unwind(AssertUnwindSafe(|| {
        scope(|group| -> Result<(), ()> {
            let sibling = group.clone();
            let done = &mut done;
            group.spawn(move || {
                sibling.wait_cancelled();
                *done = true;
                Ok(())
            });
            panic!("body");
        })
    }));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"body"));
    assert!(done);
}

#[test]
fn tasks_run_on_threads_of_the_scope_not_on_the_callers() {
    let threads = std::sync::Mutex::new(std::collections::HashSet::new());
    scope(|group| {
        group.set_limit(2);
        for _ in 0..200 {
            group.spawn(|| {
                threads.lock().unwrap().insert(std::thread::current().id());
                Ok::<(), ()>(())
            });
        }
        Ok(())
    })
    .unwrap();
    assert!(
        !threads
            .lock()
            .unwrap()
            .contains(&std::thread::current().id())
    );
}

#[test]
fn a_scope_inside_a_task_of_a_scope() {
    let result = scope(|outer| {
        outer.set_limit(1);
        outer.spawn(|| {
            scope(|inner| {
                inner.set_limit(1);
                inner.spawn(|| Ok(()));
                inner.spawn(|| Err("from the inner scope"));
                Ok(())
            })
        });
        Ok(())
    });
    assert_eq!(result, Err("from the inner scope"));
}
