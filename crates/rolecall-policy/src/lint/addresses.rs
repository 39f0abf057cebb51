//! The lints of addresses and ranges.

use std::net::IpAddr;

use super::StatementLint;
use super::registry::{
    IMPROVE_IP_RANGE, PRIVATE_IP_ADDRESS, PRIVATE_IP_ADDRESS_SUBSET, PRIVATE_NOT_IP_ADDRESS,
    PRIVATE_NOT_IP_ADDRESS_SUBSET,
};
use super::view::{Report, StatementView};
use crate::condition::OperatorType;

pub(super) const STATEMENT: &[StatementLint] = &[private, precise];

/// An address and the length of its prefix.
fn range(value: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) = value.split_once('/').unwrap_or((value, ""));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = if prefix.is_empty() { longest } else { prefix.parse().ok()? };
    (prefix <= longest).then_some((address, prefix))
}

/// The ranges that are not routed in the internet. (RFC 1918, RFC 4193, RFC 3927, RFC 4291.)
const PRIVATE: [&str; 8] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];

fn bits(address: IpAddr) -> (bool, u128) {
    match address {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (false, address.to_bits()),
    }
}

/// Returns `true` if all addresses of a range are private.
fn is_private(address: IpAddr, prefix: u32) -> bool {
    PRIVATE.iter().filter_map(|known| range(known)).any(|(known, length)| {
        // All of a range must be private: 10.0.0.0/7 has public addresses as well.
        let ((family, address), (known_family, known)) = (bits(address), bits(known));
        family == known_family && prefix >= length && (address ^ known).leading_zeros() >= length
    })
}

/// Requests carry a public address in aws:SourceIp.
fn private(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        let operator = condition.operator();
        let is_address = operator.operator_type() == OperatorType::IpAddress;
        if !is_address || condition.lower_case_key() != "aws:sourceip" {
            continue;
        }
        let valid: Vec<_> = condition.values().filter_map(range).collect();
        let private = valid.iter().filter(|(address, prefix)| is_private(*address, *prefix));
        let private = private.count();
        if private == 0 {
            continue;
        }
        let place = statement.condition(index);
        let fix = "name public ranges, or test aws:VpcSourceIp";
        if private == valid.len() {
            let (lint, answer) = match operator.is_negated() {
                false => (PRIVATE_IP_ADDRESS, "never met"),
                true => (PRIVATE_NOT_IP_ADDRESS, "always met"),
            };
            let message = format!("aws:SourceIp is a public address, so the condition is {answer}");
            report.add(lint, place, message, fix);
        } else {
            let lint = match operator.is_negated() {
                false => PRIVATE_IP_ADDRESS_SUBSET,
                true => PRIVATE_NOT_IP_ADDRESS_SUBSET,
            };
            let message = "aws:SourceIp is a public address, and some of these are private";
            report.add(lint, place, message, fix);
        }
    }
}

/// Bits after the prefix of a range.
fn precise(statement: &StatementView<'_>, report: &mut Report) {
    for (index, condition) in statement.conditions() {
        if condition.operator().operator_type() != OperatorType::IpAddress {
            continue;
        }
        for (number, value) in condition.values().enumerate() {
            let Some((address, prefix)) = range(value) else { continue };
            let Some(network) = network(address, prefix).filter(|network| *network != address)
            else {
                continue;
            };
            let message = format!("{value:?} has bits after its prefix, which are ignored");
            let fix = format!("write {network}/{prefix}");
            report.add(IMPROVE_IP_RANGE, statement.value(index, number), message, fix);
        }
    }
}

/// Returns the first address of a range.
fn network(address: IpAddr, prefix: u32) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(prefix)?).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(prefix)?).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    })
}
