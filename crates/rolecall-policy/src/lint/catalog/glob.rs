//! Texts with wildcards and placeholders, and whether two of them match a common text.

/// A text in which some places stand for any characters.
#[derive(Clone, Debug)]
pub(crate) struct Glob(Vec<Token>);

#[derive(Clone, Copy, Debug)]
struct Token {
    class: Class,
    /// `true` for any number of characters, `false` for exactly one.
    is_repeated: bool,
}

/// The characters that a token stands for.
#[derive(Clone, Copy, Debug)]
enum Class {
    Literal(char),
    Any,
    /// Any character that separates neither the fields of an ARN nor the parts of a path.
    Name,
}

impl Class {
    fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Literal(c), Self::Name) | (Self::Name, Self::Literal(c)) => !":/".contains(c),
            _ => true,
        }
    }
}

/// AWS allows no longer ARN.
const MAX_TOKENS: usize = 2048;

impl Glob {
    /// Creates a glob that matches `text` alone.
    pub(crate) fn literal(text: &str) -> Self {
        Self(text.chars().map(|c| one(Class::Literal(c))).collect())
    }

    /// Creates a glob from a text of a policy: `*` matches any number of characters, `?` one, and a
    /// variable such as `${aws:username}` any number, since its value is not known.
    pub(crate) fn wildcards(text: &str) -> Self {
        let tokens = parts(text).map(|part| match part {
            Part::Character('*') => repeated(Class::Any),
            Part::Character('?') => one(Class::Any),
            Part::Character(c) => one(Class::Literal(c)),
            // `${*}`, `${?}` and `${$}` stand for the character itself.
            Part::Placeholder("*") => one(Class::Literal('*')),
            Part::Placeholder("?") => one(Class::Literal('?')),
            Part::Placeholder("$") => one(Class::Literal('$')),
            Part::Placeholder(_) => repeated(Class::Any),
        });
        // A star after a star changes nothing.
        let mut tokens: Vec<Token> = tokens.collect();
        tokens.dedup_by(|next, last| next.is_repeated && last.is_repeated);
        Self(tokens)
    }

    /// Creates a glob from a text of the catalog, in which `${Name}` and `<name>` match at least
    /// one character. A `*` is a wildcard here too: some ARN patterns contain one.
    pub(crate) fn template(text: &str) -> Self {
        let text = text.replace('<', "${").replace('>', "}");
        let mut tokens = Vec::with_capacity(text.len());
        for part in parts(&text) {
            match part {
                Part::Character('*') => tokens.push(repeated(Class::Any)),
                Part::Character(c) => tokens.push(one(Class::Literal(c))),
                Part::Placeholder(name) => {
                    // Others may contain separators: a secret, a repository or a role with its path
                    // is named `a/b`, and the key of an S3 object has any characters.
                    let class = match name {
                        "Partition" | "Region" | "Account" | "BucketName" => Class::Name,
                        _ => Class::Any,
                    };
                    tokens.extend([one(class), repeated(class)]);
                }
            }
        }
        Self(tokens)
    }

    /// Returns `true` if both globs match a common text. The cost is the product of their lengths.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        // A text that is longer than any ARN may match, which bounds the cost.
        if self.0.len().max(other.0.len()) > MAX_TOKENS {
            return true;
        }
        if self.is_longer_than(other) || other.is_longer_than(self) {
            return false;
        }
        let (rows, columns) = (&self.0, &other.0);
        // A cell is set if the tokens before its row and those before its column match a common
        // text. A cell leads only to cells of its own row and of the next.
        let mut row = vec![false; columns.len() + 2];
        let mut next = row.clone();
        set(&mut row, 0);
        for i in 0..=rows.len() {
            if !row.contains(&true) {
                return false;
            }
            next.fill(false);
            for j in 0..=columns.len() {
                if row.get(j) != Some(&true) {
                    continue;
                }
                let (left, right) = (rows.get(i), columns.get(j));
                // A repeated token may match no character.
                if left.is_some_and(|token| token.is_repeated) {
                    set(&mut next, j);
                }
                if right.is_some_and(|token| token.is_repeated) {
                    set(&mut row, j + 1);
                }
                // Both match the next character. A repeated token stays for the one after it.
                let (Some(left), Some(right)) = (left, right) else { continue };
                if left.class.overlaps(right.class) {
                    match (left.is_repeated, right.is_repeated) {
                        (false, false) => set(&mut next, j + 1),
                        (false, true) => set(&mut next, j),
                        (true, false) => set(&mut row, j + 1),
                        (true, true) => {}
                    }
                }
            }
            if i < rows.len() {
                std::mem::swap(&mut row, &mut next);
            }
        }
        row.get(columns.len()) == Some(&true)
    }

    /// Returns `true` if each text that this glob matches is longer than each that `other` matches.
    fn is_longer_than(&self, other: &Self) -> bool {
        let shortest = self.0.iter().filter(|token| !token.is_repeated).count();
        shortest > other.0.len() && !other.0.iter().any(|token| token.is_repeated)
    }
}

fn one(class: Class) -> Token {
    Token { class, is_repeated: false }
}

fn repeated(class: Class) -> Token {
    Token { class, is_repeated: true }
}

fn set(row: &mut [bool], column: usize) {
    if let Some(cell) = row.get_mut(column) {
        *cell = true;
    }
}

enum Part<'a> {
    Character(char),
    /// The text between `${` and `}`.
    Placeholder(&'a str),
}

fn parts(mut text: &str) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let placeholder = text.strip_prefix("${").and_then(|rest| rest.split_once('}'));
        if let Some((name, rest)) = placeholder {
            text = rest;
            return Some(Part::Placeholder(name));
        }
        let mut characters = text.chars();
        let first = characters.next()?;
        text = characters.as_str();
        Some(Part::Character(first))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_of_policies_match_whole_texts() {
        for (pattern, text, expected) in [
            ("GetObject", "GetObject", true),
            ("Get*", "GetObject", true),
            ("*Object", "GetObjectAcl", false),
            ("*Obj*", "GetObjectAcl", true),
            ("Get?bject", "GetObject", true),
            ("Get?Object", "GetObject", false),
            ("*", "", true),
            ("?", "", false),
            ("a${*}b", "a*b", true),
            ("a${*}b", "axb", false),
            ("home/${aws:username}/x", "home/a/b/x", true),
            ("home/${aws:username", "home/${aws:username", true),
            ("Get**??*", "GetIt", true),
            ("Get**???*", "GetIt", false),
        ] {
            let (pattern_glob, text_glob) = (Glob::wildcards(pattern), Glob::literal(text));
            assert_eq!(pattern_glob.overlaps(&text_glob), expected, "{pattern} {text}");
            assert_eq!(text_glob.overlaps(&pattern_glob), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn placeholders_of_names_end_at_separators() {
        let bucket = Glob::template("arn:${Partition}:s3:::${BucketName}");
        let object = Glob::template("arn:${Partition}:s3:::${BucketName}/${ObjectName}");
        for (resource, is_bucket, is_object) in [
            ("arn:aws:s3:::shop", true, false),
            ("arn:aws:s3:::shop/*", false, true),
            ("arn:aws:s3:::shop/a:b/c", false, true),
            ("arn:aws:s3:::shop*", true, true),
            ("arn:*:s3:::shop", true, true),
            ("arn:aws:s3:::", false, false),
            ("*", true, true),
            ("arn:aws:sqs:eu-west-1:111122223333:orders", false, false),
        ] {
            let resource_glob = Glob::wildcards(resource);
            assert_eq!(bucket.overlaps(&resource_glob), is_bucket, "bucket {resource}");
            assert_eq!(object.overlaps(&resource_glob), is_object, "object {resource}");
        }
    }

    #[test]
    fn placeholder_matches_at_least_one_character() {
        let key = Glob::template("aws:requesttag/${tagkey}");
        assert!(key.overlaps(&Glob::literal("aws:requesttag/team")));
        assert!(!key.overlaps(&Glob::literal("aws:requesttag/")));
        let key = Glob::template("s3:existingobjecttag/<key>");
        assert!(key.overlaps(&Glob::literal("s3:existingobjecttag/a/b")));
        assert!(!key.overlaps(&Glob::literal("s3:existingobjecttag/")));
    }

    /// All texts of at most six of the letters `a` and `b`.
    fn short_texts() -> Vec<String> {
        let mut texts = vec![String::new()];
        for length in 1..=6_usize {
            texts.extend((0..1_u32 << length).map(|bits| {
                (0..length).map(|i| if bits >> i & 1 == 1 { 'a' } else { 'b' }).collect()
            }));
        }
        texts
    }

    proptest! {
        #[test]
        fn overlap_is_a_common_text(left in "[ab?*]{0,4}", right in "[ab?*]{0,4}") {
            // A common text needs one character for each token that is no star: four if one
            // pattern has no star, else at most three for each pattern.
            fn matches(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([], []) => true,
                    ([b'*', rest @ ..], _) => (0..=text.len()).any(|n| matches(rest, &text[n..])),
                    ([b'?', rest @ ..], [_, tail @ ..]) => matches(rest, tail),
                    ([a, rest @ ..], [b, tail @ ..]) => a == b && matches(rest, tail),
                    _ => false,
                }
            }
            let common = short_texts().into_iter().any(|text| {
                matches(left.as_bytes(), text.as_bytes())
                    && matches(right.as_bytes(), text.as_bytes())
            });
            prop_assert_eq!(Glob::wildcards(&left).overlaps(&Glob::wildcards(&right)), common);
        }
    }
}
