//! /proc/net/tcp and /proc/net/tcp6.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr};

use tokio::sync::{mpsc, oneshot};

use super::Ends;

/// The lists of this process's network namespace. A client on the loopback address is in the same.
pub(super) const TCP: &str = "/proc/self/net/tcp";
const TCP6: &str = "/proc/self/net/tcp6";
const LISTS: [(&str, Family); 2] = [(TCP, Family::V4), (TCP6, Family::V6)];

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

fn read_lists(mut pending: Vec<Query>) {
    for (path, family) in LISTS {
        let mut wanted = HashMap::new();
        let mut others = Vec::new();
        for query in pending {
            match family.columns(query.ends) {
                Some(columns) => drop(wanted.insert(columns, query)),
                None => others.push(query),
            }
        }
        // The kernel walks through the sockets of the whole machine to write a list: one that
        // cannot have the clients is not read at all. A kernel without IPv6 has no second list.
        if !wanted.is_empty()
            && let Ok(file) = File::open(path)
        {
            answer_from(BufReader::new(file.take(MAX_LIST)), family, &mut wanted);
        }
        others.extend(wanted.into_values());
        pending = others;
    }
}

/// Answers the queries whose columns are in a list, and removes them. Reads no further than to the
/// last of them.
fn answer_from(mut list: impl BufRead, family: Family, wanted: &mut HashMap<Vec<u8>, Query>) {
    // One buffer for all rows: a string for each would cost more than the rest.
    let mut row = Vec::new();
    while !wanted.is_empty()
        && let Ok(1..) = list.read_until(b'\n', &mut row)
    {
        // The first line has the names of the columns and no addresses.
        if let Some(columns) = family.addresses(&row)
            && wanted.contains_key(columns)
            && let Some(user) = user_of_open(&row)
            && let Some(query) = wanted.remove(columns)
        {
            // Without a receiver, the connection has ended.
            let _ = query.user.send(user);
        }
        row.clear();
    }
}

/// The kind of addresses of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    /// Returns the columns with the addresses of the socket at the other end of a connection, as
    /// this list has them, such as `0100007F:94A2 0100007F:1F90`. Returns `None` if such a
    /// connection is never in the list.
    ///
    /// Addresses are compared as text: to parse those of all sockets would cost more than to write
    /// those of the few clients.
    fn columns(self, ends: Ends) -> Option<Vec<u8>> {
        // From the point of view of the other end, its own address is the first.
        let mut text = String::with_capacity(self.width());
        self.write_address(&mut text, ends.peer)?;
        text.push(' ');
        self.write_address(&mut text, ends.local)?;
        Some(text.into_bytes())
    }

    /// Writes groups of 32 bits in the byte order of the machine, and the port. An IPv4 address in
    /// the form of IPv6 is the same address in both lists.
    fn write_address(self, text: &mut String, address: SocketAddr) -> Option<()> {
        let mut write = |bytes: &[u8]| {
            for group in bytes.as_chunks::<4>().0 {
                write!(text, "{:08X}", u32::from_ne_bytes(*group)).ok()?;
            }
            write!(text, ":{:04X}", address.port()).ok()
        };
        match (self, address.ip().to_canonical()) {
            (Self::V4, IpAddr::V4(ip)) => write(&ip.octets()),
            (Self::V4, IpAddr::V6(_)) => None,
            (Self::V6, IpAddr::V4(ip)) => write(&ip.to_ipv6_mapped().octets()),
            (Self::V6, IpAddr::V6(ip)) => write(&ip.octets()),
        }
    }

    /// The width of the two columns.
    const fn width(self) -> usize {
        match self {
            Self::V4 => 2 * "0100007F:94A2".len() + 1,
            Self::V6 => 2 * "00000000000000000000000001000000:94A2".len() + 1,
        }
    }

    /// Returns the columns with the addresses of a row.
    fn addresses(self, row: &[u8]) -> Option<&[u8]> {
        // The number of the row has at least four characters.
        let number = row.iter().position(|byte| *byte == b':')?;
        let (columns, rest) =
            row.get(number..)?.strip_prefix(b": ")?.split_at_checked(self.width())?;
        rest.starts_with(b" ").then_some(columns)
    }
}

/// Returns the user of the socket of a row, if a process holds the socket.
///
/// A socket that was closed stays in the list for a while, without an inode and with the user 0. It
/// would make any user root.
fn user_of_open(row: &[u8]) -> Option<u32> {
    let mut columns = std::str::from_utf8(row).ok()?.split_ascii_whitespace();
    // Skips the number, the addresses, the state, the queues, the timer and the retransmissions.
    let user = columns.nth(7)?.parse().ok()?;
    let inode: u64 = columns.nth(1)?.parse().ok()?;
    (inode != 0).then_some(user)
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    /// Recorded on Linux 6.18, x86-64: a listener, the client of user 1000 and the server's end of
    /// its connection, and those of a client that has closed its socket.
    const RECORDED: (&str, Family) = (include_str!("recorded/tcp.txt"), Family::V4);
    /// A socket of IPv6 that is connected to an IPv4 address, as those of Java are, and one that is
    /// connected to ::1.
    const RECORDED6: (&str, Family) = (include_str!("recorded/tcp6.txt"), Family::V6);
    const CLIENT: [&str; 2] = ["127.0.0.1:38050", "127.0.0.1:8080"];

    fn query([peer, local]: [&str; 2]) -> (Query, oneshot::Receiver<u32>) {
        let (user, answer) = oneshot::channel();
        let ends = Ends { peer: peer.parse().unwrap(), local: local.parse().unwrap() };
        (Query { ends, user }, answer)
    }

    fn user((list, family): (&str, Family), ends: [&str; 2]) -> Option<u32> {
        let (query, mut answer) = query(ends);
        let mut wanted = HashMap::from([(family.columns(query.ends)?, query)]);
        answer_from(list.as_bytes(), family, &mut wanted);
        let user = answer.try_recv().ok();
        assert_eq!(wanted.is_empty(), user.is_some());
        user
    }

    #[test]
    fn client_is_the_row_whose_remote_is_the_server() {
        assert_eq!(user(RECORDED, CLIENT), Some(1000));
        assert_eq!(user(RECORDED, ["127.0.0.1:38051", "127.0.0.1:8080"]), None);
        assert_eq!(user(RECORDED, ["127.0.0.1:38050", "127.0.0.1:8081"]), None);
        assert_eq!(user(RECORDED, ["127.0.0.2:38050", "127.0.0.1:8080"]), None);
    }

    #[test]
    fn closed_socket_has_no_user() {
        assert_eq!(user(RECORDED, ["127.0.0.1:38064", "127.0.0.1:8080"]), None);
        assert_eq!(user(RECORDED, ["127.0.0.1:8080", "127.0.0.1:38064"]), Some(0));
        // The row of the client may follow: ports are used again.
        let (list, _) = RECORDED;
        let row = list.lines().nth(2).unwrap();
        let reused = format!("{}\n{row}\n", row.replace("1000        0 3315719", "0        0 0"));
        assert_eq!(user((&reused, Family::V4), CLIENT), Some(1000));
    }

    #[test]
    fn mapped_address_is_the_one_of_ipv4() {
        assert_eq!(user(RECORDED6, ["127.0.0.1:38062", "127.0.0.1:8080"]), Some(1000));
        let mapped = ["[::ffff:127.0.0.1]:38062", "[::ffff:127.0.0.1]:8080"];
        assert_eq!(user(RECORDED6, mapped), Some(1000));
        let mapped = ["[::ffff:127.0.0.1]:38050", "[::ffff:127.0.0.1]:8080"];
        assert_eq!(user(RECORDED, mapped), Some(1000));
        assert_eq!(user(RECORDED6, ["[::1]:43324", "[::1]:8081"]), Some(1000));
        assert_eq!(user(RECORDED, ["[::1]:43324", "[::1]:8081"]), None);
    }

    #[test]
    fn list_is_read_to_the_last_client() {
        let queries = [CLIENT, ["127.0.0.1:8080", "127.0.0.1:38050"]].map(query);
        let wanted = queries.map(|(query, answer)| {
            let columns = Family::V4.columns(query.ends).unwrap();
            ((columns, query), answer)
        });
        let [(one, mut client), (other, mut server)] = wanted;
        let mut wanted = HashMap::from([one, other]);
        let (list, family) = RECORDED;
        let mut unread = list.as_bytes();
        answer_from(&mut unread, family, &mut wanted);
        assert_eq!((client.try_recv(), server.try_recv()), (Ok(1000), Ok(0)));
        assert!(unread.starts_with(b"   6: "), "{}", String::from_utf8_lossy(unread));
    }

    #[test]
    fn malformed_rows_are_skipped() {
        let (list, family) = RECORDED;
        let row = list.lines().nth(2).unwrap();
        assert_eq!(user((row, family), CLIENT), Some(1000));
        for length in 0..row.find("3315719").unwrap() {
            assert_eq!(user((&row[..length], family), CLIENT), None, "{}", &row[..length]);
        }
        for (old, new) in [
            ("0100007F:94A2", "0100007F"),
            ("0100007F:94A2", "0100007:94A2"),
            ("0100007F:94A2", "0100007\u{e9}:94A2"),
            ("0100007F:94A2", "0100007F:194A2"),
            ("0100007F:1F90", "X100007F:1F90"),
            ("1F90 01", "1F90001"),
            (": ", ":"),
            (" 1000 ", " -1 "),
            ("3315719", "x"),
        ] {
            let changed = row.replacen(old, new, 1);
            assert_eq!(user((&changed, family), CLIENT), None, "{old} -> {new}");
        }
    }

    #[tokio::test]
    async fn own_connection_belongs_to_this_user() {
        // The last one is a socket of IPv6 that is connected to an IPv4 address.
        for (server, client) in
            [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")]
        {
            let (server, client): (IpAddr, IpAddr) =
                (server.parse().unwrap(), client.parse().unwrap());
            // A machine may be without IPv6.
            if client.is_ipv6() && std::net::TcpListener::bind(("::1", 0)).is_err() {
                continue;
            }
            let listener = std::net::TcpListener::bind((server, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let client = std::net::TcpStream::connect((client, address.port())).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let ends = Ends { peer, local: server.local_addr().unwrap() };
            let lookup = Lookup::start().unwrap();
            let own = rustix::process::geteuid().as_raw();
            assert_eq!(lookup.user(ends).await, Some(own), "{ends:?}");
            assert_eq!(lookup.user(Ends { peer: address, ..ends }).await, None);
            drop(client);
            assert_eq!(lookup.user(ends).await, None);
        }
    }
}
