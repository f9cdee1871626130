//! Who has which port of one protocol (`man 7 ip`, ip_local_port_range; `man 7 socket`, SO_REUSEADDR, SO_REUSEPORT).

use crate::address::Local;
use crate::table::Table;
use abi::Errno;
use alloc::sync::Weak;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// Ports that are chosen for sockets that ask for none (`/proc/sys/net/ipv4/ip_local_port_range`).
pub const CHOSEN: core::ops::RangeInclusive<u16> = 32_768..=60_999;

/// Ports below this need a privilege (`/proc/sys/net/ipv4/ip_unprivileged_port_start`).
pub const UNPRIVILEGED: u16 = 1024;

/// How far a socket shares its port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sharing {
    /// With others of the same mind, as long as none of them listens (SO_REUSEADDR).
    pub address: bool,
    /// With others of the same mind and user (SO_REUSEPORT).
    pub port: bool,
    /// Whose socket it is.
    pub uid: u32,
}

/// A socket's claim to a port.
pub(crate) struct Claim<T> {
    pub local: Local,
    pub sharing: Sharing,
    /// Where datagrams must come from to be its own; unused by connections.
    pub peer: Option<SocketAddr>,
    pub listens: bool,
    pub socket: Weak<T>,
}

struct Port<T> {
    number: u16,
    /// Later ones come first.
    claims: Vec<Claim<T>>,
    /// Connections that came to it, by the address that they came to.
    connections: Vec<Connected>,
}

/// Connections to one address.
struct Connected {
    address: IpAddr,
    count: usize,
    /// How many of them do not share their port.
    unshared: usize,
}

impl<T> Port<T> {
    fn is_free(&self) -> bool {
        self.claims.is_empty() && self.connections.is_empty()
    }
}

/// The ports of a protocol.
pub(crate) struct Ports<T> {
    table: Table<Port<T>>,
    /// A bit for each of [`CHOSEN`]: whether somebody has it, with a claim or without.
    taken: Vec<u64>,
    /// Where the search for a free one goes on.
    next: usize,
}

fn hash(number: u16) -> u64 {
    u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<T> Ports<T> {
    /// No port is taken.
    pub fn new() -> Self {
        Self {
            table: Table::new(|port| hash(port.number)),
            taken: Vec::new(),
            next: 0,
        }
    }

    fn bit(number: u16) -> Option<(usize, u64)> {
        CHOSEN.contains(&number).then(|| {
            let at = usize::from(number - CHOSEN.start());
            (at / 64, 1 << (at % 64))
        })
    }

    fn is_taken(&self, number: u16) -> bool {
        let word = |(word, bit)| self.taken.get(word).is_some_and(|bits| bits & bit != 0);
        Self::bit(number).is_some_and(word)
    }

    fn mark(&mut self, number: u16, taken: bool) {
        let Some((word, bit)) = Self::bit(number) else {
            return;
        };
        if let Some(bits) = self.taken.get_mut(word) {
            *bits = if taken { *bits | bit } else { *bits & !bit };
        }
    }

    /// Has room for all bits.
    fn prepare(&mut self) -> Result<(), Errno> {
        let words = CHOSEN.len().div_ceil(64);
        if self.taken.len() < words {
            self.taken
                .try_reserve_exact(words)
                .map_err(|_| Errno::ENOMEM)?;
            self.taken.resize(words, 0);
            // The places behind the last port are never free.
            let spare = words * 64 - CHOSEN.len();
            if let Some(last) = self.taken.last_mut().filter(|_| spare > 0) {
                *last = !0 << (64 - spare);
            }
        }
        Ok(())
    }

    /// Takes a port that nobody has, without a claim; it is given back by [`Ports::give_back`].
    ///
    /// # Errors
    /// EADDRNOTAVAIL when there is none; ENOMEM.
    pub fn choose(&mut self) -> Result<u16, Errno> {
        self.prepare()?;
        let words = self.taken.len();
        for step in 0..=words {
            let word = (self.next / 64 + step) % words;
            let bits = self.taken.get(word).copied().unwrap_or(!0);
            // In the word where the search begins, first those from there on.
            let before = match step {
                0 => (1u64 << (self.next % 64)) - 1,
                _ => 0,
            };
            let place = (!(bits | before)).trailing_zeros() as usize;
            if place < 64 {
                let at = word * 64 + place;
                self.next = (at + 1) % CHOSEN.len();
                let number = CHOSEN.start() + at as u16;
                self.mark(number, true);
                return Ok(number);
            }
        }
        Err(Errno::EADDRNOTAVAIL)
    }

    /// Gives back a port that was chosen.
    pub fn give_back(&mut self, number: u16) {
        self.mark(number, false);
    }

    fn port(&self, number: u16) -> Option<&Port<T>> {
        self.table.find(hash(number), |port| port.number == number)
    }

    fn port_mut(&mut self, number: u16) -> Option<&mut Port<T>> {
        self.table
            .find_mut(hash(number), |port| port.number == number)
    }

    /// Makes a claim. Port 0 means that one is to be chosen. Answers the port.
    ///
    /// # Errors
    /// EADDRINUSE; ENOMEM.
    pub fn claim(&mut self, mut claim: Claim<T>) -> Result<u16, Errno> {
        self.prepare()?;
        let chosen = claim.local.endpoint.port() == 0;
        if chosen {
            let number = self.choose().map_err(|errno| match errno {
                Errno::EADDRNOTAVAIL => Errno::EADDRINUSE,
                other => other,
            })?;
            claim.local.endpoint.set_port(number);
        }
        let number = claim.local.endpoint.port();
        let added = if chosen {
            self.add(number, claim)
        } else {
            self.admit(&claim).and_then(|()| self.add(number, claim))
        };
        if added.is_err() && chosen {
            self.give_back(number);
        }
        added.map(|()| number)
    }

    /// Whether others let a claim be.
    fn admit(&self, claim: &Claim<T>) -> Result<(), Errno> {
        let number = claim.local.endpoint.port();
        let Some(port) = self.port(number) else {
            // Somebody connects from there.
            return if self.is_taken(number) {
                Err(Errno::EADDRINUSE)
            } else {
                Ok(())
            };
        };
        let sharing = claim.sharing;
        let hindered = |other: &Claim<T>| {
            let by_address = sharing.address && other.sharing.address && !other.listens;
            let by_port = sharing.port && other.sharing.port && sharing.uid == other.sharing.uid;
            !by_address && !by_port && claim.local.overlaps(&other.local)
        };
        let held = |other: &Connected| {
            let there = Local {
                endpoint: SocketAddr::new(other.address, number),
                only_v6: false,
            };
            (other.unshared > 0 || !sharing.address) && claim.local.overlaps(&there)
        };
        let held = !sharing.port && port.connections.iter().any(held);
        if held || port.claims.iter().any(hindered) {
            return Err(Errno::EADDRINUSE);
        }
        Ok(())
    }

    fn add(&mut self, number: u16, claim: Claim<T>) -> Result<(), Errno> {
        if self.port(number).is_none() {
            self.table.reserve(hash(number))?;
            let mut claims = Vec::new();
            claims.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
            claims.push(claim);
            let port = Port {
                number,
                claims,
                connections: Vec::new(),
            };
            self.table.insert(port);
            self.mark(number, true);
        } else if let Some(port) = self.port_mut(number) {
            port.claims.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            port.claims.insert(0, claim);
        }
        Ok(())
    }

    /// Ends the claim of a socket.
    pub fn release(&mut self, number: u16, socket: &Weak<T>) {
        if let Some(port) = self.port_mut(number) {
            port.claims.retain(|claim| !claim.socket.ptr_eq(socket));
        }
        self.clean(number);
    }

    /// Forgets a port that nobody has any more.
    fn clean(&mut self, number: u16) {
        let is_free = |port: &Port<T>| port.number == number && port.is_free();
        if self.table.remove(hash(number), is_free).is_some() {
            self.mark(number, false);
        }
    }

    /// Counts a connection that a listener at an address gets.
    ///
    /// # Errors
    /// ECONNREFUSED when nobody has the port; ENOMEM.
    pub fn connected(&mut self, to: SocketAddr, shared: bool) -> Result<(), Errno> {
        let port = self.port_mut(to.port()).ok_or(Errno::ECONNREFUSED)?;
        let unshared = usize::from(!shared);
        let mut present = port.connections.iter_mut();
        if let Some(there) = present.find(|there| there.address == to.ip()) {
            there.count += 1;
            there.unshared += unshared;
            return Ok(());
        }
        port.connections.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        port.connections.push(Connected {
            address: to.ip(),
            count: 1,
            unshared,
        });
        Ok(())
    }

    /// Counts one less.
    pub fn disconnected(&mut self, to: SocketAddr, shared: bool) {
        if let Some(port) = self.port_mut(to.port()) {
            let mut present = port.connections.iter_mut();
            if let Some(there) = present.find(|there| there.address == to.ip()) {
                there.count -= 1;
                there.unshared -= usize::from(!shared);
            }
            port.connections.retain(|there| there.count > 0);
        }
        self.clean(to.port());
    }

    /// Changes the claim of a socket.
    pub fn change(&mut self, number: u16, socket: &Weak<T>, change: impl FnOnce(&mut Claim<T>)) {
        let port = self.port_mut(number);
        let found = port.and_then(|port| {
            let mut claims = port.claims.iter_mut();
            claims.find(|claim| claim.socket.ptr_eq(socket))
        });
        if let Some(claim) = found {
            change(claim);
        }
    }

    /// Makes a socket one that listens.
    ///
    /// # Errors
    /// EADDRINUSE when another does at the same address.
    pub fn listen(&mut self, number: u16, socket: &Weak<T>) -> Result<(), Errno> {
        let port = self.port_mut(number).ok_or(Errno::EINVAL)?;
        let own = port.claims.iter().find(|claim| claim.socket.ptr_eq(socket));
        let own = own.ok_or(Errno::EINVAL)?;
        let hindered = port.claims.iter().any(|other| {
            let apart = own.sharing.port && other.sharing.port;
            other.listens
                && !other.socket.ptr_eq(socket)
                && !apart
                && own.local.overlaps(&other.local)
        });
        if hindered {
            return Err(Errno::EADDRINUSE);
        }
        self.change(number, socket, |claim| claim.listens = true);
        Ok(())
    }

    /// The socket that fits best what comes to an address at a port: `rate` may refuse a claim, or add to how well it
    /// fits. Of several that fit equally `turn` chooses one if they share the port, else it is the latest.
    pub fn find(
        &self,
        to: IpAddr,
        number: u16,
        turn: usize,
        rate: impl Fn(&Claim<T>) -> Option<u32>,
    ) -> Option<Weak<T>> {
        let port = self.port(number)?;
        let rated = |claim: &Claim<T>| Some(claim.local.fits(to)? + rate(claim)?);
        let best = port.claims.iter().filter_map(rated).max()?;
        let equal = || {
            port.claims
                .iter()
                .filter(|claim| rated(claim) == Some(best))
        };
        let sharing = equal().filter(|claim| claim.sharing.port).count();
        let chosen = if sharing > 1 {
            equal()
                .filter(|claim| claim.sharing.port)
                .nth(turn % sharing)
        } else {
            equal().next()
        };
        chosen.map(|claim| claim.socket.clone())
    }

    /// All claims.
    pub fn claims(&self) -> impl Iterator<Item = &Claim<T>> {
        self.table.iter().flat_map(|port| port.claims.iter())
    }

    /// Whether nobody has a port.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let words = self.taken.iter().map(|bits| bits.count_ones() as usize);
        let spare = self.taken.len() * 64 - CHOSEN.len().min(self.taken.len() * 64);
        self.table.len() == 0 && words.sum::<usize>() == spare
    }
}

#[cfg(test)]
mod tests;
