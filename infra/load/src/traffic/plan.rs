//! Decides what is sent next: a new receipt, or one of the things that go wrong at tills.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};

use crate::rng::Rng;
use crate::shop::{Receipt, Shop, money};

/// How many accepted receipts are kept, to be repeated, contradicted or voided.
const REMEMBERED: usize = 1_000;

/// Why a request is sent. It decides which answers are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A receipt that Till has not seen.
    New,
    /// An accepted receipt once more, byte for byte.
    Repeated,
    /// Another content, under an accepted receipt's id.
    Conflicting,
    /// A receipt that breaks a rule.
    Invalid,
    /// A void, by which an admin takes a receipt out of the figures.
    Void,
}

impl Kind {
    /// The word that the summary prints for this kind.
    pub fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Repeated => "repeated",
            Self::Conflicting => "conflicting",
            Self::Invalid => "invalid",
            Self::Void => "void",
        }
    }

    /// Whether `status` is the right answer. A request that was sent more than once may have been taken the first time,
    /// and only its answer lost. So it may be answered as a repetition.
    pub fn deserves(self, status: u16, sent_more_than_once: bool) -> bool {
        match self {
            Self::New | Self::Void => status == 201 || (status == 200 && sent_more_than_once),
            Self::Repeated => status == 200,
            Self::Conflicting => status == 409,
            Self::Invalid => status == 422,
        }
    }
}

/// A request to send.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Why the request is sent, which decides which answers are right.
    pub kind: Kind,
    /// The path that the request is POSTed to.
    pub path: String,
    /// The body, as JSON.
    pub body: String,
    /// The id of the receipt that the request is about.
    pub transaction_id: String,
}

/// A request and what became of it.
#[derive(Debug)]
pub struct Answered {
    /// The request that was sent.
    pub request: Planned,
    /// The status and body of the last answer, or why there was none.
    pub answer: Result<(u16, String), String>,
    /// How often the request was sent, at least once.
    pub attempts: u32,
}

/// Decides request after request.
pub struct Planner {
    shop: Shop,
    rng: Rng,
    run: u64,
    sent: u64,
    accepted: VecDeque<Planned>,
}

impl Planner {
    /// A plan whose contents follow from `seed`. The ids contain `run`, which must differ between two runs.
    pub fn new(seed: u64, run: u64) -> Self {
        Self { shop: Shop::new(), rng: Rng::new(seed), run, sent: 0, accepted: VecDeque::new() }
    }

    /// The next request. Until a receipt is accepted there is none to repeat, so only new and invalid ones are sent.
    pub fn next(&mut self, now: DateTime<Utc>) -> Planned {
        let dice = self.rng.below(1_000);
        let earlier = if self.accepted.is_empty() { None } else { Some(self.rng.index(self.accepted.len())) };
        match (dice, earlier) {
            (0..30, _) => self.invalid(now),
            (30..60, Some(index)) => Planned { kind: Kind::Repeated, ..self.accepted[index].clone() },
            (60..70, Some(index)) => self.conflicting(index, now),
            (70..75, Some(index)) => self.void(index),
            _ => self.new_receipt(now),
        }
    }

    /// Remembers a new receipt that was accepted.
    pub fn learn(&mut self, accepted: Option<Planned>) {
        if let Some(request) = accepted {
            if self.accepted.len() == REMEMBERED {
                self.accepted.pop_front();
            }
            self.accepted.push_back(request);
        }
    }

    fn receipt(&mut self, now: DateTime<Utc>) -> Receipt {
        self.sent += 1;
        let transaction_id = format!("demo-{:x}-{:06}", self.run, self.sent);
        self.shop.receipt(transaction_id, now, &mut self.rng)
    }

    fn new_receipt(&mut self, now: DateTime<Utc>) -> Planned {
        let receipt = self.receipt(now);
        posted(Kind::New, receipt.transaction_id.clone(), receipt.to_json())
    }

    fn invalid(&mut self, now: DateTime<Utc>) -> Planned {
        let receipt = self.receipt(now);
        let (json, total) = (receipt.to_json(), money(receipt.total_cents));
        let body = match self.rng.below(4) {
            0 => json.replacen(
                &format!(r#""total_amount":{total}"#),
                &format!(r#""total_amount":{}"#, money(receipt.total_cents + 100)),
                1,
            ),
            1 => json.replacen(&format!(r#""place_id":"{}","#, receipt.place.id), "", 1),
            2 => json.replacen(r#""price":"#, r#""price":-"#, 1),
            _ => json.replacen(r#""quantity":"#, r#""quantity":0,"was":"#, 1),
        };
        posted(Kind::Invalid, receipt.transaction_id, body)
    }

    fn conflicting(&mut self, index: usize, now: DateTime<Utc>) -> Planned {
        let transaction_id = self.accepted[index].transaction_id.clone();
        let mut other = self.shop.receipt(transaction_id, now, &mut self.rng);
        // These tips are on no receipt that the shop makes, so the content differs from the accepted one.
        other.tips_cents = 12_345;
        posted(Kind::Conflicting, other.transaction_id.clone(), other.to_json())
    }

    fn void(&mut self, index: usize) -> Planned {
        let receipt = self.accepted.remove(index).expect("an index into the queue");
        Planned {
            kind: Kind::Void,
            path: format!("/v1/receipts/{}/void", receipt.transaction_id),
            body: r#"{"reason":"rung up twice"}"#.to_owned(),
            transaction_id: receipt.transaction_id,
        }
    }
}

fn posted(kind: Kind, transaction_id: String, body: String) -> Planned {
    Planned { kind, path: "/v1/receipts".to_owned(), body, transaction_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64, run: u64, count: usize) -> Vec<Planned> {
        let (mut planner, now) = (Planner::new(seed, run), Utc::now());
        (0..count)
            .map(|_| {
                let next = planner.next(now);
                planner.learn((next.kind == Kind::New).then(|| next.clone()));
                next
            })
            .collect()
    }

    #[test]
    fn every_kind_comes_up_about_as_often_as_promised() {
        let all = plan(1, 1, 20_000);
        let share = |kind| all.iter().filter(|planned| planned.kind == kind).count();
        assert!((18_000..19_000).contains(&share(Kind::New)));
        assert!((450..750).contains(&share(Kind::Repeated)));
        assert!((450..750).contains(&share(Kind::Invalid)));
        assert!((130..270).contains(&share(Kind::Conflicting)));
        assert!((60..150).contains(&share(Kind::Void)));
    }

    #[test]
    fn the_same_seed_repeats_the_kinds_under_ids_of_its_own_run() {
        let kinds = |all: &[Planned]| all.iter().map(|planned| planned.kind).collect::<Vec<_>>();
        let (one, two) = (plan(5, 1, 500), plan(5, 2, 500));
        assert_eq!(kinds(&one), kinds(&two));
        assert_ne!(one[0].transaction_id, two[0].transaction_id);
    }

    #[test]
    fn repeated_bodies_are_the_same_bytes_and_conflicting_ones_are_not() {
        let all = plan(9, 1, 5_000);
        let first = |id: &str| all.iter().find(|p| p.kind == Kind::New && p.transaction_id == id).unwrap();
        for planned in &all {
            match planned.kind {
                Kind::Repeated => assert_eq!(planned.body, first(&planned.transaction_id).body),
                Kind::Conflicting => assert_ne!(planned.body, first(&planned.transaction_id).body),
                _ => {}
            }
        }
    }

    #[test]
    fn invalid_bodies_are_json_with_a_rule_broken() {
        for planned in plan(4, 1, 5_000).iter().filter(|planned| planned.kind == Kind::Invalid) {
            let body: serde_json::Value = serde_json::from_str(&planned.body).unwrap();
            let items = body["items"].as_array().unwrap();
            let sum: f64 =
                items.iter().map(|i| i["price"].as_f64().unwrap() * i["quantity"].as_f64().unwrap()).sum();
            let adds_up = (sum - body["total_amount"].as_f64().unwrap()).abs() < 0.005;
            assert!(!adds_up || body.get("place_id").is_none(), "{}", planned.body);
        }
    }
}
