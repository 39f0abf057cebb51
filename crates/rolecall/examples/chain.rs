//! Assumes a role in another account through a role of this one.
//!
//! ```sh
//! cargo run -p rolecall --example chain -- \
//!     arn:aws:iam::111122223333:role/hub arn:aws:iam::444455556666:role/orders shop-4711
//! ```
#![allow(clippy::print_stdout, reason = "the output of a program")]

use rolecall::Role;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: chain HUB_ROLE_ARN ROLE_ARN [EXTERNAL_ID]";
    let hub = Role::new(arguments.next().ok_or(usage)?)?;
    let mut role = Role::new(arguments.next().ok_or(usage)?)?;
    if let Some(id) = arguments.next() {
        role = role.external_id(id)?;
    }

    let chain = rolecall::from_env()?.assume_role(hub).assume_role(role);
    println!("{}", chain.description());
    let session = chain.provider().session().await?;
    println!("session of {}, expires at {:?}", session.lineage(), session.expires_at());
    Ok(())
}
