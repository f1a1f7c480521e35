//! The guard beside the registries of special addresses: what it refuses, to the edge of each block.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use resly_egress::guard;

/// The IANA special-purpose registries, as they write their blocks; with multicast, and Azure's host.
const SPECIAL: [&str; 34] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0/96",
    "::ffff:0:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

fn range(block: &str) -> (IpAddr, IpAddr) {
    let (address, length) = block.split_once('/').unwrap();
    let length: u32 = length.parse().unwrap();
    match address.parse().unwrap() {
        IpAddr::V4(address) => {
            let rest = u32::MAX.checked_shr(length).unwrap_or(0);
            (address.into(), Ipv4Addr::from_bits(address.to_bits() | rest).into())
        }
        IpAddr::V6(address) => {
            let rest = u128::MAX.checked_shr(length).unwrap_or(0);
            (address.into(), Ipv6Addr::from_bits(address.to_bits() | rest).into())
        }
    }
}

/// By the registries, written down another way than the guard has it.
fn is_public(address: IpAddr) -> bool {
    let special = SPECIAL
        .iter()
        .map(|block| range(block))
        .any(|(first, last)| first.is_ipv4() == address.is_ipv4() && first <= address && address <= last);
    match address {
        IpAddr::V4(_) => !special,
        IpAddr::V6(six) => {
            let [a, b, c, d, e, f, g, h] = six.segments();
            if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
                let four = (u32::from(g) << 16) | u32::from(h);
                return is_public(Ipv4Addr::from_bits(four).into());
            }
            let isatap = f == 0x5efe && (e == 0 || e == 0x200);
            !special && !isatap && (0x2000..0x4000).contains(&a)
        }
    }
}

#[test]
fn every_block_is_refused_to_its_edges_and_no_further() {
    for block in SPECIAL {
        let (first, last) = range(block);
        assert!(guard::check(first).is_err() && guard::check(last).is_err(), "{block}");
        let beside: [IpAddr; 2] = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => [
                Ipv4Addr::from_bits(first.to_bits().wrapping_sub(1)).into(),
                Ipv4Addr::from_bits(last.to_bits().wrapping_add(1)).into(),
            ],
            (IpAddr::V6(first), IpAddr::V6(last)) => [
                Ipv6Addr::from_bits(first.to_bits().wrapping_sub(1)).into(),
                Ipv6Addr::from_bits(last.to_bits().wrapping_add(1)).into(),
            ],
            _ => panic!("{block}"),
        };
        for address in beside {
            assert_eq!(guard::check(address).is_ok(), is_public(address), "{address} beside {block}");
        }
    }
}

proptest! {
    #[test]
    fn any_address_is_judged_as_the_registries_have_it(four: u32, six: u128, lead in 0..16_u32) {
        // Leading zeros make the crowded parts of the space likely.
        let addresses: [IpAddr; 3] = [
            Ipv4Addr::from_bits(four).into(),
            Ipv6Addr::from_bits(six).into(),
            Ipv6Addr::from_bits(six >> (lead * 8)).into(),
        ];
        for address in addresses {
            prop_assert_eq!(guard::check(address).is_ok(), is_public(address), "{}", address);
        }
    }
}
