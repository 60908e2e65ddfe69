//! The operator's list of hosts, as addresses. They are looked up once, when the run starts; the job gets them in its
//! `/etc/hosts` and has no name server, so that no name can be made to mean another address later.

use std::net::{IpAddr, ToSocketAddrs};

use super::Allowed;
use super::rules::is_closed;

/// Most entries of a list.
const MOST: usize = 200;

/// What came of the list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) allowed: Vec<Allowed>,
    /// Address and name.
    pub(super) hosts: Vec<(String, String)>,
    /// Lines for the top of the log.
    pub(super) notices: Vec<String>,
}

/// Looks up every host of the list.
pub(super) fn look_up(hosts: &[String]) -> Result<Found, String> {
    look_up_with(hosts, |name| {
        let all = (name, 0)
            .to_socket_addrs()
            .map_err(|error| error.to_string())?;
        Ok(all.map(|address| address.ip()).collect())
    })
}

fn look_up_with(
    hosts: &[String],
    ask: impl Fn(&str) -> Result<Vec<IpAddr>, String>,
) -> Result<Found, String> {
    if hosts.len() > MOST {
        return Err(format!(
            "{} hosts; at most {MOST} can be allowed",
            hosts.len()
        ));
    }
    let mut found = Found::default();
    for text in hosts {
        let (host, port) = split(text).ok_or_else(|| format!("{text:?} is no host"))?;
        if let Ok(address) = host.parse::<IpAddr>() {
            found.allowed.push(Allowed {
                address,
                port,
                literal: true,
            });
            continue;
        }
        let addresses = match ask(host) {
            Ok(addresses) => addresses,
            Err(error) => {
                found
                    .notices
                    .push(format!("{host} can't be reached by this job: {error}"));
                continue;
            }
        };
        let (closed, open): (Vec<IpAddr>, Vec<IpAddr>) =
            addresses.into_iter().partition(|a| is_closed(*a));
        if !closed.is_empty() {
            found.notices.push(format!(
                "{host} is at a private address, which stays closed"
            ));
        }
        for address in open {
            let allowed = Allowed {
                address,
                port,
                literal: false,
            };
            if !found.allowed.contains(&allowed) {
                found.hosts.push((address.to_string(), host.to_owned()));
                found.allowed.push(allowed);
            }
        }
    }
    Ok(found)
}

/// `NAME`, `NAME:PORT`, `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (text, None),
    };
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let named = !host.is_empty()
        && host.len() < 254
        && !host.starts_with(['-', '.'])
        && host.bytes().all(good);
    (named || host.parse::<IpAddr>().is_ok()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_not_lead_into_private_ranges_but_addresses_may() {
        let ask = |name: &str| match name {
            "good.test" => Ok(vec![
                "203.0.113.5".parse().unwrap(),
                "10.0.0.1".parse().unwrap(),
            ]),
            "rebound.test" => Ok(vec!["127.0.0.1".parse().unwrap()]),
            _ => Err("no such host".to_owned()),
        };
        let list = [
            "good.test:443",
            "rebound.test",
            "gone.test",
            "10.0.0.5:3142",
            "[fd00::1]:80",
        ]
        .map(str::to_owned);
        let found = look_up_with(&list, ask).unwrap();
        let seen: Vec<String> = found
            .allowed
            .iter()
            .map(|a| format!("{} {:?}", a.address, a.port))
            .collect();
        assert_eq!(
            seen,
            [
                "203.0.113.5 Some(443)",
                "10.0.0.5 Some(3142)",
                "fd00::1 Some(80)"
            ]
        );
        assert_eq!(
            found.hosts,
            [("203.0.113.5".to_owned(), "good.test".to_owned())]
        );
        assert_eq!(found.notices.len(), 3);
        for wrong in ["", "a b", "-x", "x:0", "x:99999", "a;b", "{ x }", "x:y:z"] {
            assert!(look_up_with(&[wrong.to_owned()], ask).is_err(), "{wrong}");
        }
    }
}
