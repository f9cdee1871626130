//! `cargo xtask profile`: what the processor does for an operation, by function of the kernel.
//!
//! QEMU runs with a plugin of ours (`tools/profile`) and with `-icount`, so that two profiles of one kernel are the same. A
//! plugin costs the guest nothing: it is not in the numbers. What the guest's time goes to on QEMU beside instructions is told
//! with them: *looks* for the next block of translated code, where a branch leaves its page (`page`), where only a register
//! knows its target (`indirect`: returns, tables, traits), or where QEMU's main loop had its turn (`exit`: interrupts, `rfid`,
//! `isync`, `mtmsrd`); and blocks that were translated. A look belongs to the function that is left.

use crate::compile::{self, Checks};
use crate::run::{Contents, watch};
use crate::workspace::Workspace;
use crate::{bench, image, packages};
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use qemu::{Event, Guest, Machine, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process;
use std::time::{Duration, Instant};

/// How long a run may take.
const LIMIT: Duration = Duration::from_secs(600);
/// Where the kernel's half of the addresses begins.
const KERNEL: u64 = 0xc000_0000_0000_0000;
/// The rows of what no symbol names.
const PROGRAMS: &str = "programs";
const VECTORS: &str = "vectors of interrupts";
/// Where scripts find the program that marks.
const MARK: &str = "/usr/bin/mark";
/// Bytes in a page of code.
const PAGE: u64 = 4096;

/// What to watch, and what to tell.
#[derive(Args)]
pub struct Options {
    /// Suites of `bench`, whose figures are told one by one, for each operation
    #[arg(required_unless_present = "script", conflicts_with = "script")]
    suites: Vec<String>,
    #[command(flatten)]
    contents: Contents,
    /// Tell so many functions
    #[arg(long, value_name = "N", default_value_t = 30)]
    rows: usize,
    /// What the functions are sorted by
    #[arg(long, value_enum, default_value_t = Order::Instructions)]
    by: Order,
    /// Tell each block of the functions that have this in their names, with the line that it begins in
    #[arg(long, value_name = "NAME")]
    of: Option<String>,
    /// Tell between which functions the next block was looked for, too
    #[arg(long)]
    ways: bool,
    /// CPUs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    smp: u32,
}

/// A column to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    Instructions,
    Looks,
    Translations,
}

/// What one function has come to, or all together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Row {
    instructions: u64,
    blocks: u64,
    page: u64,
    indirect: u64,
    exit: u64,
    translations: u64,
}

impl Row {
    fn looks(&self) -> u64 {
        self.page + self.indirect + self.exit
    }

    fn column(&self, order: Order) -> u64 {
        match order {
            Order::Instructions => self.instructions,
            Order::Looks => self.looks(),
            Order::Translations => self.translations,
        }
    }

    fn add(&mut self, other: &Self) {
        self.instructions += other.instructions;
        self.blocks += other.blocks;
        self.page += other.page;
        self.indirect += other.indirect;
        self.exit += other.exit;
        self.translations += other.translations;
    }
}

/// What was executed between two marks.
#[derive(Debug, Default, PartialEq)]
struct Section {
    rows: BTreeMap<String, Row>,
    /// How often the next block was looked for, by kind, the function that was left and the one that was entered.
    ways: BTreeMap<(String, String, String), u64>,
    /// Instructions that have names.
    events: Vec<(String, u64)>,
    /// Pages of the kernel that had code to execute.
    pages: BTreeSet<u64>,
    /// The kernel's blocks: how many instructions they have, and how often they were executed.
    blocks: BTreeMap<u64, (u64, u64)>,
}

/// The kernel's functions by address.
struct Symbols(BTreeMap<u64, String>);

impl Symbols {
    /// Reads what `nm` tells.
    fn read(text: &str) -> Self {
        let symbol = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            let is_code = matches!(words.next()?, "t" | "T" | "w" | "W");
            is_code.then_some((address, words.next()?.to_owned()))
        };
        Self(text.lines().filter_map(symbol).collect())
    }

    fn name(&self, address: u64) -> &str {
        if address < KERNEL {
            return PROGRAMS;
        }
        let found = self.0.range(..=address).next_back();
        found.map_or(VECTORS, |(_, name)| name)
    }
}

/// Builds, runs and tells.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    packages::ensure(packages::BUILD)?;
    let folder = workspace.folder(&format!("profile/{}", process::id()))?;
    let told = folder.join("told");
    let plugin = compile::plugin(workspace)?;
    let archive = folder.join("ramdisk.cpio");
    let script = options.suites.is_empty();
    let kernel = if script {
        let mut image = image::build(workspace, Checks::Off)?;
        image.disk.add(&compile::mark(workspace)?, MARK)?;
        options.contents.put_into(&mut image.disk)?;
        image.disk.write(&archive)?;
        image.kernel
    } else {
        bench::marked(workspace, &options.suites, &folder)?.write(&archive)?;
        compile::kernel(workspace, Checks::Off)?
    };
    let machine = Machine {
        append: if script { "" } else { "init=/init" }.to_owned(),
        smp: options.smp,
        counted: true,
        plugin: Some(format!("{},out={}", plugin.display(), told.display())),
        ..Machine::new(&kernel, &archive)
    };
    let names = if script {
        let outcome = watch(&machine, &folder, LIMIT)?;
        if !matches!(outcome, Outcome::Status(_)) {
            bail!("{outcome}");
        }
        Vec::new()
    } else {
        figures(&machine, &folder)?
    };
    let text = fs::read_to_string(&told).context("the plugin has told nothing")?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    let symbols = Symbols::read(&compile::symbols(&kernel)?);
    let sections = sections(&text, &symbols)?;
    if sections.is_empty() {
        bail!("nothing was marked: a script calls {MARK} begin and {MARK} end");
    }
    for (at, section) in sections.iter().enumerate() {
        let (name, operations) = match names.get(at) {
            Some((name, operations)) => (name.as_str(), *operations),
            None => ("between the marks", 1),
        };
        print(section, name, operations.max(1), options);
        if let Some(part) = &options.of {
            print_blocks(
                section,
                operations.max(1),
                |at| symbols.name(at).contains(part),
                &kernel,
            )?;
        }
    }
    Ok(())
}

/// Boots and returns the names of the figures, in the order of their sections, with the operations that each stands for.
fn figures(machine: &Machine, folder: &Path) -> Result<Vec<(String, u64)>> {
    let deadline = Instant::now() + LIMIT;
    let mut guest = Guest::start(machine, folder)?;
    let mut said = Vec::new();
    while let Event::Output(bytes) = guest.next(deadline) {
        said.extend(bytes);
    }
    let outcome = guest.finish(deadline)?;
    let said = String::from_utf8_lossy(&said);
    if let Some(failure) = said.lines().find(|line| line.starts_with('!')) {
        bail!("a program failed: {failure}");
    }
    let names: Vec<_> = said.lines().filter_map(figure).collect();
    if names.is_empty() {
        bail!("no figure was marked ({outcome})");
    }
    Ok(names)
}

/// A line `# NAME OPERATIONS`.
fn figure(line: &str) -> Option<(String, u64)> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["#", name, operations] => Some((name.to_owned(), operations.parse().ok()?)),
        _ => None,
    }
}

/// Reads what the plugin has told.
fn sections(text: &str, symbols: &Symbols) -> Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        if words == ["section"] {
            sections.push(Section::default());
            continue;
        }
        sections
            .last_mut()
            .and_then(|section| section.line(&words, symbols))
            .with_context(|| format!("the plugin has told: {line}"))?;
    }
    Ok(sections)
}

impl Section {
    /// Takes a line; `None` when it is none.
    fn line(&mut self, words: &[&str], symbols: &Symbols) -> Option<()> {
        let address = |word: &str| u64::from_str_radix(word, 16).ok();
        match *words {
            ["block", at, instructions, executions, translations] => {
                let at = address(at)?;
                let executions: u64 = executions.parse().ok()?;
                let instructions: u64 = instructions.parse().ok()?;
                if at >= KERNEL {
                    self.pages.insert(at / PAGE);
                    self.blocks.insert(at, (instructions, executions));
                }
                self.row(symbols.name(at)).add(&Row {
                    instructions: instructions * executions,
                    blocks: executions,
                    translations: translations.parse().ok()?,
                    ..Row::default()
                });
            }
            ["look", kind, from, to, times] => {
                let from = symbols.name(address(from)?);
                let to = symbols.name(address(to)?);
                let times: u64 = times.parse().ok()?;
                let row = self.row(from);
                match kind {
                    "page" => row.page += times,
                    "indirect" => row.indirect += times,
                    "exit" => row.exit += times,
                    _ => return None,
                }
                let way = (kind.to_owned(), from.to_owned(), to.to_owned());
                *self.ways.entry(way).or_default() += times;
            }
            ["event", name, times] => self.events.push((name.to_owned(), times.parse().ok()?)),
            _ => return None,
        }
        Some(())
    }

    fn row(&mut self, name: &str) -> &mut Row {
        self.rows.entry(name.to_owned()).or_default()
    }
}

/// What one of `operations` has of a count.
fn part(count: u64, operations: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are told")]
    let value = count as f64 / operations as f64;
    format!(
        "{value:.places$}",
        places = if operations == 1 { 0 } else { 1 }
    )
}

/// Tells the blocks of some functions in the order of their addresses, with what they stand for in the source.
fn print_blocks(
    section: &Section,
    operations: u64,
    wanted: impl Fn(u64) -> bool,
    kernel: &Path,
) -> Result<()> {
    let blocks = section.blocks.iter();
    let blocks: Vec<_> = blocks.filter(|&(&at, _)| wanted(at)).collect();
    let places = compile::places(kernel, blocks.iter().map(|&(&at, _)| at))?;
    for ((at, (instructions, executions)), place) in blocks.into_iter().zip(places) {
        let executed = part(*executions, operations);
        println!("{at:>18x} {instructions:>4} x {executed:>8}  {place}");
    }
    Ok(())
}

fn print(section: &Section, name: &str, operations: u64, options: &Options) {
    let each = |count: u64| part(count, operations);
    let line = |row: &Row, name: &str| {
        println!(
            "{:>12} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}  {name}",
            each(row.instructions),
            each(row.blocks),
            each(row.looks()),
            each(row.page),
            each(row.indirect),
            each(row.exit),
            each(row.translations),
        );
    };
    println!("\n{name}: each of {operations}");
    println!(
        "{:>12} {:>9} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "instructions", "blocks", "looks", "page", "indirect", "exit", "transl"
    );
    let mut total = Row::default();
    section.rows.values().for_each(|row| total.add(row));
    let pages = section.pages.len();
    line(&total, &format!("all; {pages} pages of the kernel's code"));
    let mut rows: Vec<_> = section.rows.iter().collect();
    rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.column(options.by)));
    for (name, row) in rows.into_iter().take(options.rows) {
        line(row, name);
    }
    if options.ways {
        let mut ways: Vec<_> = section.ways.iter().collect();
        ways.sort_by_key(|&(_, times)| std::cmp::Reverse(*times));
        for ((kind, from, to), times) in ways.into_iter().take(options.rows) {
            println!("{:>12}  {kind:8}  {from} -> {to}", each(*times));
        }
    }
    let events = section.events.iter().filter(|(_, times)| *times > 0);
    let events: Vec<_> = events
        .map(|(name, times)| format!("{name} {}", each(*times)))
        .collect();
    println!("{}", events.join(", "));
}

#[cfg(test)]
mod tests {
    use super::{Row, Symbols, sections};

    const NM: &str = "c000000000400000 T first\nc000000000401000 t <kernel::Second>::run\nc000000000402000 D data\n";

    #[test]
    fn blocks_and_looks_are_summed_by_function() {
        let symbols = Symbols::read(NM);
        let text = "section\n\
            block c000000000400010 4 10 1\n\
            block c000000000400ff0 2 5 0\n\
            block 10000000 3 7 2\n\
            look page c000000000400ff0 c000000000401000 5\n\
            look exit 10000000 c000000000400010 7\n\
            event rfid 7\n";
        let sections = sections(text, &symbols).expect("well told");
        let [section] = &sections[..] else {
            panic!("{sections:?}");
        };
        let first = Row {
            instructions: 50,
            blocks: 15,
            page: 5,
            translations: 1,
            ..Row::default()
        };
        assert_eq!(section.rows.get("first"), Some(&first));
        let programs = Row {
            instructions: 21,
            blocks: 7,
            exit: 7,
            translations: 2,
            ..Row::default()
        };
        assert_eq!(section.rows.get(super::PROGRAMS), Some(&programs));
        assert_eq!(section.pages.len(), 1);
        let way = |kind: &str, from: &str, to: &str| (kind.into(), from.into(), to.into());
        assert_eq!(
            section
                .ways
                .get(&way("page", "first", "<kernel::Second>::run")),
            Some(&5)
        );
    }

    #[test]
    fn what_the_plugin_does_not_tell_is_refused() {
        let symbols = Symbols::read(NM);
        for text in [
            "block 10 1 1 1\n",
            "section\nlook chained 10 20 1\n",
            "section\nblock 10 1\n",
        ] {
            assert!(sections(text, &symbols).is_err(), "{text}");
        }
    }

    #[test]
    fn code_without_a_symbol_has_a_name() {
        let symbols = Symbols::read(NM);
        assert_eq!(symbols.name(0x1000), super::PROGRAMS);
        assert_eq!(symbols.name(0xc000_0000_0000_4c00), super::VECTORS);
        assert_eq!(symbols.name(0xc000_0000_0040_3000), "<kernel::Second>::run");
    }
}
