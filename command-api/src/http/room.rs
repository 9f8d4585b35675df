//! Memory for the bodies of requests: taken as their bytes arrive, never for what a header declares, and shared so that
//! strangers cannot take what callers with a token need.

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use runtime::Problem;
use runtime::auth::{Caller, Role};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::ApiError;
use super::error::overloaded;
use super::pace::{Pace, TOO_SLOW, TooSlow};

/// Room for callers who may do something, and for strangers, KiB.
const CALLERS_KIB: usize = 16 * 1024;
const STRANGERS_KIB: usize = 8 * 1024;
/// Of a body that is too large, as much is read and thrown away: a client that sends all before it listens would
/// otherwise meet a closed connection instead of the answer (RFC 9112, 9.6).
const DISCARDED_BYTES: usize = 16 * 1024 * 1024;

/// The bodies that are in memory now.
pub struct Rooms {
    callers: Semaphore,
    strangers: Semaphore,
}

impl Default for Rooms {
    fn default() -> Self {
        Self { callers: Semaphore::new(CALLERS_KIB), strangers: Semaphore::new(STRANGERS_KIB) }
    }
}

impl Rooms {
    /// The room for a caller's bodies. Anyone can become a customer: one who is nothing else is a stranger.
    pub fn of(&self, caller: Option<&Caller>) -> &Semaphore {
        let is_known = caller.is_some_and(|caller| caller.roles.iter().any(|role| *role != Role::Customer));
        if is_known { &self.callers } else { &self.strangers }
    }
}

/// A body, and the room it takes until it is dropped.
pub struct Held<'r> {
    pub bytes: Bytes,
    _room: Option<SemaphorePermit<'r>>,
}

/// Reads a body of at most so many KiB.
pub async fn read(mut body: Body, room: &Semaphore, max_kib: usize) -> Result<Held<'_>, ApiError> {
    let mut reading = Reading { room, taken: None, kept: BytesMut::new() };
    let (mut pace, mut bytes) = (Pace::default(), 0);
    while let Some(frame) = pace.wait(body.frame()).await.map_err(too_slow)? {
        let Ok(data) = frame.map_err(|_| cut_short())?.into_data() else { continue };
        pace.came(data.len());
        bytes += data.len();
        if bytes <= max_kib * 1024 {
            reading.keep(&data)?;
        } else if bytes > max_kib * 1024 + DISCARDED_BYTES {
            break;
        } else {
            reading.forget();
        }
    }
    if bytes > max_kib * 1024 {
        return Err(too_large(max_kib));
    }
    Ok(Held { bytes: reading.kept.freeze(), _room: reading.taken })
}

struct Reading<'r> {
    room: &'r Semaphore,
    taken: Option<SemaphorePermit<'r>>,
    kept: BytesMut,
}

impl Reading<'_> {
    fn keep(&mut self, data: &[u8]) -> Result<(), ApiError> {
        let taken = self.taken.as_ref().map_or(0, SemaphorePermit::num_permits);
        let wanted = (self.kept.len() + data.len()).div_ceil(1024).saturating_sub(taken);
        let wanted = u32::try_from(wanted).expect("a body has a few MiB");
        let more = self.room.try_acquire_many(wanted).map_err(|_| ApiError::Problem(overloaded()))?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        self.kept.extend_from_slice(data);
        Ok(())
    }

    fn forget(&mut self) {
        (self.kept, self.taken) = (BytesMut::new(), None);
    }
}

fn too_slow(_: TooSlow) -> ApiError {
    Problem::new(StatusCode::REQUEST_TIMEOUT, TOO_SLOW).into()
}

fn cut_short() -> ApiError {
    Problem::new(StatusCode::BAD_REQUEST, "the request's body broke off").into()
}

fn too_large(max_kib: usize) -> ApiError {
    let max = if max_kib.is_multiple_of(1024) {
        format!("{} MiB", max_kib / 1024)
    } else {
        format!("{max_kib} KiB")
    };
    let detail = format!("a request's body may have at most {max} here");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).kind("urn:till:too-large", "Body too large").into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{StreamExt, stream};

    use super::*;

    fn caller(roles: &[Role]) -> Caller {
        Caller { username: "ann".into(), roles: roles.into(), places: Vec::new() }
    }

    fn is_refused(read: Result<Held<'_>, ApiError>, status: u16) -> bool {
        read.err().is_some_and(|error| error.into_problem().status().as_u16() == status)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_room_as_it_arrives_and_gives_it_back() {
        let room = Semaphore::new(3);
        let parts = stream::iter([2048, 1]).map(|bytes| Ok::<_, std::io::Error>(vec![b' '; bytes]));
        let held = read(Body::from_stream(parts), &room, 1024).await.map_err(ApiError::into_problem).unwrap();
        assert_eq!((held.bytes.len(), room.available_permits()), (2049, 0));
        assert!(is_refused(read(Body::from("x"), &room, 1024).await, 503), "no room is left");
        drop(held);
        assert_eq!(room.available_permits(), 3);
        assert!(is_refused(read(Body::from(vec![0; 2049]), &room, 2).await, 413));
        assert_eq!(room.available_permits(), 3, "a body that is too large holds nothing");

        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let waiting = tokio::time::timeout(Duration::from_secs(1), read(silent, &room, 1024));
        assert!(waiting.await.is_err() && room.available_permits() == 3, "nothing came, nothing is taken");
    }

    #[test]
    fn strangers_have_a_room_of_their_own() {
        let rooms = Rooms::default();
        let known = rooms.of(Some(&caller(&[Role::Customer, Role::Terminal])));
        for stranger in [None, Some(&caller(&[Role::Customer])), Some(&caller(&[]))] {
            assert!(!std::ptr::eq(rooms.of(stranger), known));
        }
    }
}
