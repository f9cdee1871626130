//! Proportional sharing with bounded lag: earliest eligible virtual deadline first.
//!
//! Stoica and Abdel-Wahab, "Earliest Eligible Virtual Deadline First" (1995). Every member has a virtual
//! time, its service divided by its weight; the group's virtual time is the average of its members' weighted
//! by weight, and a member's *lag* is what an ideal fluid division would have given it beyond what it has
//! had. A member may be picked while its lag is not negative; of those the one whose request for a slice
//! must end first is picked. So no lag exceeds about one slice, whatever the weights.
//!
//! Three rules are ours:
//! - A member that leaves keeps its lag: no more than a small *credit* when it is owed, so that a sleeper
//!   cannot hoard; a debt until the group's time has made up for it, so that sleeping does not wash it off.
//! - The average is taken over the *pool*: members that the weights rule. Among partitions it is kept exactly
//!   ([`crate::water`]). Among the threads of a partition, whose CPUs come and go, one that cannot use its part
//!   runs away from the average; it leaves the pool at a limit, is pinned there, and comes back when it
//!   crosses the average. The others then divide the rest as the ideal division does.
//! - Nothing is rounded away: the sum of weight × virtual time is kept exactly, so members' errors cannot
//!   add up. Virtual times have 32 bits of fraction.
//!
//! The same structure divides the CPUs among partitions (by shares) and a partition's time among its
//! threads (by nice value). It allocates only in [`Members::reserve`].

use crate::Refusal;
use crate::table::Table;
use crate::tree::{ANYWHERE, Nodes, Places, Tree};

const FRACTION: u32 = 32;

/// How far the average may be from what it is counted from, in units of virtual time, before that is moved: far enough
/// that it is seldom, near enough that the products stay small.
const REACH: u32 = 44;

/// How far from all others a member outside can be, in units of virtual time: far beyond any debt, and small enough for products.
const FAR: i128 = 1 << 80;

/// Limits of one group, in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// What a member asks for at a time.
    pub slice: u64,
    /// The most that it is owed after a sleep.
    pub credit: u64,
    /// The most that it owes after a sleep.
    pub debt: u64,
    /// Lag beyond which it leaves the pool; `None` where the pool is kept by somebody who knows who can use
    /// how much ([`crate::water`]).
    pub limit: Option<u64>,
    /// Distance from the average, ahead or behind, at which all are to be brought nearer to it: see [`Group::contract`].
    /// `None`: never.
    pub stretch: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    weight: u32,
    /// 2^64 / weight: a division for every charge would cost more than the rest of it.
    inverse: u64,
    time: i128,
    deadline: i128,
    /// While it is outside: weight × lag when it left, and how far the average had been moved just before.
    kept: i128,
    moved_at: i128,
    /// While it is away: the group's time, not counting what the average was moved, at which its debt begins to be made up for.
    left_at: i128,
    /// It is outside, and still gets service.
    aside: bool,
    active: bool,
    pooled: bool,
    /// Where it may be served.
    places: Places,
}

/// The table of members and of their tree nodes, by index; groups that share it are disjoint.
#[derive(Debug, Default)]
pub(crate) struct Members {
    members: Table<Member>,
    nodes: Nodes,
}

/// One group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    ready: Tree,
    /// Virtual time relative to which `sum` counts; the group's time while the pool is empty.
    base: i128,
    /// Σ weight × (time − base) over the pool.
    sum: i128,
    /// Σ weight over the pool.
    load: u64,
    bounds: Bounds,
    /// By how much members that came and left have moved the average in all: the rest of it is service.
    moved: i128,
    /// A member is as far from the average as `stretch` says.
    stretched: bool,
}

/// The quotient, rounded down to what a processor divides at once: exact up to 63 bits, to 62 leading bits beyond.
/// Enough for where a member is placed; what it is charged is never divided.
fn quotient(dividend: i128, divisor: u64) -> i128 {
    if dividend == 0 {
        return 0;
    }
    let divisor = i64::try_from(divisor).unwrap_or(i64::MAX).max(1);
    let bits = i128::BITS - dividend.unsigned_abs().leading_zeros();
    let beyond = bits.saturating_sub(62);
    i128::from(((dividend >> beyond) as i64).div_euclid(divisor)) << beyond
}

impl Members {
    /// Makes room for the indices below `count`.
    pub fn reserve(&mut self, count: usize) -> Result<(), Refusal> {
        self.nodes.reserve(count)?;
        self.members.reserve(count, |_| Member {
            weight: 1,
            inverse: u64::MAX,
            time: 0,
            deadline: 0,
            kept: 0,
            moved_at: 0,
            left_at: 0,
            aside: false,
            active: false,
            pooled: false,
            places: ANYWHERE,
        })
    }

    fn get(&self, index: u32) -> Option<&Member> {
        self.members.get(index as usize)
    }

    fn get_mut(&mut self, index: u32) -> Option<&mut Member> {
        self.members.get_mut(index as usize)
    }

    /// Whether the member can be picked.
    pub fn queued(&self, index: u32) -> bool {
        self.nodes.linked(index)
    }

    /// Where a member may be served.
    pub fn places(&self, index: u32) -> Places {
        self.get(index).map_or(ANYWHERE, |member| member.places)
    }

    /// Says where a member that is in no queue may be served.
    pub fn place(&mut self, index: u32, places: Places) {
        if let Some(member) = self.get_mut(index) {
            member.places = places;
        }
    }

    /// The nodes, for a queue beside those of the groups: a member is in one at most.
    pub fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// As [`nodes`](Members::nodes).
    pub fn nodes_mut(&mut self) -> &mut Nodes {
        &mut self.nodes
    }

    /// Whether the member is active in its group.
    pub fn active(&self, index: u32) -> bool {
        self.get(index).is_some_and(|member| member.active)
    }
}

impl Member {
    fn virtual_span(&self, ticks: u64) -> i128 {
        ((u128::from(ticks) * u128::from(self.inverse)) >> (64 - FRACTION)) as i128
    }

    /// Weight × virtual time that `ticks` of service amount to.
    fn scaled(ticks: u64) -> i128 {
        i128::from(ticks) << FRACTION
    }
}

impl Group {
    pub const fn new(bounds: Bounds) -> Self {
        Self {
            ready: Tree::new(),
            base: 0,
            sum: 0,
            load: 0,
            bounds,
            moved: 0,
            stretched: false,
        }
    }

    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Whether the weights rule nobody.
    pub fn is_empty(&self) -> bool {
        self.load == 0
    }

    /// The group's virtual time.
    pub fn time(&self) -> i128 {
        if self.load == 0 {
            self.base
        } else {
            self.base + quotient(self.sum, self.load)
        }
    }

    /// The group's time without the `ahead` ticks that members have been charged and have not used yet.
    fn time_before(&self, ahead: u64) -> i128 {
        if self.load == 0 {
            self.base
        } else {
            self.base + quotient(self.sum - Member::scaled(ahead), self.load)
        }
    }

    fn join_pool(&mut self, member: &mut Member) {
        if self.load == 0 {
            self.base = member.time;
            self.sum = 0;
        }
        self.sum += i128::from(member.weight) * (member.time - self.base);
        self.load += u64::from(member.weight);
        member.pooled = true;
    }

    fn leave_pool(&mut self, member: &mut Member) {
        self.sum -= i128::from(member.weight) * (member.time - self.base);
        self.load = self.load.saturating_sub(u64::from(member.weight));
        member.pooled = false;
        if self.load == 0 {
            // The average of one is its own time.
            self.base = member.time;
            self.sum = 0;
        }
    }

    /// Keeps `base` near the pool's times, so that the products stay small however long the group runs.
    fn rebase(&mut self) {
        if self.sum.unsigned_abs() >> REACH <= u128::from(self.load) {
            return;
        }
        let time = self.time();
        self.sum -= i128::from(self.load) * (time - self.base);
        self.base = time;
    }

    /// Gives a fresh member its weight; it starts with no lag.
    pub fn introduce(&self, members: &mut Members, index: u32, weight: u32) {
        let left_at = self.time() - self.moved;
        if let Some(member) = members.get_mut(index) {
            member.weight = weight.max(1);
            member.inverse = u64::MAX / u64::from(member.weight);
            member.active = false;
            member.pooled = false;
            member.kept = 0;
            member.moved_at = self.moved;
            member.left_at = left_at;
            member.aside = false;
        }
    }

    /// Changes the weight; the lag, in ticks of service, stays.
    pub fn reweigh(&mut self, members: &mut Members, index: u32, weight: u32) {
        let queued = members.queued(index);
        let active = members.active(index);
        if active {
            self.leave(members, index, self.bounds.debt, 0);
        }
        if let Some(member) = members.get_mut(index) {
            member.weight = weight.max(1);
            member.inverse = u64::MAX / u64::from(member.weight);
        }
        if active {
            self.activate(members, index, 0);
        }
        if queued {
            self.enqueue(members, index);
        }
    }

    /// The member wants service from now on, and its weight rules what it gets. Members have been charged `ahead` ticks that
    /// they have not used yet: its place is beside what they have used.
    pub fn activate(&mut self, members: &mut Members, index: u32, ahead: u64) {
        let now = self.time_before(ahead);
        let Some(member) = members.get_mut(index).filter(|member| !member.active) else {
            return;
        };
        let lag = self.lag_outside(member, now);
        // Joining pulls the average towards the newcomer; it is placed so that its lag is right afterwards.
        member.time = now - quotient(lag, u64::from(member.weight)) - self.pull(lag);
        member.deadline = member.time + member.virtual_span(self.bounds.slice);
        member.active = true;
        self.join_pool(member);
        self.rebase();
        self.moved += self.time_before(ahead) - now;
    }

    /// Whether the member has had less than its part where the group as a whole lacks `credit` ticks.
    pub fn is_behind(&self, members: &Members, index: u32, credit: i128) -> bool {
        members.get(index).is_some_and(|member| {
            let own = i128::from(self.load) * (self.time() - member.time);
            own + (credit << FRACTION) >= 0
        })
    }

    /// By how much a member with this lag moves the average when it leaves the others that make up the pool now.
    fn pull(&self, lag: i128) -> i128 {
        if self.load == 0 || lag == 0 {
            0
        } else {
            quotient(lag, self.load)
        }
    }

    /// The lag that a member outside would have if it came in now.
    ///
    /// It has kept its distance to all others, whoever else has come and left meanwhile: a member that leaves takes its lag with
    /// it, and so moves the average of those who stay. When several do so and come back in another order, lag relative to the
    /// average of the moment would hand on to one what is owed to another.
    fn lag_outside(&self, member: &Member, now: i128) -> i128 {
        let weight = u64::from(member.weight);
        let distance = quotient(member.kept, weight) + self.moved - member.moved_at;
        let weighed = distance.clamp(-FAR, FAR) * i128::from(weight);
        let lag = if self.load == 0 {
            weighed
        } else {
            quotient(weighed * i128::from(self.load), weight + self.load)
        };
        let lag = lag.clamp(
            -Member::scaled(self.bounds.debt),
            Member::scaled(self.bounds.credit),
        );
        if lag >= 0 || member.aside {
            return lag;
        }
        // A newcomer that is owed pulls the average back; nobody else's debt grows by that.
        let passed = (now - self.moved - member.left_at).max(0);
        lag.saturating_add(i128::from(weight).saturating_mul(passed))
            .min(0)
    }

    /// The member wants nothing for now; `ahead` as for [`Group::activate`].
    pub fn deactivate(&mut self, members: &mut Members, index: u32, ahead: u64) {
        if members.active(index) {
            self.leave(members, index, self.bounds.credit, ahead);
        } else if let Some(member) = members.get_mut(index).filter(|member| member.aside) {
            let now = self.time_before(ahead);
            let moved = self.pull(self.lag_outside(member, now));
            member.left_at = now - self.moved - moved.min(0);
        }
        if let Some(member) = members.get_mut(index) {
            member.aside = false;
        }
    }

    /// The member wants service, but for now it is not its weight that rules what it gets, and so nothing of its debt is made up
    /// for; `ahead` as for [`Group::activate`].
    pub fn step_aside(&mut self, members: &mut Members, index: u32, ahead: u64) {
        if members.active(index) {
            self.leave(members, index, self.bounds.credit, ahead);
        } else if let Some(member) = members.get_mut(index).filter(|member| !member.aside) {
            // As if it had come in and left at once.
            member.kept = self.lag_outside(member, self.time_before(ahead));
            member.moved_at = self.moved - self.pull(member.kept);
        }
        if let Some(member) = members.get_mut(index) {
            member.aside = true;
        }
    }

    /// Takes a member that is active out of the group.
    fn leave(&mut self, members: &mut Members, index: u32, credit: u64, ahead: u64) {
        self.dequeue(members, index);
        let now = self.time_before(ahead);
        let Some(member) = members.get_mut(index) else {
            return;
        };
        let lag = i128::from(member.weight) * (now - member.time);
        member.kept = lag.clamp(-Member::scaled(self.bounds.debt), Member::scaled(credit));
        member.moved_at = self.moved;
        if member.pooled {
            self.leave_pool(member);
        }
        member.active = false;
        let moved = self.time_before(ahead) - now;
        // Those who stay are owed what it owes, and their average is behind by that: until it is where it was with the debtor
        // among them, they only get what they were owed, and nothing of the debt is made up for.
        member.left_at = now - self.moved - moved.min(0);
        self.moved += moved;
    }

    /// The member can be picked.
    pub fn enqueue(&mut self, members: &mut Members, index: u32) {
        let Some(member) = members.get(index).filter(|member| member.active) else {
            return;
        };
        let (time, deadline, places) = (member.time, member.deadline, member.places);
        self.ready
            .insert_at(&mut members.nodes, index, time, deadline, places);
    }

    /// The member cannot be picked (it is on a CPU, or held back).
    pub fn dequeue(&mut self, members: &mut Members, index: u32) {
        self.ready.remove(&mut members.nodes, index);
    }

    /// The member has had `ticks` of service.
    pub fn charge(&mut self, members: &mut Members, index: u32, ticks: u64) {
        let queued = members.queued(index);
        self.dequeue(members, index);
        if let Some(member) = members.get_mut(index) {
            if member.active {
                let span = member.virtual_span(ticks);
                member.time += span;
                if member.pooled {
                    self.sum += i128::from(member.weight) * span;
                }
                if member.time >= member.deadline {
                    member.deadline = member.time + member.virtual_span(self.bounds.slice);
                }
                self.keep_within(member);
                self.rebase();
            } else {
                member.kept -= Member::scaled(ticks);
            }
        }
        if queued {
            self.enqueue(members, index);
        }
    }

    /// Moves a member in or out of the pool as its lag says.
    ///
    /// Behind the average it is only because it could not use its part. Ahead of it others have brought it, who could
    /// not use theirs: it is they who must leave.
    fn keep_within(&mut self, member: &mut Member) {
        if self.load == 0 {
            return self.join_pool(member);
        }
        if member.pooled && self.load == u64::from(member.weight) {
            // The average of one is its own time.
            return;
        }
        // Lag and limit are compared multiplied by the load: so there is nothing to divide.
        let load = i128::from(self.load);
        let lag = i128::from(member.weight) * (self.sum - (member.time - self.base) * load);
        if let Some(stretch) = self.bounds.stretch {
            self.stretched |= lag.abs() > Member::scaled(stretch) * load;
        }
        let Some(bound) = self.bounds.limit else {
            if !member.pooled {
                self.join_pool(member);
            }
            return;
        };
        let limit = Member::scaled(bound) * load;
        let out = lag > limit;
        if member.pooled {
            if out && self.load > u64::from(member.weight) {
                self.leave_pool(member);
                self.pin(member, bound);
            }
        } else if lag <= limit / 8 {
            self.join_pool(member);
        } else if out {
            self.pin(member, bound);
        }
    }

    /// Keeps a member that has left the pool no further behind the average than the limit.
    fn pin(&self, member: &mut Member, limit: u64) {
        let before = member.time;
        member.time = self.time() - member.virtual_span(limit);
        member.deadline += member.time - before;
    }

    /// Whether [`Group::contract`] is to be called for all members; answered once.
    pub fn take_stretched(&mut self) -> bool {
        core::mem::take(&mut self.stretched)
    }

    /// Brings a member half way to the `average` of all, which stays where it is when all are brought.
    ///
    /// Where places are not the same for all, those who crowd in one fall behind the average together, at one virtual
    /// time, and those who have a place to themselves run ahead of it. That order is what divides each place by weight, and
    /// halving all distances keeps it; but no member is so far away that much would have to be made up for when places change.
    pub fn contract(&mut self, members: &mut Members, index: u32, average: i128) {
        let queued = members.queued(index);
        self.dequeue(members, index);
        if let Some(member) = members.get_mut(index).filter(|member| member.active) {
            let nearer = (average - member.time) / 2;
            member.time += nearer;
            member.deadline += nearer;
            if member.pooled {
                self.sum += i128::from(member.weight) * nearer;
            }
        }
        if queued {
            self.enqueue(members, index);
        }
    }

    /// The member has not used `ticks` that it has been charged: its request goes on where it was.
    pub fn refund(&mut self, members: &mut Members, index: u32, ticks: u64) {
        let slice = self.bounds.slice;
        let queued = members.queued(index);
        self.dequeue(members, index);
        if let Some(member) = members.get_mut(index) {
            if member.active {
                let span = member.virtual_span(ticks);
                member.time -= span;
                member.deadline = member
                    .deadline
                    .min(member.time + member.virtual_span(slice));
                if member.pooled {
                    self.sum -= i128::from(member.weight) * span;
                }
                self.rebase();
            } else {
                member.kept += Member::scaled(ticks);
            }
        }
        if queued {
            self.enqueue(members, index);
        }
    }

    /// Gives up the turn: the member's request ends one slice later, but never more than two from where the member is.
    /// Who yields over and over while nobody else wants the CPU would be behind everybody for as long afterwards.
    pub fn yield_turn(&mut self, members: &mut Members, index: u32) {
        let queued = members.queued(index);
        self.dequeue(members, index);
        if let Some(member) = members.get_mut(index) {
            let slice = member.virtual_span(self.bounds.slice);
            member.deadline = (member.deadline + slice).min(member.time + 2 * slice);
        }
        if queued {
            self.enqueue(members, index);
        }
    }

    fn reached(&self, time: i128) -> bool {
        // time ≤ average, without the division.
        (time - self.base) * i128::from(self.load.max(1)) <= self.sum
    }

    /// Where any of the members queued may be served.
    pub fn places(&self, members: &Members) -> Places {
        self.ready.places(&members.nodes)
    }

    /// Whom to serve at one of `places`, of the members queued that `may` accepts: by the rule above; when none of them is
    /// eligible the one that is least ahead, for a CPU is not left idle.
    pub fn pick(
        &self,
        members: &Members,
        places: Places,
        may: &dyn Fn(u32) -> bool,
    ) -> Option<u32> {
        self.ready
            .least_rank(&members.nodes, places, &|time| self.reached(time), may)
            .or_else(|| self.ready.first_at(&members.nodes, places, may))
    }

    /// For how many ticks `running`, which has been charged `ahead` that it has not used yet, may go on until
    /// `challenger` is to take its place: until it has caught up with the challenger's virtual time. `None` when
    /// the challenger is not eligible.
    pub fn overtakes(
        &self,
        members: &Members,
        challenger: u32,
        running: u32,
        ahead: u64,
    ) -> Option<u64> {
        let challenger = members
            .get(challenger)
            .filter(|member| self.reached(member.time))?;
        let running = members.get(running)?;
        let used = running.time - running.virtual_span(ahead);
        let gap = (challenger.time - used).max(0);
        let ticks = (gap * i128::from(running.weight)) >> FRACTION;
        Some(u64::try_from(ticks).unwrap_or(u64::MAX))
    }
}
