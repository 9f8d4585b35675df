//! The rule sets of orders, as data: where an order may go from each stage, and who may send it there. `decide` alone reads
//! them. An event says the stage that holds after it, so a changed table changes no order that there is.

use schemas::Money;
use serde::{Deserialize, Serialize};

/// Declares words that are texts in events and tables. A word that this binary does not know is kept as it is.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident: $($(#[doc = $word_doc:literal])+ $word:ident $text:literal,)+) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[doc = $word_doc])+ $word,)+
            /// A word of a contract's client, or of a newer Till.
            Other(String),
        }

        impl $name {
            /// Every word that this binary knows.
            pub const KNOWN: &[Self] = &[$(Self::$word),+];

            /// The word as it stands in events and tables.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self { $(Self::$word => $text,)+ Self::Other(text) => text }
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                match text.as_str() { $($text => Self::$word,)+ _ => Self::Other(text) }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                text.to_owned().into()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }
    };
}

words! {
    /// How far an order has come.
    Stage:
    /// Its stock or its payment is not settled yet.
    Placed "placed",
    /// There was too little stock for one of its lines.
    Refused "refused",
    /// It was called off, or not paid.
    Cancelled "cancelled",
    /// The kitchen has it.
    Received "received",
    /// The kitchen works on it.
    Preparing "preparing",
    /// It can be fetched.
    Ready "ready",
    /// It was handed over.
    Finished "finished",
    /// It waits to be shipped.
    Confirmed "confirmed",
    /// It is on its way.
    Dispatched "dispatched",
    /// It has arrived.
    Delivered "delivered",
    /// Its contract lists it no more.
    Removed "removed",
}

words! {
    /// How far the payment of an order has come.
    PaymentStatus:
    /// Nobody was asked for money yet.
    Unasked "none",
    /// The money is there, or is handed over with the goods.
    Approved "approved",
    /// Whoever was asked has refused.
    Refused "refused",
    /// The payment was called off.
    Cancelled "cancelled",
    /// The time to pay is over.
    Expired "expired",
    /// The money went back.
    Refunded "refunded",
}

words! {
    /// How a buyer gets what was ordered.
    Fulfilment:
    /// It is prepared and fetched.
    Kitchen "kitchen",
    /// It is sent.
    Shipping "shipping",
    /// The buyer has it already.
    Nothing "none",
}

/// Whoever sends an order on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The person who ordered, or staff.
    Buyer,
    /// Staff and admins.
    Staff,
    /// Couriers, and staff.
    Courier,
    /// A fact: nobody is asked.
    Fact,
}

impl Who {
    /// Whether what `self` may do is allowed to `actor`. Staff may do whatever buyers and couriers may.
    #[must_use]
    pub const fn admits(self, actor: Self) -> bool {
        matches!(
            (self, actor),
            (Self::Buyer, Self::Buyer | Self::Staff)
                | (Self::Courier, Self::Courier | Self::Staff)
                | (Self::Staff, Self::Staff)
                | (Self::Fact, _)
        )
    }
}

/// What sends an order to another stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// A person moves it.
    Move,
    /// A person calls it off.
    Cancel,
    /// Its payment is approved, and its stock reserved.
    Paid,
    /// Its payment has ended without money.
    Unpaid,
    /// There is too little stock.
    Short,
    /// It was not settled in time.
    Deadline,
    /// A person takes it off a contract's lists.
    Remove,
}

/// A row of a rule set: what leads from one stage to another.
#[derive(Clone, Debug)]
pub struct Row {
    /// The stage before; `None`: any.
    pub from: Option<Stage>,
    /// What happens.
    pub on: On,
    /// The orders that the row is for; `None`: all.
    pub fulfilment: Option<Fulfilment>,
    /// Who may do it.
    pub who: Who,
    /// The stage after; `None`: the one that is asked for, which is the kitchen's, or a word of a contract's client.
    pub to: Option<Stage>,
}

/// A rule set. An order follows the one that it was placed under for ever.
#[derive(Debug)]
pub struct Rules {
    /// The name, as events have it.
    pub name: &'static str,
    /// The stage of a new order that is not settled yet.
    pub first: Stage,
    /// Whether an order without lines is refused.
    pub needs_lines: bool,
    /// Whether lines whose products count stock are reserved.
    pub reserves: bool,
    /// Whether a payment by cash, or of nothing, counts as approved once the stock is reserved.
    pub trusts_cash: bool,
    /// Whether a move to a stage of the kitchen is the time of that stage. Otherwise times change by correction only.
    pub times_by_moves: bool,
    /// Whether orders may be corrected by hand.
    pub amendable: bool,
    /// The rows.
    pub rows: &'static [Row],
}

/// The rule set of that name.
#[must_use]
pub fn rules(name: &str) -> Option<&'static Rules> {
    ALL.iter().copied().find(|rules| rules.name == name)
}

impl Stage {
    /// Whether clients that may set any stage may set this one. Those that end a sale, or take an order off the lists, are
    /// reached by what they stand for alone: else the figures would keep what was not sold.
    const fn is_free(&self) -> bool {
        matches!(self, Self::Received | Self::Preparing | Self::Ready | Self::Finished | Self::Other(_))
    }
}

impl Rules {
    /// Whether a payment counts as approved once the stock is reserved: it is handed over with the goods, or there is
    /// nothing to pay.
    pub(super) fn trusts(&self, method: &str, amount: Money) -> bool {
        self.trusts_cash && (method == "cash" || amount == Money::ZERO)
    }

    /// The row for what happens to an order, whoever asks. `wanted` is the stage that is asked for.
    #[must_use]
    pub fn row(&self, from: &Stage, on: On, fulfilment: &Fulfilment, wanted: Option<&Stage>) -> Option<&Row> {
        self.rows.iter().find(|row| {
            row.on == on
                && row.from.as_ref().is_none_or(|stage| stage == from)
                && row.fulfilment.as_ref().is_none_or(|those| those == fulfilment)
                && wanted.is_none_or(|wanted| row.to.as_ref().map_or(wanted.is_free(), |to| to == wanted))
        })
    }

    /// The stages to which a person may move an order from `from`.
    pub fn moves<'r>(
        &'r self,
        from: &'r Stage,
        fulfilment: &'r Fulfilment,
    ) -> impl Iterator<Item = &'r Stage> {
        self.rows.iter().filter_map(move |row| {
            let applies = row.on == On::Move
                && row.from.as_ref().is_none_or(|stage| stage == from)
                && row.fulfilment.as_ref().is_none_or(|those| those == fulfilment);
            row.to.as_ref().filter(|_| applies)
        })
    }
}

const fn row(from: Stage, on: On, who: Who, to: Stage) -> Row {
    Row { from: Some(from), on, fulfilment: None, who, to: Some(to) }
}

const fn paid(fulfilment: Fulfilment, to: Stage) -> Row {
    Row {
        from: Some(Stage::Placed),
        on: On::Paid,
        fulfilment: Some(fulfilment),
        who: Who::Fact,
        to: Some(to),
    }
}

const fn any(on: On, to: Option<Stage>) -> Row {
    Row { from: None, on, fulfilment: None, who: Who::Staff, to }
}

/// Every rule set.
pub static ALL: &[&Rules] = &[&V1, &RESTAURANT];

/// Orders of `/v1`: reserved, paid, then cooked or shipped one step at a time.
pub static V1: Rules = Rules {
    name: "v1",
    first: Stage::Placed,
    needs_lines: true,
    reserves: true,
    trusts_cash: true,
    times_by_moves: true,
    amendable: false,
    rows: &[
        row(Stage::Placed, On::Short, Who::Fact, Stage::Refused),
        paid(Fulfilment::Kitchen, Stage::Received),
        paid(Fulfilment::Shipping, Stage::Confirmed),
        paid(Fulfilment::Nothing, Stage::Finished),
        row(Stage::Placed, On::Unpaid, Who::Fact, Stage::Cancelled),
        row(Stage::Placed, On::Deadline, Who::Fact, Stage::Cancelled),
        row(Stage::Received, On::Move, Who::Staff, Stage::Preparing),
        row(Stage::Preparing, On::Move, Who::Staff, Stage::Ready),
        row(Stage::Ready, On::Move, Who::Staff, Stage::Finished),
        row(Stage::Confirmed, On::Move, Who::Staff, Stage::Dispatched),
        row(Stage::Dispatched, On::Move, Who::Courier, Stage::Delivered),
        row(Stage::Placed, On::Cancel, Who::Buyer, Stage::Cancelled),
        row(Stage::Received, On::Cancel, Who::Buyer, Stage::Cancelled),
        row(Stage::Confirmed, On::Cancel, Who::Buyer, Stage::Cancelled),
        row(Stage::Preparing, On::Cancel, Who::Staff, Stage::Cancelled),
        row(Stage::Ready, On::Cancel, Who::Staff, Stage::Cancelled),
    ],
};

/// Orders of contract 004, which lets its clients set any stage.
pub static RESTAURANT: Rules = Rules {
    name: "restaurant",
    first: Stage::Received,
    needs_lines: false,
    reserves: false,
    trusts_cash: false,
    times_by_moves: false,
    amendable: true,
    rows: &[any(On::Move, None), any(On::Remove, Some(Stage::Removed))],
};
