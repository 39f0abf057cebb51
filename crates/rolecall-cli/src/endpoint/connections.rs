//! The open connections, and their limit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OnceCell};

use super::peer::{Ends, Peers};

/// The number of connections that are open at a time.
pub(crate) const MAX_CONNECTIONS: usize = 256;

/// What is known about a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    ends: Ends,
    permitted: OnceCell<bool>,
    /// It sent a request with the token.
    trusted: AtomicBool,
    running: AtomicUsize,
    close: Notify,
}

impl Connection {
    fn new(ends: Ends) -> Self {
        Self {
            ends,
            permitted: OnceCell::new(),
            trusted: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            close: Notify::new(),
        }
    }

    /// Returns `true` if the user at the other end may use the endpoint. The kernel's list is read
    /// once for a connection: a socket does not change its owner.
    pub(crate) async fn is_permitted(&self, peers: &Peers) -> bool {
        *self.permitted.get_or_init(|| peers.is_permitted(self.ends)).await
    }

    pub(crate) fn trust(&self) {
        self.trusted.store(true, Ordering::Relaxed);
    }

    /// Marks the connection as busy until the value is dropped.
    pub(crate) fn begin_request(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self)
    }

    /// Waits until the connection has to make room for another one.
    pub(crate) async fn closed(&self) {
        self.close.notified().await;
    }
}

/// A request that is being answered.
pub(crate) struct Running<'a>(&'a Connection);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The open connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
    evicted: AtomicU64,
    refused: AtomicU64,
    empty: Notify,
}

impl Connections {
    /// Adds a connection. If there are too many, the oldest idle one is closed, and one that never
    /// sent the token before one that did: connections that only wait do not keep out a client.
    ///
    /// Returns `None` if all are busy.
    pub(crate) fn add(self: &Arc<Self>, ends: Ends) -> Option<Registered> {
        let mut open = self.lock();
        if open.len() >= MAX_CONNECTIONS {
            let idle = open.iter().filter(|(_, it)| it.running.load(Ordering::Relaxed) == 0);
            let oldest = idle.min_by_key(|(id, it)| (it.trusted.load(Ordering::Relaxed), **id));
            let Some(id) = oldest.map(|(id, _)| *id) else {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            };
            if let Some(connection) = open.remove(&id) {
                connection.close.notify_one();
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(ends));
        open.insert(id, Arc::clone(&connection));
        Some(Registered { id, connection, all: Arc::clone(self) })
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Returns the number of connections that were closed to make room.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Returns the number of connections that were refused, since all others were busy.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits until no connection is open.
    pub(crate) async fn wait_until_empty(&self) {
        loop {
            let changed = self.empty.notified();
            if self.count() == 0 {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open connection. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct Registered {
    id: u64,
    pub(crate) connection: Arc<Connection>,
    all: Arc<Connections>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut open = self.all.lock();
        open.remove(&self.id);
        if open.is_empty() {
            self.all.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends() -> Ends {
        let address = "127.0.0.1:8080".parse().unwrap();
        Ends { peer: address, local: address }
    }

    fn is_open(all: &Connections, it: &Registered) -> bool {
        all.lock().contains_key(&it.id)
    }

    #[test]
    fn oldest_idle_connection_makes_room() {
        let all = Arc::new(Connections::default());
        let mut open: Vec<_> = (0..MAX_CONNECTIONS).map(|_| all.add(ends()).unwrap()).collect();
        // The first is busy, and the second has sent the token.
        let first = Arc::clone(&open[0].connection);
        let busy = first.begin_request();
        open[1].connection.trust();
        open.push(all.add(ends()).unwrap());
        assert_eq!((all.count(), all.evicted()), (MAX_CONNECTIONS, 1));
        let closed: Vec<_> = (0..=MAX_CONNECTIONS).filter(|i| !is_open(&all, &open[*i])).collect();
        assert_eq!(closed, [2]);
        drop(busy);
        open.push(all.add(ends()).unwrap());
        assert!(!is_open(&all, &open[0]) && is_open(&all, &open[1]));
        drop(open);
        assert_eq!(all.count(), 0);
    }

    #[test]
    fn trusted_connection_is_closed_if_no_other_is_idle() {
        let all = Arc::new(Connections::default());
        let open: Vec<_> = (0..MAX_CONNECTIONS).map(|_| all.add(ends()).unwrap()).collect();
        let busy: Vec<_> = open[1..].iter().map(|it| it.connection.begin_request()).collect();
        open[0].connection.trust();
        let last = all.add(ends()).unwrap();
        assert!(!is_open(&all, &open[0]));
        let also_busy = last.connection.begin_request();
        assert!(all.add(ends()).is_none());
        assert_eq!((all.evicted(), all.refused()), (1, 1));
        drop((busy, also_busy));
    }
}
