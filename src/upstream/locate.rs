//! Finding domain controllers by DNS (RFC 2782).

use std::time::Duration;

use hickory_resolver::{TokioResolver, net::NetError, proto::rr::RData};
use tokio::time::timeout;

use super::{ServerAddress, UpstreamError};

/// The domain controllers of a domain in the order in which to try them.
///
/// Asks for `_ldap._tcp.dc._msdcs.DOMAIN`. AD has no records for LDAPS, so port 636 is assumed
/// whatever port the records name. Servers of equal priority are shuffled by weight.
///
/// # Errors
/// [`UpstreamError::Resolve`] where DNS does not answer, [`UpstreamError::NoServer`] where it
/// knows none.
pub async fn locate(domain: &str, patience: Duration) -> Result<Vec<ServerAddress>, UpstreamError> {
    // Absolute, or the resolver would try the host's search list, too.
    let name = format!("_ldap._tcp.dc._msdcs.{}.", domain.trim_end_matches('.'));
    let unanswered = |problem: String| UpstreamError::Resolve {
        name: name.trim_end_matches('.').to_owned(),
        problem,
    };
    let resolver = TokioResolver::builder_tokio()
        .and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = patience / 2;
            options.attempts = 1;
            builder.build()
        })
        .map_err(|error| unanswered(error.to_string()))?;
    let answer = timeout(patience, resolver.srv_lookup(name.as_str()))
        .await
        .map_err(|_| unanswered(format!("no answer within {} s", patience.as_secs())))?;
    let records = match answer {
        Ok(lookup) => lookup
            .answers()
            .iter()
            .filter_map(|record| match &record.data {
                RData::SRV(service) => Some(Service {
                    priority: service.priority,
                    weight: service.weight,
                    target: service.target.to_utf8(),
                }),
                _ => None,
            })
            .collect(),
        Err(error) if no_such_name(&error) => Vec::new(),
        Err(error) => return Err(unanswered(error.to_string())),
    };
    let servers = in_order(records, random_below);
    if servers.is_empty() {
        return Err(UpstreamError::NoServer {
            domain: domain.to_owned(),
            name: name.trim_end_matches('.').to_owned(),
        });
    }
    Ok(servers)
}

fn no_such_name(error: &NetError) -> bool {
    error.is_nx_domain() || error.is_no_records_found()
}

#[derive(Clone, Debug)]
struct Service {
    priority: u16,
    weight: u16,
    target: String,
}

/// Orders by priority, and within one priority at random in proportion to weight.
fn in_order(mut services: Vec<Service>, mut below: impl FnMut(u64) -> u64) -> Vec<ServerAddress> {
    // "." as target means that there is no such service.
    services.retain(|service| service.target != ".");
    let mut servers = Vec::with_capacity(services.len());
    while let Some(priority) = services.iter().map(|service| service.priority).min() {
        // A weight of 0 keeps a small chance.
        let weight = |service: &Service| u64::from(service.weight) * 64 + 1;
        let equals = || {
            services
                .iter()
                .filter(|service| service.priority == priority)
        };
        let mut draw = below(equals().map(weight).sum());
        let chosen = services.iter().position(|service| {
            if service.priority != priority {
                return false;
            }
            match draw.checked_sub(weight(service)) {
                Some(rest) => {
                    draw = rest;
                    false
                }
                None => true,
            }
        });
        let Some(chosen) = chosen else { break };
        let service = services.remove(chosen);
        servers.push(ServerAddress::ldaps(service.target.trim_end_matches('.')));
    }
    servers
}

fn random_below(limit: u64) -> u64 {
    // Without random numbers the order is that of the answer, which is no harm.
    getrandom::u64().unwrap_or_default() % limit.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(records: &[(u16, u16, &str)], below: impl FnMut(u64) -> u64) -> Vec<String> {
        let services = records
            .iter()
            .map(|&(priority, weight, target)| Service {
                priority,
                weight,
                target: target.to_owned(),
            })
            .collect();
        in_order(services, below)
            .into_iter()
            .map(|server| server.host)
            .collect()
    }

    #[test]
    fn a_lower_priority_number_comes_first() {
        let records = [(10, 0, "c."), (0, 100, "a."), (5, 1, "b.")];
        assert_eq!(hosts(&records, |_| 0), ["a", "b", "c"]);
    }

    #[test]
    fn weight_decides_among_equals() {
        let records = [(0, 0, "light."), (0, 100, "heavy.")];
        assert_eq!(hosts(&records, |limit| limit - 1), ["heavy", "light"]);
        assert_eq!(hosts(&records, |_| 0), ["light", "heavy"]);
        let heavy_first = (0..6402)
            .filter(|&draw| {
                hosts(&records, |limit| draw % limit)
                    .first()
                    .is_some_and(|host| host == "heavy")
            })
            .count();
        assert_eq!(heavy_first, 6401);
    }

    #[test]
    fn a_dot_is_no_server() {
        assert!(hosts(&[(0, 0, ".")], |_| 0).is_empty());
    }
}
