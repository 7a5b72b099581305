//! Whom we talk to, and what the domain prescribes.

use std::time::Duration;

use ldap3_proto::proto::{LdapFilter, LdapSearchScope};
use uuid::Uuid;

use super::{
    Connection, SearchEntry, SearchRequest, ServerAddress, UpstreamError,
    extended_dn::guid_from_octets,
};
use crate::proto::ResultCode;

/// Forests made before Windows Server 2003 SP1 leave the attribute out and mean this.
const DEFAULT_TOMBSTONE_DAYS: u64 = 60;

/// What a domain controller says about itself and its domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DcFacts {
    /// The domain's DN.
    pub default_naming_context: String,
    /// The DN of the configuration naming context.
    pub configuration_naming_context: String,
    /// The DN of the domain controller's settings object.
    pub ds_service_name: String,
    /// The domain controller's DNS name.
    pub dns_host_name: String,
    /// Changes when the database of the domain controller was restored.
    pub invocation_id: Uuid,
    /// The number of its latest change; going down means that it lost changes.
    pub highest_committed_usn: u64,
    /// The domain's SID as octets.
    pub domain_sid: Vec<u8>,
    /// The domain's objectGUID.
    pub domain_guid: Uuid,
    /// The name before `\` in `CORP\name`.
    pub netbios_name: String,
    /// The domain's DNS name, in lower case.
    pub dns_domain: String,
    /// What may follow `@` in a userPrincipalName besides the domains' names.
    pub upn_suffixes: Vec<String>,
    /// How long deleted objects are told about; an older position needs a full round.
    pub tombstone_lifetime: Duration,
    /// The domain's policy; single users may have another one.
    pub password_policy: PasswordPolicy,
}

/// The password and lockout policy of the domain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Wrong passwords that lock an account; 0 means never.
    pub lockout_threshold: u32,
    /// How long an account stays locked; `None` until somebody unlocks it.
    pub lockout_duration: Option<Duration>,
    /// After this time without wrong passwords the count begins anew.
    pub lockout_window: Option<Duration>,
    /// The age at which a password expires; `None` means never.
    pub max_password_age: Option<Duration>,
    /// The age before which a user may not change a password again; `None` means none.
    pub min_password_age: Option<Duration>,
    /// Least number of characters.
    pub min_password_length: u32,
    /// Former passwords that must not be used again.
    pub password_history_length: u32,
    /// Whether three kinds of characters are asked for.
    pub complexity: bool,
}

impl DcFacts {
    /// Reads everything on a bound connection.
    ///
    /// # Errors
    /// [`UpstreamError::NotUsable`] where the server is no domain controller or hides what it is;
    /// else as [`Connection::search_all`].
    pub async fn read(connection: &mut Connection) -> Result<Self, UpstreamError> {
        let server = connection.server().clone();
        let root = connection
            .root_dse(&[
                "defaultNamingContext",
                "configurationNamingContext",
                "dsServiceName",
                "dnsHostName",
                "highestCommittedUSN",
            ])
            .await?;
        let root = Named {
            server: &server,
            entry: &root,
            place: "the root DSE",
        };
        let domain_dn = root.text("defaultNamingContext")?;
        let configuration = root.text("configurationNamingContext")?;
        let ds_service_name = root.text("dsServiceName")?;

        let settings = read_existing(connection, &ds_service_name, &["invocationId"]).await?;
        let settings = Named {
            server: &server,
            entry: &settings,
            place: &ds_service_name,
        };
        let domain = read_existing(connection, &domain_dn, &POLICY_ATTRIBUTES).await?;
        let domain = Named {
            server: &server,
            entry: &domain,
            place: &domain_dn,
        };

        let partitions = format!("CN=Partitions,{configuration}");
        let cross_ref = connection
            .search_all(
                SearchRequest::new(
                    partitions.as_str(),
                    LdapSearchScope::OneLevel,
                    LdapFilter::Equality("nCName".to_owned(), domain_dn.clone()),
                    &["nETBIOSName", "dnsRoot"],
                ),
                1,
            )
            .await?
            .into_iter()
            .next()
            .ok_or_else(|| not_usable(&server, &partitions, "an entry for the domain"))?;
        let cross_ref = Named {
            server: &server,
            entry: &cross_ref,
            place: &partitions,
        };
        let upn_suffixes = connection
            .read(&partitions, &["uPNSuffixes"])
            .await?
            .map(|entry| texts(entry.values("uPNSuffixes")))
            .unwrap_or_default();
        let service = format!("CN=Directory Service,CN=Windows NT,CN=Services,{configuration}");
        let tombstone_days = connection
            .read(&service, &["tombstoneLifetime"])
            .await?
            .and_then(|entry| entry.first_str("tombstoneLifetime")?.parse().ok())
            .unwrap_or(DEFAULT_TOMBSTONE_DAYS);

        Ok(Self {
            dns_host_name: root.text("dnsHostName")?,
            highest_committed_usn: root.number("highestCommittedUSN")?,
            invocation_id: settings.guid("invocationId")?,
            domain_sid: domain.octets("objectSid")?.to_vec(),
            domain_guid: domain.guid("objectGUID")?,
            netbios_name: cross_ref.text("nETBIOSName")?,
            dns_domain: cross_ref.text("dnsRoot")?.to_ascii_lowercase(),
            upn_suffixes,
            tombstone_lifetime: Duration::from_secs(tombstone_days * 24 * 60 * 60),
            password_policy: PasswordPolicy::from_entry(domain.entry),
            default_naming_context: domain_dn,
            configuration_naming_context: configuration,
            ds_service_name,
        })
    }

    /// Reads `highestCommittedUSN` alone, to notice a domain controller that went back in time.
    ///
    /// # Errors
    /// As [`DcFacts::read`].
    pub async fn read_usn(connection: &mut Connection) -> Result<u64, UpstreamError> {
        let server = connection.server().clone();
        let root = connection.root_dse(&["highestCommittedUSN"]).await?;
        Named {
            server: &server,
            entry: &root,
            place: "the root DSE",
        }
        .number("highestCommittedUSN")
    }

    /// Checks that the account may see deletions.
    ///
    /// Without this right a domain controller leaves deletions out and says nothing about it.
    ///
    /// # Errors
    /// [`UpstreamError::DeletedObjectsUnreadable`]; else as [`Connection::search_all`].
    pub async fn check_deleted_objects(
        &self,
        connection: &mut Connection,
        account: &str,
    ) -> Result<(), UpstreamError> {
        let container = format!("CN=Deleted Objects,{}", self.default_naming_context);
        let search = SearchRequest::base(container.as_str(), &["objectClass"]).show_deleted();
        let visible = match connection.search_all(search, 1).await {
            // Samba gives the entry to everybody, but its attributes only to those who may read it.
            Ok(entries) => entries
                .iter()
                .any(|entry| entry.first("objectClass").is_some()),
            Err(UpstreamError::Refused { code, .. })
                if code == ResultCode::NO_SUCH_OBJECT
                    || code == ResultCode::INSUFFICIENT_ACCESS_RIGHTS =>
            {
                false
            }
            Err(error) => return Err(error),
        };
        if visible {
            return Ok(());
        }
        Err(UpstreamError::DeletedObjectsUnreadable {
            account: account.to_owned(),
            remedy: format!(
                "grant it with dsacls \"{container}\" /takeownership and then dsacls \"{container}\" /g \"{account}:LCRP\" on Windows; on a Samba server run ldbedit -H /var/lib/samba/private/sam.ldb --show-deleted -s base -b \"{container}\" nTSecurityDescriptor and add (A;;RPLC;;;SID-OF-THE-ACCOUNT) after D:PAI"
            ),
            container,
        })
    }
}

const POLICY_ATTRIBUTES: [&str; 10] = [
    "objectSid",
    "objectGUID",
    "lockoutThreshold",
    "lockoutDuration",
    "lockOutObservationWindow",
    "maxPwdAge",
    "minPwdAge",
    "minPwdLength",
    "pwdHistoryLength",
    "pwdProperties",
];

impl PasswordPolicy {
    fn from_entry(entry: &SearchEntry) -> Self {
        let number = |name: &str| {
            entry
                .first_str(name)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        let age = |name: &str| entry.first_str(name).and_then(interval);
        Self {
            lockout_threshold: number("lockoutThreshold"),
            lockout_duration: age("lockoutDuration"),
            lockout_window: age("lockOutObservationWindow"),
            max_password_age: age("maxPwdAge"),
            min_password_age: age("minPwdAge"),
            min_password_length: number("minPwdLength"),
            password_history_length: number("pwdHistoryLength"),
            complexity: entry
                .first_str("pwdProperties")
                .and_then(|text| text.parse::<i32>().ok())
                .is_some_and(|bits| bits & 1 != 0),
        }
    }
}

/// A negative count of 100 ns; 0 and the least number mean that there is no limit.
fn interval(text: &str) -> Option<Duration> {
    match text.parse::<i64>().ok()? {
        i64::MIN | 0 => None,
        ticks => {
            let ticks = ticks.unsigned_abs();
            Some(Duration::from_micros(ticks / 10))
        }
    }
}

async fn read_existing(
    connection: &mut Connection,
    dn: &str,
    attributes: &[&str],
) -> Result<SearchEntry, UpstreamError> {
    let entry = connection.read(dn, attributes).await?;
    entry.ok_or_else(|| UpstreamError::NotUsable {
        server: connection.server().clone(),
        problem: format!("there is no {dn}, or the account may not read it"),
    })
}

fn texts(values: &[Vec<u8>]) -> Vec<String> {
    values
        .iter()
        .filter_map(|value| String::from_utf8(value.clone()).ok())
        .collect()
}

fn not_usable(server: &ServerAddress, place: &str, what: &str) -> UpstreamError {
    UpstreamError::NotUsable {
        server: server.clone(),
        problem: format!("there is no {what} in {place}, or the account may not read it"),
    }
}

/// An entry with attributes that must be there.
struct Named<'a> {
    server: &'a ServerAddress,
    entry: &'a SearchEntry,
    place: &'a str,
}

impl Named<'_> {
    fn octets(&self, name: &str) -> Result<&[u8], UpstreamError> {
        self.entry
            .first(name)
            .ok_or_else(|| not_usable(self.server, self.place, name))
    }

    fn text(&self, name: &str) -> Result<String, UpstreamError> {
        let octets = self.octets(name)?;
        String::from_utf8(octets.to_vec())
            .map_err(|_| not_usable(self.server, self.place, &format!("readable {name}")))
    }

    fn number(&self, name: &str) -> Result<u64, UpstreamError> {
        self.text(name)?
            .parse()
            .map_err(|_| not_usable(self.server, self.place, &format!("readable {name}")))
    }

    fn guid(&self, name: &str) -> Result<Uuid, UpstreamError> {
        guid_from_octets(self.octets(name)?)
            .ok_or_else(|| not_usable(self.server, self.place, &format!("readable {name}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_negative_counts_and_may_be_endless() {
        for (text, expected) in [
            ("-36288000000000", Some(42 * 24 * 60 * 60)),
            ("-18000000000", Some(30 * 60)),
            ("0", None),
            ("-9223372036854775808", None),
            ("x", None),
        ] {
            assert_eq!(interval(text), expected.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn a_policy_without_attributes_limits_nothing() {
        let entry = SearchEntry {
            dn: String::new(),
            attributes: vec![],
        };
        assert_eq!(
            PasswordPolicy::from_entry(&entry),
            PasswordPolicy::default()
        );
    }
}
