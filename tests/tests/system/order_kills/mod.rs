//! The whole lives of orders of `/v1` and of contract 004 while command-api, projector, broker and Postgres are killed with -9 at
//! their every step. What the log says, what the clients were answered, and what is read must agree.
//!
//! The matrix has a point for each life, each victim, each step, and each moment: the victim is dead when the step's request is
//! sent, or dies while it is under way. `TILL_SOAK` runs all points; otherwise ten are drawn from a seed, which is printed, and
//! `TILL_SEED` draws them again.

mod peril;
mod restaurant;
mod v1;

use std::time::Instant;

use till_tests::receipts::Random;
use till_tests::{Till, oracle};
use uuid::Uuid;

use crate::chaos;
use crate::common::serve_contracts;
use peril::{Moment, Peril, Victim};

/// The points that are drawn where not all are run.
const SAMPLE: usize = 10;
/// How many of them are of each life, at least.
const OF_EACH_LIFE: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    V1,
    Restaurant,
}

/// Where something is killed.
#[derive(Clone, Copy, Debug)]
struct Point {
    life: Life,
    victim: Victim,
    step: usize,
    moment: Moment,
}

impl Life {
    const ALL: [Self; 2] = [Self::V1, Self::Restaurant];

    /// How many requests it has at which something may die.
    const fn steps(self) -> usize {
        match self {
            Self::V1 => v1::STEPS,
            Self::Restaurant => restaurant::STEPS,
        }
    }

    fn points(self) -> impl Iterator<Item = Point> {
        let moments = |step: usize| [Moment::Before, Moment::During(3 + 4 * step as u64 % 17)];
        Victim::ALL.into_iter().flat_map(move |victim| {
            let at = move |step| moments(step).map(|moment| Point { life: self, victim, step, moment });
            (0..self.steps()).flat_map(at)
        })
    }
}

/// The points to be run, and how they were chosen.
fn chosen() -> (Vec<Point>, String) {
    let mut points: Vec<_> = Life::ALL.into_iter().flat_map(Life::points).collect();
    if std::env::var_os("TILL_SOAK").is_some() {
        return (points, "the whole matrix".to_owned());
    }
    let given = std::env::var("TILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| Uuid::now_v7().as_u64_pair().1 >> 40);
    let mut random = Random::new(seed);
    let mut drawn = Vec::new();
    for life in Life::ALL {
        drawn.extend(draw(&mut points, &mut random, OF_EACH_LIFE, |point| point.life == life));
    }
    drawn.extend(draw(&mut points, &mut random, SAMPLE - drawn.len(), |_| true));
    (drawn, format!("{SAMPLE} points of TILL_SEED={seed}"))
}

/// Draws `count` of those points that are wanted.
fn draw(
    points: &mut Vec<Point>,
    random: &mut Random,
    count: usize,
    is_wanted: impl Fn(&Point) -> bool,
) -> Vec<Point> {
    let mut drawn = Vec::new();
    while drawn.len() < count {
        let index = usize::try_from(random.below(points.len() as u64)).expect("an index");
        if is_wanted(&points[index]) {
            drawn.push(points.swap_remove(index));
        }
    }
    drawn
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_live_through_kills_at_every_step() {
    let (points, how) = chosen();
    println!("{how}");
    let mut till = Till::prepare_alone("order-kills").await;
    serve_contracts(&mut till);
    till.start_all().await;
    let (mut shop, mut restaurant) = (v1::Shop::of(&till).await, restaurant::Restaurant::of(&till));
    for point in points {
        let began = Instant::now();
        let mut peril = Peril::new(&mut till, point.victim, point.step, point.moment);
        match point.life {
            Life::V1 => shop.live(&mut peril).await,
            Life::Restaurant => restaurant.live(&mut peril).await,
        }
        assert_eq!(peril.steps(), point.life.steps(), "the matrix has each step of {:?}", point.life);
        println!("{point:?}: lived through in {:?}", began.elapsed());
    }
    chaos::settle(&mut till).await;
    shop.is_read_as_it_was_answered().await;
    restaurant.is_read_as_it_was_answered().await;
    let ledger = till.scratch.path().join("no-ledger");
    let judged = oracle::judge(&till, shop.token(), &ledger, &["stream", "orders"], &[]);
    println!("{}", judged.success("the oracle"));
}
