//! The reading of simulations.

use super::*;

fn parse(change: impl Fn(&mut serde_json::Value)) -> Result<Simulation, PolicyError> {
    let mut value = serde_json::json!({
        "id": "a",
        "request": {
            "action": "s3:GetObject",
            "resource": "arn:aws:s3:::shop/a",
            "principal": "arn:aws:iam::111122223333:user/ann",
        },
        "identity_policies": [
            {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        ],
    });
    change(&mut value);
    Simulation::parse(&value.to_string())
}

#[test]
fn absent_policies_differ_from_empty_lists() {
    for (key, empty) in [
        ("session_policies", serde_json::json!([])),
        ("permission_boundaries", serde_json::json!([])),
        ("scps", serde_json::json!([])),
        ("scps", serde_json::json!([[]])),
    ] {
        assert!(parse(|_| ()).unwrap().evaluate().is_allowed());
        let with_null = parse(|value| value[key] = serde_json::Value::Null).unwrap();
        assert!(with_null.evaluate().is_allowed(), "{key}: null");
        let with_empty = parse(|value| value[key] = empty.clone()).unwrap();
        assert!(!with_empty.evaluate().is_allowed(), "{key}: {empty}");
    }
    let rcps = parse(|value| value["rcps"] = serde_json::json!([])).unwrap();
    assert!(rcps.evaluate().is_allowed(), "resource control policies only deny");
}

#[test]
fn flat_list_is_one_level() {
    let allow = serde_json::json!(
        {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    );
    let other = serde_json::json!(
        {"Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}}
    );
    let flat = parse(|value| value["scps"] = serde_json::json!([allow, other])).unwrap();
    assert!(flat.evaluate().is_allowed());
    let nested = parse(|value| value["scps"] = serde_json::json!([[allow], [other]])).unwrap();
    assert!(!nested.evaluate().is_allowed());
}

#[test]
fn faults_name_their_location() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str, &str); 14] = [
        (|v| v["sesion_policies"] = [(); 0].into_iter().collect(), "sesion_policies", "unknown"),
        (|v| v["request"]["action"] = 1.into(), "request.action", "expected a string"),
        (|v| v["request"]["action"] = "s3:*".into(), "request.action", "\"s3:*\" is not"),
        (|v| v["request"]["verb"] = "s3:a".into(), "request.verb", "the members are action"),
        (|v| v["request"]["resource"] = ().into(), "request", "resource is missing"),
        (|v| v["request"]["resource"] = "shop/a".into(), "request.resource", "nor an ARN"),
        (|v| v["id"] = ["a"].into(), "id", "found a list"),
        (
            |v| v["request"]["principal"] = "ann".into(),
            "request.principal",
            "\"ann\" is not a caller",
        ),
        (
            |v| v["request"]["resource_account"] = "1".into(),
            "request.resource_account",
            "12 digits",
        ),
        (
            |v| v["request"]["context"] = serde_json::json!({"a:b": ["a", {}]}),
            "request.context.a:b[1]",
            "found an object",
        ),
        (
            |v| v["request"]["context"] = serde_json::json!({"A:B": [], "a:b": 2}),
            "request.context.",
            "two spellings",
        ),
        (|v| v["identity_policies"] = 1.into(), "identity_policies", "expected a list"),
        (
            |v| v["identity_policies"][0]["Statement"]["Effect"] = "allow".into(),
            "identity_policies[0].Statement.Effect",
            "neither",
        ),
        (|v| v["scps"] = serde_json::json!([[1]]), "scps[0][0]", "expected an object"),
    ];
    for (change, location, message) in cases {
        let error = parse(change).unwrap_err();
        assert!(error.location.starts_with(location), "{error}");
        assert!(error.message.contains(message), "{error}");
    }
    let error = Simulation::parse("{").unwrap_err();
    assert!(
        error.to_string().starts_with("simulation at line 1 column 2: not valid JSON"),
        "{error}"
    );
}

#[test]
fn fault_of_principal_has_its_position() {
    let line = r#"{"request": {"action": "s3:a", "resource": "*", "principal": "ann"}}"#;
    let error = Simulation::parse(line).unwrap_err();
    assert_eq!(error.position.map(|at| at.column), Some(62), "{error}");
}

#[test]
fn id_is_found_in_malformed_lines() {
    for (line, expected) in [
        (r#"{"id": "a", "request": "#, Some("a")),
        (r#"{"request": {"id": "b", "x": 1, "x": 2}, "id": "a"}"#, Some("a")),
        (r#"{"identity_policies": ["\x \"}, \"id\": ", 01, nul], "id": "a"}"#, Some("a")),
        (r#"{"i\u0064": "a", x"#, Some("a")),
        ("\u{feff} {\"request\": é, \"id\": 4711", Some("4711")),
        (r#"{"request": {"id": "b"}}"#, None),
        (r#"{"request": }, "id": "a"}"#, None),
        (r#"{"id": ["a"]}"#, None),
        (r#"["id"]"#, None),
        ("", None),
    ] {
        let id = Simulation::find_id(line).map(|id| id.to_string());
        assert_eq!(id.as_deref(), expected, "{line}");
    }
    let id = Simulation::find_id(b"{\"request\": \"\xff\", \"id\": \"a\"}");
    assert_eq!(id, Some(SimulationId::Text("a".to_owned())));
}

#[test]
fn id_serialises_as_it_was_written() {
    for id in [serde_json::json!("4711"), serde_json::json!(4711), serde_json::json!(0.5)] {
        let simulation = parse(|value| value["id"] = id.clone()).unwrap();
        assert_eq!(serde_json::to_value(simulation.id().unwrap()).unwrap(), id);
    }
    assert_eq!(parse(|value| value["id"] = ().into()).unwrap().id(), None);
}

#[test]
fn bytes_that_are_not_utf8_are_an_error() {
    let error = Simulation::from_slice(b"{\"id\": \"\xff\"}").unwrap_err();
    assert_eq!(error.to_string(), "simulation at line 1 column 9: not valid UTF-8");
}
