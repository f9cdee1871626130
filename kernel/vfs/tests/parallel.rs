//! VFS05: several CPUs change one tree at once, and nobody waits for ever.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod world;

use std::sync::mpsc;
use std::time::Duration;
use vfs::*;
use world::*;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn path(&mut self) -> String {
        let depth = 1 + self.roll(4);
        (0..depth)
            .map(|_| ["/a", "/b", "/c", "/.."][self.roll(4) as usize])
            .collect()
    }
}

fn play(p: &Process, seed: u64) {
    let mut dice = Dice(seed);
    for _ in 0..3000 {
        let (one, other) = (dice.path(), dice.path());
        let flags = if dice.roll(3) == 0 {
            RenameFlags::EXCHANGE
        } else {
            RenameFlags::empty()
        };
        let walk = p.walk();
        let done = match dice.roll(6) {
            0 | 1 => p.mkdir(&one),
            2 => walk.remove_directory(None, one.as_bytes()),
            3 => p.put(&format!("{one}/f"), "x"),
            4 => walk.unlink(None, format!("{one}/f").as_bytes()),
            _ => walk.rename((None, one.as_bytes()), (None, other.as_bytes()), flags),
        };
        if let Err(stop) = done {
            assert!(matches!(stop, wait::Stop::Error(_)));
        }
        if let Ok(at) = p.at(&one) {
            assert!(at.path(&p.place.root).expect("memory").is_some());
        }
    }
}

/// Directories below, counted; every `..` leads back.
fn check(p: &Process, at: &Location) -> u32 {
    let mut names = vec![];
    let note = &mut |entry: DirectoryEntry<'_>| {
        names.push((entry.name.to_vec(), entry.kind));
        Ok(Flow::Continue)
    };
    at.inode().entries(&p.io(), 0, note).unwrap();
    let mut subdirectories = 0;
    for (name, kind) in names {
        let below = p.walk().resolve(Some(at), &name, Follow::No).unwrap();
        if kind == FileKind::Directory {
            assert_eq!(
                p.walk().resolve(Some(&below), b"..", Follow::No).unwrap(),
                *at
            );
            check(p, &below);
            subdirectories += 1;
        }
    }
    assert_eq!(
        at.inode().metadata(&p.io()).unwrap().links,
        2 + subdirectories
    );
    subdirectories
}

#[test]
fn vfs0501_four_at_once_leave_a_tree() {
    let p = world();
    let (done, ended) = mpsc::channel();
    for seed in 0..4 {
        let (p, done) = (p.clone(), done.clone());
        std::thread::spawn(move || {
            play(&p, seed);
            done.send(()).unwrap();
        });
    }
    for _ in 0..4 {
        ended
            .recv_timeout(Duration::from_secs(60))
            .expect("a walk waits for ever");
    }
    check(&p, &p.at("/").unwrap());
}
