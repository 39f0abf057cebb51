use std::cmp::Ordering;
use std::fmt;

/// A condition operator with its set prefix and its suffix, such as `StringLike`,
/// `NumericLessThanIfExists` or `ForAnyValue:StringEquals`. Names are case-insensitive.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Condition, OperatorType, SetOperator};
/// let condition = Condition::new("forAnyValue:stringLike", "aws:TagKeys", ["team*"])?;
/// let operator = condition.operator();
/// assert_eq!(operator.name(), "ForAnyValue:StringLike");
/// assert_eq!(operator.operator_type(), OperatorType::String);
/// assert_eq!(operator.set_operator(), Some(SetOperator::ForAnyValue));
/// assert!(!operator.is_negated() && !operator.is_if_exists());
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    base: &'static Base,
    set: Option<SetOperator>,
    if_exists: bool,
}

/// The type of the values that an operator compares.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Condition, OperatorType};
/// let age = Condition::new("NumericLessThan", "aws:MultiFactorAuthAge", ["3600"])?;
/// assert_eq!(age.operator().operator_type(), OperatorType::Numeric);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OperatorType {
    /// Text.
    String,
    /// Decimal numbers.
    Numeric,
    /// ISO 8601 dates, or seconds since 1970.
    Date,
    /// `true` and `false`.
    Bool,
    /// Bytes in base64.
    Binary,
    /// IPv4 and IPv6 addresses and ranges.
    IpAddress,
    /// ARNs, field by field.
    Arn,
    /// Whether the key is absent.
    Null,
}

/// The prefix of an operator for a key with several values.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Condition, Context};
/// let only = Condition::new("ForAllValues:StringEquals", "aws:TagKeys", ["team", "cost"])?;
/// assert!(only.is_met(&Context::new().with_values("aws:TagKeys", ["team"])));
/// assert!(!only.is_met(&Context::new().with_values("aws:TagKeys", ["team", "other"])));
/// // Without the key, ForAllValues is met as well.
/// assert!(only.is_met(&Context::new()));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    /// Every value of the request must match. Met if there is none.
    ForAllValues,
    /// At least one value of the request must match.
    ForAnyValue,
}

/// How an operator compares the request's value with the policy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    EqualIgnoringCase,
    Like,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// Returns `true` if values that compare like this match. For ordered types.
    pub(crate) fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal | Self::EqualIgnoringCase | Self::Like => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Base {
    name: &'static str,
    operator_type: OperatorType,
    comparison: Comparison,
    negated: bool,
}

const fn base(
    name: &'static str,
    operator_type: OperatorType,
    comparison: Comparison,
    negated: bool,
) -> Base {
    Base { name, operator_type, comparison, negated }
}

static BASES: [Base; 27] = {
    use Comparison::{Equal, EqualIgnoringCase, Greater, GreaterOrEqual, Less, LessOrEqual, Like};
    use OperatorType::{Arn, Binary, Bool, Date, IpAddress, Null, Numeric, String};
    [
        base("StringEquals", String, Equal, false),
        base("StringNotEquals", String, Equal, true),
        base("StringEqualsIgnoreCase", String, EqualIgnoringCase, false),
        base("StringNotEqualsIgnoreCase", String, EqualIgnoringCase, true),
        base("StringLike", String, Like, false),
        base("StringNotLike", String, Like, true),
        base("NumericEquals", Numeric, Equal, false),
        base("NumericNotEquals", Numeric, Equal, true),
        base("NumericLessThan", Numeric, Less, false),
        base("NumericLessThanEquals", Numeric, LessOrEqual, false),
        base("NumericGreaterThan", Numeric, Greater, false),
        base("NumericGreaterThanEquals", Numeric, GreaterOrEqual, false),
        base("DateEquals", Date, Equal, false),
        base("DateNotEquals", Date, Equal, true),
        base("DateLessThan", Date, Less, false),
        base("DateLessThanEquals", Date, LessOrEqual, false),
        base("DateGreaterThan", Date, Greater, false),
        base("DateGreaterThanEquals", Date, GreaterOrEqual, false),
        base("Bool", Bool, Equal, false),
        base("BinaryEquals", Binary, Equal, false),
        base("IpAddress", IpAddress, Equal, false),
        base("NotIpAddress", IpAddress, Equal, true),
        // ArnEquals is ArnLike.
        base("ArnEquals", Arn, Like, false),
        base("ArnLike", Arn, Like, false),
        base("ArnNotEquals", Arn, Like, true),
        base("ArnNotLike", Arn, Like, true),
        base("Null", Null, Equal, false),
    ]
};

impl Operator {
    /// Parses the name of an operator. The error is a message that names it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (set, rest) = match text.split_once(':') {
            None => (None, text),
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("ForAllValues") => {
                (Some(SetOperator::ForAllValues), rest)
            }
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("ForAnyValue") => {
                (Some(SetOperator::ForAnyValue), rest)
            }
            Some((prefix, _)) => {
                let expected = "expected ForAllValues or ForAnyValue";
                return Err(format!("{prefix:?} is not a set operator: {expected}"));
            }
        };
        // The name comes from a document and may not be ASCII: a cut inside a character finds no
        // suffix, where slicing would panic.
        let suffix_start = rest.len().checked_sub("IfExists".len());
        let (name, if_exists) = match suffix_start.and_then(|at| rest.split_at_checked(at)) {
            Some((name, suffix)) if suffix.eq_ignore_ascii_case("IfExists") => (name, true),
            _ => (rest, false),
        };
        let Some(base) = BASES.iter().find(|base| base.name.eq_ignore_ascii_case(name)) else {
            return Err(format!("{text:?} is not a condition operator"));
        };
        // Null asks whether the key exists, which IfExists would answer beforehand.
        if if_exists && base.operator_type == OperatorType::Null {
            return Err("the operator Null does not accept IfExists".to_owned());
        }
        Ok(Self { base, set, if_exists })
    }

    /// Returns the name in AWS's spelling, with prefix and suffix.
    pub fn name(&self) -> String {
        self.to_string()
    }

    /// Returns the type of the values.
    pub fn operator_type(&self) -> OperatorType {
        self.base.operator_type
    }

    /// Returns the set operator, if there is one.
    pub fn set_operator(&self) -> Option<SetOperator> {
        self.set
    }

    /// Returns `true` if the operator is met where its values do not match, as `StringNotEquals`
    /// is.
    pub fn is_negated(&self) -> bool {
        self.base.negated
    }

    /// Returns `true` if the operator has the suffix `IfExists`.
    pub fn is_if_exists(&self) -> bool {
        self.if_exists
    }

    pub(crate) fn comparison(&self) -> Comparison {
        self.base.comparison
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.set {
            Some(SetOperator::ForAllValues) => f.write_str("ForAllValues:")?,
            Some(SetOperator::ForAnyValue) => f.write_str("ForAnyValue:")?,
            None => {}
        }
        f.write_str(self.base.name)?;
        f.write_str(if self.if_exists { "IfExists" } else { "" })
    }
}
