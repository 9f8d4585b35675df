//! Memory for the bodies of requests: taken as their bytes arrive, never for what a header declares, and shared so that
//! strangers cannot take what callers with a token need.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use runtime::Problem;
use runtime::auth::{Caller, Role};
use runtime::shares::Shares;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::ApiError;
use super::error::overloaded;
use super::pace::{Pace, TOO_SLOW, TooSlow};

/// Memory for the bodies of all callers who are more than customers, KiB.
const CALLERS_KIB: usize = 16 * 1024;
/// Memory for the bodies of one of them, KiB: they may come slowly, and the others need memory meanwhile.
const CALLER_KIB: usize = 4 * 1024;
/// Memory for the bodies of everyone else, KiB.
const STRANGERS_KIB: usize = 8 * 1024;
/// Bytes of a body beyond its limit that are read and thrown away: a client that sends all before it listens would otherwise
/// meet a closed connection instead of the answer (RFC 9112, 9.6).
const DISCARDED_BYTES: usize = 16 * 1024 * 1024;

/// The memory that is free for bodies: semaphores with a permit a KiB.
pub struct Rooms {
    callers: Arc<Semaphore>,
    of_callers: Shares,
    strangers: Arc<Semaphore>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            callers: Arc::new(Semaphore::new(CALLERS_KIB)),
            of_callers: Shares::new(CALLER_KIB),
            strangers: Arc::new(Semaphore::new(STRANGERS_KIB)),
        }
    }
}

impl Rooms {
    /// The room for a caller's bodies. Anyone can register and is a customer then, so that a mere customer counts as a stranger.
    pub fn of(&self, caller: Option<&Caller>) -> Room {
        let known = caller.filter(|caller| caller.roles.iter().any(|role| *role != Role::Customer));
        match known {
            Some(caller) => Room(vec![self.of_callers.of(&caller.account()), self.callers.clone()]),
            None => Room(vec![self.strangers.clone()]),
        }
    }
}

/// The semaphores that must all have permits for a body: the caller's own share first, where there is one.
pub struct Room(Vec<Arc<Semaphore>>);

/// A body, and the room it takes until it is dropped.
pub struct Held {
    pub bytes: Bytes,
    _room: Vec<OwnedSemaphorePermit>,
}

/// Reads a body of at most so many KiB: 408 where it comes too slowly, 413 where it is larger, 503 where there is no room.
pub async fn read(mut body: Body, room: Room, max_kib: usize) -> Result<Held, ApiError> {
    let mut reading = Reading { room, taken: Vec::new(), taken_kib: 0, kept: BytesMut::new() };
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

struct Reading {
    room: Room,
    taken: Vec<OwnedSemaphorePermit>,
    taken_kib: usize,
    kept: BytesMut,
}

impl Reading {
    fn keep(&mut self, data: &[u8]) -> Result<(), ApiError> {
        let needed_kib = (self.kept.len() + data.len()).div_ceil(1024);
        self.take(needed_kib.saturating_sub(self.taken_kib))?;
        self.kept.extend_from_slice(data);
        Ok(())
    }

    fn take(&mut self, kib: usize) -> Result<(), ApiError> {
        let permits = u32::try_from(kib).expect("a body has a few MiB");
        if permits == 0 {
            return Ok(());
        }
        for room in &self.room.0 {
            let more = room.clone().try_acquire_many_owned(permits);
            self.taken.push(more.map_err(|_| ApiError::Problem(overloaded()))?);
        }
        self.taken_kib += kib;
        Ok(())
    }

    fn forget(&mut self) {
        (self.kept, self.taken, self.taken_kib) = (BytesMut::new(), Vec::new(), 0);
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
        Caller {
            realm: "till".into(),
            number: 1,
            roles: roles.into(),
            places: Vec::new(),
            is_terminal_key: false,
        }
    }

    fn is_refused(read: Result<Held, ApiError>, status: u16) -> bool {
        read.err().is_some_and(|error| error.into_problem().status().as_u16() == status)
    }

    #[tokio::test]
    async fn a_body_takes_room_as_it_arrives_and_gives_it_back() {
        let room = Arc::new(Semaphore::new(3));
        let read = |body, max_kib| read(body, Room(vec![room.clone()]), max_kib);
        let parts = stream::iter([2048, 1]).map(|bytes| Ok::<_, std::io::Error>(vec![b' '; bytes]));
        let held = read(Body::from_stream(parts), 1024).await.map_err(ApiError::into_problem).unwrap();
        assert_eq!((held.bytes.len(), room.available_permits()), (2049, 0));
        assert!(is_refused(read(Body::from("x"), 1024).await, 503), "no room is left");
        drop(held);
        assert_eq!(room.available_permits(), 3);
        assert!(is_refused(read(Body::from(vec![0; 2049]), 2).await, 413));
        assert_eq!(room.available_permits(), 3, "a body that is too large holds nothing");

        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let waiting = tokio::time::timeout(Duration::from_millis(50), read(silent, 1024));
        assert!(waiting.await.is_err() && room.available_permits() == 3, "nothing came, nothing is taken");
    }

    #[tokio::test]
    async fn one_caller_and_all_strangers_leave_room_to_other_callers() {
        let rooms = Rooms::default();
        let read = async |caller: Option<&Caller>| {
            read(Body::from(vec![b' '; 1024 * 1024]), rooms.of(caller), 1024).await
        };
        let fill = async |caller: Option<&Caller>| {
            let mut held = Vec::new();
            while let Ok(body) = read(caller).await {
                held.push(body);
            }
            held
        };
        let ann = caller(&[Role::Terminal]);
        let strangers = [None, Some(&caller(&[Role::Customer])), Some(&caller(&[]))];
        let mut held = fill(None).await;
        assert_eq!(held.len(), STRANGERS_KIB / 1024);
        for stranger in strangers {
            assert!(is_refused(read(stranger).await, 503), "strangers have all that is theirs");
        }
        held.extend(fill(Some(&ann)).await);
        assert_eq!(held.len(), (STRANGERS_KIB + CALLER_KIB) / 1024);
        let other = Caller { number: 2, ..ann.clone() };
        assert!(read(Some(&other)).await.is_ok());
        drop(held);
        assert!(read(Some(&ann)).await.is_ok() && read(None).await.is_ok());
    }
}
