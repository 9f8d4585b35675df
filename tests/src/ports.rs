//! Free TCP ports on the loopback. They are below the range that the kernel gives to outgoing connections, so that a
//! server that is restarted finds its port still free.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{LazyLock, Mutex};

static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);

/// A port on which nobody listens. This process is never given the same one twice.
///
/// # Panics
/// Thousands of ports are taken.
#[must_use]
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    let mut given = GIVEN.lock().expect("no holder of the lock panics");
    // Test runs that go on side by side begin to look at different ports.
    let start = std::process::id() * 37 % u32::from(COUNT);
    (0..u32::from(COUNT))
        .map(|step| FIRST + u16::try_from((start + step) % u32::from(COUNT)).expect("below COUNT"))
        .find(|port| {
            !given.contains(port)
                && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
                && given.insert(*port)
        })
        .expect("a free port between 20000 and 29999")
}
