//! Ids of what is new under `/v1`: each names a home of its own.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::shard::Shards;

/// The header by which one replica tells another the id that it has drawn: a handler that runs again on the shard's owner
/// takes the same, and another one could be of another shard.
const DRAWN: HeaderName = HeaderName::from_static("till-drawn-id");
/// How many ids are drawn, at most, in search of one whose shard is served here.
const DRAWS: usize = 16;

/// Draws the id for what a request may make that no other replica has forwarded. What the client sends in its place is dropped.
pub fn settle(headers: &mut HeaderMap, shards: &Shards) {
    let drawn = draw(|id| shards.serves(id));
    headers.insert(DRAWN, HeaderValue::try_from(drawn.to_string()).expect("a UUID is ASCII"));
}

/// The id of what the request makes: that of its `Idempotency-Key`, so that a retry finds what the first try made, else the
/// one that was drawn.
pub fn new_id(headers: &HeaderMap, key: Option<Uuid>) -> Uuid {
    let drawn = || headers.get(DRAWN)?.to_str().ok()?.parse().ok();
    key.or_else(drawn).unwrap_or_else(Uuid::now_v7)
}

/// An id whose home is served here, which spares a hop, or any where none of some is.
fn draw(is_served: impl Fn(&str) -> bool) -> Uuid {
    let mut drawn = Uuid::now_v7();
    for _ in 1..DRAWS {
        if is_served(&drawn.to_string()) {
            break;
        }
        drawn = Uuid::now_v7();
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_drawn_until_its_home_is_served_here() {
        assert!(draw(|id| id.ends_with(['0', '1', '2', '3', '4', '5', '6', '7'])).as_bytes()[15] & 0x0F < 8);
        assert_eq!(draw(|_| false).get_version_num(), 7);
    }

    #[test]
    fn a_key_names_what_it_makes_and_else_what_was_drawn_does() {
        let (key, drawn) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut headers = HeaderMap::new();
        assert_eq!(new_id(&headers, Some(key)), key);
        assert_eq!(new_id(&headers, None).get_version_num(), 7);
        headers.insert(DRAWN, drawn.to_string().parse().unwrap());
        assert_eq!((new_id(&headers, None), new_id(&headers, Some(key))), (drawn, key));
    }
}
