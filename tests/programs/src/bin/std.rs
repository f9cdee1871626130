//! The Rust standard library on Corral: each argument names a check; nothing is printed when it holds.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::panic;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, OnceLock, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Check = fn() -> Result<(), Box<dyn Error>>;

const CHECKS: &[(&str, Check)] = &[
    ("threads", threads),
    ("many-threads", many_threads),
    ("mutex", mutex),
    ("condvar", condvar),
    ("rwlock", rwlock),
    ("barrier", barrier),
    ("channels", channels),
    ("park", park),
    ("thread-local", thread_local_values),
    ("hash-map", hash_map),
    ("heap", heap),
    ("sleep", sleep),
    ("instant", instant),
    ("wall-clock", wall_clock),
    ("command", command),
    ("command-pipes", command_pipes),
    ("command-environment", command_environment),
    ("command-kill", command_kill),
    ("command-missing", command_missing),
    ("files", files),
    ("folders", folders),
    ("permissions", permissions),
    ("panic", unwinding),
    ("floats", floats),
    ("stack", deep_stack),
    ("parallelism", parallelism),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = env::args().skip(1).collect();
    if wanted.is_empty() {
        for (name, _) in CHECKS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    }
    let mut status = ExitCode::SUCCESS;
    for name in wanted {
        let result = match CHECKS.iter().find(|(known, _)| *known == name) {
            Some((_, check)) => check(),
            None => Err("there is no such check".into()),
        };
        if let Err(error) = result {
            eprintln!("{name}: {error}");
            status = ExitCode::FAILURE;
        }
    }
    status
}

fn ensure(holds: bool, what: &str) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(what.into()) }
}

fn threads() -> Result<(), Box<dyn Error>> {
    let handles: Vec<_> = (0..8_u64)
        .map(|number| thread::spawn(move || number * number))
        .collect();
    let mut sum = 0;
    for handle in handles {
        sum += handle.join().map_err(|_| "a thread panicked")?;
    }
    ensure(sum == 140, "the threads' results are wrong")
}

fn many_threads() -> Result<(), Box<dyn Error>> {
    for _ in 0..20 {
        let mut handles = Vec::new();
        for _ in 0..10 {
            handles.push(thread::Builder::new().stack_size(64 * 1024).spawn(|| {})?);
        }
        for handle in handles {
            handle.join().map_err(|_| "a thread panicked")?;
        }
    }
    Ok(())
}

fn mutex() -> Result<(), Box<dyn Error>> {
    let total = Mutex::new(0_u64);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    *total.lock().expect("no thread panics") += 1;
                }
            });
        }
    });
    ensure(total.into_inner()? == 40_000, "increments were lost")
}

fn condvar() -> Result<(), Box<dyn Error>> {
    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let other = Arc::clone(&pair);
    let partner = thread::spawn(move || take_turns(&other, 1));
    take_turns(&pair, 0);
    partner.join().map_err(|_| "the partner panicked")?;
    ensure(
        *pair.0.lock().map_err(|_| "poisoned")? == 2000,
        "turns were lost",
    )?;
    let guard = pair.0.lock().map_err(|_| "poisoned")?;
    let before = Instant::now();
    let (_guard, result) = pair
        .1
        .wait_timeout(guard, Duration::from_millis(30))
        .map_err(|_| "poisoned")?;
    ensure(
        result.timed_out() && before.elapsed() >= Duration::from_millis(30),
        "wait_timeout came back early",
    )
}

/// Adds 1 whenever the number is even (`parity` 0) or odd (1), a thousand times.
fn take_turns(pair: &(Mutex<u32>, Condvar), parity: u32) {
    for _ in 0..1000 {
        let guard = pair.0.lock().expect("no thread panics");
        let mut guard = pair
            .1
            .wait_while(guard, |turn| *turn % 2 != parity)
            .expect("no thread panics");
        *guard += 1;
        pair.1.notify_all();
    }
}

fn rwlock() -> Result<(), Box<dyn Error>> {
    let shared = RwLock::new((0_u64, 0_u64));
    let torn = AtomicU64::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=2000 {
                *shared.write().expect("no thread panics") = (number, number);
            }
        });
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let pair = shared.read().expect("no thread panics");
                    torn.fetch_add(u64::from(pair.0 != pair.1), Ordering::Relaxed);
                }
            });
        }
    });
    ensure(torn.into_inner() == 0, "a reader saw half a write")
}

fn barrier() -> Result<(), Box<dyn Error>> {
    let barrier = Barrier::new(5);
    let arrived = AtomicU64::new(0);
    let early = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                arrived.fetch_add(1, Ordering::SeqCst);
                barrier.wait();
                early.fetch_add(
                    u64::from(arrived.load(Ordering::SeqCst) != 5),
                    Ordering::SeqCst,
                );
            });
        }
    });
    ensure(early.into_inner() == 0, "a thread passed the barrier early")
}

fn channels() -> Result<(), Box<dyn Error>> {
    let (sender, receiver) = mpsc::sync_channel(4);
    let senders: Vec<_> = (0..4_u64)
        .map(|which| {
            let sender = sender.clone();
            thread::spawn(move || (0..500).try_for_each(|number| sender.send(which * 500 + number)))
        })
        .collect();
    drop(sender);
    let mut got: Vec<u64> = receiver.iter().collect();
    for sender in senders {
        sender.join().map_err(|_| "a sender panicked")??;
    }
    got.sort_unstable();
    ensure(
        got == (0..2000).collect::<Vec<_>>(),
        "messages were lost or doubled",
    )
}

fn park() -> Result<(), Box<dyn Error>> {
    static READY: OnceLock<u32> = OnceLock::new();
    static ONCE: Once = Once::new();
    let sleeper = thread::spawn(|| {
        while READY.get().is_none() {
            thread::park();
        }
    });
    ONCE.call_once(|| {
        READY.get_or_init(|| 1);
    });
    sleeper.thread().unpark();
    sleeper.join().map_err(|_| "the sleeper panicked")?;
    let before = Instant::now();
    thread::park_timeout(Duration::from_millis(20));
    ensure(
        before.elapsed() >= Duration::from_millis(20),
        "park_timeout came back early",
    )
}

fn thread_local_values() -> Result<(), Box<dyn Error>> {
    thread_local! { static NUMBER: std::cell::Cell<u64> = const { std::cell::Cell::new(7) }; }
    NUMBER.set(1);
    let other = thread::spawn(|| {
        let first = NUMBER.get();
        NUMBER.set(2);
        first
    });
    let first = other.join().map_err(|_| "the thread panicked")?;
    ensure(
        first == 7 && NUMBER.get() == 1,
        "threads share a thread-local value",
    )
}

fn hash_map() -> Result<(), Box<dyn Error>> {
    let mut map = HashMap::new();
    for number in 0..50_000_u64 {
        map.insert(number, format!("{number:x}"));
    }
    let right = (0..50_000).all(|number| {
        map.get(&number)
            .is_some_and(|text| *text == format!("{number:x}"))
    });
    ensure(right, "an entry is wrong")
}

fn heap() -> Result<(), Box<dyn Error>> {
    let mut blocks = Vec::new();
    for round in 0..200_usize {
        blocks.push(vec![round as u8; 1 + round * 4096]);
        if round % 3 == 0 {
            blocks.swap_remove(round / 2 % blocks.len());
        }
    }
    let right = blocks
        .iter()
        .all(|block| block.iter().all(|byte| *byte == block[0]));
    ensure(right, "a block was overwritten")
}

fn sleep() -> Result<(), Box<dyn Error>> {
    for millis in [0, 1, 5, 50] {
        let before = Instant::now();
        thread::sleep(Duration::from_millis(millis));
        ensure(
            before.elapsed() >= Duration::from_millis(millis),
            "a sleep was too short",
        )?;
    }
    Ok(())
}

fn instant() -> Result<(), Box<dyn Error>> {
    let mut last = Instant::now();
    for _ in 0..10_000 {
        let now = Instant::now();
        ensure(now >= last, "the monotonic clock went back")?;
        last = now;
    }
    Ok(())
}

fn wall_clock() -> Result<(), Box<dyn Error>> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    ensure(seconds > 1_700_000_000, "the wall clock is before 2023")
}

fn command() -> Result<(), Box<dyn Error>> {
    let status = Command::new("/bin/sh").args(["-c", "exit 42"]).status()?;
    ensure(status.code() == Some(42), "the status is wrong")?;
    let output = Command::new("echo").arg("found by PATH").output()?;
    ensure(output.stdout == b"found by PATH\n", "the output is wrong")
}

fn command_pipes() -> Result<(), Box<dyn Error>> {
    let text = "line\n".repeat(50_000);
    let mut child = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no input")?;
    let copy = text.clone();
    let writer = thread::spawn(move || input.write_all(copy.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().map_err(|_| "the writer panicked")??;
    ensure(
        output.stdout == text.as_bytes(),
        "the text was changed on its way",
    )
}

fn command_environment() -> Result<(), Box<dyn Error>> {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", "echo \"$NAME in $(pwd)\""])
        .env_clear()
        .env("NAME", "value")
        .env("PATH", "/bin");
    let output = command.current_dir("/tmp").output()?;
    ensure(
        output.stdout == b"value in /tmp\n",
        "environment or folder is wrong",
    )
}

fn command_kill() -> Result<(), Box<dyn Error>> {
    use std::os::unix::process::ExitStatusExt;
    let mut child = Command::new("sleep").arg("1000").spawn()?;
    ensure(child.try_wait()?.is_none(), "sleep ended at once")?;
    child.kill()?;
    ensure(child.wait()?.signal() == Some(9), "not ended by the signal")
}

fn command_missing() -> Result<(), Box<dyn Error>> {
    let error = Command::new("/no/such/program")
        .spawn()
        .err()
        .ok_or("it started")?;
    ensure(
        error.kind() == std::io::ErrorKind::NotFound,
        "the wrong error",
    )
}

fn files() -> Result<(), Box<dyn Error>> {
    let mut file = fs::File::create_new("file")?;
    file.write_all(b"0123456789")?;
    file.seek(SeekFrom::Start(100_000))?;
    file.write_all(b"end")?;
    drop(file);
    ensure(fs::metadata("file")?.len() == 100_003, "the size is wrong")?;
    let mut file = fs::OpenOptions::new()
        .read(true)
        .append(true)
        .open("file")?;
    file.write_all(b"!")?;
    file.seek(SeekFrom::End(-4))?;
    let mut tail = String::new();
    file.read_to_string(&mut tail)?;
    ensure(tail == "end!", "the end is wrong")?;
    file.set_len(5)?;
    ensure(fs::read("file")? == b"01234", "truncation is wrong")?;
    fs::rename("file", "other")?;
    ensure(fs::copy("other", "copy")? == 5, "the copy is wrong")?;
    fs::remove_file("other")?;
    ensure(fs::File::open("other").is_err(), "a removed file opens")
}

fn folders() -> Result<(), Box<dyn Error>> {
    fs::create_dir_all("a/b/c")?;
    for number in 0..300 {
        fs::write(format!("a/b/{number}"), number.to_string())?;
    }
    std::os::unix::fs::symlink("b/7", "a/link")?;
    ensure(
        fs::read_to_string("a/link")? == "7",
        "the link leads elsewhere",
    )?;
    ensure(
        fs::read_dir("a/b")?.count() == 301,
        "the listing is not complete",
    )?;
    fs::hard_link("a/b/8", "a/eight")?;
    fs::remove_dir_all("a/b")?;
    ensure(
        fs::read_to_string("a/eight")? == "8",
        "the other name of a file went with it",
    )?;
    ensure(
        env::current_dir()?.join("a") == fs::canonicalize("a")?,
        "the path is not canonical",
    )
}

fn permissions() -> Result<(), Box<dyn Error>> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    fs::write("guarded", "")?;
    fs::set_permissions("guarded", fs::Permissions::from_mode(0o600))?;
    let data = fs::metadata("guarded")?;
    ensure(
        data.mode() & 0o7777 == 0o600 && data.nlink() == 1 && data.uid() == 0,
        "the attributes are wrong",
    )
}

fn unwinding() -> Result<(), Box<dyn Error>> {
    // The programs are built to abort on a panic: the process must end by SIGABRT, and only it.
    use std::os::unix::process::ExitStatusExt;
    if env::var_os("PANIC_NOW").is_some() {
        panic::set_hook(Box::new(|_| {}));
        panic!("on purpose");
    }
    let status = Command::new(env::current_exe()?)
        .arg("panic")
        .env("PANIC_NOW", "1")
        .status()?;
    ensure(status.signal() == Some(6), "not ended by SIGABRT")
}

fn floats() -> Result<(), Box<dyn Error>> {
    let compute = |seed: f64| {
        (1..20_000).fold(seed, |value, step| {
            (value * 1.000_1 + f64::from(step)).sqrt()
        })
    };
    let expected: Vec<u64> = (0..4)
        .map(|seed| compute(f64::from(seed)).to_bits())
        .collect();
    let handles: Vec<_> = (0..4)
        .map(|seed| thread::spawn(move || compute(f64::from(seed)).to_bits()))
        .collect();
    for (handle, expected) in handles.into_iter().zip(expected) {
        ensure(
            handle.join().map_err(|_| "a thread panicked")? == expected,
            "a result differs between threads",
        )?;
    }
    Ok(())
}

fn deep_stack() -> Result<(), Box<dyn Error>> {
    fn depth(left: u64, carry: &mut [u64; 64]) -> u64 {
        carry[(left % 64) as usize] += left;
        let mut own = *carry;
        if left == 0 {
            own[0]
        } else {
            depth(left - 1, &mut own).wrapping_add(own[1])
        }
    }
    ensure(depth(4000, &mut [1; 64]) > 0, "the stack is wrong")
}

fn parallelism() -> Result<(), Box<dyn Error>> {
    ensure(
        thread::available_parallelism()?.get() >= 1,
        "there is no CPU",
    )
}
