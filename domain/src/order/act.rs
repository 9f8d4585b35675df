//! How the to-dos of orders are done: which stocks are told what, and what their answers come to.

use chrono::{DateTime, Utc};
use schemas::{Qty, Ref};
use uuid::Uuid;

use super::moves::CancelOrder;
use super::stock::{Answer, NoteStockReleased, SettleStock};
use super::todo::Todo;
use crate::stock::{ReleaseStock, ReserveStock, reserved};
use crate::{Act, Asked};

impl Todo {
    pub(crate) fn act(&self, _: Uuid, now: DateTime<Utc>) -> Act {
        match self.clone() {
            Self::Reserve { order, lines } => {
                let reserve = |(line, product, quantity): &(i32, Ref, Qty)| {
                    let (Ref { home, id }, order) = (product.clone(), order.clone());
                    ReserveStock { home, id, order, line: *line, quantity: *quantity, at: now }.into()
                };
                let commands = lines.iter().map(reserve).collect();
                Act::tell(commands, move |events| {
                    let answer = |(event, (line, ..)): (&schemas::Event, &(i32, Ref, Qty))| {
                        let (is_held, available) = reserved(event).unwrap_or_default();
                        Answer { line: *line, is_held, available }
                    };
                    let answers = events.iter().zip(&lines).map(answer).collect();
                    SettleStock { home: order.home, id: order.id, answers, at: now }
                })
            }
            Self::Release { order, lines } => {
                let release = |(line, product): &(i32, Ref)| {
                    let (Ref { home, id }, order) = (product.clone(), order.clone());
                    ReleaseStock { home, id, order, line: *line, at: now }.into()
                };
                let commands = lines.iter().map(release).collect();
                let lines = lines.iter().map(|(line, _)| *line).collect();
                Act::tell(commands, move |_| NoteStockReleased {
                    home: order.home,
                    id: order.id,
                    lines,
                    at: now,
                })
            }
            Self::Watch { order: Ref { home, id } } => {
                let asked = Asked::by_todo(now);
                Act::command(CancelOrder { home, id, who: None, note: None, revision: None, asked })
            }
        }
    }
}
