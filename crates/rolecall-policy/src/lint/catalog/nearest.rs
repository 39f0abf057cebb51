//! The word of a list that is spelled most like another.

/// Returns the word that needs the fewest edits to become `word`, without regard to case. Returns
/// `None` if each needs more than a third of the letters of `word`.
///
/// An edit inserts, removes or replaces a letter, or swaps two neighbours.
pub(crate) fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in words {
        let limit = best.map_or(word.len() / 3 + 1, |(distance, _)| distance);
        // Each letter more or less is an edit. This also keeps a long word from being compared.
        if candidate.len().abs_diff(word.len()) >= limit {
            continue;
        }
        let distance = distance(word.as_bytes(), candidate.to_ascii_lowercase().as_bytes());
        if distance < limit {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn distance(from: &[u8], to: &[u8]) -> usize {
    // `row[j]` is the distance of the first `i` letters of `from` and the first `j` of `to`.
    let mut before = vec![0; to.len() + 1];
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i; to.len() + 1];
        for j in 1..=to.len() {
            let cost = usize::from(from[i - 1] != to[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = last;
        last = row;
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_edit_counts_once() {
        for (from, to, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("abc", "abxc", 1),
            ("abc", "ac", 1),
            ("abc", "abd", 1),
            ("abc", "acb", 1),
            ("abcd", "badc", 2),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(from.as_bytes(), to.as_bytes()), expected, "{from} {to}");
            assert_eq!(distance(to.as_bytes(), from.as_bytes()), expected, "{to} {from}");
        }
    }

    #[test]
    fn nearest_word_is_similar_or_absent() {
        let words = ["GetObject", "GetObjectAcl", "PutObject"];
        let find = |word: &str| nearest(word, words.iter().copied());
        assert_eq!(find("getobjekt"), Some("GetObject"));
        assert_eq!(find("PutObjcet"), Some("PutObject"));
        assert_eq!(find("GetObjectACLs"), Some("GetObjectAcl"));
        assert_eq!(find("ListBuckets"), None);
        assert_eq!(find(&"GetObject".repeat(100)), None);
        assert_eq!(find(""), None);
        assert_eq!(nearest("Tars", ["Tags", "Tabs"].into_iter()), Some("Tags"), "the first of two");
    }
}
