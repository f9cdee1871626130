//! `cargo xtask disk`: a disk from which a POWER machine boots Corral.
//!
//! Firmware finds the PReP partition in the partition table and starts what it holds, GRUB for Open Firmware. GRUB finds
//! the file system by its label, reads its menu there, and loads the kernel and its RAM disk.

use crate::compile::Checks;
use crate::debian::{self, Release};
use crate::run::Contents;
use crate::workspace::{Workspace, capture};
use crate::{image, packages};
use anyhow::{Context, Result, bail};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

/// What to put on the disk, and where.
#[derive(Args)]
pub struct Options {
    /// The disk [default: target/corral/disk.img]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    contents: Contents,
    /// Text for the kernel's command line
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        allow_hyphen_values = true
    )]
    append: String,
}

/// GRUB's modules for Open Firmware are in a package of the architecture that they are for.
const MODULES_PACKAGE: &str = "grub-ieee1275-bin";
const MODULES: &str = "usr/lib/grub/powerpc-ieee1275";
/// What GRUB needs to find and read its menu, and to load the kernel.
const NEEDED: &[&str] = &[
    "part_msdos",
    "ext2",
    "search_label",
    "normal",
    "configfile",
    "linux",
    "echo",
    "ls",
    "reboot",
    "halt",
];
/// The file system's label.
const LABEL: &str = "corral";
/// What GRUB does first.
const SEARCH: &str = "search.fs_label corral root\nset prefix=($root)/boot/grub\n";

const SECTOR: usize = 512;
/// Where partitions begin and how large the first is: on a MiB, as all tools do it.
const ALIGNMENT: usize = 1 << 20;
/// PowerPC Reference Platform: holds a boot loader.
const PREP: u8 = 0x41;
const LINUX: u8 = 0x83;
/// The flag of the partition that is booted.
const ACTIVE: u8 = 0x80;
/// Where the partition table is in the first sector, and the size of an entry.
const TABLE: usize = 446;
const ENTRY: usize = 16;

/// Builds the disk and says where it is.
pub fn make(workspace: &Workspace, options: &Options) -> Result<()> {
    packages::ensure(packages::DISK)?;
    let mut image = image::build(workspace, Checks::Off)?;
    options.contents.put_into(&mut image.disk)?;
    let work = workspace.folder(&format!("disk/{}", process::id()))?;
    let root = work.join("root");
    fs::create_dir_all(root.join("boot/grub"))?;
    image.disk.write(&root.join("boot/ramdisk.cpio"))?;
    // Symbols are a tenfold of the rest, and firmware reads disks slowly.
    capture(
        Command::new("powerpc64le-linux-gnu-objcopy")
            .arg("--strip-all")
            .arg(&image.kernel)
            .arg(root.join("boot/corral")),
    )?;
    fs::write(root.join("boot/grub/grub.cfg"), menu(&options.append)?)?;
    let loader = boot_loader(workspace, &work)?;
    let file_system = file_system(&root, &work.join("file-system"))?;
    let disk = assemble(&loader, &file_system)?;
    let output = match &options.output {
        Some(output) => output.clone(),
        None => workspace.folder("")?.join("disk.img"),
    };
    fs::write(&output, &disk).with_context(|| format!("cannot write {}", output.display()))?;
    fs::remove_dir_all(&work)?;
    println!("disk  {:>9} bytes  {}", disk.len(), output.display());
    Ok(())
}

/// The menu: Corral as it is, and with all its messages.
fn menu(append: &str) -> Result<String> {
    if append.contains(['\'', '\n', '\\', '$', '"', ';', '{', '}', '#']) {
        bail!("GRUB would not pass these options on as they are: {append}");
    }
    let entry = |title: &str, words: &str| {
        let line = format!("linux /boot/corral {words} {append}");
        let line = line.trim_end();
        format!("menuentry '{title}' {{\n  {line}\n  initrd /boot/ramdisk.cpio\n}}\n")
    };
    Ok(format!(
        "set timeout=2\nset default=0\n{}{}",
        entry("Corral", ""),
        entry("Corral, with all messages", "log=debug")
    ))
}

/// GRUB with what it needs in one file, which firmware starts.
fn boot_loader(workspace: &Workspace, work: &Path) -> Result<Vec<u8>> {
    let folder = workspace.folder("grub")?;
    let modules = folder.join("tree").join(MODULES);
    if !modules.exists() {
        debian::unpack(&folder, debian::TARGET, Release::Main, &[MODULES_PACKAGE])?;
    }
    let (search, output) = (work.join("search.cfg"), work.join("grub"));
    fs::write(&search, SEARCH)?;
    let mut command = Command::new("grub-mkimage");
    command.args(["--format", "powerpc-ieee1275", "--prefix", "/boot/grub"]);
    command.arg("--directory").arg(&modules);
    command.arg("--config").arg(&search);
    command.arg("--output").arg(&output).args(NEEDED);
    capture(&mut command)?;
    fs::read(&output).context("grub-mkimage has left nothing")
}

/// A file system with the files below `root`, made without mounting anything.
fn file_system(root: &Path, output: &Path) -> Result<Vec<u8>> {
    let mut content = 0;
    for name in ["boot/corral", "boot/ramdisk.cpio"] {
        content += fs::metadata(root.join(name))?.len();
    }
    // Tables and indirect blocks take a few percent.
    let kilobytes = (content + content / 8).div_ceil(ALIGNMENT as u64) * 1024 + 2048;
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", "ext2", "-b", "1024", "-L", LABEL, "-d"]);
    command.arg(root).arg(output).arg(format!("{kilobytes}k"));
    capture(&mut command)?;
    fs::read(output).context("mke2fs has left nothing")
}

/// A partition table, the boot loader in a PReP partition, the file system in another.
fn assemble(loader: &[u8], file_system: &[u8]) -> Result<Vec<u8>> {
    let loader_size = loader.len().next_multiple_of(ALIGNMENT);
    let parts = [
        (ACTIVE, PREP, ALIGNMENT, loader_size),
        (0, LINUX, ALIGNMENT + loader_size, file_system.len()),
    ];
    let mut disk = vec![0; ALIGNMENT];
    for (number, (flag, kind, start, size)) in parts.into_iter().enumerate() {
        let entry = &mut disk[TABLE + number * ENTRY..][..ENTRY];
        entry[0] = flag;
        entry[4] = kind;
        // Cylinders, heads and sectors are beyond what they can say.
        for place in [1, 5] {
            entry[place..place + 3].copy_from_slice(&[0xfe, 0xff, 0xff]);
        }
        entry[8..12].copy_from_slice(&u32::try_from(start / SECTOR)?.to_le_bytes());
        entry[12..16].copy_from_slice(&u32::try_from(size.div_ceil(SECTOR))?.to_le_bytes());
    }
    disk[510..SECTOR].copy_from_slice(&[0x55, 0xaa]);
    disk.extend(loader);
    disk.resize(ALIGNMENT + loader_size, 0);
    disk.extend(file_system);
    disk.resize(disk.len().next_multiple_of(ALIGNMENT), 0);
    Ok(disk)
}

#[cfg(test)]
mod tests {
    use super::{ALIGNMENT, SECTOR, assemble, menu};

    #[test]
    fn partitions_hold_what_the_table_says() {
        let (loader, files) = (vec![7; 3 * ALIGNMENT / 2], vec![9; 5000]);
        let disk = assemble(&loader, &files).expect("it fits");
        let number = |at: usize| {
            let bytes = disk[at..at + 4].try_into().expect("four");
            u32::from_le_bytes(bytes) as usize * SECTOR
        };
        let (first, first_size) = (number(446 + 8), number(446 + 12));
        let (second, second_size) = (number(462 + 8), number(462 + 12));
        assert_eq!(
            (disk[446], disk[446 + 4], disk[462 + 4]),
            (0x80, 0x41, 0x83)
        );
        assert_eq!(disk[first..first + loader.len()], loader);
        assert!(first_size >= loader.len() && second >= first + first_size);
        assert_eq!(disk[second..second + files.len()], files);
        assert!(second_size >= files.len() && disk.len() >= second + second_size);
        assert_eq!(disk[510..512], [0x55, 0xaa]);
    }

    #[test]
    fn options_reach_the_kernel_as_they_are_or_not_at_all() {
        let menu_text = menu("mem=512M sched=stride").expect("plain words");
        assert!(menu_text.contains("linux /boot/corral  mem=512M sched=stride\n"));
        assert!(menu("init=/bin/$x").is_err());
        assert!(menu("a}\nreboot").is_err());
    }
}
