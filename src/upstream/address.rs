//! Where a domain controller is, as an administrator writes it.

use std::{fmt, net::IpAddr, str::FromStr};

use thiserror::Error;

const LDAPS_PORT: u16 = 636;
const LDAP_PORT: u16 = 389;

/// A domain controller: the name its certificate must carry, and where to connect.
///
/// Written `ldaps://dc1.corp.example.com`, with an optional `:port`, and with an optional
/// `@address` for a host name that DNS does not (or must not) answer for. `ldap://` means StartTLS
/// before anything else; nothing is ever sent in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerAddress {
    /// The name or address in the certificate.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How TLS begins.
    pub security: Security,
    /// Connect here instead of asking DNS for `host`.
    pub connect_to: Option<IpAddr>,
}

/// How TLS begins on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// With the first octet (ldaps).
    Tls,
    /// After the StartTLS operation (RFC 4511 section 4.14).
    StartTls,
}

impl ServerAddress {
    /// An ldaps address on the usual port.
    pub fn ldaps(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: LDAPS_PORT,
            security: Security::Tls,
            connect_to: None,
        }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |problem| AddressError {
            text: text.to_owned(),
            problem,
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| refuse(AddressProblem::NoScheme))?;
        let (security, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "ldaps" => (Security::Tls, LDAPS_PORT),
            "ldap" => (Security::StartTls, LDAP_PORT),
            _ => return Err(refuse(AddressProblem::Scheme)),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(refuse(AddressProblem::Path));
        }
        let (authority, connect_to) = match rest.rsplit_once('@') {
            None => (rest, None),
            Some((authority, address)) => {
                let address = address.trim_start_matches('[').trim_end_matches(']');
                let address = address
                    .parse()
                    .map_err(|_| refuse(AddressProblem::ConnectTo))?;
                (authority, Some(address))
            }
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, after) = bracketed
                    .split_once(']')
                    .ok_or_else(|| refuse(AddressProblem::Host))?;
                (host, after.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let port = match port {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(refuse(AddressProblem::Port)),
            },
        };
        if rustls::pki_types::ServerName::try_from(host).is_err() {
            return Err(refuse(AddressProblem::Host));
        }
        Ok(Self {
            host: host.trim_end_matches('.').to_owned(),
            port,
            security,
            connect_to,
        })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.security {
            Security::Tls => "ldaps",
            Security::StartTls => "ldap",
        };
        if self.host.contains(':') {
            write!(formatter, "{scheme}://[{}]:{}", self.host, self.port)?;
        } else {
            write!(formatter, "{scheme}://{}:{}", self.host, self.port)?;
        }
        match self.connect_to {
            Some(address) => write!(formatter, "@{address}"),
            None => Ok(()),
        }
    }
}

/// A text that is no [`ServerAddress`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{text}\" is no server address: {problem}")]
pub struct AddressError {
    text: String,
    problem: AddressProblem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum AddressProblem {
    #[error("write it as ldaps://dc1.corp.example.com, or ldap:// for StartTLS")]
    NoScheme,
    #[error("it must begin with ldaps:// or, for StartTLS, ldap://")]
    Scheme,
    #[error("nothing may follow the port but @ and an IP address to connect to")]
    Path,
    #[error("what follows @ must be an IP address, as in ldaps://dc1.corp.example.com@192.0.2.10")]
    ConnectTo,
    #[error("the port must be a number from 1 to 65535")]
    Port,
    #[error("the host must be the name (or IP address) in the server's certificate")]
    Host,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_prints_as_it_was_read() {
        for (text, printed) in [
            ("ldaps://dc1.example.com", "ldaps://dc1.example.com:636"),
            ("LDAPS://dc1.example.com./", "ldaps://dc1.example.com:636"),
            ("ldap://dc1.example.com", "ldap://dc1.example.com:389"),
            (
                "ldaps://dc1.example.com:1636@127.0.0.10",
                "ldaps://dc1.example.com:1636@127.0.0.10",
            ),
            ("ldaps://dc1@::1", "ldaps://dc1:636@::1"),
            ("ldaps://[::1]:99", "ldaps://[::1]:99"),
            ("ldaps://192.0.2.1", "ldaps://192.0.2.1:636"),
        ] {
            let address: ServerAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), printed, "{text}");
            assert_eq!(printed.parse::<ServerAddress>().unwrap(), address);
        }
    }

    #[test]
    fn a_wrong_address_says_what_to_write() {
        for (text, hint) in [
            ("dc1.example.com", "write it as ldaps://"),
            ("https://dc1", "must begin with ldaps://"),
            ("ldaps://dc1:0", "from 1 to 65535"),
            ("ldaps://dc1:636x", "from 1 to 65535"),
            ("ldaps://dc1@dc2", "must be an IP address"),
            ("ldaps://", "the name (or IP address)"),
            ("ldaps://a b", "the name (or IP address)"),
            ("ldaps://dc1/DC=x", "nothing may follow the port"),
        ] {
            let error = text.parse::<ServerAddress>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
            assert!(error.contains(text));
        }
    }
}
