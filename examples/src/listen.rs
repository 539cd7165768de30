//! Where the services listen.

use std::net::SocketAddr;

use serde::Serialize;

use crate::config::ConfigError;

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

/// Whether both are one port of one interface. Whether all interfaces of IPv6 are those of
/// IPv4 as well, the system decides.
fn meet(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip(), other.ip());
    let interface =
        a == b || a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified());
    one.port() == other.port() && one.port() != 0 && interface
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

    /// Whether all of them can listen at once, as far as can be told before they do.
    ///
    /// # Errors
    /// [`ConfigError::SameAddress`].
    pub fn check(&self) -> Result<(), ConfigError> {
        let all = [
            ("echo", self.echo),
            ("check", self.check),
            ("notify", self.notify),
            ("admin", self.admin),
        ];
        for (nth, &(key, addr)) in all.iter().enumerate() {
            if let Some((other, _)) = all[..nth].iter().find(|(_, other)| meet(addr, *other)) {
                let keys = [*other, key];
                return Err(ConfigError::SameAddress { keys, addr });
            }
        }
        Ok(())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_one_address_are_told_apart_from_two_that_can_be() {
        for (one, other, clash) in [
            ("127.0.0.1:8000", "127.0.0.1:8000", true),
            ("127.0.0.1:8000", "0.0.0.0:8000", true),
            ("[::]:8000", "[::1]:8000", true),
            ("127.0.0.1:8000", "127.0.0.1:8001", false),
            ("127.0.0.1:8000", "127.0.0.2:8000", false),
            ("[::]:8000", "127.0.0.1:8000", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
        ] {
            let listen = Listen {
                check: one.parse().unwrap(),
                admin: other.parse().unwrap(),
                ..Listen::FREE
            };
            let checked = listen.check().map_err(|error| error.to_string());
            let told = format!("check and admin are both at {other}");
            let expected = if clash { Err(told) } else { Ok(()) };
            assert_eq!(checked, expected, "{one}");
        }
        assert!(Listen::USUAL.check().is_ok());
    }
}
