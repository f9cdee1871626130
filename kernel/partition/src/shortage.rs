//! Who gives way when the machine's memory is used up: the partition that is furthest above its part.
//!
//! A partition's part is what its shares are worth of all memory, but no less than its minimum and no more than its soft
//! maximum. Nobody is asked to give who holds no more than that, and whoever is above a soft maximum gives before all who
//! are not: so minimum, soft maximum and shares bind in the order of the specification (section 4). The hard maximum is
//! none of this: it binds always, in the allocator.

use abi::Pages;

/// What one partition holds and may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Memory charged to it.
    pub used: Pages,
    /// What is not taken from it.
    pub minimum: Pages,
    /// What it keeps to when memory is short.
    pub soft_maximum: Pages,
    /// Its shares, 1 to 65535.
    pub weight: u16,
    /// Whether it can give anything: memory that goes when a program ends.
    pub can_give: bool,
}

impl Holding {
    /// Its part of `total`, of which all weights together are `weights`.
    fn part(&self, total: Pages, weights: u64) -> Pages {
        let shared = u128::from(total.0) * u128::from(self.weight) / u128::from(weights.max(1));
        let shared = u64::try_from(shared).unwrap_or(u64::MAX);
        Pages(shared.min(self.soft_maximum.0).max(self.minimum.0))
    }
}

/// Which of the partitions gives, of those that can: the one furthest above its soft maximum, else the one furthest above its
/// part; the first of equals. `None`: nobody who can is above.
///
/// `holdings` goes through all partitions, and is asked twice: there may be thousands of them and no memory for a list.
#[must_use]
pub fn who_gives<W, I: Iterator<Item = (W, Holding)>>(
    total: Pages,
    holdings: impl Fn() -> I,
) -> Option<W> {
    let weights: u64 = holdings()
        .filter(|(_, holding)| holding.used.0 > 0)
        .map(|(_, holding)| u64::from(holding.weight))
        .sum();
    let excess = |holding: &Holding| {
        let above_soft = holding
            .used
            .saturating_sub(holding.soft_maximum.max(holding.minimum));
        let above_part = holding.used.saturating_sub(holding.part(total, weights));
        (above_soft, above_part)
    };
    let mut found: Option<(W, (Pages, Pages))> = None;
    for (who, holding) in holdings() {
        let excess = excess(&holding);
        let more = found.as_ref().is_none_or(|(_, most)| excess > *most);
        if holding.can_give && excess.1 > Pages(0) && more {
            found = Some((who, excess));
        }
    }
    found.map(|(who, _)| who)
}

#[cfg(test)]
mod tests {
    use super::Holding;
    use abi::Pages;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const TOTAL: Pages = Pages(1000);

    fn who_gives(total: Pages, holdings: &[Holding]) -> Option<usize> {
        super::who_gives(total, || holdings.iter().copied().enumerate())
    }

    fn holding(used: u64, minimum: u64, soft: u64, weight: u16) -> Holding {
        Holding {
            used: Pages(used),
            minimum: Pages(minimum),
            soft_maximum: Pages(soft),
            weight,
            can_give: true,
        }
    }

    /// PART0040: above the soft maximum before above the part; a minimum is kept; shares decide between the rest.
    #[test]
    fn part0040_the_order_of_the_specification() {
        let gives = |holdings: &[Holding]| who_gives(TOTAL, holdings);
        // Shares 1 and 3: parts are 250 and 750.
        assert_eq!(
            gives(&[holding(400, 0, 1000, 1), holding(600, 0, 1000, 3)]),
            Some(0)
        );
        // The larger is not above its part, whatever the other is.
        assert_eq!(
            gives(&[holding(250, 0, 1000, 1), holding(750, 0, 1000, 3)]),
            None
        );
        // A little above a soft maximum counts more than much above the part.
        assert_eq!(
            gives(&[holding(700, 0, 1000, 1), holding(101, 0, 100, 1)]),
            Some(1)
        );
        // A minimum raises the part.
        assert_eq!(
            gives(&[holding(550, 600, 1000, 1), holding(450, 0, 1000, 3)]),
            None
        );
        assert_eq!(
            gives(&[holding(620, 600, 1000, 1), holding(380, 0, 1000, 1)]),
            Some(0)
        );
    }

    fn any_holding() -> impl Strategy<Value = Holding> {
        (0u64..2000, 0u64..1000, 0u64..1000, 1u16.., any::<bool>()).prop_map(
            |(used, minimum, more, weight, can_give)| Holding {
                used: Pages(used),
                minimum: Pages(minimum),
                soft_maximum: Pages(minimum + more),
                weight,
                can_give,
            },
        )
    }

    proptest! {
        /// PART0041: who gives is above its minimum and can; while anybody who can is above a soft maximum, it is one of
        /// those; and when memory is full and all can, there is somebody unless the minimums are more than there is.
        #[test]
        fn part0041_who_gives_is_above_its_part(
            holdings in proptest::collection::vec(any_holding(), 0..12),
        ) {
            let above = |it: &Holding| it.can_give && it.used > it.soft_maximum;
            match who_gives(TOTAL, &holdings) {
                Some(index) => {
                    let it = holdings[index];
                    prop_assert!(it.can_give && it.used > it.minimum);
                    prop_assert!(above(&it) || !holdings.iter().any(above));
                }
                None => {
                    prop_assert!(!holdings.iter().any(above));
                    let used: u64 = holdings.iter().map(|it| it.used.0).sum();
                    let floors: u64 = holdings.iter().map(|it| it.minimum.0).sum();
                    let all = holdings.iter().all(|it| it.can_give);
                    prop_assert!(!all || used <= TOTAL.0 + floors);
                }
            }
        }

        /// PART0042: more shares never make one give that did not before, all else equal.
        #[test]
        fn part0042_shares_protect(
            holdings in proptest::collection::vec(any_holding(), 2..8),
            more in 1u16..1000,
        ) {
            let first = who_gives(TOTAL, &holdings);
            let mut changed: Vec<Holding> = holdings.clone();
            changed[0].weight = changed[0].weight.saturating_add(more);
            if first != Some(0) && first.is_some() {
                prop_assert_ne!(who_gives(TOTAL, &changed), Some(0));
            }
        }
    }
}
