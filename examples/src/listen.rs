//! Where the services listen.

use std::net::SocketAddr;

use serde::Serialize;

/// The address of each; port 0 is any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Listen {
    /// Echo's.
    pub echo: SocketAddr,
    /// That of `alarm.Check`.
    pub check: SocketAddr,
    /// That of `alarm.Notify`.
    pub notify: SocketAddr,
    /// That of the admin port.
    pub admin: SocketAddr,
}

const fn local(port: u16) -> SocketAddr {
    use std::net::{IpAddr, Ipv4Addr};
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Listen {
    /// Where `serve` listens when nothing else is said.
    pub const USUAL: Self = Self {
        echo: local(8000),
        check: local(8001),
        notify: local(8002),
        admin: local(8080),
    };

    /// Free ports of the loopback interface.
    pub const FREE: Self = Self {
        echo: local(0),
        check: local(0),
        notify: local(0),
        admin: local(0),
    };

    /// Where a method is served.
    #[must_use]
    pub fn of(&self, method: &str) -> SocketAddr {
        if method.starts_with("/alarm.Check/") {
            self.check
        } else if method.starts_with("/alarm.Notify/") {
            self.notify
        } else {
            self.echo
        }
    }
}
