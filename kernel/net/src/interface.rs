//! The loopback interface, as `man 7 netdevice` and `man 7 rtnetlink` tell of it.

use abi::Errno;
use abi::linux::{
    AF_INET, SIOCETHTOOL, SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFDSTADDR, SIOCGIFFLAGS, SIOCGIFHWADDR,
    SIOCGIFINDEX, SIOCGIFMETRIC, SIOCGIFMTU, SIOCGIFNAME, SIOCGIFNETMASK, SIOCGIFTXQLEN,
};
use core::net::Ipv4Addr;

/// Its name.
pub(crate) const NAME: &[u8] = b"lo";
/// Its number.
pub(crate) const INDEX: u32 = 1;
/// Bytes of a packet at most.
pub(crate) const MTU: u32 = 65_536;
/// Packets that wait at most, as it is told: none ever does.
pub(crate) const QUEUE: u32 = 1000;
/// The kind of hardware (ARPHRD_LOOPBACK).
pub(crate) const HARDWARE: u16 = 772;
/// Up, loopback, running.
pub(crate) const FLAGS: u32 = 0x49;

/// `struct ifreq`: the name of an interface, and what is asked about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceRequest(pub [u8; InterfaceRequest::SIZE]);

impl InterfaceRequest {
    /// Its bytes.
    pub const SIZE: usize = 40;
    /// Of these, the bytes of the name.
    const NAME: usize = 16;

    /// What SIOCGIFCONF tells of each interface with an address of IPv4: there is one.
    #[must_use]
    pub fn listed() -> Self {
        let mut request = Self([0; Self::SIZE]);
        request.put(0, NAME);
        request.address(Ipv4Addr::LOCALHOST);
        request
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        let places = self.0.iter_mut().skip(at);
        places.zip(bytes).for_each(|(place, byte)| *place = *byte);
    }

    fn address(&mut self, address: Ipv4Addr) {
        self.0
            .iter_mut()
            .skip(Self::NAME)
            .for_each(|byte| *byte = 0);
        self.put(Self::NAME, &AF_INET.to_le_bytes());
        self.put(Self::NAME + 4, &address.octets());
    }

    fn word(&mut self, word: u32) {
        self.put(Self::NAME, &word.to_le_bytes());
    }

    fn is_named(&self, name: &[u8]) -> bool {
        let own = self.0.iter().take(Self::NAME);
        own.take_while(|byte| **byte != 0).eq(name)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// ENODEV for an interface that there is not, EOPNOTSUPP for the settings of hardware; ENOTTY for another request.
    pub fn answer(&mut self, request: u32) -> Result<(), Errno> {
        if request == SIOCGIFNAME {
            let number = self.0.get(Self::NAME..).and_then(|rest| rest.first_chunk());
            if number.map(|bytes| u32::from_le_bytes(*bytes)) != Some(INDEX) {
                return Err(Errno::ENODEV);
            }
            self.put(0, &[0; Self::NAME]);
            self.put(0, NAME);
            return Ok(());
        }
        let answer: fn(&mut Self) = match request {
            SIOCGIFFLAGS => |request| request.put(Self::NAME, &(FLAGS as u16).to_le_bytes()),
            SIOCGIFADDR | SIOCGIFDSTADDR => |request| request.address(Ipv4Addr::LOCALHOST),
            SIOCGIFBRDADDR => |request| request.address(Ipv4Addr::UNSPECIFIED),
            SIOCGIFNETMASK => |request| request.address(Ipv4Addr::new(255, 0, 0, 0)),
            SIOCGIFMETRIC => |request| request.word(0),
            SIOCGIFMTU => |request| request.word(MTU),
            SIOCGIFINDEX => |request| request.word(INDEX),
            SIOCGIFTXQLEN => |request| request.word(QUEUE),
            SIOCGIFHWADDR => |request| {
                request.put(Self::NAME, &[0; 16]);
                request.put(Self::NAME, &HARDWARE.to_le_bytes());
            },
            // There is no hardware whose settings could be told.
            SIOCETHTOOL if self.is_named(NAME) => return Err(Errno::EOPNOTSUPP),
            SIOCETHTOOL => return Err(Errno::ENODEV),
            _ => return Err(Errno::ENOTTY),
        };
        if !self.is_named(NAME) {
            return Err(Errno::ENODEV);
        }
        answer(self);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_is_found_by_name_and_by_number() {
        let mut request = InterfaceRequest::listed();
        assert_eq!(request.answer(SIOCGIFINDEX), Ok(()));
        assert_eq!(request.0[16..20], INDEX.to_le_bytes());
        assert_eq!(request.answer(SIOCETHTOOL), Err(Errno::EOPNOTSUPP));
        request.put(0, b"eth0");
        assert_eq!(request.answer(SIOCETHTOOL), Err(Errno::ENODEV));
        assert_eq!(request.answer(SIOCGIFFLAGS), Err(Errno::ENODEV));
        assert_eq!(request.answer(SIOCGIFNAME), Ok(()));
        assert!(request.is_named(b"lo"));
        assert_eq!(request.answer(SIOCGIFNETMASK), Ok(()));
        assert_eq!(request.0[16..24], [2, 0, 0, 0, 255, 0, 0, 0]);
        assert_eq!(request.answer(0x8999), Err(Errno::ENOTTY));
    }
}
