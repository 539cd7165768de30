//! Measuring the contestants of a case side by side.
//!
//! Machines are noisy, and what a contestant gets depends on the moment. So
//! the contestants take turns, many short ones, there and back again
//! (a b c, c b a, ...), and the figure is the median of the turns.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::contestant::{Amount, Case, Contestant, Lost, Turn};

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How long a turn takes, about.
    pub turn: Duration,
    /// How many turns each contestant has.
    pub turns: usize,
    /// How many processes share them.
    pub processes: usize,
    /// Whether cases of a fixed amount have fewer turns.
    pub quick: bool,
}

impl Effort {
    /// Figures to publish.
    pub const FULL: Self = Self {
        turn: Duration::from_millis(100),
        turns: 15,
        processes: 3,
        quick: false,
    };
    /// A family of cases in less than a minute.
    pub const QUICK: Self = Self {
        turn: Duration::from_millis(25),
        turns: 7,
        processes: 1,
        quick: true,
    };

    /// How many turns each contestant of `case` has in a process.
    #[must_use]
    pub fn turns(self, case: &Case) -> usize {
        let turns = match case.amount {
            Amount::Fill(_) => self.turns,
            Amount::Fixed { quick, .. } if self.quick => quick,
            Amount::Fixed { turns, .. } => turns,
        };
        turns.div_ceil(self.processes)
    }
}

/// The middle, and how far the turns were apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle of the turns.
    pub median: f64,
    /// The least of the turns.
    pub min: f64,
    /// The greatest of the turns.
    pub max: f64,
}

impl Spread {
    fn of(mut turns: Vec<f64>) -> Self {
        turns.sort_by(f64::total_cmp);
        let middle = turns.len() / 2;
        let median = if turns.len() % 2 == 1 {
            turns[middle]
        } else {
            f64::midpoint(turns[middle - 1], turns[middle])
        };
        Self {
            median,
            min: turns[0],
            max: turns[turns.len() - 1],
        }
    }
}

/// What one contestant got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Who.
    pub who: String,
    /// Whether it is shown beside the others only.
    pub is_aside: bool,
    /// In the unit of the case.
    pub spread: Spread,
    /// The medians of what stands beside it, in the order of
    /// [`Case::beside`].
    pub beside: Vec<f64>,
}

/// The turns that one contestant has taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turns {
    who: String,
    is_aside: bool,
    turns: Vec<Turn>,
}

impl Turns {
    /// Those of each contestant, by several processes that took them in one order, as one.
    #[must_use]
    pub fn together(processes: Vec<Vec<Self>>) -> Vec<Self> {
        let together = |mut all: Vec<Self>, process: Vec<Self>| {
            for (one, more) in all.iter_mut().zip(process) {
                one.turns.extend(more.turns);
            }
            all
        };
        processes.into_iter().reduce(together).unwrap_or_default()
    }

    /// What they come to.
    #[must_use]
    pub fn figure(self) -> Figure {
        let turns = &self.turns;
        // One that is only timed tells nothing beside.
        let told = turns.iter().map(|turn| turn.beside.len()).min();
        let told = told.unwrap_or(0);
        let beside = |at: usize| Spread::of(turns.iter().map(|turn| turn.beside[at]).collect());
        Figure {
            beside: (0..told).map(|at| beside(at).median).collect(),
            spread: Spread::of(turns.iter().map(|turn| turn.value).collect()),
            who: self.who,
            is_aside: self.is_aside,
        }
    }
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
) -> Result<Vec<Turns>, Lost> {
    let (rounds, amount) = (effort.turns(case), case.amount);
    let count = case.contestants.len();
    let mut all = Vec::with_capacity(count);
    for contestant in &mut case.contestants {
        let operations = match amount {
            Amount::Fill(times) => operations(contestant, effort.turn * times)?,
            Amount::Fixed { operations, .. } => operations,
        };
        all.push((operations, Vec::with_capacity(rounds)));
    }
    for round in 0..rounds {
        for nth in 0..count {
            let at = if round % 2 == 0 { nth } else { count - 1 - nth };
            let (operations, turns) = &mut all[at];
            turns.push(take_turn(&mut case.contestants[at], *operations)?);
            turn();
        }
    }
    let of = |(contestant, (_, turns)): (&Contestant, (u64, Vec<Turn>))| Turns {
        who: contestant.who.clone(),
        is_aside: contestant.is_aside,
        turns,
    };
    Ok(case.contestants.iter().zip(all).map(of).collect())
}

fn take_turn(contestant: &mut Contestant, operations: u64) -> Result<Turn, Lost> {
    (contestant.work)(operations).map_err(|Lost(what)| Lost(format!("{}: {what}", contestant.who)))
}

/// How many operations fill a turn, once what the first ones have to begin with is done: a server
/// is started, connections are made.
fn operations(contestant: &mut Contestant, turn: Duration) -> Result<u64, Lost> {
    let mut operations = 64;
    take_turn(contestant, operations)?;
    loop {
        let start = Instant::now();
        take_turn(contestant, operations)?;
        let took = start.elapsed();
        if took >= turn / 2 {
            let fill = operations as f64 * turn.as_secs_f64() / took.as_secs_f64();
            return Ok((fill as u64).max(2) / 2 * 2);
        }
        operations *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contestants_take_turns_there_and_back_and_lost_work_fails_the_run() {
        let order = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
        let contestant = |who: &'static str, value: f64| {
            let order = order.clone();
            Contestant::measured(who, move |_| {
                order.borrow_mut().push_str(who);
                Ok(Turn {
                    value,
                    beside: vec![2.0 * value],
                })
            })
        };
        let contestants = vec![contestant("a", 10.0), contestant("b", 40.0)];
        let mut case = Case {
            beside: &["twice"],
            amount: Amount::Fixed {
                operations: 1,
                turns: 3,
                quick: 1,
            },
            ..Case::timed("x", "", contestants)
        };
        let alone = Effort {
            processes: 1,
            ..Effort::FULL
        };
        let turns = measure(&mut case, alone, || ()).unwrap();
        assert_eq!(*order.borrow(), "abbaab");
        let figure = turns[1].clone().figure();
        assert_eq!(figure.spread.median, 40.0);
        assert_eq!(figure.beside, [80.0]);
        // In as many processes as there are turns, each takes one.
        let process = measure(&mut case, Effort::FULL, || ()).unwrap();
        assert_eq!(*order.borrow(), "abbaabab");
        let all = Turns::together(vec![process.clone(), process.clone(), process]);
        assert_eq!(all, turns);
        case.contestants
            .push(Contestant::new("c", |_| Err(Lost("a job".into()))));
        assert_eq!(
            measure(&mut case, Effort::QUICK, || ()),
            Err(Lost("c: a job".into()))
        );
    }

    #[test]
    fn the_middle_of_the_turns_is_the_figure() {
        let odd = Spread::of(vec![3.0, 1.0, 8.0]);
        assert_eq!((odd.median, odd.min, odd.max), (3.0, 1.0, 8.0));
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 9.0]).median, 3.0);
    }
}
