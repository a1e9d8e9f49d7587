//! Who never gets as far as saying who they are.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ajar_gateway::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::{GOOD, head, house};

async fn from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn o01_handshakes_that_stall_by_the_hundred_hold_up_nobody_else_and_are_cut_off() {
    let limits = Limits { start_up: Duration::from_secs(4), starting: 1_000, starting_per_address: 200, ..Limits::default() };
    let (house, _) = house(limits).await;
    let begun = Instant::now();
    // The head of a TLS record with a ClientHello, and nothing of what it promises; the same of SSH's first line.
    let doors: [(SocketAddr, &[u8]); 2] = [(house.http, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), (house.ssh, b"SSH-2.0-stal")];
    let mut stalled = Vec::new();
    for (door, first) in doors {
        for _ in 0..300 {
            let mut tcp = from("127.0.0.1", door).await;
            // Beyond what one address may have it is closed before this arrives.
            drop(tcp.write_all(first).await);
            stalled.push(tcp);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "the machine is too slow for this test: {:?}", begun.elapsed());
    // Somebody from elsewhere comes in at once.
    let before = Instant::now();
    let tcp = from("127.0.0.2", house.http).await;
    let mut other = house.shakes_hands(tcp, &[b"http/1.1"], "localhost").await;
    let request = format!("GET /sample-api/orders HTTP/1.1\r\n{GOOD}\r\n");
    assert_eq!(head(&mut other, &request).await.0, 200);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
    // Of one address no more than so many wait: the others are closed already.
    let mut waiting = 0;
    for tcp in &mut stalled {
        let read = tokio::time::timeout(Duration::from_millis(1), ended(tcp)).await;
        waiting += usize::from(read.is_err());
    }
    assert!((1..=200).contains(&waiting), "{waiting}");
    for tcp in &mut stalled {
        tokio::time::timeout(Duration::from_secs(10), ended(tcp)).await.expect("it is cut off");
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // And the address has its places back.
    let mut tls = house.calls(&[b"http/1.1"]).await;
    assert_eq!(head(&mut tls, &request).await.0, 200);
}

/// Reads until the other side closes, whatever it says before.
async fn ended(tcp: &mut TcpStream) {
    let mut buffer = [0; 256];
    while tcp.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
}
