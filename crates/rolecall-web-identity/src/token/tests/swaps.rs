//! Replaces a token file in the way of the kubelet while tasks read it.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rolecall_core::Environment;

use crate::WebIdentityToken;

const SWAPS: usize = 10_000;
const READERS: usize = 8;

/// Returns a token whose length and characters differ from those of its neighbours, so that a mix
/// of two tokens is recognized.
fn numbered_token(n: usize) -> String {
    let digit = char::from(b'a' + u8::try_from(n % 26).unwrap());
    digit.to_string().repeat(100 + 37 * (n % 100))
}

fn is_whole(text: &str) -> bool {
    let first = text.chars().next().unwrap();
    text.chars().all(|c| c == first) && (text.len() - 100).is_multiple_of(37)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn token_is_whole_while_the_file_is_swapped() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().to_owned();
    // token -> ..data/token, ..data -> ..<n>: the second link is replaced by a rename, and then the
    // old directory is removed.
    let write_token = {
        let root = root.clone();
        move |n: usize| {
            let name = format!("..{n}");
            fs::create_dir(root.join(&name)).unwrap();
            fs::write(root.join(&name).join("token"), numbered_token(n)).unwrap();
            symlink(&name, root.join("..data_tmp")).unwrap();
            fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
            if let Some(before) = n.checked_sub(1) {
                fs::remove_dir_all(root.join(format!("..{before}"))).unwrap();
            }
        }
    };
    write_token(0);
    symlink("..data/token", root.join("token")).unwrap();

    let done = Arc::new(AtomicBool::new(false));
    let read = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            let (path, done, read) = (root.join("token"), Arc::clone(&done), Arc::clone(&read));
            tokio::spawn(async move {
                let environment = Environment::process();
                while !done.load(Ordering::Relaxed) {
                    let token = WebIdentityToken::read(&path, &environment).await.unwrap();
                    assert!(is_whole(token.expose()), "{} characters", token.expose().len());
                    read.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::task::spawn_blocking(move || (1..=SWAPS).for_each(write_token)).await.unwrap();
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
    assert!(read.load(Ordering::Relaxed) > READERS, "every reader read a token");
}
