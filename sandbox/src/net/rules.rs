//! The packet rules of a job's network namespace, as text for nft(8).

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Allowed, RESOLVER};

/// What no job reaches: this network and host, private and shared ranges, loopback, link-local (with the metadata
/// services of clouds), protocol assignments, benchmarks, multicast, what is reserved. Source: the IANA registries of
/// special-purpose addresses.
const CLOSED_4: [([u8; 4], u8); 11] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

/// The same of IPv6: unspecified and loopback, IPv4 in several disguises, private, link-local, site-local, multicast.
const CLOSED_6: [&str; 9] = [
    "::/127",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "2001::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

/// Refuses packets of one kind at once: whoever asks need not wait. TCP hears of ICMP only with its second try, a second
/// later; a reset it hears at once.
fn refuse(kind: &str) -> String {
    format!(
        "{kind} meta l4proto tcp reject with tcp reset\n{kind} reject with icmpx type admin-prohibited\n"
    )
}

/// Whether rules close this address.
pub(super) fn is_closed(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => CLOSED_4.iter().any(|(net, length)| {
            let mask = u32::MAX << (32 - u32::from(*length));
            (u32::from(address) ^ u32::from(Ipv4Addr::from(*net))) & mask == 0
        }),
        IpAddr::V6(address) => closed_6().iter().any(|(net, length)| {
            let mask = u128::MAX << (128 - u32::from(*length));
            (u128::from(address) ^ u128::from(*net)) & mask == 0
        }),
    }
}

/// The list of IPv6, with the closed ranges of IPv4 as a translator (RFC 6052) would reach them.
fn closed_6() -> Vec<(Ipv6Addr, u8)> {
    let mut all: Vec<(Ipv6Addr, u8)> = CLOSED_6
        .iter()
        .filter_map(|range| {
            let (net, length) = range.split_once('/')?;
            Some((net.parse().ok()?, length.parse().ok()?))
        })
        .collect();
    all.extend(CLOSED_4.map(|([a, b, c, d], length)| {
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        (
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            96 + length,
        )
    }));
    all
}

/// All of the internet, and the name server.
pub(super) fn open(own: &[IpAddr]) -> String {
    let first = format!("ip daddr {RESOLVER} meta l4proto {{ tcp, udp }} th dport 53 accept\n");
    let last = "meta l4proto { tcp, udp } accept\nicmp type echo-request accept\nicmpv6 type echo-request accept\n";
    table(own, &first, last)
}

/// Only these; an address that the operator wrote may be a closed one.
pub(super) fn only(own: &[IpAddr], allowed: &[Allowed]) -> String {
    let (mut first, mut last) = (String::new(), String::new());
    for one in allowed {
        let rule = if one.literal { &mut first } else { &mut last };
        let family = if one.address.is_ipv4() { "ip" } else { "ip6" };
        let port = one
            .port
            .map_or_else(String::new, |port| format!(" th dport {port}"));
        // Writing to a string can't fail.
        let _ = writeln!(
            rule,
            "{family} daddr {} meta l4proto {{ tcp, udp }}{port} accept",
            one.address
        );
    }
    table(own, &first, &last)
}

/// The whole table: `first` is asked before what is closed, `last` behind it, and the rest is refused.
fn table(own: &[IpAddr], first: &str, last: &str) -> String {
    let list = |all: Vec<String>| all.join(", ");
    let four = CLOSED_4
        .iter()
        .map(|(net, length)| format!("{}/{length}", Ipv4Addr::from(*net)));
    let own_4 = own.iter().filter(|a| a.is_ipv4()).map(IpAddr::to_string);
    let six = closed_6()
        .into_iter()
        .map(|(net, length)| format!("{net}/{length}"));
    let own_6 = own.iter().filter(|a| a.is_ipv6()).map(IpAddr::to_string);
    let neighbours = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } \
                      accept";
    format!(
        "table inet assay {{\n\
         set closed4 {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {} }} }}\n\
         set closed6 {{ type ipv6_addr; flags interval; auto-merge; elements = {{ {} }} }}\n\
         chain out {{\n\
         type filter hook output priority 0; policy drop;\n\
         oifname \"lo\" accept\n\
         {neighbours}\n\
         {first}\
         {}{}\
         {last}\
         {}\
         }}\n\
         chain in {{\n\
         type filter hook input priority 0; policy drop;\n\
         iifname \"lo\" accept\n\
         {neighbours}\n\
         ct state established,related accept\n\
         }}\n\
         }}\n",
        list(four.chain(own_4).collect()),
        list(six.chain(own_6).collect()),
        refuse("ip daddr @closed4"),
        refuse("ip6 daddr @closed6"),
        refuse(""),
    )
}

/// Every address of this host.
pub(super) fn own_addresses() -> Vec<IpAddr> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let mut all = local_4(&read("/proc/net/fib_trie"));
    all.extend(local_6(&read("/proc/net/if_inet6")));
    all.sort_unstable();
    all.dedup();
    all
}

/// The kernel's table of routes names each local address in a line of its own, before a line that says so.
fn local_4(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in text.lines() {
        if let Some((_, address)) = line.split_once("|-- ") {
            last = address.trim().parse::<Ipv4Addr>().ok();
        } else if line.contains("/32 host LOCAL") {
            found.extend(last.map(IpAddr::from));
        }
    }
    found
}

fn local_6(text: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let digits = line.split(' ').next()?;
        u128::from_str_radix(digits, 16)
            .ok()
            .map(|bits| IpAddr::from(Ipv6Addr::from(bits)))
    };
    text.lines().filter_map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_ranges_and_their_neighbours() {
        for address in [
            "10.1.2.3",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.0.1",
            "100.127.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "ff02::1",
        ] {
            assert!(is_closed(address.parse().unwrap()), "{address}");
        }
        for address in [
            "11.0.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "198.51.100.1",
            "2606::1",
            "64:ff9b::808:808",
        ] {
            assert!(!is_closed(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn own_addresses_are_read() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 192.0.2.2\n        \
                    /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n";
        assert_eq!(local_4(trie), ["192.0.2.2".parse::<IpAddr>().unwrap()]);
        let six = "fd000000000000000000000000000002 02 40 00 80     eth0\n";
        assert_eq!(local_6(six), ["fd00::2".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_list_lets_only_itself_through() {
        let allowed = |text: &str, port, literal| Allowed {
            address: text.parse().unwrap(),
            port,
            literal,
        };
        let text = only(
            &["198.51.100.9".parse().unwrap()],
            &[
                allowed("10.0.0.5", Some(3142), true),
                allowed("203.0.113.5", None, false),
            ],
        );
        let at = |part: &str| {
            text.find(part)
                .unwrap_or_else(|| panic!("{part} in {text}"))
        };
        let closed = at("ip daddr @closed4 meta l4proto tcp reject");
        assert!(at("ip daddr 10.0.0.5 meta l4proto { tcp, udp } th dport 3142 accept") < closed);
        assert!(closed < at("ip daddr 203.0.113.5 meta l4proto { tcp, udp } accept"));
        assert!(text.contains("198.51.100.9") && !text.contains(RESOLVER));
        assert!(open(&[]).contains("10.0.2.3 meta l4proto { tcp, udp } th dport 53"));
    }
}
