//! Which addresses are not the public Internet: the registries of special purposes (RFC 6890 and
//! what IANA added since), as one table. Whoever connects on behalf of a stranger asks here first.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(a, b, c, 0)), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> IpNet {
    IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)), prefix)
}

/// The networks that are not public, and what each is for. Of several that hold an address the
/// first names it.
const SPECIAL: &[(IpNet, &str)] = &[
    (v4(0, 0, 0, 8), "unspecified"),
    (v4(10, 0, 0, 8), "private"),
    (v4(100, 64, 0, 10), "carrier-grade NAT"),
    (v4(127, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 16), "link-local"),
    (v4(172, 16, 0, 12), "private"),
    (v4(192, 0, 0, 24), "protocol assignments"),
    (v4(192, 0, 2, 24), "documentation"),
    (v4(192, 88, 99, 24), "6to4 relay"),
    (v4(192, 168, 0, 16), "private"),
    (v4(198, 18, 0, 15), "benchmarking"),
    (v4(198, 51, 100, 24), "documentation"),
    (v4(203, 0, 113, 24), "documentation"),
    (v4(224, 0, 0, 4), "multicast"),
    // With the broadcast address, 255.255.255.255.
    (v4(240, 0, 0, 4), "reserved"),
    (IpNet::new_assert(IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0)), 96), "IPv4-mapped"),
    (IpNet::new_assert(IpAddr::V6(Ipv6Addr::LOCALHOST), 128), "loopback"),
    (IpNet::new_assert(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 128), "unspecified"),
    (v6(0x64, 0xff9b, 0, 96), "NAT64"),
    (v6(0x64, 0xff9b, 1, 48), "NAT64"),
    (v6(0x2001, 0, 0, 32), "Teredo"),
    (v6(0x2001, 2, 0, 48), "benchmarking"),
    (v6(0x2001, 0, 0, 23), "protocol assignments"),
    (v6(0x2001, 0xdb8, 0, 32), "documentation"),
    (v6(0x2002, 0, 0, 16), "6to4"),
    (v6(0x3fff, 0, 0, 20), "documentation"),
    (v6(0xfc00, 0, 0, 7), "unique local"),
    (v6(0xfe80, 0, 0, 10), "link-local"),
    (v6(0xff00, 0, 0, 8), "multicast"),
];

/// All of the IPv6 space that is given out for public use (RFC 4291, section 2.4); what lies
/// outside is reserved, whatever it may become.
const V6_PUBLIC: IpNet = v6(0x2000, 0, 0, 3);

/// Why an address is not public; `None` when it is. An IPv4 address in IPv6 clothes is never
/// public: whoever means it can write it plainly.
pub fn special_purpose(address: IpAddr) -> Option<&'static str> {
    if let Some((_, purpose)) = SPECIAL.iter().find(|(net, _)| net.contains(&address)) {
        return Some(purpose);
    }
    (address.is_ipv6() && !V6_PUBLIC.contains(&address)).then_some("reserved")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn purpose(address: &str) -> Option<&'static str> {
        special_purpose(address.parse().unwrap())
    }

    #[test]
    fn each_special_network_is_known_from_its_first_to_its_last_address() {
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", "unspecified"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "carrier-grade NAT"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("169.254.0.0", "169.254.255.255", "link-local"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "protocol assignments"),
            ("192.0.2.0", "192.0.2.255", "documentation"),
            ("192.88.99.0", "192.88.99.255", "6to4 relay"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("198.18.0.0", "198.19.255.255", "benchmarking"),
            ("198.51.100.0", "198.51.100.255", "documentation"),
            ("203.0.113.0", "203.0.113.255", "documentation"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.255", "reserved"),
            ("::", "::", "unspecified"),
            ("::1", "::1", "loopback"),
            ("::2", "::fffe:ffff:ffff", "reserved"),
            ("::ffff:0:0", "::ffff:255.255.255.255", "IPv4-mapped"),
            ("64:ff9b::", "64:ff9b::ffff:ffff", "NAT64"),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "NAT64"),
            ("100::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo"),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "benchmarking"),
            ("2001:10::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocol assignments"),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4"),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
            ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local"),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
        ] {
            assert_eq!(purpose(first), Some(expected), "{first}");
            assert_eq!(purpose(last), Some(expected), "{last}");
        }
    }

    #[test]
    fn the_neighbours_of_special_networks_are_public() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2606:4700:4700::1111",
            "3ffe:ffff::",
            "3fff:1000::",
        ] {
            assert_eq!(purpose(address), None, "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_ipv4_address_is_public_in_ipv6_clothes(address in any::<u32>()) {
            let plain = Ipv4Addr::from_bits(address);
            let [a, b, c, d] = plain.octets().map(u16::from);
            let (high, low) = (a << 8 | b, c << 8 | d);
            for dressed in [
                plain.to_ipv6_mapped(),
                plain.to_ipv6_compatible(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                Ipv6Addr::new(0x2001, 0, 1, 2, 0, 0, !high, !low),
            ] {
                prop_assert!(special_purpose(IpAddr::V6(dressed)).is_some(), "{}", dressed);
            }
        }
    }
}
