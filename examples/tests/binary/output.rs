//! What it says, and nobody reads.

use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::rpc_peer::{address, until_blocking};
use crate::served::{get, rpc_demo, signal};

/// Has nobody read what it says.
fn unheard(command: &mut Command) -> &mut Command {
    let nobody = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    command.stdout(nobody()).stderr(nobody())
}

#[test]
fn what_nobody_reads_is_no_reason_to_fail() {
    for args in [&["config"][..], &["trace-poll"]] {
        let status = unheard(&mut rpc_demo(args)).status().unwrap();
        assert_eq!(status.code(), Some(0), "{args:?}");
    }
    let status = unheard(&mut rpc_demo(&["--quack"])).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_server_whose_words_nobody_reads_serves_and_stops_as_others_do() {
    let folder = tempfile::tempdir().unwrap();
    let (any, admin) = ("127.0.0.1:0", address());
    let mut serve = rpc_demo(&["serve", "--echo", any, "--check", any, "--notify", any]);
    serve.args(["--policies", "2000", "--admin", &admin.to_string()]);
    serve
        .arg("--alarm-log")
        .arg(folder.path().join("alarms.log"));
    let mut served = unheard(&mut serve).spawn().unwrap();
    until_blocking(|| TcpStream::connect(admin).is_ok() && get(admin, "/readyz").0 == 200);
    signal(served.id(), "TERM");
    assert_eq!(served.wait().unwrap().code(), Some(0));
}
