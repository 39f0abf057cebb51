//! The kinds of error, against the headings of the troubleshooting entries.

/// The variants of `pub enum ErrorKind`, read from its source; `None` if it is not there.
pub(super) fn variants(source: &str) -> Option<Vec<&str>> {
    let (_, body) = source.split_once("pub enum ErrorKind {")?;
    let (body, _) = body.split_once('}')?;
    Some(body.lines().filter_map(variant).collect())
}

fn variant(line: &str) -> Option<&str> {
    let name = line.trim().trim_end_matches(',');
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric());
    is_name.then_some(name)
}

/// The kinds that no heading of a Markdown text has as a word.
pub(super) fn without_heading<'a>(kinds: &[&'a str], markdown: &str) -> Vec<&'a str> {
    let headings: Vec<&str> = markdown.lines().filter(|line| line.starts_with('#')).collect();
    let has = |kind: &str| headings.iter().any(|heading| words(heading).any(|word| word == kind));
    kinds.iter().copied().filter(|kind| !has(kind)).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        /// Which.
        #[non_exhaustive]
        pub enum ErrorKind {
            /// A policy does not allow it.
            Denied,
            /// Wait.
            #[doc(alias = \"slow down\")]
            Throttled,
        }
        pub enum Other { Thing }";

    #[test]
    fn the_variants_are_read() {
        assert_eq!(variants(SOURCE), Some(vec!["Denied", "Throttled"]));
        assert_eq!(variants("enum Other {}"), None);
    }

    #[test]
    fn this_houses_kinds_are_found() {
        let source = include_str!("../../../crates/rolecall-core/src/error.rs");
        let kinds = variants(source).unwrap();
        assert!(kinds.contains(&"NotConfigured") && kinds.contains(&"Removed"), "{kinds:?}");
    }

    #[test]
    fn an_entry_is_a_heading_with_the_kind_as_a_word() {
        let kinds = ["Denied", "Throttled", "Removed"];
        let text = "## Denied: a policy\nThrottled is text\n### `Removed`\n## NotThrottledEither\n";
        assert_eq!(without_heading(&kinds, text), ["Throttled"]);
    }
}
