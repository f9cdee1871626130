//! POSIX message queues: attributes (linux/mqueue.h).

use super::record::record;

record! {
    /// `struct mq_attr`.
    MqAttr [64] {
        /// Flags: O_NONBLOCK.
        0 flags: i64,
        /// Messages that it may hold.
        8 maxmsg: i64,
        /// Bytes of a message.
        16 msgsize: i64,
        /// Messages in it.
        24 curmsgs: i64,
    }
}
