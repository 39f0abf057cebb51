//! A simulated fleet of processes under one quota, each with its own rate limiter and more to fetch
//! than the quota allows.
//!
//! The limiters are the real ones, on a manual clock. STS is a token bucket that answers after 50
//! to 100 ms. All randomness has a seed, so each run has the same figures; `--nocapture` shows
//! them.

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use rolecall_core::{Clock, ErrorKind, FetchMode, ManualClock, Moment};
use rolecall_sts::{RateLimit, RateLimiter};

/// Time by which the clock advances at once.
const STEP: Duration = Duration::from_millis(5);
/// Background fetches that the timer of a pool has in flight at most.
const FETCHES: usize = 64;
/// Time that a call may wait for its permit: as in the STS client.
const TIMEOUT: Duration = Duration::from_secs(9);

/// A fleet and its account. Each process has the default rate limit, 200 calls per second.
#[derive(Clone, Debug)]
struct Fleet {
    processes: usize,
    /// Calls per second that the account has in its Region.
    quota: f64,
    /// Calls that the account may make at once after an idle time.
    burst: f64,
    /// Whether the processes report the outcomes of their calls, so that the rate adapts.
    adapts: bool,
    seconds: usize,
    /// Seconds in which STS throttles every second call, in addition to those above the quota.
    brown_out: Range<usize>,
}

impl Fleet {
    fn of(processes: usize) -> Self {
        let (quota, burst) = (600.0, 600.0);
        Self { processes, quota, burst, adapts: true, seconds: 120, brown_out: 0..0 }
    }
}

/// The calls of one second.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    accepted: u32,
    throttled: u32,
}

/// The calls of each second.
#[derive(Debug)]
struct Record(Vec<Second>);

impl Record {
    fn accepted(&self, seconds: Range<usize>) -> f64 {
        self.0[seconds].iter().map(|second| f64::from(second.accepted)).sum()
    }

    fn throttled(&self, seconds: Range<usize>) -> f64 {
        self.0[seconds].iter().map(|second| f64::from(second.throttled)).sum()
    }

    /// Returns the share of the calls that were throttled.
    fn throttled_share(&self, seconds: Range<usize>) -> f64 {
        let throttled = self.throttled(seconds.clone());
        throttled / (throttled + self.accepted(seconds))
    }

    fn accepted_per_second(&self, seconds: Range<usize>) -> f64 {
        let length = seconds.len() as f64;
        self.accepted(seconds) / length
    }
}

/// The quota of an account: a token bucket.
struct Account {
    fleet: Fleet,
    start: Moment,
    tokens: f64,
    refilled_at: Moment,
    calls: u64,
    record: Record,
}

impl Account {
    fn new(fleet: &Fleet, start: Moment) -> Self {
        // One more: calls at the end of the last second are answered after it.
        let record = Record(vec![Second::default(); fleet.seconds + 1]);
        let (fleet, tokens) = (fleet.clone(), fleet.burst);
        Self { fleet, start, tokens, refilled_at: start, calls: 0, record }
    }

    /// Receives a call. Returns `true` if it is accepted.
    fn receive(&mut self, now: Moment) -> bool {
        let refill = (now - self.refilled_at).as_secs_f64() * self.fleet.quota;
        self.tokens = (self.tokens + refill).min(self.fleet.burst);
        self.refilled_at = now;
        self.calls += 1;
        let second = usize::try_from((now - self.start).as_secs()).unwrap();
        let in_brown_out = self.fleet.brown_out.contains(&second);
        let accepted = self.tokens >= 1.0 && !(in_brown_out && self.calls.is_multiple_of(2));
        let Second { accepted: count, throttled } = &mut self.record.0[second];
        if accepted {
            self.tokens -= 1.0;
            *count += 1;
        } else {
            *throttled += 1;
        }
        accepted
    }
}

/// Fetches sessions one after the other, without end.
async fn fetch(
    limiter: Arc<RateLimiter>,
    account: Arc<Mutex<Account>>,
    clock: Clock,
    adapts: bool,
    mut random: Rng,
) {
    let mut sleep = |millis: Range<u64>| {
        let duration = Duration::from_micros(random.u64(millis.start * 1000..millis.end * 1000));
        clock.sleep_until(clock.now() + duration)
    };
    loop {
        let Ok(permit) = limiter.acquire(FetchMode::Background, TIMEOUT).await else {
            // Deferred: the cache fetches this session later.
            sleep(500..1000).await;
            continue;
        };
        sleep(25..50).await;
        let accepted = account.lock().unwrap().receive(clock.now());
        sleep(25..50).await;
        match adapts {
            true if accepted => permit.complete(Ok(())),
            true => permit.complete(Err(ErrorKind::Throttled)),
            false => drop(permit),
        }
    }
}

fn simulate(fleet: &Fleet) -> Record {
    // Without the long interval, the main task would advance the clock while others are ready.
    let runtime =
        tokio::runtime::Builder::new_current_thread().event_interval(u32::MAX).build().unwrap();
    runtime.block_on(async {
        let manual = ManualClock::new();
        let clock = manual.clock();
        let start = clock.now();
        let account = Arc::new(Mutex::new(Account::new(fleet, start)));
        let mut random = Rng::with_seed(4711);
        for _ in 0..fleet.processes {
            let limiter = Arc::new(RateLimiter::new(RateLimit::default(), clock.clone()));
            for _ in 0..FETCHES {
                let (limiter, account) = (Arc::clone(&limiter), Arc::clone(&account));
                tokio::spawn(fetch(limiter, account, clock.clone(), fleet.adapts, random.fork()));
            }
        }
        let end = start + Duration::from_secs(fleet.seconds.try_into().unwrap());
        while clock.now() < end {
            // Twice: a task that is woken during the first one runs in the second.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            manual.advance(STEP);
        }
        let empty = Record(Vec::new());
        std::mem::replace(&mut account.lock().unwrap().record, empty)
    })
}

#[expect(clippy::print_stdout, reason = "the figures are a result of the test")]
fn print(name: &str, fleet: &Fleet, record: &Record) {
    println!("{name}: {fleet:?}");
    println!("  from  accepted/s  throttled");
    for from in (0..fleet.seconds).step_by(10) {
        let seconds = from..from + 10;
        let accepted = record.accepted_per_second(seconds.clone());
        println!("{from:4} s {accepted:11.0} {:9.1} %", 100.0 * record.throttled_share(seconds));
    }
    let all = 0..fleet.seconds;
    let accepted = record.accepted_per_second(all.clone());
    println!("   all {accepted:11.0} {:9.1} %", 100.0 * record.throttled_share(all));
}

#[test]
fn fleet_shares_quota_without_throttling_storm() {
    let fleet = Fleet::of(8);
    let (all, converged) = (0..fleet.seconds, 10..fleet.seconds);
    // The burst of the account hides what the fleet does in its first seconds, and without one
    // there is nothing to fill the troughs with.
    for burst in [60.0, 600.0] {
        let fleet = Fleet { burst, ..fleet.clone() };
        let record = simulate(&fleet);
        print("adaptive", &fleet, &record);
        assert!(record.throttled_share(all.clone()) < 0.02);
        assert!(record.throttled_share(converged.clone()) < 0.01);
        assert!(record.accepted_per_second(converged.clone()) >= 0.85 * fleet.quota);
    }
    // The same fleet at constant rates: three of five calls are throttled, without end.
    let constant = Fleet { adapts: false, ..fleet };
    let record = simulate(&constant);
    print("constant", &constant, &record);
    assert!(record.throttled_share(all) > 0.5);
    assert!(record.throttled_share(converged) > 0.5);
}

#[test]
fn larger_fleet_converges_too() {
    let fleet = Fleet { seconds: 60, ..Fleet::of(32) };
    let record = simulate(&fleet);
    print("adaptive", &fleet, &record);
    // Its calls of the first seconds exceed the quota tenfold.
    assert!(record.throttled_share(10..60) < 0.05);
    assert!(record.accepted_per_second(10..60) >= 0.8 * fleet.quota);
}

#[test]
fn fleet_backs_off_in_brown_out_and_recovers() {
    let fleet = Fleet { seconds: 240, brown_out: 60..120, ..Fleet::of(8) };
    let constant = Fleet { adapts: false, ..fleet.clone() };
    let (record, without) = (simulate(&fleet), simulate(&constant));
    print("adaptive", &fleet, &record);
    print("constant", &constant, &without);
    // Half of the calls are throttled whatever the rate, so their number is compared: the fleet
    // leaves the service alone while it is overloaded.
    let (throttled, constantly) = (record.throttled(60..120), without.throttled(60..120));
    assert!(throttled < 0.1 * constantly, "{throttled} {constantly}");
    // Thirty seconds later, it uses the quota again.
    for from in (150..fleet.seconds).step_by(10) {
        let accepted = record.accepted_per_second(from..from + 10);
        assert!(accepted >= 0.8 * fleet.quota, "{accepted} from second {from}");
    }
    assert!(record.throttled_share(120..240) < 0.01);
    assert!(without.throttled_share(120..240) > 0.5);
}

#[test]
fn process_below_its_share_keeps_its_rate() {
    let fleet = Fleet { seconds: 30, ..Fleet::of(2) };
    let record = simulate(&fleet);
    assert_eq!(record.throttled(0..30), 0.0);
    assert!(record.accepted_per_second(0..30) >= 399.0);
}
