use std::fmt;

/// A text with the wildcards `*` (any number of characters, including `/` and `:`) and `?` (one
/// character).
///
/// # Examples
///
/// ```
/// use rolecall_policy::Pattern;
/// let pattern = Pattern::new("arn:aws:s3:::shop/*");
/// assert!(pattern.matches("arn:aws:s3:::shop/orders/2026/1"));
/// assert!(!pattern.matches("arn:aws:s3:::Shop/orders"));
/// assert!(Pattern::new("s3:Get*").matches_ignoring_case("S3:getObject"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// Creates a pattern. Every string is a valid pattern.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text of the pattern.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if the pattern matches the whole of `text`, with regard to case.
    pub fn matches(&self, text: &str) -> bool {
        matches(&self.0, text)
    }

    /// Returns `true` if the pattern matches the whole of `text`, regardless of case.
    pub fn matches_ignoring_case(&self, text: &str) -> bool {
        matches(&self.0.to_lowercase(), &text.to_lowercase())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Goes back to the last star only: at most pattern times text steps.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((after, from)) => {
                    *from += 1;
                    p = *after + 1;
                    t = *from;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "a/b:c", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*", "a", true),
            ("**a**", "bab", true),
            ("?", "ä", true),
            ("a", "A", false),
        ] {
            assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    /// The textbook definition, exponential but plainly right.
    fn by_definition(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (None, Some(_)) => false,
            (Some(('*', rest)), None) => by_definition(rest, text),
            (Some(('*', rest)), Some((_, tail))) => {
                by_definition(rest, text) || by_definition(pattern, tail)
            }
            (Some(('?', rest)), Some((_, tail))) => by_definition(rest, tail),
            (Some((c, rest)), Some((d, tail))) => c == d && by_definition(rest, tail),
            (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(Pattern::new(pattern).matches(&text), by_definition(&p, &t));
        }
    }
}
