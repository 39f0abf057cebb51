//! Limits on the number of requests.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A token bucket: `rate` requests per second, and `burst` at once.
#[derive(Debug)]
pub(crate) struct RateLimit {
    rate: f64,
    burst: f64,
    level: Mutex<Level>,
}

#[derive(Debug)]
struct Level {
    available: f64,
    at: Instant,
}

impl RateLimit {
    pub(crate) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst);
        let level = Mutex::new(Level { available: burst, at: now });
        Self { rate: f64::from(rate), burst, level }
    }

    /// Returns `true` if another request is permitted now, and counts it.
    pub(crate) fn permits(&self, now: Instant) -> bool {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.checked_duration_since(level.at).unwrap_or(Duration::ZERO);
        level.available = self.burst.min(level.available + since.as_secs_f64() * self.rate);
        level.at = level.at.max(now);
        let permitted = level.available >= 1.0;
        if permitted {
            level.available -= 1.0;
        }
        permitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_is_permitted_then_the_rate() {
        let start = Instant::now();
        let limit = RateLimit::new(10, 3, start);
        let count = |at: Duration| (0..100).filter(|_| limit.permits(start + at)).count();
        assert_eq!(count(Duration::ZERO), 3);
        assert_eq!(count(Duration::from_millis(50)), 0);
        assert_eq!(count(Duration::from_millis(250)), 2);
        // A long pause saves up no more than the burst.
        assert_eq!(count(Duration::from_secs(3600)), 3);
        // A clock reading that another thread took earlier adds nothing.
        assert_eq!(count(Duration::ZERO), 0);
        assert_eq!(count(Duration::from_secs(3600)), 0);
    }
}
