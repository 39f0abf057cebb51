//! The files of `rolecall serve`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rolecall_tests::HUB;

use super::serve;
use crate::command::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn files_are_private_and_removed_on_stop() {
    for signal in ["TERM", "INT", "HUP"] {
        let setup = Setup::start().await;
        let served = serve(&setup, &[HUB]);
        let folder = served.token_file().parent().unwrap().to_owned();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.clone()), 0o700);
        let mut names = Vec::new();
        for file in fs::read_dir(&folder).unwrap().map(|file| file.unwrap()) {
            assert_eq!(mode(file.path()), 0o600, "{file:?}");
            names.push((file.file_name().into_string().unwrap(), file.metadata().unwrap().len()));
        }
        names.sort();
        let expected =
            [("rolecall-config", 0), ("rolecall-credentials", 0), ("rolecall-token", 64)];
        assert_eq!(names, expected.map(|(name, length)| (name.to_owned(), length)));
        let (status, errors) = served.stop(signal);
        assert_eq!((status.code(), errors.as_str()), (Some(0), ""), "{signal}");
        assert!(!folder.exists(), "{signal}");
    }
}

/// The files of endpoints that tests kill must not stay in the machine's temporary folder.
#[tokio::test(flavor = "multi_thread")]
async fn killed_endpoint_leaves_files_in_its_tmpdir_only() {
    let setup = Setup::start().await;
    let served = serve(&setup, &[HUB]);
    let file = served.token_file();
    assert!(file.starts_with(setup.home.path()), "{}", file.display());
    drop(served);
    assert!(file.exists());
    drop(setup);
    assert!(!file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_keeps_files_of_other_programs() {
    let setup = Setup::start().await;
    let folder = setup.home.path().join(".aws");
    let names = ["config", "credentials", "token"];
    for name in names {
        setup.write(&format!(".aws/{name}"), "# of the user\n");
    }
    let arguments = ["serve", HUB, "--directory", folder.to_str().unwrap()];
    let is_kept = || {
        names.iter().all(|name| fs::read(folder.join(name)).unwrap() == b"# of the user\n")
            && fs::read_dir(&folder).unwrap().count() == names.len()
    };
    let served = serve(&setup, &arguments[1..]);
    assert_eq!(served.session("/role")["RoleArn"], HUB);
    let (status, _) = served.stop("TERM");
    assert!(status.success() && is_kept());

    let path = setup.write(".aws/rolecall-token", "of the user");
    let error = setup.run(&setup.user(), &arguments).await.failed(1);
    assert!(error.contains("/.aws/rolecall-token is not a file of an endpoint"), "{error}");
    assert!(error.contains("hint: move it away, or use another --directory"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "of the user");
    fs::remove_file(&path).unwrap();
    assert!(is_kept());
}

#[tokio::test(flavor = "multi_thread")]
async fn directory_has_one_endpoint_at_a_time() {
    let setup = Setup::start().await;
    let folder = setup.home.path().join("endpoint");
    let arguments = ["serve", HUB, "--directory", folder.to_str().unwrap()];
    let first = serve(&setup, &arguments[1..]);
    let token = first.token();
    let error = setup.run(&setup.user(), &arguments).await.failed(1);
    assert!(error.contains("another endpoint has its files there"), "{error}");
    assert_eq!(first.token(), token);
    assert_eq!(first.session("/role")["RoleArn"], HUB);

    // What a killed endpoint leaves is no obstacle.
    first.stop("KILL");
    assert_eq!(fs::read_to_string(folder.join("rolecall-token")).unwrap(), token);
    let second = serve(&setup, &arguments[1..]);
    assert_ne!(second.token(), token);
    assert_eq!(second.session("/role")["RoleArn"], HUB);
    let (status, _) = second.stop("TERM");
    assert!(status.success());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}
