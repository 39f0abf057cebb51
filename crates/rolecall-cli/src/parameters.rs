//! Arguments that consist of two parts.

use std::fmt;
use std::str::FromStr;

use rolecall::params::{ExternalId, InvalidParameter};

/// A session tag, `KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            None => Err("expected KEY=VALUE; the value may be empty".to_owned()),
        }
    }
}

/// An external id, and the number of its role: `ID` or `N=ID`, where 1 is the first role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NumberedExternalId {
    /// `None`: the last role.
    pub(crate) number: Option<usize>,
    pub(crate) id: ExternalId,
}

impl FromStr for NumberedExternalId {
    type Err = InvalidParameter;

    /// Digits before the first equals sign are the number of the role, even if there is no such
    /// role. An external id that begins in this way itself must be written with a number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.split_once('=').filter(|(number, _)| is_number(number)) {
            Some((number, id)) => {
                // More digits than a number has are those of a role that is not there.
                let number = number.parse().unwrap_or(usize::MAX);
                Ok(Self { number: Some(number), id: ExternalId::parse(id)? })
            }
            None => Ok(Self { number: None, id: ExternalId::parse(text)? }),
        }
    }
}

impl fmt::Display for NumberedExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{number}={}", self.id),
            None => write!(f, "{}", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_id_may_have_a_number() {
        for (text, number, id) in [
            ("shop-4711", None, "shop-4711"),
            ("2=shop-4711", Some(2), "shop-4711"),
            ("1=2=x", Some(1), "2=x"),
            ("0=shop", Some(0), "shop"),
            ("18446744073709551615=shop", Some(usize::MAX), "shop"),
            ("key=value", None, "key=value"),
            ("+2=shop", None, "+2=shop"),
            ("=shop", None, "=shop"),
        ] {
            let parsed: NumberedExternalId = text.parse().unwrap();
            assert_eq!((parsed.number, parsed.id.as_str()), (number, id), "{text}");
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn tag_is_split_at_its_first_equals_sign() {
        let tag = |key: &str, value: &str| Tag { key: key.to_owned(), value: value.to_owned() };
        assert_eq!("a=b=c".parse(), Ok(tag("a", "b=c")));
        assert_eq!("a=".parse(), Ok(tag("a", "")));
        assert!("a".parse::<Tag>().is_err());
    }
}
