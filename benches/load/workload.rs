//! What is sent, and what must come back.

use std::fmt;
use std::sync::Arc;

use clap::ValueEnum;

use crate::support::population::{Population, Random, password};
use crate::support::requests::{self, Answer, Control, Scope, filter};

/// The kinds of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// A user by name, with SSSD's filter and attributes.
    SearchUid,
    /// The same with 16 requests outstanding on each of 4 connections.
    SearchUidDeep,
    /// The groups of a user, as SSSD asks for them.
    SearchMember,
    /// The groups of a group: SSSD asks, and there are none.
    Empty,
    /// A user that there is not.
    Unknown,
    /// The entry of a user by its DN.
    Base,
    /// One group of 1,000 members.
    Group,
    /// The same with what SSSD asks of each member beside it.
    GroupDeref,
    /// Every user, in pages of 1,000; an operation is a page.
    Enumerate,
    /// A group by the end of its name, which is indexed.
    Substring,
    /// A user by a part of his employee number, which is not.
    SubstringUnindexed,
    /// A simple bind as a user, again and again on one connection.
    Bind,
    /// What a fleet of SSSD and nslcd clients looks up, in its shares.
    Mixed,
    /// The root DSE, with SSSD's attributes.
    Rootdse,
    /// The schema.
    Subschema,
    /// A login: new connection, bind as a user, search a user, unbind.
    Session,
    /// A new connection and its end.
    Connect,
    /// One attribute of a user is changed by the administrator, and a search shows it.
    Update,
    /// A compare of a user's objectClass that is false, as Apache sends for group members.
    Compare,
}

impl Workload {
    pub(crate) const ALL: [Self; 19] = [
        Self::SearchUid,
        Self::SearchUidDeep,
        Self::SearchMember,
        Self::Empty,
        Self::Unknown,
        Self::Base,
        Self::Group,
        Self::GroupDeref,
        Self::Enumerate,
        Self::Substring,
        Self::SubstringUnindexed,
        Self::Bind,
        Self::Mixed,
        Self::Rootdse,
        Self::Subschema,
        Self::Session,
        Self::Connect,
        Self::Update,
        Self::Compare,
    ];

    /// Whether it asks for groups or numbers, which are known of the generated directory only.
    pub(crate) fn needs_generated(self) -> bool {
        matches!(
            self,
            Self::Empty
                | Self::Mixed
                | Self::Group
                | Self::GroupDeref
                | Self::Substring
                | Self::SubstringUnindexed
        )
    }

    /// Whether only one request may be outstanding.
    pub(crate) fn is_serial(self) -> bool {
        matches!(self, Self::Bind | Self::Enumerate | Self::Update) || self.opens_connections()
    }

    /// Whether answers can be learned beforehand.
    pub(crate) fn has_floor(self) -> bool {
        self != Self::Update
    }

    /// Whether each operation has a connection of its own.
    pub(crate) fn opens_connections(self) -> bool {
        matches!(self, Self::Session | Self::Connect)
    }

    /// The workloads whose requests it is made of.
    pub(crate) fn requests(&self) -> &[Self] {
        match self {
            Self::Session => &[Self::Bind, Self::SearchUid],
            Self::Connect => &[],
            other => std::slice::from_ref(other),
        }
    }

    /// The connections and requests outstanding that belong to it, whatever was asked for.
    pub(crate) fn shape(self) -> Option<(u32, u16)> {
        match self {
            Self::SearchUidDeep => Some((4, 16)),
            // Two might change the same entry, and neither would see its own value.
            Self::Update => Some((1, 1)),
            _ => None,
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("?", |value| value.get_name()))
    }
}

/// The answer that is right for one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    /// The operation that completes the answer.
    pub(crate) operation: u8,
    pub(crate) code: u32,
    /// The number of entries; `None` where it is not known.
    pub(crate) entries: Option<u32>,
    /// Each entry has this attribute with this value.
    pub(crate) attribute: &'static str,
    pub(crate) value: String,
}

impl Expected {
    fn result(&mut self, operation: u8, code: u32) {
        self.operation = operation;
        self.code = code;
        self.entries = Some(0);
    }

    fn entries(&mut self, entries: Option<u32>, attribute: &'static str, value: &str) {
        self.operation = requests::SEARCH_RESULT_DONE;
        self.code = requests::SUCCESS;
        self.entries = entries;
        self.attribute = attribute;
        self.value.clear();
        self.value.push_str(value);
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "result {}", self.code)?;
        match self.entries {
            Some(0) => f.write_str(", no entries"),
            Some(count) => write!(
                f,
                ", {count} entries with {}={}",
                self.attribute, self.value
            ),
            None => write!(f, ", entries with {}={}", self.attribute, self.value),
        }
    }
}

/// Makes one connection's requests.
#[derive(Debug)]
pub(crate) struct Generator {
    population: Arc<Population>,
    random: Random,
    wrong_passwords: u8,
    /// Where the next page begins.
    cookie: Vec<u8>,
    /// The change that a search has not shown yet.
    change: Option<(u32, String)>,
}

impl Generator {
    pub(crate) fn new(population: &Arc<Population>, seed: u64, wrong_passwords: u8) -> Self {
        Self {
            population: Arc::clone(population),
            random: Random::new(seed),
            wrong_passwords,
            cookie: Vec::new(),
            change: None,
        }
    }

    /// Takes from an answer what the next request needs.
    pub(crate) fn learn(&mut self, workload: Workload, answer: &Answer<'_>) -> anyhow::Result<()> {
        if workload == Workload::Enumerate && answer.operation == requests::SEARCH_RESULT_DONE {
            self.cookie.clear();
            self.cookie.extend_from_slice(answer.page_cookie()?);
        }
        Ok(())
    }

    /// Appends the next request of a workload and says what its answer must be.
    pub(crate) fn next(
        &mut self,
        workload: Workload,
        out: &mut Vec<u8>,
        id: i32,
        expected: &mut Expected,
    ) {
        match workload {
            Workload::SearchUid | Workload::SearchUidDeep => {
                self.user_by_name(out, id, expected);
            }
            Workload::SearchMember => self.groups_of_user(out, id, expected),
            Workload::Empty => self.groups_of_group(out, id, expected),
            Workload::Unknown => self.unknown_user(out, id, expected),
            Workload::Base => self.user_by_dn(out, id, expected),
            Workload::Group => self.large_group(out, id, expected, None),
            Workload::GroupDeref => {
                let deref = Control::DerefMember(requests::SSSD_DEREF);
                self.large_group(out, id, expected, Some(deref));
            }
            Workload::Enumerate => self.page_of_users(out, id, expected),
            Workload::Substring => self.group_by_end_of_name(out, id, expected),
            Workload::SubstringUnindexed => self.user_by_part_of_number(out, id, expected),
            Workload::Mixed => match self.random.below(100) {
                0..45 => self.groups_of_group(out, id, expected),
                45..65 => self.user_by_name(out, id, expected),
                65..75 => self.user_by_number(out, id, expected),
                75..85 => self.group_by_number(out, id, expected),
                85..90 => self.group_by_name(out, id, expected),
                90..95 => self.user_by_dn(out, id, expected),
                95..98 => self.unknown_user(out, id, expected),
                _ => self.groups_of_user(out, id, expected),
            },
            Workload::Rootdse => self.root_dse(out, id, expected),
            Workload::Subschema => self.subschema(out, id, expected),
            Workload::Connect => {}
            Workload::Bind => self.bind(out, id, expected, None),
            Workload::Session => self.bind(out, id, expected, Some(Control::PasswordPolicy)),
            Workload::Update => self.change(out, id, expected),
            Workload::Compare => self.compare(out, id, expected),
        }
    }

    /// Appends the request that SSSD sends first on each connection.
    pub(crate) fn root_dse(&self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let base = ("", Scope::BaseObject);
        requests::search(out, id, base, requests::SSSD_ROOT_DSE, None, |out| {
            filter::present(out, "objectclass");
        });
        expected.entries(Some(1), "supportedLDAPVersion", "3");
    }

    fn user_by_name(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let user = self.user();
        let name = self.population.user_name(user);
        self.user_by(out, id, "uid", &name);
        expected.entries(Some(1), "uid", &name);
    }

    fn user_by_number(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let user = self.user();
        let number = self.population.uid_number(user).to_string();
        self.user_by(out, id, "uidNumber", &number);
        expected.entries(Some(1), "uidNumber", &number);
    }

    fn unknown_user(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let name = format!("nobody-{:08x}", self.random.below(u32::MAX));
        self.user_by(out, id, "uid", &name);
        expected.entries(Some(0), "uid", &name);
    }

    fn user_by(&self, out: &mut Vec<u8>, id: i32, attribute: &str, value: &str) {
        requests::search(out, id, self.subtree(), requests::SSSD_USER, None, |out| {
            filter::sssd_user(out, attribute, value);
        });
    }

    fn user_by_dn(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let user = self.user();
        let base = (&*self.population.user_dn(user), Scope::BaseObject);
        requests::search(out, id, base, requests::SSSD_MEMBER, None, |out| {
            filter::equality(out, "objectclass", "posixAccount");
        });
        expected.entries(Some(1), "uid", &self.population.user_name(user));
    }

    fn group_by_name(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let group = self.group();
        let name = self.population.group_name(group);
        self.group_by(out, id, "cn", &name);
        expected.entries(Some(1), "cn", &name);
    }

    fn group_by_number(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let group = self.group();
        let number = self.population.gid_number(group).to_string();
        self.group_by(out, id, "gidNumber", &number);
        expected.entries(Some(1), "gidNumber", &number);
    }

    fn group_by(&self, out: &mut Vec<u8>, id: i32, attribute: &str, value: &str) {
        requests::search(out, id, self.subtree(), requests::SSSD_GROUP, None, |out| {
            filter::sssd_group(out, attribute, value);
        });
    }

    fn large_group(
        &self,
        out: &mut Vec<u8>,
        id: i32,
        expected: &mut Expected,
        control: Option<Control<'_>>,
    ) {
        let base = (&*self.population.group_dn(0), Scope::BaseObject);
        requests::search(out, id, base, requests::SSSD_GROUP, control, |out| {
            filter::equality(out, "objectClass", "posixGroup");
        });
        expected.entries(Some(1), "cn", &self.population.group_name(0));
    }

    fn page_of_users(&self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let page = Some(Control::PagedResults(1000, &self.cookie));
        let attributes = requests::SSSD_USER;
        requests::search(out, id, self.subtree(), attributes, page, |out| {
            filter::sssd_all_users(out);
        });
        let size = self.population.users().min(1000);
        let whole = self.population.users().is_multiple_of(1000);
        expected.entries(whole.then_some(size), "objectClass", "posixAccount");
    }

    fn group_by_end_of_name(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let name = self
            .population
            .group_name(self.random.below(self.population.groups()));
        let end = name.get(1..).unwrap_or_default();
        let attributes = requests::SSSD_INITGROUPS;
        requests::search(out, id, self.subtree(), attributes, None, |out| {
            filter::contains(out, "posixGroup", "cn", end, true);
        });
        expected.entries(Some(1), "cn", &name);
    }

    fn user_by_part_of_number(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let user = self.user();
        // As `ldif` writes it, without the first digit.
        let number = (5_000_000 + user).to_string();
        let part = number.get(1..).unwrap_or_default();
        let attributes = requests::SSSD_MEMBER;
        requests::search(out, id, self.subtree(), attributes, None, |out| {
            filter::contains(out, "posixAccount", "employeeNumber", part, false);
        });
        expected.entries(Some(1), "uid", &self.population.user_name(user));
    }

    fn subschema(&self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let base = ("cn=Subschema", Scope::BaseObject);
        requests::search(out, id, base, requests::SUBSCHEMA, None, |out| {
            filter::equality(out, "objectClass", "subschema");
        });
        expected.entries(Some(1), "objectClass", "subschema");
    }

    fn groups_of_user(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let user = self.user();
        self.groups_of(out, id, &self.population.user_dn(user));
        let groups = self.population.memberships(user);
        expected.entries(groups, "objectClass", "posixGroup");
    }

    fn groups_of_group(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let group = self.group();
        let dn = self.population.group_dn(group);
        self.groups_of(out, id, &dn);
        expected.entries(Some(0), "objectClass", "posixGroup");
    }

    fn groups_of(&self, out: &mut Vec<u8>, id: i32, dn: &str) {
        let paged = Some(Control::PagedResults(1000, b""));
        let attributes = requests::SSSD_INITGROUPS;
        requests::search(out, id, self.subtree(), attributes, paged, |out| {
            filter::sssd_groups_of(out, dn);
        });
    }

    fn bind(
        &mut self,
        out: &mut Vec<u8>,
        id: i32,
        expected: &mut Expected,
        control: Option<Control<'_>>,
    ) {
        let user = self.user();
        let mut password = password(&self.population.user_name(user));
        let code = if self.random.below(100) < u32::from(self.wrong_passwords) {
            password.push_str("-wrong");
            requests::INVALID_CREDENTIALS
        } else {
            requests::SUCCESS
        };
        let dn = self.population.user_dn(user);
        requests::bind(out, id, &dn, password.as_bytes(), control);
        expected.result(requests::BIND_RESPONSE, code);
    }

    fn change(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        if let Some((user, value)) = self.change.take() {
            let base = (&*self.population.user_dn(user), Scope::BaseObject);
            requests::search(out, id, base, &[CHANGED], None, |out| {
                filter::present(out, "objectClass");
            });
            expected.entries(Some(1), CHANGED, &value);
        } else {
            let (user, value) = (self.user(), format!("changed {:016x}", self.random.next()));
            let dn = self.population.user_dn(user);
            requests::replace(out, id, &dn, CHANGED, &value);
            expected.result(requests::MODIFY_RESPONSE, requests::SUCCESS);
            self.change = Some((user, value));
        }
    }

    fn compare(&mut self, out: &mut Vec<u8>, id: i32, expected: &mut Expected) {
        let user = self.user();
        let dn = self.population.user_dn(user);
        requests::compare(out, id, &dn, "objectClass", "groupOfNames");
        expected.result(requests::COMPARE_RESPONSE, requests::COMPARE_FALSE);
    }

    fn subtree(&self) -> (&str, Scope) {
        (self.population.base(), Scope::WholeSubtree)
    }

    fn user(&mut self) -> u32 {
        self.random.below(self.population.users())
    }

    fn group(&mut self) -> u32 {
        self.random.below(self.population.groups())
    }
}

/// What an update changes: neither indexed nor asked for by others.
const CHANGED: &str = "description";
