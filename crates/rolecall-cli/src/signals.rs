//! The signals that end a command, and those that this process was started to ignore.

#[cfg(unix)]
mod ending;

#[cfg(unix)]
pub(crate) use self::ending::clean_up_before_end;
#[cfg(unix)]
pub(crate) use self::unix::{StopSignals, is_ignored, listen, recv};

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::flag::register_conditional_default;
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::ending;
    use crate::error::Failure;

    /// The signals that end a command which has to remove something before: SIGINT, SIGTERM, and
    /// the SIGHUP of a terminal that is closed.
    #[derive(Debug)]
    pub(crate) struct StopSignals {
        interrupt: Signal,
        terminate: Signal,
        /// `None` if the signal has another meaning, or stays ignored.
        hangup: Option<Signal>,
    }

    impl StopSignals {
        /// Receives the signals from now on. A SIGHUP that `nohup` ignores stays ignored.
        pub(crate) fn install() -> Result<Self, Failure> {
            let hangup = SignalKind::hangup();
            let is_caught = !is_ignored(hangup.as_raw_value());
            let hangup = is_caught.then(|| listen(hangup)).transpose()?;
            Ok(Self { hangup, ..Self::install_without_hangup()? })
        }

        /// Receives SIGINT and SIGTERM from now on.
        pub(crate) fn install_without_hangup() -> Result<Self, Failure> {
            let interrupt = listen(SignalKind::interrupt())?;
            Ok(Self { interrupt, terminate: listen(SignalKind::terminate())?, hangup: None })
        }

        /// Waits for one of the signals.
        pub(crate) async fn recv(&mut self) {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
                () = recv(&mut self.hangup) => {}
            }
        }

        /// Lets the signals end the process again: what had to be removed is gone.
        pub(crate) fn give_back(self) -> Result<(), Failure> {
            let hangup = self.hangup.map(|_| SignalKind::hangup());
            let all = [SignalKind::interrupt(), SignalKind::terminate()].into_iter().chain(hangup);
            for kind in all {
                // A listener that is dropped does not end its handler.
                let always = Arc::new(AtomicBool::new(true));
                register_conditional_default(kind.as_raw_value(), always).map_err(cannot_handle)?;
            }
            Ok(())
        }
    }

    /// Receives a signal from now on, in place of what it does by default, and in place of
    /// [`clean_up_before_end`](super::clean_up_before_end).
    pub(crate) fn listen(kind: SignalKind) -> Result<Signal, Failure> {
        let listener = register(kind)?;
        ending::hand_over(kind);
        Ok(listener)
    }

    pub(super) fn register(kind: SignalKind) -> Result<Signal, Failure> {
        signal(kind).map_err(cannot_handle)
    }

    fn cannot_handle(error: io::Error) -> Failure {
        Failure::operation(format!("cannot handle signals: {error}"))
    }

    /// Waits for a signal, or forever if it is not received.
    pub(crate) async fn recv(signal: &mut Option<Signal>) {
        match signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Returns `true` if the process that started this one made it ignore a signal, as `nohup` does
    /// with SIGHUP. A handler would end that, for this process and for the programs that it runs.
    ///
    /// Only Linux tells. On other systems, the answer is `false`.
    pub(crate) fn is_ignored(signal: i32) -> bool {
        fs::read_to_string("/proc/self/status").is_ok_and(|status| is_in_mask(&status, signal))
    }

    fn is_in_mask(status: &str, signal: i32) -> bool {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        let bit = u32::try_from(signal).ok().and_then(|signal| signal.checked_sub(1));
        bit.and_then(|bit| 1_u64.checked_shl(bit)).is_some_and(|bit| mask & bit != 0)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn mask_counts_signals_from_one() {
            let status = "SigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\tffff\n";
            let ignored: Vec<i32> = (-1..70).filter(|signal| is_in_mask(status, *signal)).collect();
            assert_eq!(ignored, [1, 13]);
            assert!(!is_in_mask("", 1));
        }
    }
}

#[cfg(not(unix))]
pub(crate) use self::other::StopSignals;

#[cfg(not(unix))]
mod other {
    use crate::error::Failure;

    /// Ctrl-C, from the first wait for it on.
    ///
    /// Before that, Ctrl-C ends the process, and so does at any time what else ends one on these
    /// systems: Ctrl-Break, a console that is closed, and the end of the person's session. The
    /// command then removes nothing.
    #[derive(Debug)]
    pub(crate) struct StopSignals;

    impl StopSignals {
        pub(crate) fn install() -> Result<Self, Failure> {
            Ok(Self)
        }

        pub(crate) async fn recv(&mut self) {
            // An error says that there is no console to press Ctrl-C on. The system ends the
            // process then.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }

        /// Does nothing: Ctrl-C stays caught.
        pub(crate) fn give_back(self) -> Result<(), Failure> {
            Ok(())
        }
    }
}
