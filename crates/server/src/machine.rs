//! What is found on the machine: cipher suites, network interfaces, how names of hosts are resolved. What cannot be found out is
//! left out: nothing here decides anything.

use std::{collections::BTreeMap, fs, net::IpAddr};

use management::{Interface, InterfaceAddress, Machine, Resolver};
use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags, sys::socket::SockaddrStorage};

use crate::tls;

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";
const NSSWITCH_CONF: &str = "/etc/nsswitch.conf";
/// By RabbitMQ's words.
const FLAGS: [(InterfaceFlags, &str); 6] = [
    (InterfaceFlags::IFF_UP, "up"),
    (InterfaceFlags::IFF_BROADCAST, "broadcast"),
    (InterfaceFlags::IFF_LOOPBACK, "loopback"),
    (InterfaceFlags::IFF_POINTOPOINT, "pointtopoint"),
    (InterfaceFlags::IFF_RUNNING, "running"),
    (InterfaceFlags::IFF_MULTICAST, "multicast"),
];

/// As it is now.
pub(crate) fn look() -> Machine {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    Machine {
        cipher_suites: tls::cipher_suites(),
        interfaces: interfaces(),
        resolver: resolver(&read(NSSWITCH_CONF), &read(RESOLV_CONF)),
    }
}

fn interfaces() -> Vec<Interface> {
    let Ok(listed) = getifaddrs() else { return Vec::new() };
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for one in listed {
        let flags = FLAGS.iter().filter(|(flag, _)| one.flags.contains(*flag)).map(|(_, word)| *word);
        let interface = found.entry(one.interface_name.clone()).or_insert_with(|| Interface {
            name: one.interface_name.clone(),
            flags: flags.collect(),
            hardware_address: None,
            addresses: Vec::new(),
        });
        let Some(address) = &one.address else { continue };
        if let Some(bytes) = address.as_link_addr().and_then(|link| link.addr()) {
            let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            interface.hardware_address = Some(digits.join(":"));
        } else if let Some(address) = ip(address) {
            let [netmask, broadcast] =
                [&one.netmask, &one.broadcast].map(|other| other.as_ref().and_then(ip));
            interface.addresses.push(InterfaceAddress { address, netmask, broadcast });
        }
    }
    found.into_values().collect()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

/// Of the texts of `nsswitch.conf` and `resolv.conf`.
fn resolver(nsswitch: &str, resolv: &str) -> Resolver {
    let values = |text: &str, key: &str, separator: char| -> Vec<String> {
        let lines = text.lines().filter_map(|line| {
            let (name, rest) = line.trim_start().split_once(separator)?;
            (name == key).then_some(rest.split(['#', ';']).next().unwrap_or_default())
        });
        lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    Resolver {
        lookup: values(nsswitch, "hosts", ':'),
        hosts_file: HOSTS,
        resolv_conf: RESOLV_CONF,
        name_servers: values(&resolv.replace('\t', " "), "nameserver", ' '),
        search: values(&resolv.replace('\t', " "), "search", ' '),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_resolver_are_read_with_their_comments() {
        let found = resolver(
            "# hosts: x\npasswd: files\nhosts:          files mymachines dns # c\n",
            "# nameserver 9.9.9.9\nnameserver 10.0.0.1\n nameserver\t::1 ; c\nsearch a.example b.example\noptions x\n",
        );
        assert_eq!(found.lookup, ["files", "mymachines", "dns"]);
        assert_eq!(found.name_servers, ["10.0.0.1", "::1"]);
        assert_eq!(found.search, ["a.example", "b.example"]);
        assert_eq!(resolver("", "").lookup, [""; 0]);
    }

    #[test]
    fn the_loopback_is_among_the_interfaces() {
        let found = look().interfaces;
        let loopback = found.iter().find(|one| one.flags.contains(&"loopback")).unwrap();
        let address =
            loopback.addresses.iter().find(|one| one.address == IpAddr::from([127, 0, 0, 1])).unwrap();
        assert_eq!(address.netmask, Some(IpAddr::from([255, 0, 0, 0])));
    }
}
