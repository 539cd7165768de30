//! The Go originals: a program that is built once and asked turn by turn, and
//! a server.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use tempfile::TempDir;

use crate::contestant::{Contestant, Lost};

/// The running Go program.
#[derive(Debug)]
struct Program {
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Program {
    fn ask(&mut self, question: &str) -> std::io::Result<String> {
        writeln!(self.ask, "{question}")?;
        self.line()
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.answer.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It also ends with its input; whichever comes first.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Go originals as programs, if they can be had.
#[derive(Debug)]
pub struct Programs {
    /// What `go version` says.
    pub version: String,
    /// Where they are, until this is dropped.
    built: TempDir,
}

impl Programs {
    /// Builds what is in `benches/go`.
    ///
    /// # Errors
    /// When there is no `go`, or it cannot build them: why, for people.
    pub fn build() -> Result<Self, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
        let version = Command::new("go").arg("version").output();
        let version = version.map_err(|error| format!("go is not installed ({error})"))?;
        let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
        let built = TempDir::with_prefix("benches-go-").map_err(|error| error.to_string())?;
        let build = Command::new("go")
            .args(["build", "-o"])
            .arg(built.path())
            .arg("./...")
            .current_dir(source)
            .output()
            .map_err(|error| error.to_string())?;
        if build.status.success() {
            Ok(Self { version, built })
        } else {
            Err(String::from_utf8_lossy(&build.stderr).trim().to_owned())
        }
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.built.path()
    }
}

/// The Go originals at work.
#[derive(Debug)]
pub struct Go {
    program: Rc<RefCell<Program>>,
    /// `CASE WHO`, all there are.
    known: Vec<String>,
    /// Where the programs are.
    folder: PathBuf,
}

impl Go {
    /// Starts the program that is asked turn by turn.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer.
    pub fn start(folder: &Path) -> Result<Self, String> {
        let child = Command::new(program(folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.map_err(|error| error.to_string())?;
        let (Some(ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("no pipes to the Go program".into());
        };
        let mut program = Program {
            child,
            ask,
            answer: BufReader::new(answer),
        };
        let mut known = Vec::new();
        let mut line = program.ask("list").map_err(|error| error.to_string())?;
        while !line.is_empty() {
            known.push(line);
            line = program.line().map_err(|error| error.to_string())?;
        }
        known.sort();
        Ok(Self {
            program: Rc::new(RefCell::new(program)),
            known,
            folder: folder.to_owned(),
        })
    }

    /// The program that is asked turn by turn, to be run by itself.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        program(&self.folder)
    }

    /// The server of trpc-go.
    #[must_use]
    pub fn trpc(&self) -> PathBuf {
        self.folder.join("trpc")
    }

    /// The Go contestants of a case. One with two colons in its name is another way to
    /// use an original, shown beside the others.
    #[must_use]
    pub fn contestants(&self, case: &str) -> Vec<Contestant> {
        let of_case = |name: &String| {
            name.strip_prefix(case)?
                .strip_prefix(' ')
                .map(str::to_owned)
        };
        let contestant = |who: String| {
            let (program, case, name) = (Rc::clone(&self.program), case.to_owned(), who.clone());
            let is_aside = who.matches(':').count() > 1;
            let contestant = Contestant::new(who, move |count| {
                let answer = program.borrow_mut().ask(&format!("{case} {name} {count}"));
                let answer = answer.map_err(|error| Lost(error.to_string()))?;
                answer
                    .parse()
                    .map(Duration::from_nanos)
                    .map_err(|_| Lost(answer))
            });
            if is_aside {
                contestant.aside()
            } else {
                contestant
            }
        };
        self.known
            .iter()
            .filter_map(of_case)
            .map(contestant)
            .collect()
    }
}

fn program(folder: &Path) -> PathBuf {
    folder.join("benches")
}
