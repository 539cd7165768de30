//! A formatter that reuses its printer, as Go's `fmt` does with its `pp`:
//! `cargo run --example printer`.

use pool_object::Pool;
use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
};

/// The scratch space of one call of [`print_line`].
struct Printer {
    line: String,
}

static PRINTERS: Pool<Printer> = Pool::from_fn(|| Printer {
    line: String::with_capacity(256),
});

/// Formats first and writes once, so that lines of several threads do not mix.
fn print_line(arguments: fmt::Arguments<'_>) -> io::Result<()> {
    let mut printer = PRINTERS.get();
    let line = &mut printer.line;
    line.clear();
    line.write_fmt(arguments)
        .and_then(|()| line.write_char('\n'))
        .map_err(io::Error::other)?;
    io::stdout().write_all(line.as_bytes())
}

fn main() -> io::Result<()> {
    for n in 1..=5 {
        print_line(format_args!("{n} times {n} is {}", n * n))?;
    }
    let stats = PRINTERS.stats();
    print_line(format_args!(
        "printers made: {}, reused: {}",
        stats.misses,
        stats.hits.total()
    ))
}
