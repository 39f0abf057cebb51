//! What comes in once a session has ended.

use super::*;

/// Its end is read anew with each answer, and a little later than it is: it must not be fetched
/// again and again.
#[test]
fn the_same_keys_that_come_in_after_their_end_are_held_until_the_end_that_was_read_then() {
    for later in [2, 5, 10] {
        let mut slot = running(holding(), END);
        let read_later = fetched(1, END, END + later);
        assert_eq!(slot.check(at(END), &read_later), Ok(()), "{later}");
        slot.succeeded(at(END), read_later.clone(), 1.0);
        for now in [END, END + later / 2] {
            assert_eq!(slot.decide(at(now)), hand(read_later.session, false), "{later}: {now}");
        }
        let end = END + later;
        assert_eq!(slot.end(), at(end), "{later}");
        assert_eq!(slot.decide(at(end)), wait(true, end + 16, None), "{later}");
    }
}

/// The fetch is that of a session which has ended, as any other.
#[test]
fn a_fetch_after_the_end_of_a_rejected_session_is_on_account_of_no_rejection() {
    let mut slot = running(rejected(holding(), END - 1), END);
    let next = fetched(2, END, 2 * END);
    slot.succeeded(at(END), next.clone(), 0.0);
    let mut slot = rejected(slot, END);
    let another = slot.decide(at(END));
    assert_eq!(another, wait(true, END + 16, Some(next.session)), "another is allowed at once");
    slot.start(at(END));
    let third = fetched(3, END, 2 * END);
    slot.succeeded(at(END), third.clone(), 0.0);
    let slot = rejected(slot, END);
    assert_eq!(slot.decide(at(END + 9)), hand(third.session, false), "and the next in 10 s");
}
