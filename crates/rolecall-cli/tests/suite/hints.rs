//! Hints name what the command and its environment have, and no functions of the library.

use rolecall_testkit::FaultRule;
use rolecall_tests::{HUB, ORDERS};

use crate::command::Setup;

type Variables = Vec<(String, String)>;

fn without(variables: Variables, name: &str) -> Variables {
    variables.into_iter().filter(|(other, _)| other != name).collect()
}

/// Returns `true` if a text names an item of Rust.
fn names_rust(text: &str) -> bool {
    // In ARNs, digits follow the two colons.
    let has_path = text.split("::").skip(1).any(|rest| rest.starts_with(char::is_alphabetic));
    let has = |part: &str| text.contains(part);
    has_path || has("()") || has("Builder") || has("Tokio") || has("in code") || has("feature ")
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_name_options_and_variables() {
    let setup = Setup::start().await;
    let bare = setup.with_endpoint(&[]);
    let user = without(setup.user(), "AWS_REGION");
    let pod = without(setup.pod(), "AWS_REGION");
    let china = "arn:aws-cn:iam::111122223333:role/hub";
    for (variables, arguments, hint) in [
        (&bare, &["whoami"][..], "select a profile with --base profile:NAME"),
        (&bare, &["credential-process", HUB], "select a profile with --base profile:NAME"),
        (&user, &["assume", HUB], "such as eu-west-1, or use --region"),
        (&pod, &["assume", HUB], "such as eu-west-1, or use --region"),
        (&setup.user(), &["assume", china], "use --region with a Region of its partition"),
        (
            &setup.user(),
            &["credential-process", HUB, "--token-file", "/nope"],
            "; --token-file sets the path",
        ),
        (&setup.pod(), &["exec", HUB, "--duration", "2h", "--", "true"], "one hour or less"),
        (&setup.pod(), &["serve", HUB, "--duration", "2h"], "one hour or less"),
    ] {
        let error = setup.run(variables, arguments).await.failed(1);
        let (_, found) = error.split_once("hint: ").unwrap_or_else(|| panic!("{error}"));
        assert!(found.contains(hint), "{arguments:?}: {error}");
        assert!(!names_rust(found), "{arguments:?}: {error}");
        // The same by the checks.
        if let ["whoami" | "assume", roles @ ..] = arguments {
            let run =
                setup.run(variables, &[&["doctor", "--output", "json"], roles].concat()).await;
            assert!(run.out.contains(hint), "{arguments:?}: {}", run.out);
            assert!(!names_rust(&run.out), "{arguments:?}: {}", run.out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_call_has_a_hint_for_users() {
    let setup = Setup::start().await;
    setup.world.aws.inject(FaultRule::throttled()).unwrap();
    let error = setup.run(&setup.user(), &["assume", HUB, ORDERS]).await.failed(1);
    assert!(error.contains("Throttling"), "{error}");
    assert!(error.contains("\nhint: use fewer roles at once, "), "{error}");
    assert!(!names_rust(&error), "{error}");
}
