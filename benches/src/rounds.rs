//! Measuring the contestants of a case side by side.
//!
//! Machines are noisy, and what a contestant gets depends on the moment. So
//! the contestants take turns, many short ones, there and back again
//! (a b c, c b a, ...), and the figure is the median of the turns.

use std::time::Duration;

use crate::contestant::{Case, Contestant, Lost};

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How long a turn takes, about.
    pub turn: Duration,
    /// How many turns each contestant has.
    pub turns: usize,
}

impl Effort {
    /// Figures to publish.
    pub const FULL: Self = Self {
        turn: Duration::from_millis(100),
        turns: 15,
    };
    /// A family of cases in less than a minute.
    pub const QUICK: Self = Self {
        turn: Duration::from_millis(25),
        turns: 7,
    };
}

/// What one contestant got, in nanoseconds an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Who.
    pub who: String,
    /// The middle of its turns.
    pub median: f64,
    /// The best of its turns.
    pub min: f64,
    /// The worst of its turns.
    pub max: f64,
}

/// Measures the contestants of `case`, in their order; `turn` is called
/// after each turn.
///
/// # Errors
/// When a contestant lost work.
pub fn measure(
    case: &mut Case,
    effort: Effort,
    mut turn: impl FnMut(),
) -> Result<Vec<Figure>, Lost> {
    let mut all = Vec::new();
    for contestant in &mut case.contestants {
        all.push((
            operations(contestant, effort.turn)?,
            Vec::with_capacity(effort.turns),
        ));
    }
    let count = case.contestants.len();
    for round in 0..effort.turns {
        for nth in 0..count {
            let at = if round % 2 == 0 { nth } else { count - 1 - nth };
            let (operations, turns) = &mut all[at];
            turns.push(nanos(&mut case.contestants[at], *operations)?);
            turn();
        }
    }
    let figure = |(contestant, (_, mut turns)): (&Contestant, (u64, Vec<f64>))| {
        turns.sort_by(f64::total_cmp);
        let who = contestant.who.clone();
        Figure {
            who,
            median: median(&turns),
            min: turns[0],
            max: turns[turns.len() - 1],
        }
    };
    Ok(case.contestants.iter().zip(all).map(figure).collect())
}

fn nanos(contestant: &mut Contestant, operations: u64) -> Result<f64, Lost> {
    let took = (contestant.work)(operations)
        .map_err(|Lost(what)| Lost(format!("{}: {what}", contestant.who)))?;
    Ok(took.as_secs_f64() * 1e9 / operations as f64)
}

/// How many operations fill a turn. Also warms up.
fn operations(contestant: &mut Contestant, turn: Duration) -> Result<u64, Lost> {
    let mut operations = 64;
    loop {
        let took = nanos(contestant, operations)? * operations as f64 / 1e9;
        if took >= turn.as_secs_f64() / 2.0 {
            let fill = operations as f64 * turn.as_secs_f64() / took;
            return Ok((fill as u64).max(2) / 2 * 2);
        }
        operations *= 2;
    }
}

/// The middle of `sorted`.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contestants_take_turns_there_and_back_and_lost_work_fails_the_run() {
        let order = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
        let contestant = |who: &'static str, nanos: u64| {
            let order = order.clone();
            Contestant::new(who, move |operations| {
                order.borrow_mut().push_str(who);
                Ok(Duration::from_nanos(operations * nanos))
            })
        };
        let contestants = vec![contestant("a", 10), contestant("b", 40)];
        let mut case = Case {
            name: "x",
            what: "",
            contestants,
        };
        let effort = Effort {
            turn: Duration::from_nanos(100),
            turns: 3,
        };
        let figures = measure(&mut case, effort, || ()).unwrap();
        assert!(order.borrow().ends_with("abbaab"), "{}", order.borrow());
        assert_eq!(figures[1].median / figures[0].median, 4.0);
        case.contestants
            .push(Contestant::new("c", |_| Err(Lost("a job".into()))));
        assert_eq!(
            measure(&mut case, effort, || ()),
            Err(Lost("c: a job".into()))
        );
    }
}
