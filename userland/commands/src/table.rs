//! Tables: columns that grow with their content, two spaces apart, with a rule under the header.

/// Least length of the rule.
const LEAST_RULE: usize = 43;

/// Rows under a header.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    pub fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|&h| h.to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; it has as many cells as the header.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The lines, without header and rule when `quiet`; nothing when there is no row.
    pub fn lines(&self, quiet: bool) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let width = |column: usize| {
            let cells = self
                .rows
                .iter()
                .chain([&self.header])
                .filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.header.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let body: Vec<String> = self.rows.iter().map(line).collect();
        if quiet {
            return body;
        }
        let header = line(&self.header);
        let widest = body
            .iter()
            .chain([&header])
            .map(|l| l.chars().count())
            .max()
            .unwrap_or(0);
        let rule = "-".repeat((widest + 1).max(LEAST_RULE));
        [header, rule].into_iter().chain(body).collect()
    }

    /// Colon-separated lines, the header first and marked with `#`.
    pub fn colons(&self, quiet: bool) -> Vec<String> {
        let header = (!quiet).then(|| format!("#{}", self.header.join(":").to_lowercase()));
        header
            .into_iter()
            .chain(self.rows.iter().map(|row| row.join(":")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wpars(names: &[&str]) -> Table {
        let mut table = Table::new(&["Name", "State", "Type", "Hostname", "Directory"]);
        for name in names {
            let directory = format!("/wpars/{name}");
            table.row(
                [name, "A", "S", name, &directory]
                    .map(str::to_owned)
                    .to_vec(),
            );
        }
        table
    }

    #[test]
    fn the_table_of_the_specification() {
        assert_eq!(
            wpars(&["wpr00"]).lines(false),
            [
                "Name   State  Type  Hostname  Directory",
                "-------------------------------------------",
                "wpr00  A      S     wpr00     /wpars/wpr00",
            ]
        );
    }

    #[test]
    fn the_rule_is_one_longer_than_the_widest_line() {
        let lines = wpars(&["mynewname1", "a"]).lines(false);
        let widest = lines
            .iter()
            .filter(|l| !l.starts_with('-'))
            .map(String::len)
            .max();
        assert_eq!(Some(lines[1].len()), widest.map(|w| w + 1));
    }

    #[test]
    fn nothing_for_nothing() {
        assert!(wpars(&[]).lines(false).is_empty());
        assert_eq!(wpars(&["x"]).lines(true).len(), 1);
    }
}
