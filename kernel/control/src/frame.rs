//! Frames: the protocol version and one message.

use crate::message::{Reply, Request};
use alloc::vec::Vec;
use core::fmt;
use fallible::{Extend, Push};
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version of this protocol. Every change of a message raises it: both sides are built together.
pub const VERSION: u16 = 4;

/// The most bytes that a request frame may have.
pub const REQUEST_LIMIT: usize = 64 * 1024;

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The other side speaks this version.
    Version(u16),
    /// Too short, too long, or no message.
    Malformed,
    /// There is no memory for it.
    NoMemory,
}

/// A request as the bytes of one `write`.
///
/// # Errors
/// [`FrameError::Malformed`] when it has more than [`REQUEST_LIMIT`] bytes.
pub fn encode_request(request: &Request) -> Result<Vec<u8>, FrameError> {
    let frame = encode(request)?;
    if frame.len() > REQUEST_LIMIT {
        Err(FrameError::Malformed)
    } else {
        Ok(frame)
    }
}

/// The request in the bytes of one `write`. The kernel answers an error with a refusal of
/// [`FrameError::errno`].
///
/// # Errors
/// [`FrameError::Version`] or [`FrameError::Malformed`]; nothing after the message is tolerated.
pub fn decode_request(frame: &[u8]) -> Result<Request, FrameError> {
    if frame.len() > REQUEST_LIMIT {
        Err(FrameError::Malformed)
    } else {
        decode(frame)
    }
}

/// An answer or a refusal as bytes for `read`.
///
/// # Errors
/// [`FrameError::NoMemory`]; [`FrameError::Malformed`] when it cannot be encoded, which no value of the types causes.
pub fn encode_reply(reply: &Reply) -> Result<Vec<u8>, FrameError> {
    encode(reply)
}

/// The answer or refusal in the bytes that were read.
///
/// # Errors
/// [`FrameError::Version`] or [`FrameError::Malformed`].
pub fn decode_reply(frame: &[u8]) -> Result<Reply, FrameError> {
    decode(frame)
}

/// A frame that is written, whose growth may fail.
struct Frame(Vec<u8>);

impl Flavor for Frame {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        Push::try_push(&mut self.0, byte).map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        let extended = Extend::try_extend(&mut self.0, bytes);
        extended.map_err(|_| postcard::Error::SerializeBufferFull)
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = Frame(Vec::new());
    frame
        .try_extend(&VERSION.to_le_bytes())
        .map_err(|_| FrameError::NoMemory)?;
    postcard::serialize_with_flavor(message, frame).map_err(|error| match error {
        postcard::Error::SerializeBufferFull => FrameError::NoMemory,
        _ => FrameError::Malformed,
    })
}

fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<T, FrameError> {
    let (version, message) = frame
        .split_first_chunk::<2>()
        .ok_or(FrameError::Malformed)?;
    let version = u16::from_le_bytes(*version);
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    match postcard::take_from_bytes(message) {
        Ok((message, [])) => Ok(message),
        _ => Err(FrameError::Malformed),
    }
}

impl FrameError {
    /// The number with which the kernel refuses such a frame: EPROTO for a version, ENOMEM, EINVAL else.
    #[must_use]
    pub const fn errno(self) -> u16 {
        match self {
            Self::Version(_) => 71,
            Self::Malformed => 22,
            Self::NoMemory => 12,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(other) => {
                write!(
                    f,
                    "control protocol version {other} meets version {VERSION}"
                )
            }
            Self::Malformed => f.write_str("malformed control message"),
            Self::NoMemory => f.write_str("no memory for a control message"),
        }
    }
}

impl core::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Answer, Load, Refusal, WparKind};
    use crate::name::WparName;
    use crate::resources::ResourceControls;
    use abi::{Errno, WparKey};
    use alloc::string::String;
    use alloc::vec;
    use proptest::prelude::*;

    fn load(name: &str, key: u32) -> Request {
        Request::Load(Load {
            key: WparKey(key),
            name: WparName::new(name).expect("a good name"),
            hostname: String::from(name),
            kind: WparKind::System,
            root: String::from("/wpars/x"),
            mounts: vec![],
            devices: None,
            controls: ResourceControls::default(),
            privileges: None,
        })
    }

    #[test]
    fn another_version_is_told_apart_from_nonsense() {
        let mut frame = encode_request(&Request::List).expect("a frame");
        frame[0] = 9;
        assert_eq!(decode_request(&frame), Err(FrameError::Version(9)));
        assert_eq!(decode_request(&[1]), Err(FrameError::Malformed));
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut frame = encode_request(&Request::List).expect("a frame");
        frame.push(0);
        assert_eq!(decode_request(&frame), Err(FrameError::Malformed));
    }

    #[test]
    fn replies_round_trip() {
        for reply in [
            Ok(Answer::Awaited { empty: true }),
            Err(Refusal::with(Errno::EINVAL, "why")),
        ] {
            let frame = encode_reply(&reply).expect("a frame");
            assert_eq!(decode_reply(&frame), Ok(reply));
        }
    }

    #[test]
    fn a_malformed_name_does_not_pass_the_wire() {
        let mut frame = encode_request(&load("abc", 1)).expect("a frame");
        let at = frame
            .windows(3)
            .position(|w| w == b"abc")
            .expect("the name");
        frame[at] = b'/';
        assert_eq!(decode_request(&frame), Err(FrameError::Malformed));
    }

    proptest! {
        #[test]
        fn requests_round_trip(name in "[a-z][a-z0-9]{0,20}", key in 1u32..) {
            prop_assume!(name != "global");
            let request = load(&name, key);
            let frame = encode_request(&request).expect("a frame");
            prop_assert_eq!(decode_request(&frame), Ok(request));
        }

        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), known in any::<bool>()) {
            if known && bytes.len() > 1 {
                bytes[0] = 1;
                bytes[1] = 0;
            }
            if let Ok(request) = decode_request(&bytes) {
                prop_assert!(encode_request(&request).is_ok());
            }
        }
    }
}
