//! A formatter that reuses its printer, as Go's `fmt` does with its `pp`:
//! `cargo run --example printer`.

use pool_object::{Policy, Pool};
use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
};

/// The scratch space of one call of [`print_line`].
struct Printer {
    line: String,
}

struct Printers;

impl Policy<Printer> for Printers {
    fn create(&self) -> Printer {
        Printer {
            line: String::with_capacity(256),
        }
    }

    /// As the printer comes back, so that what was printed does not stay about. One huge
    /// line shall not be kept for ever: `fmt` draws the line at 64 KiB, too.
    fn reset(&self, printer: &mut Printer) -> bool {
        printer.line.clear();
        printer.line.capacity() <= 64 * 1024
    }
}

static PRINTERS: Pool<Printer, Printers> = Pool::new(Printers);

/// Formats first and writes once, so that lines of several threads do not mix.
fn print_line(arguments: fmt::Arguments<'_>) -> io::Result<()> {
    let mut printer = PRINTERS.get();
    let line = &mut printer.line;
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
