//! A proxy before the server that cuts a line where it is told.

use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::AbortHandle;

/// Where the line is cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The server does not get what the client sends.
    Before,
    /// The server gets it and answers, and the client does not get the answer.
    After,
}

/// A proxy, until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    plan: Arc<Mutex<Plan>>,
    listener: AbortHandle,
}

#[derive(Debug, Default)]
struct Plan {
    /// The line is cut at the request after so many others.
    cut: Option<(u32, Side)>,
}

impl Proxy {
    /// Listens, and connects everybody to the server behind the socket.
    pub async fn start(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a loopback address");
        let port = listener.local_addr().expect("a loopback address").port();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let plan_of_lines = Arc::clone(&plan);
        let accept = async move {
            while let Ok((client, _)) = listener.accept().await {
                let (socket, plan) = (socket.clone(), Arc::clone(&plan_of_lines));
                tokio::spawn(async move { forward(client, socket, plan).await });
            }
        };
        Self {
            port,
            plan,
            listener: tokio::spawn(accept).abort_handle(),
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts one line, whichever it is, at the request after `requests` others.
    pub fn cut_after(&self, requests: u32, side: Side) {
        self.plan.lock().cut = Some((requests, side));
    }

    /// Cuts nothing any more; false if what was planned has happened.
    pub fn is_pending(&self) -> bool {
        self.plan.lock().cut.take().is_some()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn forward(mut client: TcpStream, socket: PathBuf, plan: Arc<Mutex<Plan>>) {
    let Ok(mut server) = UnixStream::connect(socket).await else {
        return;
    };
    let (mut requests, mut answers) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut is_deaf = false;
    loop {
        tokio::select! {
            read = client.read(&mut requests) => {
                let Ok(count @ 1..) = read else { return };
                match next(&plan) {
                    Some(Side::Before) => return,
                    Some(Side::After) => is_deaf = true,
                    None => {}
                }
                if server.write_all(&requests[..count]).await.is_err() {
                    return;
                }
            }
            read = server.read(&mut answers) => {
                let Ok(count @ 1..) = read else { return };
                // The answer has come, so what was asked is done.
                if is_deaf || client.write_all(&answers[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// What happens to this request.
fn next(plan: &Mutex<Plan>) -> Option<Side> {
    let mut plan = plan.lock();
    let (left, side) = plan.cut?;
    if let Some(left) = left.checked_sub(1) {
        plan.cut = Some((left, side));
        return None;
    }
    plan.cut = None;
    Some(side)
}

/// Within this time everything works again after a cut.
pub const RECOVERY_MAX: Duration = Duration::from_secs(10);
