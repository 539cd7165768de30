//! What is said on standard output and standard error.
//!
//! `println!` panics when nobody reads any more, as `head` does not after some lines: a server
//! would end in the middle of its work, with nothing drained.

use std::fmt::Arguments;
use std::io::Write;

/// Prints a line, if anybody reads it.
pub fn out(line: Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// The same, on standard error.
pub fn err(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
