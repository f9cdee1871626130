//! Figures as the programs print them, and what is made of them.

use std::collections::BTreeMap;

/// All values of one figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values {
    /// Its unit.
    pub unit: String,
    /// In the order of printing.
    pub values: Vec<f64>,
}

impl Values {
    /// Least, median and largest; `None` when there are no values.
    pub fn spread(&self) -> Option<(f64, f64, f64)> {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, *sorted.get(middle)?)
        } else {
            *sorted.get(middle)?
        };
        Some((*sorted.first()?, median, *sorted.last()?))
    }
}

/// Figures by name.
#[derive(Clone, Debug, Default)]
pub struct Figures(pub BTreeMap<String, Values>);

impl Figures {
    /// Adds a value.
    pub fn add(&mut self, name: &str, unit: &str, value: f64) {
        let values = self.0.entry(name.to_owned()).or_default();
        unit.clone_into(&mut values.unit);
        values.values.push(value);
    }

    /// Takes a line of the console, `@ NAME UNIT VALUE`; other lines are none.
    pub fn line(&mut self, line: &str) {
        if let ["@", name, unit, value] = line.split_whitespace().collect::<Vec<_>>()[..]
            && let Ok(value) = value.parse()
        {
            self.add(name, unit, value);
        }
    }

    /// Adds all values of `other`.
    pub fn merge(&mut self, other: Self) {
        for (name, more) in other.0 {
            for value in more.values {
                self.add(&name, &more.unit, value);
            }
        }
    }

    /// The median of a figure.
    pub fn median(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.spread().map(|(_, median, _)| median)
    }
}

#[cfg(test)]
mod tests {
    use super::Figures;

    #[test]
    fn only_whole_lines_are_figures() {
        let mut figures = Figures::default();
        for line in [
            "@ fork ns 3",
            "@ fork ns 1\r",
            "@ fork ns 8",
            "@ fork ns",
            "@ fork ns x",
            "x @ fork ns 9",
        ] {
            figures.line(line);
        }
        let fork = figures.0.get("fork").expect("printed");
        assert_eq!(fork.spread(), Some((1.0, 3.0, 8.0)));
    }

    #[test]
    fn the_median_of_two_is_between_them() {
        let mut figures = Figures::default();
        figures.add("a", "ns", 1.0);
        figures.add("a", "ns", 2.0);
        assert_eq!(figures.median("a"), Some(1.5));
        assert_eq!(figures.median("b"), None);
    }
}
