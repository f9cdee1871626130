//! Which partitions are loaded.

use crate::{Promises, Wpar};
use abi::{Cid, Errno, WparKey};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use control::WparHandle;
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
    by_key: BTreeMap<WparKey, Cid>,
    by_name: BTreeMap<String, Cid>,
    free: VecDeque<Cid>,
    /// How many partitions have been loaded since boot.
    loadings: u64,
}

impl WparTable {
    /// A table with Global alone.
    #[must_use]
    pub fn new(global: Arc<Wpar>) -> Self {
        let by_key = BTreeMap::from([(global.key(), Cid::GLOBAL)]);
        let by_name = BTreeMap::from([(global.name().to_string(), Cid::GLOBAL)]);
        let by_cid = alloc::vec![Some(global)];
        Self {
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
            promises: Arc::default(),
        }
    }

    /// Gives a new partition a cid and a place.
    ///
    /// # Errors
    /// EEXIST when its name or key is loaded, ENOSPC when [`Cid::LIMIT`] partitions are.
    pub fn insert(
        &self,
        key: WparKey,
        name: &str,
        make: impl FnOnce(WparHandle, Arc<Promises>) -> Wpar,
    ) -> Result<Arc<Wpar>, Errno> {
        let mut places = self.places.lock();
        if places.by_key.contains_key(&key) || places.by_name.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let cid = places.take_cid().ok_or(Errno::ENOSPC)?;
        places.loadings += 1;
        let handle = WparHandle {
            cid,
            generation: places.loadings,
        };
        let wpar = Arc::new(make(handle, self.promises.clone()));
        if let Some(place) = places.by_cid.get_mut(usize::from(cid.0)) {
            *place = Some(wpar.clone());
        }
        places.by_key.insert(key, cid);
        places.by_name.insert(name.to_string(), cid);
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

    /// Global.
    #[must_use]
    pub fn global(&self) -> Option<Arc<Wpar>> {
        self.get(Cid::GLOBAL)
    }

    /// All partitions, Global first, by cid.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Wpar>> {
        self.places
            .lock()
            .by_cid
            .iter()
            .flatten()
            .cloned()
            .collect()
    }
}

impl Places {
    fn take_cid(&mut self) -> Option<Cid> {
        if let Some(cid) = self.free.pop_front() {
            return Some(cid);
        }
        let next = self.by_cid.len();
        if next > usize::from(Cid::LIMIT) {
            return None;
        }
        self.by_cid.push(None);
        Some(Cid(next as u16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NotActivated, Refused};
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
        WparTable::new(Arc::new(Wpar::global("corral")))
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
                prop_assert_eq!(table.all().len(), model.len() + 1);
            }
        }
    }
}
