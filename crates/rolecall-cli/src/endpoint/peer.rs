//! The user of the process at the other end of a connection.
//!
//! Every process of a machine can connect to a port of the loopback address. On Linux the kernel
//! lists the owner of each socket in /proc/net/tcp and /proc/net/tcp6. A socket of the second list
//! may be connected to an IPv4 address as well: those of Java programs are.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod proc_net;

use std::net::SocketAddr;

use crate::error::Failure;

/// The two ends of a connection, as the server sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Looks up which users connections belong to.
#[derive(Clone, Debug)]
pub(crate) struct Peers {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    lookup: proc_net::Lookup,
}

impl Peers {
    /// Starts the task that reads the kernel's lists.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn start() -> Result<Self, Failure> {
        let lookup = proc_net::Lookup::start().map_err(|error| {
            Failure::operation(format!("cannot read {}: {error}", proc_net::TCP))
                .with_hint("mount /proc: the endpoint refuses clients whose user is unknown")
        })?;
        Ok(Self { lookup })
    }

    /// Returns `true` if the connection belongs to the user of this process, or to root, which
    /// could read the token and this process's memory anyway.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) async fn is_permitted(&self, ends: Ends) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.lookup.user(ends).await.is_some_and(|user| user == own || user == 0)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn start() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// Returns `true`: this platform has no list of the users of sockets, and the token alone
    /// decides.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) async fn is_permitted(&self, _ends: Ends) -> bool {
        true
    }
}
