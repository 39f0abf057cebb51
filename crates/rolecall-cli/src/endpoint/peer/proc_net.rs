//! /proc/net/tcp and /proc/net/tcp6.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::sync::{mpsc, oneshot};

use super::Ends;

/// The lists of this process's network namespace. A client on the loopback address is in the same.
pub(super) const TCP: &str = "/proc/self/net/tcp";
const TCP6: &str = "/proc/self/net/tcp6";

/// Size limit of one list: some 400,000 sockets.
const MAX_LIST: u64 = 64 * 1024 * 1024;
/// Limit of the queue. It is larger than the number of connections.
const MAX_QUEUED: usize = 1024;

/// The task that reads the lists. Whatever asks while it reads is answered by the next reading, so
/// that any number of connections costs one reading at a time.
#[derive(Clone, Debug)]
pub(super) struct Lookup(mpsc::Sender<Query>);

#[derive(Debug)]
struct Query {
    ends: Ends,
    user: oneshot::Sender<u32>,
}

impl Lookup {
    pub(super) fn start() -> io::Result<Self> {
        // Without this list every client would be refused: better no endpoint than that.
        File::open(TCP)?;
        let (sender, receiver) = mpsc::channel(MAX_QUEUED);
        tokio::spawn(answer(receiver));
        Ok(Self(sender))
    }

    /// Returns the user of the socket at the other end, and `None` if it is not known.
    pub(super) async fn user(&self, ends: Ends) -> Option<u32> {
        let (user, answer) = oneshot::channel();
        self.0.try_send(Query { ends, user }).ok()?;
        answer.await.ok()
    }
}

async fn answer(mut queries: mpsc::Receiver<Query>) {
    let mut batch = Vec::new();
    while queries.recv_many(&mut batch, MAX_QUEUED).await > 0 {
        let pending = std::mem::take(&mut batch);
        // The lists are as long as the machine has sockets: not to be read on this thread.
        let read = tokio::task::spawn_blocking(move || read_lists(pending));
        // A sender that was dropped without an answer is an unknown user.
        let _ = read.await;
    }
}

fn read_lists(queries: Vec<Query>) {
    let mut pending: HashMap<Key, oneshot::Sender<u32>> =
        queries.into_iter().map(|query| (Key::of_peer(query.ends), query.user)).collect();
    for path in [TCP, TCP6] {
        // A kernel without IPv6 has no second list.
        let Ok(file) = File::open(path) else { continue };
        for row in rows(BufReader::new(file.take(MAX_LIST))) {
            if pending.is_empty() {
                return;
            }
            if let Some(user) = row.is_open().then(|| pending.remove(&row.key)).flatten() {
                let _ = user.send(row.user);
            }
        }
    }
}

fn rows(list: impl BufRead) -> impl Iterator<Item = Row> {
    // The first line has the names of the columns and is no row.
    list.lines().map_while(Result::ok).filter_map(|line| Row::parse(&line))
}

/// The addresses of a socket, from its own point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    local: SocketAddr,
    remote: SocketAddr,
}

impl Key {
    /// Returns the addresses of the socket at the other end of a connection.
    fn of_peer(ends: Ends) -> Self {
        Self { local: canonical(ends.peer), remote: canonical(ends.local) }
    }
}

/// Returns an address without its scope, and as IPv4 if it is one in the form of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// One socket of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    key: Key,
    user: u32,
    inode: u64,
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let mut columns = line.split_ascii_whitespace();
        let local = address(columns.nth(1)?)?;
        let remote = address(columns.next()?)?;
        // Skips the state, the queues, the timer and the retransmissions.
        let user = columns.nth(4)?.parse().ok()?;
        let inode = columns.nth(1)?.parse().ok()?;
        Some(Self { key: Key { local, remote }, user, inode })
    }

    /// Returns `true` if a process holds the socket.
    ///
    /// A socket that was closed stays in the list for a while, without an inode and with the user
    /// 0. It would make any user root.
    fn is_open(&self) -> bool {
        self.inode != 0
    }
}

/// Parses an address such as `0100007F:1F90`: groups of 32 bits in the byte order of the machine,
/// and the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let group = |index: usize| {
        let digits = ip.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match ip.len() {
        8 => IpAddr::V4(Ipv4Addr::from(group(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (index, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&group(index)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    Some(canonical(SocketAddr::new(ip, port)))
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    /// Recorded on Linux 6.18, x86-64: a listener, the client of user 1000 and the server's end of
    /// its connection, and those of a client that has closed its socket.
    const RECORDED: &str = include_str!("recorded/tcp.txt");
    /// A socket of IPv6 that is connected to an IPv4 address, as those of Java are, and one that is
    /// connected to ::1.
    const RECORDED6: &str = include_str!("recorded/tcp6.txt");

    fn user(list: &str, peer: &str, local: &str) -> Option<u32> {
        let ends = Ends { peer: peer.parse().unwrap(), local: local.parse().unwrap() };
        let key = Key::of_peer(ends);
        let mut found = rows(list.as_bytes()).filter(|row| row.is_open() && row.key == key);
        found.next().map(|row| row.user)
    }

    #[test]
    fn client_is_the_row_whose_remote_is_the_server() {
        assert_eq!(user(RECORDED, "127.0.0.1:38050", "127.0.0.1:8080"), Some(1000));
        assert_eq!(user(RECORDED, "127.0.0.1:38051", "127.0.0.1:8080"), None);
        assert_eq!(user(RECORDED, "127.0.0.1:38050", "127.0.0.1:8081"), None);
        assert_eq!(rows(RECORDED.as_bytes()).count(), 5);
    }

    #[test]
    fn closed_socket_has_no_user() {
        assert_eq!(user(RECORDED, "127.0.0.1:38064", "127.0.0.1:8080"), None);
        assert_eq!(user(RECORDED, "127.0.0.1:8080", "127.0.0.1:38064"), Some(0));
    }

    #[test]
    fn mapped_address_is_the_one_of_ipv4() {
        assert_eq!(user(RECORDED6, "127.0.0.1:38062", "127.0.0.1:8080"), Some(1000));
        assert_eq!(user(RECORDED6, "[::ffff:127.0.0.1]:38062", "127.0.0.1:8080"), Some(1000));
        assert_eq!(user(RECORDED6, "[::1]:43324", "[::1]:8081"), Some(1000));
    }

    #[test]
    fn malformed_rows_are_skipped() {
        let row = RECORDED.lines().nth(2).unwrap();
        assert!(Row::parse(row).is_some());
        for length in 0..row.find("3315719").unwrap() {
            assert_eq!(Row::parse(&row[..length]), None, "{}", &row[..length]);
        }
        for (old, new) in [
            ("0100007F:94A2", "0100007F"),
            ("0100007F:94A2", "0100007:94A2"),
            ("0100007F:94A2", "0100007\u{e9}:94A2"),
            ("0100007F:94A2", "0100007F:194A2"),
            ("0100007F:1F90", "X100007F:1F90"),
            (" 1000 ", " -1 "),
            ("3315719", "x"),
        ] {
            assert_eq!(Row::parse(&row.replace(old, new)), None, "{old} -> {new}");
        }
    }

    #[tokio::test]
    async fn own_connection_belongs_to_this_user() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, peer) = listener.accept().unwrap();
        let ends = Ends { peer, local: server.local_addr().unwrap() };
        let lookup = Lookup::start().unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(lookup.user(ends).await, Some(own));
        let other = Ends { peer: listener.local_addr().unwrap(), ..ends };
        assert_eq!(lookup.user(other).await, None);
        drop(client);
        assert_eq!(lookup.user(ends).await, None);
    }
}
