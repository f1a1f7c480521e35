//! The address guard: decides to which IP addresses a connector may connect. It is a pure function. Literal addresses
//! in URLs and every address of a resolved name are checked by it.
//!
//! It refuses the blocks of the IANA IPv4 and IPv6 Special-Purpose Address Registries that are not globally reachable,
//! multicast, and metadata services of clouds that have public addresses. An IPv6 address outside global unicast
//! (`2000::/3`) is refused.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    Unspecified,
    Private,
    Shared,
    Loopback,
    LinkLocal,
    Metadata,
    Documentation,
    Benchmarking,
    Multicast,
    Broadcast,
    Reserved,
    /// An IPv6 address that embeds an IPv4 address of another network.
    Embedded,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Private => "a private address",
            Self::Shared => "a shared (carrier-grade NAT) address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a cloud's metadata service",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Reserved => "a reserved address",
            Self::Embedded => "an IPv6 address that stands for an IPv4 address",
        })
    }
}

type Block4 = (Ipv4Addr, u32, Refused);
type Block6 = (Ipv6Addr, u32, Refused);

/// The first match counts, so narrower blocks come first.
const BLOCKS4: [Block4; 20] = [
    (Ipv4Addr::new(0, 0, 0, 0), 32, Refused::Unspecified),
    (Ipv4Addr::new(0, 0, 0, 0), 8, Refused::Reserved),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Refused::Private),
    // Alibaba Cloud.
    (Ipv4Addr::new(100, 100, 100, 200), 32, Refused::Metadata),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Refused::Shared),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Refused::Loopback),
    (Ipv4Addr::new(169, 254, 169, 254), 32, Refused::Metadata),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Refused::LinkLocal),
    // Azure: a public address that the host of the virtual machine answers.
    (Ipv4Addr::new(168, 63, 129, 16), 32, Refused::Metadata),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Refused::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Refused::Reserved),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Refused::Documentation),
    // 6to4 relays (RFC 7526).
    (Ipv4Addr::new(192, 88, 99, 0), 24, Refused::Reserved),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Refused::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Refused::Benchmarking),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Refused::Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Refused::Documentation),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Refused::Multicast),
    (Ipv4Addr::new(255, 255, 255, 255), 32, Refused::Broadcast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Refused::Reserved),
];

const BLOCKS6: [Block6; 15] = [
    (Ipv6Addr::UNSPECIFIED, 128, Refused::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, Refused::Loopback),
    // IPv4-compatible (RFC 4291 2.5.5.1), IPv4-mapped (2.5.5.2), IPv4-translated (RFC 7915).
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 96, Refused::Embedded),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, Refused::Embedded),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, Refused::Embedded),
    // NAT64 with a prefix of the local network (RFC 8215): its destination depends on that network.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48, Refused::Embedded),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, Refused::Documentation),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, Refused::Documentation),
    (Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 0), 48, Refused::Benchmarking),
    // Teredo, then the other addresses that are reserved for IETF protocols.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, Refused::Embedded),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, Refused::Reserved),
    // 6to4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, Refused::Embedded),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, Refused::Private),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 9, Refused::LinkLocal),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, Refused::Multicast),
];

/// NAT64's well-known prefix (RFC 6052). Such an address is judged by its IPv4 address, because networks with IPv6
/// alone reach every public IPv4 service through it.
const NAT64: Ipv6Addr = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0);

/// A function that judges addresses: [`check`], or a test's own.
pub(crate) type Guard = fn(IpAddr) -> Result<(), Refused>;

/// Decides whether an address is public, so that a connector may connect to it.
pub fn check(address: IpAddr) -> Result<(), Refused> {
    match address {
        IpAddr::V4(address) => check4(address),
        IpAddr::V6(address) => check6(address),
    }
}

fn check4(address: Ipv4Addr) -> Result<(), Refused> {
    let bits = address.to_bits();
    let inside = |(base, length, _): &&Block4| (bits ^ base.to_bits()) >> (32 - length) == 0;
    BLOCKS4.iter().find(inside).map_or(Ok(()), |(_, _, refused)| Err(*refused))
}

fn check6(address: Ipv6Addr) -> Result<(), Refused> {
    let bits = address.to_bits();
    if (bits ^ NAT64.to_bits()) >> 32 == 0 {
        return check4(Ipv4Addr::from_bits((bits & u128::from(u32::MAX)) as u32));
    }
    let inside = |(base, length, _): &&Block6| (bits ^ base.to_bits()) >> (128 - length) == 0;
    if let Some((_, _, refused)) = BLOCKS6.iter().find(inside) {
        return Err(*refused);
    }
    // ISATAP (RFC 5214, section 6.1): an IPv4 address in the lower half, whatever the prefix.
    if (bits >> 32) as u32 & !0x0200_0000 == 0x0000_5efe {
        return Err(Refused::Embedded);
    }
    // Only global unicast addresses have been assigned.
    if bits >> 125 == 1 { Ok(()) } else { Err(Refused::Reserved) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Option<Refused> {
        check(text.parse().unwrap()).err()
    }

    #[test]
    fn public_addresses_pass() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450:4001::200e",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }

    #[test]
    fn everything_else_is_named_for_what_it_is() {
        for (text, expected) in [
            ("0.0.0.0", Refused::Unspecified),
            ("0.1.2.3", Refused::Reserved),
            ("10.0.0.1", Refused::Private),
            ("172.16.0.1", Refused::Private),
            ("172.31.255.255", Refused::Private),
            ("192.168.255.255", Refused::Private),
            ("100.64.0.1", Refused::Shared),
            ("100.100.100.200", Refused::Metadata),
            ("169.254.169.254", Refused::Metadata),
            ("168.63.129.16", Refused::Metadata),
            ("169.254.0.1", Refused::LinkLocal),
            ("127.0.0.1", Refused::Loopback),
            ("127.255.255.254", Refused::Loopback),
            ("192.0.0.192", Refused::Reserved),
            ("192.0.2.1", Refused::Documentation),
            ("198.51.100.1", Refused::Documentation),
            ("203.0.113.1", Refused::Documentation),
            ("198.18.0.1", Refused::Benchmarking),
            ("198.19.255.255", Refused::Benchmarking),
            ("192.88.99.1", Refused::Reserved),
            ("224.0.0.1", Refused::Multicast),
            ("239.255.255.255", Refused::Multicast),
            ("240.0.0.1", Refused::Reserved),
            ("255.255.255.255", Refused::Broadcast),
            ("::", Refused::Unspecified),
            ("::1", Refused::Loopback),
            ("::7f00:1", Refused::Embedded),
            ("::ffff:127.0.0.1", Refused::Embedded),
            ("::ffff:8.8.8.8", Refused::Embedded),
            ("::ffff:0:7f00:1", Refused::Embedded),
            ("64:ff9b::127.0.0.1", Refused::Loopback),
            ("64:ff9b::169.254.169.254", Refused::Metadata),
            ("64:ff9b:1::8.8.8.8", Refused::Embedded),
            ("64:ff9b:0:0:1::8.8.8.8", Refused::Reserved),
            ("100::1", Refused::Reserved),
            ("2001::1", Refused::Embedded),
            ("2001:2::1", Refused::Benchmarking),
            ("2001:10::1", Refused::Reserved),
            ("2001:db8::1", Refused::Documentation),
            ("3fff::1", Refused::Documentation),
            ("2002:7f00:1::", Refused::Embedded),
            ("2606:4700::5efe:7f00:1", Refused::Embedded),
            ("2606:4700::200:5efe:a00:1", Refused::Embedded),
            ("5f00::1", Refused::Reserved),
            ("fc00::1", Refused::Private),
            ("fd00:ec2::254", Refused::Private),
            ("fe80::1", Refused::LinkLocal),
            ("fec0::1", Refused::LinkLocal),
            ("ff02::1", Refused::Multicast),
            ("4000::1", Refused::Reserved),
        ] {
            assert_eq!(refused(text), Some(expected), "{text}");
        }
    }
}
