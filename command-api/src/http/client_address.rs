//! The address of the client that sent a request: tries of passwords are counted by it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::App;

/// The header that names the client's address. nginx overwrites it with the address of its own peer, so that a client behind
/// nginx cannot choose it; a replica that forwards a request sets it for the owner.
pub const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The address of the client itself, also where nginx or another replica stands between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Who sent a request to this replica: a client, nginx or another replica.
#[derive(Clone, Copy)]
pub struct Peer {
    /// Whether `TILL_TRUSTED_PROXIES` names its address: then its headers about the client are believed.
    pub is_trusted: bool,
}

impl ClientAddress {
    /// The address in the request's `X-Real-IP` where its peer is trusted to set it, else the peer's own.
    pub fn of(app: &App, parts: &Parts) -> Self {
        Self(client(peer_of(parts), &parts.headers, &app.trusted_proxies))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer
where
    App: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let app = App::from_ref(state);
        Ok(Self { is_trusted: is_trusted(peer_of(parts), &app.trusted_proxies) })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress
where
    App: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&App::from_ref(state), parts))
    }
}

fn peer_of(parts: &Parts) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()).to_canonical()
}

fn is_trusted(peer: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&peer))
}

fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let named = headers.get(REAL_IP).and_then(|value| value.to_str().ok()?.trim().parse::<IpAddr>().ok());
    named.map_or(peer, |address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::networks;

    #[test]
    fn the_header_is_believed_of_trusted_peers_only() {
        let trusted = networks("127.0.0.0/8, ::1,10.1.2.3").unwrap();
        let mut headers = HeaderMap::new();
        let of = |peer: &str, headers: &HeaderMap| {
            client(peer.parse::<IpAddr>().unwrap().to_canonical(), headers, &trusted).to_string()
        };
        assert_eq!(of("127.0.0.1", &headers), "127.0.0.1");
        headers.insert(REAL_IP, "203.0.113.7".parse().unwrap());
        for peer in ["127.0.0.1", "::1", "10.1.2.3", "::ffff:10.1.2.3"] {
            assert_eq!(of(peer, &headers), "203.0.113.7", "{peer}");
        }
        assert_eq!(of("10.1.2.4", &headers), "10.1.2.4");
        headers.insert(REAL_IP, "nonsense".parse().unwrap());
        assert_eq!(of("::ffff:127.0.0.1", &headers), "127.0.0.1");
    }
}
