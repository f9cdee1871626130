//! Recordings as text: lines of one length, fields between blanks, blanks at the end.
//!
//! ```text
//! corral-schedule 1 512000000                         version, ticks in a second
//! policy wlm idle 1023 lost 0                          at the beginning; ticks; happenings after it was full
//! from 81003944 to 2641003944
//! account 3 0 1280010 alpha                            cid, ticks used before and after, name
//! 81003944 partition 3 10 0 10000 10000 ffff 1         shares (- for unlimited), minimum, maxima, CPUs, active
//! 81003944 entity 17.2 3 other 0 ffff asleep 0         id, cid, class, nice value, CPUs, standing, ticks used
//! 81010021 woken 17.2
//! 81010533 placed 17.2 1
//! 81020991 left 17.2 blocked 10458
//! ```

use super::{Happening, Record, Recording, Standing, Used, real};
use crate::{Attributes, Class, Cpu, CpuSet, Entitlement, EntityId, Priority, Reason};
use abi::{BasisPoints, Cid, Ticks};
use core::fmt::{self, Display, Formatter, Write};

/// Bytes of a line, its end included.
pub const LINE: usize = 96;

/// One line of a recording.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    bytes: [u8; LINE],
    length: usize,
}

impl Line {
    /// The line with this text, cut where it is too long.
    fn of(text: impl Display) -> Self {
        let mut line = Self {
            bytes: [b' '; LINE],
            length: 0,
        };
        // Only what is too long fails, and is cut.
        if write!(line, "{text}").is_err() {
            line.length = LINE - 1;
        }
        if let Some(end) = line.bytes.last_mut() {
            *end = b'\n';
        }
        line
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; LINE] {
        &self.bytes
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            let place = self.bytes.get_mut(..LINE - 1).ok_or(fmt::Error)?;
            *place.get_mut(self.length).ok_or(fmt::Error)? = byte;
            self.length += 1;
        }
        Ok(())
    }
}

/// Lines before those of the accounts.
const HEAD: usize = 3;

impl Recording {
    /// Line `number` of its text; `None` after the last.
    #[must_use]
    pub fn line(&self, number: usize) -> Option<Line> {
        Some(match number {
            0 => Line::of(format_args!(
                "corral-schedule 1 {}",
                self.timebase.ticks_per_second
            )),
            1 => Line::of(format_args!(
                "policy {} idle {} lost {}",
                self.policy, self.idle.0, self.lost
            )),
            2 => Line::of(format_args!(
                "from {} to {}",
                self.began.0,
                self.ended.unwrap_or(self.began).0
            )),
            _ => match self.accounts.get(number - HEAD) {
                Some(used) => Line::of(used),
                None => {
                    let place = number - HEAD - self.accounts.len();
                    if place >= self.length {
                        return None;
                    }
                    Line::of(self.records.get(place)?.as_ref()?)
                }
            },
        })
    }
}

impl Display for Used {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Used {
            cid,
            before,
            after,
            name,
        } = self;
        write!(f, "account {} {} {} {name}", cid.0, before.0, after.0)
    }
}

/// An id as text.
struct Id(EntityId);

impl Display for Id {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.index, self.0.generation)
    }
}

fn class(class: Class, f: &mut Formatter<'_>) -> fmt::Result {
    match class {
        Class::Other => f.write_str("other"),
        Class::Batch => f.write_str("batch"),
        Class::Idle => f.write_str("idle"),
        Class::Fifo(priority) => write!(f, "fifo:{}", priority.number()),
        Class::RoundRobin(priority) => write!(f, "rr:{}", priority.number()),
    }
}

impl Display for Record {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at.0)?;
        match &self.what {
            Happening::Online(cpu) => write!(f, "online {}", cpu.0),
            Happening::Offline(cpu) => write!(f, "offline {}", cpu.0),
            Happening::Partition(cid, entitlement) => {
                write!(f, "partition {} ", cid.0)?;
                match entitlement.shares {
                    Some(shares) => write!(f, "{shares}")?,
                    None => f.write_str("-")?,
                }
                write!(
                    f,
                    " {} {} {} {:x} {}",
                    entitlement.minimum.0,
                    entitlement.soft_maximum.0,
                    entitlement.hard_maximum.0,
                    real(entitlement.cpus),
                    u8::from(entitlement.active)
                )
            }
            Happening::Unloaded(cid) => write!(f, "unloaded {}", cid.0),
            Happening::Entity {
                id,
                cid,
                attributes,
                standing,
                used,
            } => {
                write!(f, "entity {} {} ", Id(*id), cid.0)?;
                class(attributes.class, f)?;
                write!(f, " {} {:x} ", attributes.nice, real(attributes.cpus))?;
                match standing {
                    Standing::Asleep => f.write_str("asleep")?,
                    Standing::Waiting => f.write_str("waiting")?,
                    Standing::Running(cpu) => write!(f, "running:{}", cpu.0)?,
                }
                write!(f, " {}", used.0)
            }
            Happening::Woken(id) => write!(f, "woken {}", Id(*id)),
            Happening::Held(id) => write!(f, "held {}", Id(*id)),
            Happening::Placed(id, cpu) => write!(f, "placed {} {}", Id(*id), cpu.0),
            Happening::Left(id, reason, used) => {
                let reason = match reason {
                    Reason::Preempted => "preempted",
                    Reason::Yielded => "yielded",
                    Reason::Blocked => "blocked",
                    Reason::Exited => "exited",
                };
                write!(f, "left {} {reason} {}", Id(*id), used.0)
            }
        }
    }
}

/// The words of a line, taken one after the other.
struct Words<'a>(core::str::SplitAsciiWhitespace<'a>);

impl<'a> Words<'a> {
    fn word(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn number<T: core::str::FromStr>(&mut self) -> Option<T> {
        self.word()?.parse().ok()
    }

    fn id(&mut self) -> Option<EntityId> {
        let (index, generation) = self.word()?.split_once('.')?;
        Some(EntityId {
            index: index.parse().ok()?,
            generation: generation.parse().ok()?,
        })
    }

    fn cpus(&mut self) -> Option<CpuSet> {
        let cpus = u64::from_str_radix(self.word()?, 16).ok()?;
        Some(if cpus == real(CpuSet::ALL) {
            CpuSet::ALL
        } else {
            CpuSet(cpus)
        })
    }

    fn entitlement(&mut self) -> Option<Entitlement> {
        let shares = match self.word()? {
            "-" => None,
            shares => Some(shares.parse().ok()?),
        };
        Some(Entitlement {
            shares,
            minimum: BasisPoints(self.number()?),
            soft_maximum: BasisPoints(self.number()?),
            hard_maximum: BasisPoints(self.number()?),
            cpus: self.cpus()?,
            active: self.number::<u8>()? == 1,
        })
    }

    fn class(&mut self) -> Option<Class> {
        let priority = |number: &str| Priority::new(number.parse().ok()?);
        Some(match self.word()? {
            "other" => Class::Other,
            "batch" => Class::Batch,
            "idle" => Class::Idle,
            word => match word.split_once(':')? {
                ("fifo", number) => Class::Fifo(priority(number)?),
                ("rr", number) => Class::RoundRobin(priority(number)?),
                _ => return None,
            },
        })
    }

    fn standing(&mut self) -> Option<Standing> {
        Some(match self.word()? {
            "asleep" => Standing::Asleep,
            "waiting" => Standing::Waiting,
            word => Standing::Running(Cpu(word.strip_prefix("running:")?.parse().ok()?)),
        })
    }

    fn reason(&mut self) -> Option<Reason> {
        Some(match self.word()? {
            "preempted" => Reason::Preempted,
            "yielded" => Reason::Yielded,
            "blocked" => Reason::Blocked,
            "exited" => Reason::Exited,
            _ => return None,
        })
    }

    fn happening(&mut self) -> Option<Happening> {
        Some(match self.word()? {
            "online" => Happening::Online(Cpu(self.number()?)),
            "offline" => Happening::Offline(Cpu(self.number()?)),
            "partition" => Happening::Partition(Cid(self.number()?), self.entitlement()?),
            "unloaded" => Happening::Unloaded(Cid(self.number()?)),
            "entity" => Happening::Entity {
                id: self.id()?,
                cid: Cid(self.number()?),
                attributes: Attributes {
                    class: self.class()?,
                    nice: self.number()?,
                    cpus: self.cpus()?,
                    reset_on_fork: false,
                },
                standing: self.standing()?,
                used: Ticks(self.number()?),
            },
            "woken" => Happening::Woken(self.id()?),
            "held" => Happening::Held(self.id()?),
            "placed" => Happening::Placed(self.id()?, Cpu(self.number()?)),
            "left" => Happening::Left(self.id()?, self.reason()?, Ticks(self.number()?)),
            _ => return None,
        })
    }
}

impl Record {
    /// The record of a line; `None` where it is none. What children inherit is not kept.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = Words(line.split_ascii_whitespace());
        let at = Ticks(words.number()?);
        let what = words.happening()?;
        words.word().is_none().then_some(Self { at, what })
    }
}
