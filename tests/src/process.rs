//! Child processes, which can be killed, stopped, continued and started again, and which never outlive the test
//! process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A program, and all that its start needs.
#[derive(Clone)]
pub struct Spec {
    /// The name of the program in messages, and of its log's file.
    pub name: String,
    /// The path of the program, or its name where `PATH` leads to it.
    pub program: PathBuf,
    /// The arguments, without the program's name.
    pub args: Vec<OsString>,
    /// The program's environment. No `TILL_*` of the caller's own environment is passed on.
    pub env: BTreeMap<String, String>,
    /// The user that the program runs as, where it is not the caller.
    pub user: Option<String>,
    /// The file to which the output is appended.
    pub log: PathBuf,
}

impl Spec {
    /// A program that logs to `folder/NAME.log`.
    #[must_use]
    pub fn new(name: &str, program: &Path, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            user: None,
            log: folder.join(format!("{name}.log")),
        }
    }

    /// The same program with these arguments and no others.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args = args.into_iter().map(Into::into).collect();
        self
    }

    /// The command. It runs `setpriv`, which gives up root where asked, and asks the kernel to kill the process when
    /// its parent is gone.
    fn command(&self) -> io::Result<Command> {
        let mut command = Command::new("setpriv");
        if let Some(user) = &self.user {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.program).args(&self.args);
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("TILL_") {
                command.env_remove(key);
            }
        }
        command.envs(&self.env);
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }

    /// Runs the program to its end, for `limit` at most.
    ///
    /// # Panics
    /// The program cannot be started, or does not end in time.
    #[must_use]
    pub fn run(self, limit: Duration) -> Finished {
        let name = self.name.clone();
        let log = self.log.clone();
        let from = fs::metadata(&log).map_or(0, |m| m.len());
        let mut process = Process::start(self);
        let status = process
            .wait(limit)
            .unwrap_or_else(|| panic!("{name} did not end within {limit:?}; see {}", log.display()));
        let output = fs::read(&log)
            .expect("its log is readable")
            .split_off(usize::try_from(from).expect("a small log"));
        Finished { status, output: String::from_utf8_lossy(&output).into_owned() }
    }
}

/// How a program has ended, and all that it printed.
#[derive(Debug)]
pub struct Finished {
    /// The exit status it ended with.
    pub status: ExitStatus,
    /// The standard output and the standard error, together.
    pub output: String,
}

impl Finished {
    /// What the program printed.
    ///
    /// # Panics
    /// The program ended with a failure.
    #[must_use]
    pub fn success(self, what: &str) -> String {
        assert!(self.status.success(), "{what} failed ({}):\n{}", self.status, self.output);
        self.output
    }
}

/// A running process, or one that was killed and can be started again.
pub struct Process {
    spec: Spec,
    child: Option<Child>,
}

impl Process {
    /// Starts the program.
    ///
    /// # Panics
    /// The program cannot be started.
    #[must_use]
    pub fn start(spec: Spec) -> Self {
        let child = spawn(&spec);
        Self { spec, child: Some(child) }
    }

    /// The program that runs, or ran last.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The program, to change what runs from the next start on.
    pub fn spec_mut(&mut self) -> &mut Spec {
        &mut self.spec
    }

    /// The id of the process, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills the process (`kill -9`), and waits until it is gone. Nothing happens where it does not run.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the program again after its end.
    ///
    /// # Panics
    /// The process still runs.
    pub fn restart(&mut self) {
        assert!(self.exited().is_some(), "{} still runs", self.spec.name);
        self.child = Some(spawn(&self.spec));
    }

    /// The exit status. `None` while the process runs, and `Some(None)` where it was killed from here.
    pub fn exited(&mut self) -> Option<Option<ExitStatus>> {
        match &mut self.child {
            None => Some(None),
            Some(child) => child.try_wait().expect("a child can be waited for").map(Some),
        }
    }

    /// Stops the process where it is (`SIGSTOP`).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets the process go on (`SIGCONT`).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks the process to end (`SIGTERM`), and waits `limit` at most until it has.
    ///
    /// # Panics
    /// The process does not end in time.
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        let status = self
            .wait(limit)
            .unwrap_or_else(|| panic!("{} did not end on SIGTERM within {limit:?}", self.spec.name));
        self.child = None;
        status
    }

    /// Waits `limit` at most for the end of the process.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            match self.exited() {
                Some(status) => return status,
                None if Instant::now() > deadline => return None,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// The last lines that the process has logged, for messages.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = fs::read(&self.spec.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn signal(&self, signal: Signal) {
        let id = self.id().unwrap_or_else(|| panic!("{} does not run", self.spec.name));
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id is positive");
        kill_process(pid, signal).unwrap_or_else(|e| panic!("cannot signal {}: {e}", self.spec.name));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// The thread that starts all children. The kernel's signal at a parent's death is sent when the *thread* that started
/// the child ends. A test's threads end with the test, while many tests share Kafka and Postgres, so none of these may
/// start them.
static SPAWNER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
    let (sender, orders) = mpsc::channel::<Order>();
    std::thread::spawn(move || {
        for (mut command, answer) in orders {
            let _ = answer.send(command.spawn());
        }
    });
    Mutex::new(sender)
});

fn spawn(spec: &Spec) -> Child {
    let command = spec.command().unwrap_or_else(|e| panic!("cannot open {}: {e}", spec.log.display()));
    let (answer, child) = mpsc::channel();
    SPAWNER
        .lock()
        .expect("no holder of the lock panics")
        .send((command, answer))
        .expect("the thread lives as long as the process");
    child.recv().expect("the thread answers").unwrap_or_else(|e| {
        panic!("cannot start {} with setpriv (package util-linux): {e}", spec.program.display())
    })
}

/// Writes a line into a process's log: what the test did to the process, among what the process said.
pub fn note(log: &Path, line: &str) {
    use std::io::Write;
    if let Ok(mut file) = File::options().append(true).create(true).open(log) {
        let _ = writeln!(file, "---- {} {line}", chrono::Utc::now().format("%H:%M:%S%.3f"));
    }
}
