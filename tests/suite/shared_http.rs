//! SDK configurations of one chain or pool share one HTTP client, and thus its connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_config::ConfigLoader;
use rolecall::Role;
use rolecall_tests::{HUB, World};
use tokio::net::{TcpListener, TcpStream};

/// Forwards connections to a server, and counts them.
struct CountingProxy {
    url: String,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl CountingProxy {
    async fn start(server: &str) -> Self {
        let server = server.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let server = server.clone();
                tokio::spawn(async move {
                    let mut upstream = TcpStream::connect(server).await.unwrap();
                    // Either side may close the connection first.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
                });
            }
        });
        Self { url, connections, task }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for CountingProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn call_sts(config: ConfigLoader, world: &World, proxy: &CountingProxy) {
    let config = config.endpoint_url(&proxy.url).time_source(world.clock.clock()).load().await;
    aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
}

#[tokio::test]
async fn configurations_of_a_chain_share_connections() {
    let world = World::new().await.unwrap();
    let proxy = CountingProxy::start(world.aws.endpoint_url()).await;
    let chain = world.builder().unwrap().from_env().unwrap();
    for _ in 0..10 {
        call_sts(chain.sdk_config(), &world, &proxy).await;
    }
    assert_eq!(proxy.connections(), 1);

    // The same calls without the shared client: what the sharing saves.
    for _ in 0..3 {
        call_sts(rolecall::sdk_config(chain.provider()).region("eu-west-1"), &world, &proxy).await;
    }
    assert_eq!(proxy.connections(), 4);
}

#[tokio::test]
async fn configurations_of_a_pool_share_connections() {
    let world = World::new().await.unwrap();
    let proxy = CountingProxy::start(world.aws.endpoint_url()).await;
    let pool = world.builder().unwrap().from_env().unwrap().pool();
    for tenant in 0..10 {
        let role = Role::new(HUB).unwrap().session_name(format!("tenant-{tenant}")).unwrap();
        call_sts(pool.sdk_config(&role), &world, &proxy).await;
    }
    assert_eq!(proxy.connections(), 1);
}
