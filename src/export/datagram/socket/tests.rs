//! What the system tells of datagrams, and what is made of it.

use super::*;

const TIME: Duration = Duration::from_secs(10);

fn socket_to(address: SocketAddr) -> Socket {
    Socket::new(Address::udp(&address.to_string()).unwrap())
}

fn refusal(outcome: Result<(), Refusal>) -> String {
    match outcome {
        Err(Refusal::Failed(error)) => error.to_string(),
        Err(Refusal::TooLarge) => "too large".to_owned(),
        Ok(()) => "taken".to_owned(),
    }
}

/// An address of this machine that is not loopback, with a port that is free.
fn outer_address() -> Option<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent: only a route is chosen.
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    UdpSocket::bind((ip, 0)).ok()?.local_addr().ok().filter(|it| !it.ip().is_loopback())
}

#[test]
fn another_host_is_asked_before_it_gets_anything() {
    let Some(address) = outer_address() else { return };
    let mut socket = socket_to(address);
    for _ in 0..3 {
        assert!(refusal(socket.send(b"lost", TIME)).contains("nobody listens there"));
    }
    let receiver = UdpSocket::bind(address).unwrap();
    receiver.set_read_timeout(Some(TIME)).unwrap();
    assert_eq!(refusal(socket.send(b"a", TIME)), "taken");
    assert_eq!(refusal(socket.send(b"b", TIME)), "taken");
    let mut buffer = [0; 10];
    let mut received = || {
        let length = receiver.recv(&mut buffer).unwrap();
        buffer[..length].to_vec()
    };
    assert_eq!([received(), received(), received()], [PROBE.to_vec(), b"a".into(), b"b".into()]);
}

#[test]
fn loopback_refuses_the_datagram_itself() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut socket = socket_to(address);
    for _ in 0..3 {
        assert!(refusal(socket.send(b"lost", TIME)).contains("nobody listens there"));
    }
    let receiver = UdpSocket::bind(address).unwrap();
    assert_eq!(refusal(socket.send(b"a", TIME)), "taken");
    drop(receiver);
    assert!(refusal(socket.send(b"b", TIME)).contains("nobody listens there"));
}

#[test]
fn what_no_datagram_can_be_is_too_large() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut socket = socket_to(receiver.local_addr().unwrap());
    assert_eq!(refusal(socket.send(&[b'a'; 65_508], TIME)), "too large");
    assert_eq!(refusal(socket.send(b"a", TIME)), "taken");
}

#[test]
fn a_name_that_is_none_is_said() {
    let mut socket = Socket::new(Address::udp("quipu.invalid").unwrap());
    let said = refusal(socket.send(b"a", TIME));
    assert!(said.starts_with("udp://quipu.invalid:8125: "), "{said}");
}

#[test]
fn a_name_may_have_an_address_where_nobody_listens() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let mut socket = Socket::new(Address::udp(&format!("localhost:{port}")).unwrap());
    // IPv6 may come first.
    let taken = (0..4).any(|_| socket.send(b"a", TIME).is_ok());
    assert!(taken);
}
