//! A line that takes its time: what comes in goes out later, in order, as fast as it came.

use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// What is read at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// Listens on a port from which connections lead to that other one, so much later each way. The
/// line is there until the program ends.
pub(super) fn lay(to: u16, each_way: Duration) -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("laying a line")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            // A connection that does not come about ends, as on any line.
            drop(connect(near, to, each_way));
        }
    });
    Ok(port)
}

fn connect(near: TcpStream, to: u16, each_way: Duration) -> Result<()> {
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, to))?;
    for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
        from.set_nodelay(true)?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || take(from, &sender, each_way));
        std::thread::spawn(move || give(to, &receiver));
    }
    Ok(())
}

/// Reads to the end; everything has its time.
fn take(mut from: TcpStream, into: &Sender<(Instant, Vec<u8>)>, each_way: Duration) {
    let mut block = vec![0; BLOCK_BYTES];
    while let Ok(length) = from.read(&mut block) {
        let bytes = block.get(..length).unwrap_or_default().to_vec();
        if length == 0 || into.send((Instant::now() + each_way, bytes)).is_err() {
            return;
        }
    }
}

fn give(mut to: TcpStream, from: &Receiver<(Instant, Vec<u8>)>) {
    for (at, bytes) in from {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // Whoever is there learns that nothing more comes; it may be gone already.
    let _ = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_comes_through_later() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let each_way = Duration::from_millis(20);
        let port = lay(server.local_addr().unwrap().port(), each_way).unwrap();
        let echo = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
        });
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let begin = Instant::now();
        stream.write_all(b"one ").unwrap();
        stream.write_all(b"two").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one two");
        assert!(begin.elapsed() >= each_way * 2);
        echo.join().unwrap();
    }
}
