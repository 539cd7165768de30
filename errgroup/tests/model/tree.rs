//! Trees of groups, and how each may end.

/// What a task does, after as many turns of the runtime as it is told.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Succeed,
    Fail(u8),
    Panic(u8),
    Cancel,
    /// Waits for the cancel, of which there may be none: hence for a deadline
    /// too, that the group then has.
    Listen,
    /// Spawns a task into its own group.
    Nest(Box<Task>),
    /// Runs a group of its own; what that one returns it returns.
    Group(Tree),
    /// Runs a child of its group, whose failure it keeps to itself; if it escalates, its
    /// group is cancelled by it.
    Child {
        tree: Tree,
        escalates: bool,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) turns: u8,
    pub(crate) act: Act,
}

#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) limit: usize,
    pub(crate) tasks: Vec<Task>,
}

/// How a group can end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// Also if it was cancelled by hand.
    Done,
    Failed(u8),
    Panicked(u8),
}

/// Where a group is in a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) depth: u8,
    pub(crate) parent: Parent,
}

/// Whether a group has one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Parent {
    None,
    /// That may be cancelled, or not.
    Some {
        cancellable: bool,
    },
}

/// The error of the deadline of a group so deep in the tree. The deeper, the later: a child
/// is never late, since its parent is before, and cancels it.
pub(crate) fn late(depth: u8) -> u8 {
    u8::MAX - depth
}

impl At {
    pub(crate) const ROOT: Self = Self {
        depth: 0,
        parent: Parent::None,
    };

    /// Of a group that a task of this one runs for itself.
    pub(crate) fn alone(self) -> Self {
        let depth = self.depth + 1;
        let parent = Parent::None;
        Self { depth, parent }
    }

    /// Of a child of this group, which is `tree`.
    pub(crate) fn child(self, tree: &Tree) -> Self {
        let depth = self.depth + 1;
        let cancellable = tree.may_be_cancelled(self);
        let parent = Parent::Some { cancellable };
        Self { depth, parent }
    }
}

impl Tree {
    /// Whether `end` is one that this group may come to.
    pub(crate) fn allows(&self, end: &End, at: At) -> bool {
        match end {
            // Only if nobody who must have run can have failed first: then the
            // cancel by hand was before it, and it was never started.
            End::Done => {
                let fatal = self.tasks.iter().any(|task| task.must_fail(at));
                !fatal || self.may_be_cancelled_by_hand(at)
            }
            End::Failed(n) if *n == late(at.depth) => at.parent == Parent::None && self.listens(),
            end => self.tasks.iter().any(|task| task.may_end(end, at)),
        }
    }

    /// The end it comes to whatever comes first: if nothing cancels, or if one task
    /// at most does not succeed. Unless its parent is cancelled.
    pub(crate) fn only_end(&self) -> Option<End> {
        let ends: Option<Vec<_>> = self.tasks.iter().map(Task::only_end).collect();
        let mut failures = ends?.into_iter().filter(|end| *end != End::Done);
        match (failures.next(), failures.next()) {
            (None, _) => Some(End::Done),
            (Some(one), None) => Some(one),
            (Some(_), Some(_)) => None,
        }
    }

    fn may_be_cancelled_by_hand(&self, at: At) -> bool {
        at.parent == (Parent::Some { cancellable: true }) || self.tasks.iter().any(Task::may_cancel)
    }

    fn may_be_cancelled(&self, at: At) -> bool {
        self.may_be_cancelled_by_hand(at) || self.listens() || self.may_fail()
    }

    /// By a task, not by its deadline.
    fn may_fail(&self) -> bool {
        self.tasks.iter().any(Task::may_fail)
    }

    fn listens(&self) -> bool {
        self.tasks.iter().any(Task::listens)
    }
}

/// A task in the group at that place.
impl Task {
    /// As that of a group; `None` if it may cancel or waits for the cancel.
    fn only_end(&self) -> Option<End> {
        match &self.act {
            Act::Succeed => Some(End::Done),
            Act::Fail(n) => Some(End::Failed(*n)),
            Act::Panic(n) => Some(End::Panicked(*n)),
            Act::Cancel | Act::Listen => None,
            Act::Nest(task) => task.only_end(),
            Act::Group(tree) => tree.only_end(),
            Act::Child { tree, .. } if tree.listens() => None,
            // Contained, whatever it comes to.
            Act::Child { escalates, .. } if !escalates => Some(End::Done),
            Act::Child { tree, .. } => tree.only_end().filter(|end| *end == End::Done),
        }
    }

    fn may_end(&self, end: &End, at: At) -> bool {
        match (&self.act, end) {
            (Act::Fail(n), End::Failed(m)) | (Act::Panic(n), End::Panicked(m)) => n == m,
            (Act::Nest(task), end) => task.may_end(end, at),
            (Act::Group(tree), end) => *end != End::Done && tree.allows(end, at.alone()),
            _ => false,
        }
    }

    fn may_fail(&self) -> bool {
        match &self.act {
            Act::Fail(_) | Act::Panic(_) => true,
            Act::Nest(task) => task.may_fail(),
            Act::Group(tree) => tree.listens() || tree.may_fail(),
            Act::Succeed | Act::Cancel | Act::Listen | Act::Child { .. } => false,
        }
    }

    fn must_fail(&self, at: At) -> bool {
        match &self.act {
            Act::Fail(_) | Act::Panic(_) => true,
            Act::Nest(task) => task.must_fail(at),
            Act::Group(tree) => !tree.allows(&End::Done, at.alone()),
            Act::Succeed | Act::Cancel | Act::Listen | Act::Child { .. } => false,
        }
    }

    fn may_cancel(&self) -> bool {
        match &self.act {
            Act::Cancel => true,
            Act::Nest(task) => task.may_cancel(),
            Act::Child { tree, escalates } => *escalates && tree.may_fail(),
            _ => false,
        }
    }

    /// Whether it waits for a cancel: its group's, or that of a group which it runs.
    fn listens(&self) -> bool {
        match &self.act {
            Act::Listen => true,
            Act::Nest(task) => task.listens(),
            Act::Group(tree) | Act::Child { tree, .. } => tree.listens(),
            _ => false,
        }
    }

    /// How many tasks of its group it comes to.
    pub(crate) fn count(&self) -> usize {
        match &self.act {
            Act::Nest(task) => 1 + task.count(),
            _ => 1,
        }
    }
}
