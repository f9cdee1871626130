//! Recordings of the machine (`man` of them: `sched::recording`): what each thread has done, from what has happened to it.
//!
//! What a policy did to a thread, when it had the CPU and on which one, is left out; what is the thread's own stays: how
//! much it ran between two sleeps, how long it slept, what it asked for, when it began and ended. A thread that had not
//! slept again or ended when the recording was stopped would have gone on: if it had run for several slices by then, it is taken to
//! run for ever, else it has done what it wanted. What the kernel did for a partition other than Global when none of its threads ran is for the most part what is left of those that have ended: it is added to
//! their last runs, to each the same.

use abi::{Cid, Ticks};
use anyhow::{Context, Result, bail, ensure};
use sched::recording::{Happening, Record, Standing};
use sched::simulation::TIMEBASE;
use sched::{Attributes, Cpu, Entitlement, EntityId, Reason};
use std::collections::BTreeMap;

/// What a partition had, in ticks of the simulated timebase.
#[derive(Clone, Debug)]
pub struct Account {
    /// Which.
    pub cid: Cid,
    /// Its name.
    pub name: String,
    /// What it used meanwhile, by the machine's account.
    pub used: Ticks,
}

/// What happens to the machine or is begun on it, and when.
#[derive(Clone, Debug)]
pub struct Step {
    /// From the beginning of the recording.
    pub at: Ticks,
    /// What.
    pub what: Move,
}

/// A step of a replay.
#[derive(Clone, Debug)]
pub enum Move {
    /// A CPU comes into use or goes out of it.
    Cpu(Cpu, bool),
    /// A partition is loaded, or changed.
    Partition(Cid, Entitlement),
    /// A partition goes.
    Unload(Cid),
    /// The thread of this number begins its life.
    Begin(usize),
    /// The thread of this number gets other attributes.
    Change(usize, Attributes),
}

/// A thread's stay in one partition.
#[derive(Clone, Debug)]
pub struct Life {
    /// Its partition.
    pub cid: Cid,
    /// What it asks for in the beginning.
    pub attributes: Attributes,
    /// It runs, sleeps, runs and so on for these spans; the last sleep does not count.
    pub spans: Vec<(Ticks, Ticks)>,
}

/// A recording that has been understood.
#[derive(Debug)]
pub struct Recording {
    /// The policy that the machine had.
    pub policy: String,
    /// How long it is.
    pub length: Ticks,
    /// What all CPUs together rested.
    pub idle: Ticks,
    /// Happenings that it has no place for.
    pub lost: u64,
    /// The partitions that were there.
    pub accounts: Vec<Account>,
    /// The threads.
    pub lives: Vec<Life>,
    /// Everything that comes from outside, in the order of time.
    pub steps: Vec<Step>,
    /// Times from wake-up to running, ascending, by partition.
    pub latencies: BTreeMap<Cid, Vec<Ticks>>,
    /// What threads of each partition had used whenever one left its CPU.
    pub service: BTreeMap<Cid, Vec<(Ticks, Ticks)>>,
    /// What was added to the last runs of threads, together.
    pub shared_out: Ticks,
}

/// Who has run for so long without a sleep computes.
const COMPUTES: Ticks = TIMEBASE.ticks(abi::Nanos(20_000_000));
/// Runs for ever.
const EVER: Ticks = Ticks(u64::MAX);

/// A thread while its recording is read.
struct Reading {
    /// Its number.
    number: usize,
    /// What its account was when its present run began.
    base: Ticks,
    /// Its account now.
    used: Ticks,
    /// Since when it sleeps, and what it ran before.
    asleep: Option<(Ticks, Ticks)>,
    /// Since when it waits after a sleep.
    woken: Option<Ticks>,
}

struct Reader {
    began: Ticks,
    /// Ticks of the simulated timebase for one of the machine's, as a fraction.
    scale: (u128, u128),
    recording: Recording,
    known: BTreeMap<EntityId, Reading>,
    sums: BTreeMap<Cid, Ticks>,
    /// The lives that have ended, by partition.
    ended: BTreeMap<Cid, Vec<usize>>,
}

impl Recording {
    /// Understands the text of a recording.
    ///
    /// # Errors
    /// It is none, or does not hang together.
    pub fn parse(text: &str) -> Result<Self> {
        // A terminal on the way may have added something to the ends of lines.
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let mut head = |words: &[&str]| -> Result<Vec<u64>> {
            let line = lines.next().context("it ends in its head")?;
            fields(line, words).with_context(|| format!("not a recording's head: {line:?}"))
        };
        let [version, hertz] = head(&["corral-schedule", "#", "#"])?[..] else {
            bail!("no head");
        };
        ensure!(version == 1, "version {version} is not known");
        ensure!(hertz > 0, "a timebase of no ticks");
        let line = lines.next().context("it ends in its head")?;
        let policy = line
            .split_whitespace()
            .nth(1)
            .unwrap_or_default()
            .to_owned();
        let [idle, lost] = fields(line, &["policy", "*", "idle", "#", "lost", "#"])
            .with_context(|| format!("not a recording's head: {line:?}"))?[..]
        else {
            bail!("no policy");
        };
        let line = lines.next().context("it ends in its head")?;
        let [began, ended] = fields(line, &["from", "#", "to", "#"])
            .with_context(|| format!("not a recording's head: {line:?}"))?[..]
        else {
            bail!("no times");
        };
        let mut reader = Reader {
            began: Ticks(began),
            scale: (TIMEBASE.ticks_per_second.into(), hertz.into()),
            recording: Recording {
                policy,
                length: Ticks(0),
                idle: Ticks(0),
                lost,
                accounts: Vec::new(),
                lives: Vec::new(),
                steps: Vec::new(),
                latencies: BTreeMap::new(),
                service: BTreeMap::new(),
                shared_out: Ticks(0),
            },
            known: BTreeMap::new(),
            sums: BTreeMap::new(),
            ended: BTreeMap::new(),
        };
        reader.recording.length = reader.time(Ticks(ended));
        reader.recording.idle = reader.span(Ticks(idle));
        ensure!(reader.recording.length.0 > 0, "it has no length");
        for line in lines {
            if line.starts_with("account ") {
                reader.account(line)?;
            } else {
                let record = Record::parse(line).with_context(|| format!("no record: {line:?}"))?;
                reader
                    .record(&record)
                    .with_context(|| format!("at {line:?}"))?;
            }
        }
        Ok(reader.end())
    }
}

/// The numbers at the places of `#`; words must be as they are, and `*` is any.
fn fields(line: &str, pattern: &[&str]) -> Option<Vec<u64>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.len() != pattern.len() {
        return None;
    }
    let mut numbers = Vec::new();
    for (word, pattern) in words.iter().zip(pattern) {
        match *pattern {
            "#" => numbers.push(word.parse().ok()?),
            "*" => {}
            wanted if wanted == *word => {}
            _ => return None,
        }
    }
    Some(numbers)
}

impl Reader {
    fn span(&self, ticks: Ticks) -> Ticks {
        let (more, less) = self.scale;
        Ticks((u128::from(ticks.0) * more / less) as u64)
    }

    fn time(&self, at: Ticks) -> Ticks {
        self.span(at.saturating_sub(self.began))
    }

    fn account(&mut self, line: &str) -> Result<()> {
        let mut words = line.split_whitespace().skip(1);
        let mut number = || words.next()?.parse::<u64>().ok();
        let numbers = number().zip(number()).zip(number());
        let ((cid, before), after) = numbers.with_context(|| format!("no account: {line:?}"))?;
        let cid = Cid(u16::try_from(cid).context("a cid out of range")?);
        let name = words
            .next()
            .map_or_else(|| format!("cid {}", cid.0), str::to_owned);
        let used = self.span(Ticks(after.saturating_sub(before)));
        self.recording.accounts.push(Account { cid, name, used });
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Result<()> {
        let at = self.time(record.at);
        match record.what {
            Happening::Online(cpu) => self.step(at, Move::Cpu(cpu, true)),
            Happening::Offline(cpu) => self.step(at, Move::Cpu(cpu, false)),
            Happening::Partition(cid, entitlement) => {
                self.step(at, Move::Partition(cid, entitlement));
            }
            Happening::Unloaded(cid) => self.step(at, Move::Unload(cid)),
            Happening::Entity {
                id,
                cid,
                attributes,
                standing,
                used,
            } => self.appears(at, id, cid, attributes, standing, used),
            Happening::Woken(id) => {
                self.wakes(at, id)?;
                self.of(id)?.woken = Some(at);
            }
            // Nothing in between is known, so it begins anew.
            Happening::Held(id) => self.sleeps(at, id)?,
            Happening::Placed(id, _) => {
                let woken = self.of(id)?.woken.take();
                let cid = self.cid(id)?;
                if let Some(woken) = woken {
                    let latency = at.saturating_sub(woken);
                    self.recording
                        .latencies
                        .entry(cid)
                        .or_default()
                        .push(latency);
                }
            }
            Happening::Left(id, reason, used) => {
                let cid = self.cid(id)?;
                let reading = self.of(id)?;
                let ran = used.saturating_sub(reading.used);
                reading.used = used;
                let ran = self.span(ran);
                let sum = self.sums.entry(cid).or_default();
                *sum += ran;
                let sum = *sum;
                self.recording
                    .service
                    .entry(cid)
                    .or_default()
                    .push((at, sum));
                match reason {
                    Reason::Preempted | Reason::Yielded => {}
                    Reason::Blocked => self.sleeps(at, id)?,
                    Reason::Exited => self.ends(at, id)?,
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, at: Ticks, what: Move) {
        self.recording.steps.push(Step { at, what });
    }

    fn of(&mut self, id: EntityId) -> Result<&mut Reading> {
        self.known
            .get_mut(&id)
            .with_context(|| format!("nobody has introduced {id:?}"))
    }

    fn life(&mut self, number: usize) -> Result<&mut Life> {
        self.recording.lives.get_mut(number).context("no such life")
    }

    fn cid(&mut self, id: EntityId) -> Result<Cid> {
        let number = self.of(id)?.number;
        Ok(self.life(number)?.cid)
    }

    fn appears(
        &mut self,
        at: Ticks,
        id: EntityId,
        cid: Cid,
        attributes: Attributes,
        standing: Standing,
        used: Ticks,
    ) {
        if let Some(reading) = self.known.get(&id) {
            let number = reading.number;
            let here = self
                .recording
                .lives
                .get(number)
                .is_some_and(|it| it.cid == cid);
            if here {
                return self.step(at, Move::Change(number, attributes));
            }
            // It goes on in another partition: one life ends and another begins.
            let base = reading.base;
            let ran = self.span(used.saturating_sub(base));
            if let Some(life) = self.recording.lives.get_mut(number) {
                life.spans.push((ran, Ticks(0)));
            }
        }
        let number = self.recording.lives.len();
        self.recording.lives.push(Life {
            cid,
            attributes,
            spans: Vec::new(),
        });
        self.step(at, Move::Begin(number));
        let asleep = (standing == Standing::Asleep).then_some((at, Ticks(0)));
        let reading = Reading {
            number,
            base: used,
            used,
            asleep,
            woken: None,
        };
        self.known.insert(id, reading);
    }

    fn sleeps(&mut self, at: Ticks, id: EntityId) -> Result<()> {
        let reading = self.of(id)?;
        if reading.asleep.is_none() {
            let ran = reading.used.saturating_sub(reading.base);
            reading.base = reading.used;
            reading.asleep = Some((at, ran));
        }
        Ok(())
    }

    fn wakes(&mut self, at: Ticks, id: EntityId) -> Result<()> {
        let reading = self.of(id)?;
        let number = reading.number;
        if let Some((since, ran)) = reading.asleep.take() {
            let ran = self.span(ran);
            let life = self.life(number)?;
            // One that begins asleep and is woken at once, as a new thread is, has not slept.
            if !life.spans.is_empty() || ran.0 > 0 || at > since {
                life.spans.push((ran, at.saturating_sub(since)));
            }
        }
        Ok(())
    }

    fn ends(&mut self, at: Ticks, id: EntityId) -> Result<()> {
        self.wakes(at, id)?;
        let Some(reading) = self.known.remove(&id) else {
            return Ok(());
        };
        let ran = self.span(reading.used.saturating_sub(reading.base));
        let life = self.life(reading.number)?;
        life.spans.push((ran, Ticks(0)));
        let cid = life.cid;
        self.ended.entry(cid).or_default().push(reading.number);
        Ok(())
    }

    /// Adds what was not used by any thread to the last runs of those that have ended.
    fn share_out(&mut self) {
        for account in &self.recording.accounts {
            // Global has the dispatcher's time, which is no thread's.
            let own = |ended: &&Vec<usize>| !ended.is_empty() && !account.cid.is_global();
            let Some(ended) = self.ended.get(&account.cid).filter(own) else {
                continue;
            };
            let threads = self.sums.get(&account.cid).copied().unwrap_or_default();
            let each = account.used.saturating_sub(threads).0 / ended.len() as u64;
            for &number in ended {
                let life = self.recording.lives.get_mut(number);
                if let Some((run, _)) = life.and_then(|life| life.spans.last_mut()) {
                    *run += Ticks(each);
                    self.recording.shared_out += Ticks(each);
                }
            }
        }
    }

    fn end(mut self) -> Recording {
        self.share_out();
        for reading in self.known.into_values() {
            let Some(life) = self.recording.lives.get_mut(reading.number) else {
                continue;
            };
            let (more, less) = self.scale;
            let span = |ticks: Ticks| Ticks((u128::from(ticks.0) * more / less) as u64);
            let since = span(reading.used.saturating_sub(reading.base));
            let last = match reading.asleep {
                Some((_, ran)) => Some(span(ran)),
                None => (since < COMPUTES).then_some(since),
            };
            if let Some(ran) = last {
                // It does not wake before the end.
                life.spans.push((ran, self.recording.length));
            }
            life.spans.push((EVER, Ticks(0)));
        }
        for latencies in self.recording.latencies.values_mut() {
            latencies.sort_unstable();
        }
        self.recording
    }
}
