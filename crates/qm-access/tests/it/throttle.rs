//! The gate as a front uses it.

use qm_access::{Limits, Throttle};
use qm_core::id::AccountName;
use qm_core::ports::access::{Admission, Gate as _, Offence};
use std::net::IpAddr;
use std::sync::Arc;

use crate::fakes::SetClock;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn gate(limits: Limits) -> (Throttle, Arc<SetClock>) {
    let clock = Arc::new(SetClock::new());
    (Throttle::new(limits, Arc::clone(&clock) as _, 7), clock)
}

#[test]
fn a_connection_holds_its_place_until_it_is_dropped() {
    let (gate, _) = gate(Limits::new(2, 1));
    let north = AccountName::parse("north").unwrap();
    let first = gate.admit(ip("192.0.2.1")).unwrap();
    let second = gate.admit(ip("192.0.2.2")).unwrap();
    assert!(gate.admit(ip("192.0.2.3")).is_none());
    assert!(first.authenticated(&north));
    assert!(!second.authenticated(&north));
    drop(first);
    assert!(second.authenticated(&north));
    assert_eq!(gate.connections(), 1);
    let third = gate.admit(ip("192.0.2.3")).unwrap();
    drop((second, third));
    assert_eq!(gate.connections(), 0);
}

#[test]
fn a_source_that_misbehaves_is_refused_for_its_time() {
    let (gate, clock) = gate(Limits::new(1_000, 20));
    let held = gate.admit(ip("2001:db8::1"));
    for _ in 0..3 {
        gate.penalise(ip("2001:db8::1"), Offence::AuthFailure);
    }
    assert!(
        gate.admit(ip("2001:db8::2")).is_none(),
        "the same customer's network"
    );
    assert!(gate.admit(ip("2001:db8:0:1::1")).is_some());
    assert!(held.is_some(), "what is connected stays");
    clock.advance(15);
    assert!(gate.admit(ip("2001:db8::2")).is_some());
}

#[test]
fn limits_may_change_while_connections_are_there() {
    let (gate, _) = gate(Limits::new(10, 5));
    let held: Vec<Box<dyn Admission>> = (1..=4)
        .filter_map(|n| gate.admit(ip(&format!("192.0.2.{n}"))))
        .collect();
    assert_eq!(held.len(), 4);
    gate.set_limits(Limits::new(2, 5));
    assert!(gate.admit(ip("192.0.2.9")).is_none());
    drop(held);
    assert!(gate.admit(ip("192.0.2.9")).is_some());
}
