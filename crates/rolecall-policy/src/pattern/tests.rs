use super::*;
use proptest::prelude::*;

#[test]
fn wildcards_match_by_table() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("*", "a/b:c", true),
        ("a*b*c", "aXbXbXc", true),
        ("a*b*c", "aXbXbX", false),
        ("ab*bc", "abc", false),
        ("a?c", "abc", true),
        ("a?c", "ac", false),
        ("a*", "a", true),
        ("**a**", "bab", true),
        ("?", "ä", true),
        ("*??", "äö", true),
        ("*?ö?*", "ö", false),
        ("a", "A", false),
        ("$", "$", true),
    ] {
        assert_eq!(Pattern::new(pattern).matches(text), expected, "{pattern} {text}");
    }
}

#[test]
fn variables_match_by_table() {
    let context = Context::new()
        .with("aws:username", "a*n")
        .with("aws:PrincipalTag/team", "")
        .with_values("aws:TagKeys", ["x", "y"])
        .with_values("aws:none", [""; 0])
        .with("aws:dollar", "$");
    for (pattern, text, expected) in [
        ("${aws:username}", "a*n", true),
        ("${AWS:UserName}", "a*n", true),
        ("${aws:username}", "ann", false),
        ("x/${aws:username}/*", "x/a*n/", true),
        ("*${aws:username}*", "-a*n-", true),
        ("<${aws:PrincipalTag/team}>", "<>", true),
        ("<${aws:PrincipalTag/team, 'blue'}>", "<>", true),
        ("${aws:TagKeys}", "x", false),
        ("${aws:TagKeys, 'x'}", "x", false),
        ("${aws:none, 'x'}", "x", true),
        ("${aws:absent}", "${aws:absent}", false),
        ("${aws:absent,'it is'}", "it is", true),
        ("${aws:absent, it}", "it", false),
        ("${*}", "*", true),
        ("${*}", "x", false),
        ("a${?}${$}*", "a?$b", true),
        ("${aws:username", "${aws:username", true),
        ("$x", "$x", true),
    ] {
        let compiled = Pattern::with_variables(pattern);
        assert_eq!(compiled.matches_in(text, &context), expected, "{pattern} {text}");
    }
    assert!(Pattern::new("${aws:username}").matches("${aws:username}"), "not before 2012");
}

#[test]
fn many_variables_resolve() {
    let text: String = (0..20).map(|i| format!("${{k:{i}}}")).collect();
    let context = (0..20).fold(Context::new(), |context, i| context.with(&format!("k:{i}"), "v"));
    assert!(Pattern::with_variables(&text).matches_in(&"v".repeat(20), &context));
    assert!(!Pattern::with_variables(&text).matches_in(&"v".repeat(19), &context));
}

#[test]
fn case_is_ignored_beyond_ascii() {
    let syntax = Syntax { wildcards: false, variables: true };
    let context = Context::new().with("aws:username", "ANN");
    let pattern = Pattern::compile("Straße-${aws:username}*", syntax);
    assert!(pattern.equals_ignoring_case("STRAßE-ann*", &context));
    assert!(!pattern.equals_ignoring_case("STRAßE-ann", &context));
    assert!(Pattern::compile("Ä", syntax).equals_ignoring_case("ä", &context));
}

#[test]
fn fields_do_not_split_variables() {
    let syntax = Syntax { wildcards: true, variables: true };
    let fields = split_fields::<3>("a:${aws:username}:c:d", syntax);
    assert_eq!(fields, Some(["a", "${aws:username}", "c:d"]));
    let plain = Syntax { wildcards: true, variables: false };
    assert_eq!(split_fields::<3>("a:${b:c}", plain), Some(["a", "${b", "c}"]));
    assert_eq!(split_fields::<3>("a:b", plain), None);
}

/// The textbook definition, exponential but plainly right.
fn matches_by_definition(pattern: &[char], text: &[char]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(('*', rest)), None) => matches_by_definition(rest, text),
        (Some(('*', rest)), Some((_, tail))) => {
            matches_by_definition(rest, text) || matches_by_definition(pattern, tail)
        }
        (Some(('?', rest)), Some((_, tail))) => matches_by_definition(rest, tail),
        (Some((c, rest)), Some((d, tail))) => c == d && matches_by_definition(rest, tail),
        (Some(_), None) => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn pattern_agrees_with_definition(pattern in "[abé*?]{0,9}", text in "[abé]{0,12}") {
        let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        prop_assert_eq!(Pattern::new(pattern).matches(&text), matches_by_definition(&p, &t));
    }

    #[test]
    fn long_segment_agrees_with_definition(
        pattern in r"\*(a\?|b\?\?|é\?){5,7}[ab]?\*[ab]?", text in "[abé]{0,30}",
    ) {
        let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
        prop_assert_eq!(Pattern::new(pattern).matches(&text), matches_by_definition(&p, &t));
    }

    #[test]
    fn variables_equal_escaped_text(value in "[ab*?$]{0,5}", around in "[ab*]{0,3}", text in "[ab*?$]{0,9}") {
        let context = Context::new().with("k:v", &value);
        let with_variable = Pattern::with_variables(format!("{around}${{k:v}}{around}"));
        let escaped: String = value
            .chars()
            .map(|c| if matches!(c, '*' | '?' | '$') { format!("${{{c}}}") } else { c.into() })
            .collect();
        let with_escapes = Pattern::with_variables(format!("{around}{escaped}{around}"));
        prop_assert_eq!(
            with_variable.matches_in(&text, &context),
            with_escapes.matches_in(&text, &context)
        );
    }
}
