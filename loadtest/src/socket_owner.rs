//! Which process listens on a port of this machine: /proc/net/tcp names the socket, /proc/PID/fd who holds it.

use crate::failure::{Context, Failure};
use crate::process::ProcessId;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Connection state TCP_LISTEN in /proc/net/tcp.
const LISTEN: &str = "0A";

/// The process that listens on the port of `address`.
///
/// # Errors
/// When none does, when several do (the CPU of which would be the server's?), or when its descriptors may not be read.
pub(crate) fn find(address: SocketAddr) -> Result<ProcessId, Failure> {
    let mut inodes = BTreeSet::new();
    for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if let Ok(table) = std::fs::read_to_string(path) {
            inodes.extend(listening_inodes(&table, address.port()));
        }
    }
    if inodes.is_empty() {
        return Err(Failure::new(format!("nothing listens on port {}", address.port())));
    }
    let owners = owners(&inodes)?;
    match owners.iter().collect::<Vec<_>>()[..] {
        [&owner] => Ok(owner),
        [] => Err(Failure::new(format!("the owner of port {} cannot be read", address.port()))),
        _ => Err(Failure::new(format!("several processes listen on port {}: give --server-pid", address.port()))),
    }
}

/// Inodes of the sockets that listen on `port`; a server with SO_REUSEPORT has one for each of its threads.
fn listening_inodes(table: &str, port: u16) -> Vec<u64> {
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (_, local_port) = local.rsplit_once(':')?;
        let is_it = *state == LISTEN && u16::from_str_radix(local_port, 16).ok()? == port;
        is_it.then(|| inode.parse().ok())?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// The processes that hold one of the sockets.
fn owners(inodes: &BTreeSet<u64>) -> Result<BTreeSet<ProcessId>, Failure> {
    let mut owners = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").context(|| "reading /proc".to_owned())? {
        let Some(process) = entry.ok().and_then(|entry| entry.file_name().to_str()?.parse().ok()) else {
            continue;
        };
        // Processes of other users cannot be read, and any process may end meanwhile: both are not the one looked for.
        let Ok(descriptors) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
            continue;
        };
        let holds_one = descriptors.flatten().any(|descriptor| {
            let target = std::fs::read_link(descriptor.path()).unwrap_or_default();
            socket_inode(&target.to_string_lossy()).is_some_and(|inode| inodes.contains(&inode))
        });
        if holds_one {
            owners.insert(ProcessId(process));
        }
    }
    Ok(owners)
}

/// The inode in a descriptor's link, `socket:[1234]`.
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F93 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1061 1 0 100 0 0 10 0
   1: 0100007F:1F93 0100007F:A001 01 00000000:00000000 00:00000000 00000000     0        0 1062 1 0 20 4 30 10 -1
   2: 0100007F:1F93 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1063 1 0 100 0 0 10 0
   3: 0100007F:1F94 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1064 1 0 100 0 0 10 0
";

    #[test]
    fn finds_listening_sockets_of_the_port_only() {
        assert_eq!(listening_inodes(TABLE, 8083), [1061, 1063]);
        assert!(listening_inodes(TABLE, 1).is_empty());
        assert!(listening_inodes("header\nshort line\n", 1).is_empty());
    }

    #[test]
    fn reads_socket_links() {
        assert_eq!(socket_inode("socket:[42]"), Some(42));
        assert_eq!(socket_inode("pipe:[42]"), None);
    }

    #[test]
    fn finds_this_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(find(listener.local_addr().unwrap()).unwrap(), ProcessId::own());
    }
}
