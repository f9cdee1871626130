//! Which partitions are loaded.

use crate::{Promises, Wpar};
use abi::{Cid, Errno, WparKey};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use control::WparHandle;
use fallible::{Map, NoMemory, Push};
use sync::{Rank, SpinLock};

/// All loaded partitions, found by cid, key or name.
///
/// Cids are dense, so that tables by cid are no larger than the most partitions that there ever were at once: one
/// that was given back is used again before a new one. A [`WparHandle`] tells the loadings of a cid apart.
#[derive(Debug)]
pub struct WparTable {
    places: SpinLock<Places>,
    promises: Arc<Promises>,
}

#[derive(Debug)]
struct Places {
    by_cid: Vec<Option<Arc<Wpar>>>,
    by_key: Map<WparKey, Cid>,
    by_name: Map<String, Cid>,
    free: VecDeque<Cid>,
    /// How many partitions have been loaded since boot.
    loadings: u64,
}

impl WparTable {
    /// A table with Global alone.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn new(global: Arc<Wpar>) -> Result<Self, NoMemory> {
        let (mut by_key, mut by_name) = (Map::new(), Map::new());
        by_key.insert(global.key(), Cid::GLOBAL)?;
        by_name.insert(fallible::string(global.name())?, Cid::GLOBAL)?;
        let by_cid = fallible::of_one(Some(global))?;
        Ok(Self {
            places: SpinLock::new(
                Rank::Partition,
                Places {
                    by_cid,
                    by_key,
                    by_name,
                    free: VecDeque::new(),
                    loadings: 0,
                },
            ),
            promises: fallible::arc(Promises::default())?,
        })
    }

    /// Gives a new partition a cid and a place.
    ///
    /// # Errors
    /// EEXIST when its name or key is loaded, ENOSPC when [`Cid::LIMIT`] partitions are, ENOMEM.
    pub fn insert(
        &self,
        key: WparKey,
        name: &str,
        make: impl FnOnce(WparHandle, Arc<Promises>) -> Result<Wpar, NoMemory>,
    ) -> Result<Arc<Wpar>, Errno> {
        let mut places = self.places.lock();
        if places.by_key.contains_key(&key) || places.by_name.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let cid = places.next_cid()?;
        let handle = WparHandle {
            cid,
            generation: places.loadings + 1,
        };
        let own_name = fallible::string(name)?;
        let wpar = fallible::arc(make(handle, self.promises.clone())?)?;
        places.by_key.insert(key, cid)?;
        if let Err(no_memory) = places.by_name.insert(own_name, cid) {
            places.by_key.remove(&key);
            return Err(no_memory.into());
        }
        // Nothing fails from here on.
        places.loadings += 1;
        places.free.pop_front();
        if let Some(place) = places.by_cid.get_mut(usize::from(cid.0)) {
            *place = Some(wpar.clone());
        }
        Ok(wpar)
    }

    /// Takes a partition out; its cid can be given to another.
    pub fn remove(&self, wpar: &Wpar) {
        let mut places = self.places.lock();
        let cid = wpar.cid();
        if cid.is_global()
            || !places
                .by_cid
                .get(usize::from(cid.0))
                .is_some_and(Option::is_some)
        {
            return;
        }
        places.by_key.remove(&wpar.key());
        places.by_name.remove(wpar.name());
        let _last = places
            .by_cid
            .get_mut(usize::from(cid.0))
            .and_then(Option::take);
        places.free.push_back(cid);
    }

    /// The partition with a cid.
    #[must_use]
    pub fn get(&self, cid: Cid) -> Option<Arc<Wpar>> {
        self.places
            .lock()
            .by_cid
            .get(usize::from(cid.0))
            .cloned()
            .flatten()
    }

    /// Whether the partition of a loading is still here.
    #[must_use]
    pub fn holds(&self, handle: WparHandle) -> bool {
        self.get(handle.cid)
            .is_some_and(|wpar| wpar.handle() == handle)
    }

    /// Global.
    #[must_use]
    pub fn global(&self) -> Option<Arc<Wpar>> {
        self.get(Cid::GLOBAL)
    }

    /// The first partition with a cid from `from` on: for walks without a list.
    #[must_use]
    pub fn next(&self, from: Cid) -> Option<Arc<Wpar>> {
        let places = self.places.lock();
        let rest = places.by_cid.get(usize::from(from.0)..)?;
        rest.iter().flatten().next().cloned()
    }

    /// All partitions, Global first, by cid, one after the other: what is loaded and removed meanwhile may be among them or
    /// not.
    pub fn walk(&self) -> impl Iterator<Item = Arc<Wpar>> + '_ {
        core::iter::successors(self.global(), |wpar| self.next(Cid(wpar.cid().0 + 1)))
    }

    /// All partitions that there are at one instant, Global first, by cid.
    ///
    /// # Errors
    /// [`NoMemory`].
    pub fn all(&self) -> Result<Vec<Arc<Wpar>>, NoMemory> {
        fallible::collect(self.places.lock().by_cid.iter().flatten().cloned())
    }
}

impl Places {
    /// The cid for the next partition: the one in front of the free ones, where a new one is put if there was none.
    fn next_cid(&mut self) -> Result<Cid, Errno> {
        if let Some(cid) = self.free.front() {
            return Ok(*cid);
        }
        let next = self.by_cid.len();
        if next > usize::from(Cid::LIMIT) {
            return Err(Errno::ENOSPC);
        }
        // All of them may be free one day.
        self.free.try_reserve(next).map_err(NoMemory::from)?;
        self.by_cid.try_push(None)?;
        let cid = Cid(next as u16);
        self.free.push_back(cid);
        Ok(cid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NotActivated, Refused};
    use alloc::collections::BTreeMap;
    use alloc::string::ToString;
    use control::{Load, ResourceControls, WparKind, WparName, WparState};
    use proptest::prelude::*;

    fn load(key: u32) -> Load {
        Load {
            key: WparKey(key),
            name: WparName::new(&alloc::format!("w{key}")).expect("a good name"),
            hostname: "host".to_string(),
            kind: WparKind::Application,
            root: "/".to_string(),
            mounts: Vec::new(),
            devices: None,
            controls: ResourceControls::default(),
            privileges: None,
        }
    }

    fn insert(table: &WparTable, key: u32) -> Result<Arc<Wpar>, Errno> {
        let load = load(key);
        table.insert(load.key, load.name.as_str(), |handle, promises| {
            Wpar::loading(handle, &load, promises)
        })
    }

    fn table() -> WparTable {
        WparTable::new(Arc::new(Wpar::global("corral").expect("memory"))).expect("memory")
    }

    #[test]
    fn every_one_of_8192_cids_can_be_loaded_and_no_more() {
        let table = table();
        for key in 1..=u32::from(Cid::LIMIT) {
            assert_eq!(
                insert(&table, key).map(|wpar| wpar.cid()),
                Ok(Cid(key as u16))
            );
        }
        assert_eq!(insert(&table, 9000).map(|_| ()), Err(Errno::ENOSPC));
        let gone = table.get(Cid(77)).expect("loaded");
        table.remove(&gone);
        table.remove(&gone);
        assert_eq!(insert(&table, 9000).map(|wpar| wpar.cid()), Ok(Cid(77)));
        assert_eq!(insert(&table, 9001).map(|_| ()), Err(Errno::ENOSPC));
    }

    #[test]
    fn one_partition_after_another_needs_one_cid() {
        let table = table();
        for key in 1..100 {
            let wpar = insert(&table, key).expect("room");
            assert_eq!(wpar.cid(), Cid(1));
            table.remove(&wpar);
        }
    }

    #[test]
    fn who_is_closed_admits_nobody_and_stays_until_removed() {
        let table = table();
        let wpar = insert(&table, 1).expect("room");
        wpar.admit_process().expect("open");
        wpar.close();
        assert_eq!(wpar.admit_process(), Err(crate::Full));
        assert_eq!(wpar.processes.count(), 1);
        assert!(table.holds(wpar.handle()));
        table.remove(&wpar);
        assert!(!table.holds(wpar.handle()));
        insert(&table, 2).expect("room");
        assert!(!table.holds(wpar.handle()), "the same cid, another loading");
    }

    #[test]
    fn global_stays() {
        let table = table();
        table.remove(&table.global().expect("Global"));
        assert!(table.global().is_some());
        assert_eq!(
            table
                .insert(WparKey(0), "x", |handle, promises| {
                    Wpar::loading(handle, &load(1), promises)
                })
                .map(|_| ()),
            Err(Errno::EEXIST)
        );
    }

    #[test]
    fn an_illegal_transition_is_refused_and_changes_nothing() {
        let wpar = insert(&table(), 1).expect("room");
        assert_eq!(
            wpar.become_state(WparState::Frozen),
            Err(Refused {
                state: WparState::Transitional
            })
        );
        assert_eq!(wpar.activate(), Ok(()));
        assert_eq!(
            wpar.become_state(WparState::Defined),
            Err(Refused {
                state: WparState::Active
            })
        );
        assert_eq!(wpar.state(), WparState::Active);
    }

    #[test]
    fn only_active_partitions_are_promised_their_minimum() {
        let table = table();
        let asking = |key: u32, value: &str| {
            let mut load = load(key);
            load.controls.set("CPU", value).expect("a percentage");
            table
                .insert(load.key, load.name.as_str(), |handle, promises| {
                    Wpar::loading(handle, &load, promises)
                })
                .expect("room")
        };
        let (first, second) = (asking(1, "60%-100%,100%"), asking(2, "50%-100%,100%"));
        assert_eq!(first.activate(), Ok(()));
        let refused = second.activate();
        assert!(matches!(refused, Err(NotActivated::Minimum(_))));
        assert_eq!(second.state(), WparState::Transitional);
        let less = ResourceControls::default();
        assert_eq!(first.set_controls(less.clone()), Ok(()));
        assert_eq!(second.activate(), Ok(()));
        let more = asking(3, "60%-100%,100%").controls();
        assert!(first.set_controls(more.clone()).is_err());
        assert_eq!(first.controls(), less);
        assert_eq!(second.become_state(WparState::Broken), Ok(()));
        assert_eq!(first.set_controls(more), Ok(()));
    }

    proptest! {
        /// PART0001: whatever is loaded and removed, names, keys and cids lead to exactly the loaded ones.
        #[test]
        fn loads_and_removals_keep_the_table_whole(steps in proptest::collection::vec((1u32..20, any::<bool>()), 0..200)) {
            let table = table();
            let mut model: BTreeMap<u32, Cid> = BTreeMap::new();
            for (key, add) in steps {
                if add {
                    let made = insert(&table, key);
                    prop_assert_eq!(made.is_err(), model.contains_key(&key));
                    if let Ok(wpar) = made {
                        prop_assert!(!model.values().any(|cid| *cid == wpar.cid()));
                        model.insert(key, wpar.cid());
                    }
                } else if let Some(cid) = model.remove(&key) {
                    table.remove(&table.get(cid).expect("loaded"));
                    prop_assert!(table.get(cid).is_none());
                }
                let all = table.all().expect("memory");
                prop_assert_eq!(all.len(), model.len() + 1);
                prop_assert!(table.walk().map(|wpar| wpar.cid()).eq(all.iter().map(|wpar| wpar.cid())));
            }
        }
    }
}
