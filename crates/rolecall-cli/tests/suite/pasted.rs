//! Arguments that a person has pasted in the wrong place: secrets, and whole files.

use rolecall_tests::HUB;
use tokio::task::JoinSet;

use crate::command::{Setup, finish};

/// Commands that refuse a value, which is `@` here.
const COMMANDS: [&str; 51] = [
    "@",
    "--@",
    "assume @",
    "assume HUB @",
    "assume HUB --no-such-option=@",
    "assume HUB --format @",
    "assume HUB --base @",
    "assume HUB --base profile:@",
    "assume HUB --region @",
    "assume HUB --token-file @",
    "assume HUB --session-name @?",
    "assume HUB --duration @",
    "assume HUB --external-id @?",
    "assume HUB --external-id 7=@",
    "assume HUB --tag @",
    "assume HUB --tag a=@?",
    "assume HUB --tag @?=1",
    "assume HUB --transitive @?",
    "assume HUB --source-identity @?",
    "assume HUB --policy @",
    "assume HUB --policy-arn @",
    "assume HUB --mfa-serial @?",
    "credential-process @",
    "exec HUB -- @",
    "serve @",
    "serve --config @",
    "serve HUB --listen @",
    "serve HUB --directory ./@/@",
    "console HUB --destination @?",
    "console HUB --issuer @",
    "doctor @",
    "doctor --base profile:@",
    "doctor HUB --token-file @ --output json",
    "whoami --base profile:@",
    "whoami --region @",
    "token inspect @",
    "token inspect --trust @ token",
    "policy check @",
    "policy check trust.json --own-account @",
    "policy simulate @",
    "policy who-can s3:GetObject @ --account @",
    "policy trust account @",
    "policy trust role @",
    "policy trust github --provider @ --repository a/b --any-workflow",
    "policy permission s3 @?",
    "policy permission assume-role @",
    "sandbox --config @",
    "sandbox --user @",
    "sandbox --port @",
    "completions @",
    "scaffold --project @ --account 1 --region eu-west-1 --bucket b --issuer https://x",
];

fn is_part(text: &str, secret: &str) -> bool {
    // An excerpt of the secret would be one, too.
    let at = |start: usize| secret.get(start..start + 16);
    (0..secret.len()).filter_map(at).any(|part| text.contains(part))
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_show_no_pasted_secret_and_no_long_value() {
    let setup = Setup::start().await;
    let user = setup.user();
    let secrets = [
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        format!("IQoJb3JpZ2luX2VjE{}==", "AQabcD3fgH7+x".repeat(40)),
        "hbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3gifQ.c2lnbmF0dXJlIGlzIHNlY3JldA".to_owned(),
    ];
    let jwt = format!("eyJ{}", secrets[2]);
    let values = [&*secrets[0], &secrets[1], &jwt, &"long ".repeat(12_000)];
    let mut runs = JoinSet::new();
    for words in COMMANDS {
        for value in values {
            let replace = |word: &str| word.replace("HUB", HUB).replace('@', value);
            let mut command = setup.command(&user);
            command.current_dir(setup.home.path()).args(words.split(' ').map(replace));
            runs.spawn(async move { (words, finish(command, "").await) });
        }
    }
    let mut faults = Vec::new();
    for (words, run) in runs.join_all().await {
        let shown = run.out + &run.err;
        assert!(!matches!(run.code, None | Some(0)), "{words}: {:?} {shown}", run.code);
        let is_long = shown.len() > 10_000;
        if is_long || secrets.iter().any(|secret| is_part(&shown, secret)) {
            faults.push(format!("{words}: {}", shown.chars().take(300).collect::<String>()));
        }
    }
    assert!(faults.is_empty(), "{} of {}: {faults:#?}", faults.len(), COMMANDS.len());
}
