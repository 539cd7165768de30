//! The steps of a connection.

use crate::served::run;

#[test]
fn the_steps_of_a_connection_are_shown_in_the_order_in_which_they_happen() {
    let traced = run(&["trace-poll", "--stacks"]);
    let text = String::from_utf8(traced.stdout).unwrap();
    assert_eq!(traced.status.code(), Some(0), "{text}");
    let is_of_a_stack = |line: &&str| line.starts_with("          ");
    let steps = text.lines().skip(1).filter(|line| !is_of_a_stack(line));
    let column = |line: &str, from: usize, to: usize| line[from..to].trim().to_owned();
    let (mut order, mut times) = (Vec::new(), Vec::new());
    for line in steps {
        times.push(column(line, 0, 7).parse::<u64>().unwrap());
        order.push(
            [
                column(line, 9, 15),
                column(line, 17, 27),
                column(line, 29, 35),
            ]
            .join(" "),
        );
    }
    assert!(times.is_sorted(), "{text}");
    let woken = |task: &str| [format!("server {task} wake"), "server  wake".to_owned()];
    let parked = |task: &str| [format!("server {task} park"), "server  park".to_owned()];
    let one = |step: &str| vec![step.to_owned()];
    let expected = [
        &one("server  park")[..],
        &one("main listener listen"),
        &one("main  here"),
        &one("server  wake"),
        &parked("listener"),
        // It connects.
        &one("main  here"),
        &woken("listener"),
        &one("server listener accept"),
        &one("server listener park"),
        &parked("connection"),
        // It calls.
        &one("main  here"),
        &woken("connection"),
        &one("server connection read"),
        &one("server connection write"),
        &parked("connection"),
        // It closes.
        &one("main  here"),
        &woken("connection"),
        &one("server connection read"),
        &one("server  park"),
    ];
    assert_eq!(order, expected.concat(), "{text}");
    if cfg!(target_os = "linux") {
        let registered = text.matches("tells of IN OUT ERR HUP RDHUP ET").count();
        assert_eq!(registered, 2, "{text}");
    }
    // The way to a waker is the one that the page tells of.
    let page = include_str!("../../NETPOLL.md");
    for function in [
        "dispatch_event",
        "Driver::turn",
        "park_driver",
        "Context::run",
    ] {
        let callers = text.lines().filter(is_of_a_stack);
        assert_eq!(
            callers.filter(|line| line.contains(function)).count(),
            3,
            "{function} in {text}"
        );
        assert!(page.contains(function), "{function}");
    }
}
