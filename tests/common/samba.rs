//! A Samba domain controller on a loopback address of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine;
use serde_json::{Value, json};

/// A running domain, filled with users and groups.
///
/// The process `tests/ad/dc.py serve` runs it and ends with its stdin: when this value is dropped,
/// or when the test process ends in whatever way. Nothing is kept from one run to the next.
pub struct Samba {
    supervisor: Mutex<Supervisor>,
    manifest: Value,
}

struct Supervisor {
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// How many objects the domain gets.
#[derive(Clone, Copy)]
pub struct Size {
    /// Users in the tree of organizational units.
    pub users: u32,
    /// Members of the group `Everybody In`.
    pub bulk: u32,
}

impl Size {
    /// 300 users and a group of 1,600.
    pub const USUAL: Self = Self {
        users: 300,
        bulk: 1600,
    };
    /// 60 users and a group of 40, for tests that start over often.
    pub const SMALL: Self = Self {
        users: 60,
        bulk: 40,
    };
}

/// An account of the domain and its password.
#[derive(Clone, Debug)]
pub struct Account {
    /// Distinguished name.
    pub dn: String,
    /// sAMAccountName.
    pub sam: String,
    /// Password in the clear.
    pub password: String,
    /// "normal", "disabled", "must-change" and so on; see `tests/ad/populate.py`.
    pub state: String,
}

/// The source that [`Samba::source`] describes.
pub struct Source<'a> {
    /// Name of the source.
    pub name: &'a str,
    /// One of the service accounts.
    pub account: &'a str,
    /// Further lines of the table.
    pub more: &'a str,
}

impl Default for Source<'_> {
    fn default() -> Self {
        Self {
            name: "corp",
            account: "svc-adduct",
            more: "",
        }
    }
}

impl Samba {
    /// The domain that the tests of this binary share; usual size.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Samba> = OnceLock::new();
        SHARED.get_or_init(|| Self::provision(Size::USUAL))
    }

    /// Makes, fills and starts a domain.
    pub fn provision(size: Size) -> Self {
        // The supervisor removes the directory.
        let state = tempfile::Builder::new()
            .prefix("adduct-dc-")
            .tempdir()
            .unwrap()
            .keep();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ad/dc.py");
        // Debian's own interpreter: the bindings of Samba belong to it.
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .arg("serve")
            .arg(&state)
            .args([
                "--users",
                &size.users.to_string(),
                "--bulk",
                &size.bulk.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("/usr/bin/python3");
        let mut supervisor = Supervisor {
            requests: process.stdin.take(),
            answers: BufReader::new(process.stdout.take().unwrap()),
            process,
        };
        let ready = supervisor.answer();
        let path = ready["ready"].as_str().expect("path of the manifest");
        let manifest = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Self {
            supervisor: Mutex::new(supervisor),
            manifest,
        }
    }

    /// Sends one request of `tests/ad/changes.py` and gives its answer.
    pub fn perform(&self, request: &Value) -> Value {
        self.try_perform(request)
            .unwrap_or_else(|error| panic!("{request}: {error}"))
    }

    /// Like [`Samba::perform`], for requests that AD may refuse.
    pub fn try_perform(&self, request: &Value) -> Result<Value, String> {
        let mut supervisor = self.lock();
        writeln!(supervisor.requests.as_mut().unwrap(), "{request}").unwrap();
        let mut answer = supervisor.answer();
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["ok"].take()),
        }
    }

    /// Every user, group and container, read by an ordinary search.
    pub fn dump(&self) -> Vec<Object> {
        let dump = self.perform(&json!({"do": "dump"}));
        dump.as_array()
            .unwrap()
            .iter()
            .map(Object::from_json)
            .collect()
    }

    /// Sets one attribute; no value removes it.
    pub fn replace(&self, dn: &str, attribute: &str, values: &[&str]) {
        self.perform(&json!({
            "do": "modify", "dn": dn, "how": "replace", "attribute": attribute, "values": values,
        }));
    }

    /// Ends all processes of the controller at once.
    pub fn kill(&self) {
        self.perform(&json!({"do": "kill"}));
    }

    /// Starts the processes again and waits until they answer.
    pub fn start(&self) {
        self.perform(&json!({"do": "start"}));
    }

    /// The loopback address it listens on.
    pub fn address(&self) -> &str {
        self.manifest["address"].as_str().unwrap()
    }

    /// DN of the domain.
    pub fn base(&self) -> &str {
        self.manifest["base"].as_str().unwrap()
    }

    /// SID of the domain, as text.
    pub fn domain_sid(&self) -> &str {
        self.manifest["domain_sid"].as_str().unwrap()
    }

    /// The certificate that signed the controller's.
    pub fn ca_file(&self) -> &str {
        self.manifest["ca_file"].as_str().unwrap()
    }

    /// `svc-adduct` (the rights the documentation asks for), `svc-blind` (cannot read deleted
    /// objects) or `svc-plain` (an ordinary user).
    pub fn account(&self, name: &str) -> Account {
        Account::from_json(&self.manifest["accounts"][name])
    }

    /// The user with this number; see `person` in `tests/ad/populate.py`.
    pub fn user(&self, number: usize) -> Account {
        Account::from_json(&self.manifest["users"][number - 1])
    }

    /// All users of the tree of units.
    pub fn users(&self) -> Vec<Account> {
        self.manifest["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(Account::from_json)
            .collect()
    }

    /// A `[[source]]` table; its files are written to `dir`.
    pub fn source(&self, dir: &Path, source: &Source<'_>) -> String {
        let account = self.account(source.account);
        let password_file = dir.join(format!("{}.password", source.name));
        std::fs::write(&password_file, &account.password).unwrap();
        format!(
            "[[source]]\nname = \"{name}\"\ndomain = \"corp.example.com\"\n\
             servers = [\"ldaps://dc1.corp.example.com:636@{address}\"]\n\
             ca_file = \"{ca}\"\naccount = \"{sam}@corp.example.com\"\n\
             password_file = \"{password_file}\"\n{more}\n",
            name = source.name,
            address = self.address(),
            ca = self.ca_file(),
            sam = account.sam,
            password_file = password_file.display(),
            more = source.more,
        )
    }

    fn lock(&self) -> MutexGuard<'_, Supervisor> {
        // A test that failed in the middle of a request must not take the others with it.
        self.supervisor
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("tests/ad/dc.py ended: {line:?}"))
    }
}

impl Drop for Samba {
    fn drop(&mut self) {
        let mut supervisor = self.lock();
        supervisor.requests = None;
        let _ = supervisor.process.wait();
    }
}

/// One object of AD as an ordinary search shows it.
#[derive(Clone, Debug)]
pub struct Object {
    /// Distinguished name.
    pub dn: String,
    /// Attributes in AD's spelling, in no order.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Object {
    /// From an element of the answer to "dump" or "entry".
    pub fn from_json(value: &Value) -> Self {
        let attributes = value["attributes"].as_object().unwrap();
        Self {
            dn: value["dn"].as_str().unwrap().to_owned(),
            attributes: attributes
                .iter()
                .map(|(name, values)| {
                    let values = values.as_array().unwrap().iter();
                    (
                        name.clone(),
                        values
                            .map(|value| decode(value.as_str().unwrap()))
                            .collect(),
                    )
                })
                .collect(),
        }
    }

    /// Values of an attribute; empty when there are none.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map_or(&[], |(_, values)| values)
    }

    /// The first value as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.values(name)
            .first()
            .map(|value| String::from_utf8(value.clone()).unwrap())
    }
}

impl Account {
    fn from_json(value: &Value) -> Self {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        Self {
            dn: text("dn").expect("an account of the manifest"),
            sam: text("sam").unwrap(),
            password: text("password").unwrap(),
            state: text("state").unwrap_or_else(|| "normal".to_owned()),
        }
    }
}

fn decode(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
