//! What each aggregate's folder is made of: its commands, its rejections, and its line in the list of aggregates.

/// How a command that is refused is wrong. HTTP answers each class with a status of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The aggregate does not exist.
    Unknown,
    /// The aggregate's present state forbids it.
    Conflict,
    /// It was made from a state that is not the present one any more.
    Stale,
    /// The account that it is for may not.
    Forbidden,
    /// It could not be right in any state.
    Invalid,
}

/// Declares an aggregate's commands and, for each, the function that decides it:
///
/// ```text
/// commands! { Receipts at home;
///     RecordReceipt => record;
///     VoidReceipt => void, told;
/// }
/// ```
///
/// `at home` names a function from `&Command` to the aggregate's home, which is the key of its stream. `at (realm)`
/// names a text field that each command has instead. A command that other aggregates' to-dos send is marked `told`:
/// only such a command is written to and read from JSON. The declaration becomes
///
/// ```text
/// pub enum Command { RecordReceipt(RecordReceipt), VoidReceipt(VoidReceipt) }
/// impl Command { TOPIC, home(), to_json(), from_json() }
/// fn decide(states, command) -> Result<Decision, Rejection> { match command { … => record(states, command), … } }
/// impl From<RecordReceipt> for crate::Command { … }    // one for each struct
/// ```
macro_rules! commands {
    (@home $command:ident $function:ident $($name:ident)+) => { $function($command) };
    (@home $command:ident $path:tt $($name:ident)+) => {
        match $command { $(Command::$name(command) => commands!(@field command $path),)+ }
    };
    (@field $command:ident ($($field:ident).+)) => { &$command.$($field).+ };
    (@to_json $command:ident told) => { serde_json::to_value($command).ok() };
    (@to_json $command:ident) => {{ let _ = $command; None }};
    (@from_json $name:ident $json:ident told) => { serde_json::from_value($json).ok().map(Command::$name) };
    (@from_json $name:ident $json:ident) => { None };
    ($topic:ident at $home:tt; $($name:ident => $decide:path $(, $told:ident)?;)+) => {
        /// Something asked of the aggregate.
        #[derive(Clone, Debug)]
        pub enum Command {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)+
        }

        impl Command {
            pub(crate) const TOPIC: schemas::Topic = schemas::Topic::$topic;

            pub(crate) fn home(&self) -> &str {
                commands!(@home self $home $($name)+)
            }

            pub(crate) const fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)+ }
            }

            /// The fields of a told command as JSON; `None` of any other command.
            pub(crate) fn to_json(&self) -> Option<serde_json::Value> {
                match self { $(Self::$name(command) => commands!(@to_json command $($told)?),)+ }
            }

            /// The told command of this name with these fields. `None` where no told command has the name, or where the
            /// fields do not fit.
            #[allow(unused_variables, reason = "an aggregate that is told nothing reads nothing")]
            pub(crate) fn from_json(name: &str, json: serde_json::Value) -> Option<Self> {
                match name { $(stringify!($name) => commands!(@from_json $name json $($told)?),)+ _ => None }
            }
        }

        pub(crate) fn decide(states: &impl $crate::States, command: Command) -> Result<$crate::Decision, Rejection> {
            match command { $(Command::$name(command) => $decide(states, command),)+ }
        }

        $(impl From<$name> for $crate::Command {
            fn from(command: $name) -> Self { Command::$name(command).into() }
        })+
    };
}

/// Declares the reasons for which an aggregate refuses commands:
///
/// ```text
/// rejections! {
///     VoidConflict: Conflict "urn:till:void-conflict" "Voided before",
///         "the receipt was voided before, for another reason";
/// }
/// ```
///
/// Each reason has a [`Class`], a code that clients may rely on, a title, and a sentence. The declaration becomes
///
/// ```text
/// pub enum Rejection { VoidConflict }
/// impl Rejection { class(), code(), title() }
/// impl Display for Rejection { … }    // the sentence
/// ```
macro_rules! rejections {
    ($($name:ident: $class:ident $code:literal $title:literal, $sentence:literal;)+) => {
        /// Why a command to the aggregate is refused: a rule it breaks, never a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {
            $(#[doc = $title] #[error($sentence)] $name,)+
        }

        impl Rejection {
            pub(crate) const fn class(self) -> $crate::Class {
                match self { $(Self::$name => $crate::Class::$class,)+ }
            }

            pub(crate) const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            pub(crate) const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

/// Lists the aggregates. `receipt => Receipt of Receipts` becomes `pub mod receipt;` and the variant `Receipt` of
///
/// ```text
/// pub enum Command { Receipt(receipt::Command), … }        impl Command { topic(), home(), to_json(), from_json() }
/// pub enum Rejection { Receipt(receipt::Rejection), … }    impl Rejection { class(), code(), title() }
/// pub enum Todo { Receipt(receipt::Todo), … }              impl Todo { sort(), act() }
/// pub fn decide(states, command) -> Result<Decision, Rejection> { match command { … receipt::decide(…) … } }
/// pub fn evolve(states, event, recorded) { match event { Event::Receipts(event) => receipt::evolve(…), … } }
/// pub const FOLD_VERSION: u32 = … + receipt::FOLD_VERSION + …;
/// ```
///
/// The keys of persons, after `keys of`, are records beside the streams: commands bring them along, and the folder's `evolve`
/// folds them. The streams after `none of` belong to no aggregate. Others than command-api's shards write them, and their events
/// change no state.
macro_rules! aggregates {
    ($($module:ident => $name:ident of $topic:ident),+; keys of $keys:ident in $vault:ident; none of $($other:ident),+) => {
        $(pub mod $module;)+

        /// Something asked of an aggregate.
        #[derive(Clone, Debug)]
        pub enum Command {
            $(#[doc = concat!("See [`", stringify!($module), "`].")] $name($module::Command),)+
        }

        impl Command {
            /// The topic of the aggregate's stream.
            #[must_use]
            pub const fn topic(&self) -> Topic {
                match self { $(Self::$name(_) => $module::Command::TOPIC,)+ }
            }

            /// The aggregate's home: the key of its stream.
            #[must_use]
            pub fn home(&self) -> &str {
                match self { $(Self::$name(command) => command.home(),)+ }
            }

            /// The command as a to-do's owner sends it to the owner of another home:
            /// `{"Stock": {"ReserveStock": {…}}}`. It is `None` of a command that no to-do sends.
            #[must_use]
            pub fn to_json(&self) -> Option<Value> {
                match self {
                    $(Self::$name(command) => {
                        command.to_json().map(|fields| json!({ stringify!($name): { command.name(): fields } }))
                    })+
                }
            }

            /// Reads what [`Self::to_json`] wrote. `None` where this binary has no such command, or where the command
            /// is none that to-dos send.
            #[must_use]
            pub fn from_json(json: Value) -> Option<Self> {
                let (aggregate, (name, fields)) = tagged(json).and_then(|(tag, inner)| Some((tag, tagged(inner)?)))?;
                match aggregate.as_str() {
                    $(stringify!($name) => $module::Command::from_json(&name, fields).map(Self::$name),)+
                    _ => None,
                }
            }
        }

        $(impl From<$module::Command> for Command {
            fn from(command: $module::Command) -> Self { Self::$name(command) }
        })+

        /// Why a command is refused: a rule it breaks, never a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Rejection {
            $(#[doc = concat!("See [`", stringify!($module), "`].")] #[error(transparent)] $name(#[from] $module::Rejection),)+
        }

        impl Rejection {
            /// How the command is wrong: the class that HTTP makes a status of.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$name(rejection) => rejection.class(),)+ }
            }

            /// A URN such as `urn:till:username-taken`, which clients may rely on.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name(rejection) => rejection.code(),)+ }
            }

            /// A few words that are the same for every command that breaks the rule.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name(rejection) => rejection.title(),)+ }
            }
        }

        /// What an aggregate still owes, and its owner must do.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Todo {
            $(#[doc = concat!("See [`", stringify!($module), "`].")] $name($module::Todo),)+
        }

        impl Todo {
            /// The queue in which such to-dos wait.
            #[must_use]
            pub const fn sort(&self) -> Sort {
                match self { $(Self::$name(todo) => todo.sort(),)+ }
            }

            /// How the to-do is done; `cause` is the id of the event that raised it.
            #[must_use]
            pub fn act(&self, cause: Uuid, now: DateTime<Utc>) -> Act {
                match self { $(Self::$name(todo) => todo.act(cause, now),)+ }
            }
        }

        $(impl From<$module::Todo> for Todo {
            fn from(todo: $module::Todo) -> Self { Self::$name(todo) }
        })+

        /// Decides a command against the state: it happens, it had happened before, or it breaks a rule.
        ///
        /// # Errors
        /// The rule that the command breaks.
        pub fn decide(states: &impl States, command: Command) -> Result<Decision, Rejection> {
            match command { $(Command::$name(command) => Ok($module::decide(states, command)?),)+ }
        }

        /// Changes the state as the event says. Folding the same log gives the same states, whenever it is folded.
        pub fn evolve(states: &mut impl States, event: &Event, recorded: &Recorded) {
            match event {
                $(Event::$topic(event) => $module::evolve(states, event, recorded),)+
                Event::$keys(event) => $vault::evolve(states, event),
                $(Event::$other(_) => {})+
            }
        }

        /// The version of all folds. It changes whenever `evolve` or the bytes of a state change, and a store of
        /// another version is rebuilt. Each aggregate's own version only ever counts up, so the sum never comes back to
        /// an earlier value.
        pub const FOLD_VERSION: u32 = todo::FOLD_VERSION + $vault::FOLD_VERSION $(+ $module::FOLD_VERSION)+;
    };
}
