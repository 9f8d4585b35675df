//! Deployments that are shared by tests which only send requests, each test with ids of its own. Also the settings in
//! which tests of contracts and of access run.

use std::sync::Arc;

use till_tests::{Client, FrontDoor, Till, contracts};
use tokio::sync::OnceCell;

/// For how many seconds too many wrong passwords lock a login. It is longer than a wrong login takes on a slow machine,
/// because a count is forgotten after as many seconds without a try.
pub const LOCK_S: u64 = 10;

/// The shared deployment, whose services all serve. It lives as long as the test process.
pub async fn shared() -> Arc<Till> {
    static SHARED: OnceCell<Arc<Till>> = OnceCell::const_new();
    SHARED.get_or_init(|| async { Arc::new(Till::start("shared-services").await) }).await.clone()
}

/// A client that is logged in to a new account with these roles and places. `anyone` is a caller without an account.
pub async fn account(anyone: &Client, name: &str, roles: &[&str], places: &[&str]) -> Client {
    let password = "correct horse battery";
    let body = serde_json::json!({"username": name, "password": password});
    let registered = anyone.post("/v1/auth/register", &body).await.expect(201);
    let path = format!("/v1/accounts/{}/roles", registered.body["number"]);
    let body = serde_json::json!({"roles": roles, "places": places});
    let admin = anyone.login("admin", "admin").await;
    let _ = admin.put(&path, &body).await.expect(200);
    anyone.login(name, password).await
}

/// How many replicas of each service there are, and how a test reaches them.
#[derive(Clone, Copy)]
pub struct Setting {
    /// The number of replicas of each service: 1 or 2.
    pub replicas: usize,
    /// Whether requests go through nginx. If not, they go to the services' own ports, to one replica after the other.
    pub front_door: bool,
}

/// Makes of a function a test for each of these settings.
macro_rules! in_settings {
    ($test:ident in $($name:ident: $replicas:literal $front_door:literal),+) => {
        mod $test {
            use crate::common::Setting;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$test(Setting { replicas: $replicas, front_door: $front_door }).await;
                }
            )+
        }
    };
}
pub(crate) use in_settings;

/// Makes of each function four tests: it is run with one replica and with two, through the front door and directly.
macro_rules! in_every_setting {
    ($($test:ident),+ $(,)?) => { $(
        crate::common::in_settings!($test in
            with_one_replica_directly: 1 false,
            with_two_replicas_directly: 2 false,
            with_one_replica_through_the_front_door: 1 true,
            with_two_replicas_through_the_front_door: 2 true
        );
    )+ };
}
pub(crate) use in_every_setting;

/// Makes of each function two tests, for what neither nginx nor a replica decides: it is run with one replica directly, and with
/// two through the front door.
macro_rules! in_two_settings {
    ($($test:ident),+ $(,)?) => { $(
        crate::common::in_settings!($test in
            with_one_replica_directly: 1 false,
            with_two_replicas_through_the_front_door: 2 true
        );
    )+ };
}
pub(crate) use in_two_settings;

/// The ways by which a test reaches a deployment's services.
pub struct Entry {
    front_door: Option<Arc<FrontDoor>>,
    writes: Vec<String>,
    reads: Vec<String>,
}

/// A deployment, and nginx before it.
type Fronted = (Arc<Till>, Arc<FrontDoor>);

impl Setting {
    /// The deployment that all tests of this setting share. It serves the contracts too, in windows of three seconds.
    pub async fn shared(self) -> (Arc<Till>, Entry) {
        static SHARED: [OnceCell<Fronted>; 2] = [OnceCell::const_new(), OnceCell::const_new()];
        let start = || async {
            let mut till = Till::prepare(&format!("replicas-{}", self.replicas)).await;
            till.command_api.set("TILL_LOGIN_LOCK_S", &LOCK_S.to_string());
            serve_contracts(&mut till);
            till.replicate(self.replicas);
            till.start_all().await;
            let front_door = FrontDoor::start(&till).await;
            (Arc::new(till), Arc::new(front_door))
        };
        let (till, front_door) = SHARED[self.replicas - 1].get_or_init(start).await.clone();
        let entry = Entry::new(&till, self.front_door.then_some(front_door));
        (till, entry)
    }

    /// Starts a deployment that the test does not share, in this setting.
    pub async fn start(self, till: &mut Till) -> Entry {
        till.replicate(self.replicas);
        till.start_all().await;
        let front_door = if self.front_door { Some(Arc::new(FrontDoor::start(till).await)) } else { None };
        Entry::new(till, front_door)
    }

    /// A name that tests of other settings do not use, although they may share the deployment.
    pub fn own(self, name: &str) -> String {
        let way = if self.front_door { "front-door" } else { "direct" };
        format!("{name}-{way}")
    }
}

/// Switches every contract on, in windows of three seconds.
pub fn serve_contracts(till: &mut Till) {
    let journals = till.scratch.path().join("journals").display().to_string();
    for service in [&mut till.command_api, &mut till.projector, &mut till.analytics] {
        service.set("TILL_CONTRACTS", &contracts::names());
        service.set("TILL_JOURNAL_DIR", &journals);
    }
    till.analytics.set("TILL_ANALYTICS_SCHEDULE", "*/3 * * * * *");
}

impl Entry {
    fn new(till: &Till, front_door: Option<Arc<FrontDoor>>) -> Self {
        let urls = |service| match &front_door {
            Some(door) => vec![door.url.clone()],
            None => till.urls(service),
        };
        Self { writes: urls("command-api"), reads: urls("projector"), front_door }
    }

    /// The way straight to the services.
    pub fn direct(till: &Till) -> Self {
        Self::new(till, None)
    }

    /// A patient caller without an account. It has an address of its own, because nginx limits logins by address and tests
    /// run side by side.
    pub fn anyone(&self) -> Client {
        Client::across(self.writes.clone(), self.reads.clone()).from_its_own_address().patient()
    }

    /// A client that is logged in as the demo's admin.
    pub async fn admin(&self) -> Client {
        self.anyone().login("admin", "admin").await
    }

    /// Base URLs of `/v1`: those for what command-api serves, then those for what the projector serves.
    pub fn v1(&self) -> [Vec<String>; 2] {
        [&self.writes, &self.reads].map(|urls| urls.iter().map(|url| format!("{url}/v1")).collect())
    }

    /// Base URLs of a contract's service: those for what command-api serves, then those for what the projector serves.
    pub fn contract(&self, contract: &str, service: &str) -> [Vec<String>; 2] {
        if let Some(door) = &self.front_door {
            let url = door.contract(contract, service);
            return [vec![url.clone()], vec![url.clone()]];
        }
        let is_it = |of: &contracts::Service| of.contract == contract && of.name == service;
        let found = contracts::services().into_iter().find(is_it).expect("the contract has the service");
        [&self.writes, &self.reads]
            .map(|urls| urls.iter().map(|url| format!("{url}{}", found.prefix)).collect())
    }
}
