//! Tokio on Corral: each argument names a check, run by one thread and then by four; nothing is printed when it holds.
//!
//! Its reactor is an epoll instance with an eventfd, edge-triggered; its files are a pool of threads, its children are
//! waited for by pidfd, and its signals come through a socket pair.

#![forbid(unsafe_code)]

use std::env;
use std::error::Error;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{self, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream};
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Barrier, Mutex, Semaphore, broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio::{fs, task};

type Checked = Result<(), Box<dyn Error + Send + Sync>>;

/// Longer than anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const CHECKS: &[&str] = &[
    "tasks", "channels", "locks", "blocking", "timers", "cancel", "tcp", "refused", "udp", "unix",
    "process", "kill", "signal", "fs",
];

fn main() -> ExitCode {
    let wanted: Vec<String> = env::args().skip(1).collect();
    if wanted.is_empty() {
        println!("{}", CHECKS.join("\n"));
        return ExitCode::SUCCESS;
    }
    let mut status = ExitCode::SUCCESS;
    for name in wanted {
        for threads in [1, 4] {
            if let Err(error) = run(&name, threads) {
                println!("{name} with {threads} threads: {error}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}

/// Makes a runtime, runs the check in it, and ends it.
fn run(name: &str, threads: usize) -> Checked {
    runtime(threads)?.block_on(async {
        // A task of the runtime, as the outermost future runs on the thread that waits for it.
        let name = name.to_owned();
        task::spawn(async move { timeout(PATIENCE, check(&name)).await? }).await?
    })
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads).enable_all().build()
}

async fn check(name: &str) -> Checked {
    match name {
        "tasks" => tasks().await,
        "channels" => channels().await,
        "locks" => locks().await,
        "blocking" => blocking().await,
        "timers" => timers().await,
        "cancel" => cancel().await,
        "tcp" => tcp().await,
        "refused" => refused().await,
        "udp" => udp().await,
        "unix" => unix().await,
        "process" => process().await,
        "kill" => kill().await,
        "signal" => signals().await,
        "fs" => files().await,
        _ => Err("there is no such check".into()),
    }
}

fn holds(condition: bool, sentence: &str) -> Checked {
    if condition {
        Ok(())
    } else {
        Err(sentence.into())
    }
}

/// An empty folder of this run.
async fn folder(name: &str) -> std::io::Result<std::path::PathBuf> {
    let folder = env::temp_dir().join(format!("tokio-{name}-{}", process::id()));
    match fs::remove_dir_all(&folder).await {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir(&folder).await?;
    Ok(folder)
}

/// Thousands of tasks that yield, each counted once.
async fn tasks() -> Checked {
    const TASKS: u64 = 5000;
    let sum = Arc::new(AtomicU64::new(0));
    let mut set = JoinSet::new();
    for number in 0..TASKS {
        let sum = Arc::clone(&sum);
        set.spawn(async move {
            for _ in 0..3 {
                task::yield_now().await;
            }
            sum.fetch_add(number, Ordering::Relaxed);
        });
    }
    let mut ended = 0;
    while let Some(result) = set.join_next().await {
        result?;
        ended += 1;
    }
    holds(ended == TASKS, "a task is missing")?;
    holds(
        sum.load(Ordering::Relaxed) == TASKS * (TASKS - 1) / 2,
        "a task has not run to its end",
    )
}

/// Bounded, one-shot and broadcast channels lose and double nothing.
async fn channels() -> Checked {
    let (sender, mut receiver) = mpsc::channel::<u64>(4);
    for start in 0..10 {
        let sender = sender.clone();
        task::spawn(async move {
            for number in 0..100 {
                if sender.send(start * 100 + number).await.is_err() {
                    return;
                }
            }
        });
    }
    drop(sender);
    let mut numbers = Vec::new();
    while let Some(number) = receiver.recv().await {
        numbers.push(number);
    }
    numbers.sort_unstable();
    holds(
        numbers == (0..1000).collect::<Vec<_>>(),
        "numbers are lost or doubled",
    )?;

    let (answer, question) = oneshot::channel();
    task::spawn(async move { answer.send(42) });
    holds(question.await? == 42, "the answer is another")?;

    let (sender, _) = broadcast::channel(200);
    let mut listeners = JoinSet::new();
    for _ in 0..8 {
        let mut receiver = sender.subscribe();
        listeners.spawn(async move {
            let mut sum = 0;
            while let Ok(number) = receiver.recv().await {
                sum += number;
            }
            sum
        });
    }
    for number in 0..100_u64 {
        sender.send(number)?;
    }
    drop(sender);
    while let Some(sum) = listeners.join_next().await {
        holds(sum? == 4950, "a listener has missed something")?;
    }
    Ok(())
}

/// A mutex loses no increment, a barrier holds, a semaphore lets in only as many as it has.
async fn locks() -> Checked {
    let total = Arc::new(Mutex::new(0));
    let barrier = Arc::new(Barrier::new(20));
    let (permits, most) = (Arc::new(Semaphore::new(3)), Arc::new(AtomicU64::new(0)));
    let inside = Arc::new(AtomicU64::new(0));
    let mut set = JoinSet::new();
    for _ in 0..20 {
        let (total, barrier, permits) = (
            Arc::clone(&total),
            Arc::clone(&barrier),
            Arc::clone(&permits),
        );
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        set.spawn(async move {
            for _ in 0..50 {
                *total.lock().await += 1;
            }
            barrier.wait().await;
            let seen = *total.lock().await;
            let permit = permits.acquire().await;
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            task::yield_now().await;
            inside.fetch_sub(1, Ordering::SeqCst);
            drop(permit);
            seen
        });
    }
    while let Some(seen) = set.join_next().await {
        holds(seen? == 1000, "the barrier has let one through too early")?;
    }
    holds(
        (1..=3).contains(&most.load(Ordering::SeqCst)),
        "the semaphore has let in too many",
    )
}

/// Threads of the pool block without holding up the tasks.
async fn blocking() -> Checked {
    let (sender, receiver) = std::sync::mpsc::channel::<u32>();
    let waiting = task::spawn_blocking(move || receiver.iter().sum::<u32>());
    let mut others = JoinSet::new();
    for number in 0..30_u32 {
        let sender = sender.clone();
        others.spawn_blocking(move || sender.send(number));
    }
    drop(sender);
    while let Some(sent) = others.join_next().await {
        sent??;
    }
    holds(
        waiting.await? == 435,
        "the blocked thread has missed something",
    )
}

/// Sleeps end in their order and never early; an interval keeps its beat.
async fn timers() -> Checked {
    let start = Instant::now();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for milliseconds in [90_u64, 30, 60, 5] {
        let sender = sender.clone();
        task::spawn(async move {
            sleep(Duration::from_millis(milliseconds)).await;
            sender.send((milliseconds, start.elapsed()))
        });
    }
    drop(sender);
    let mut ended = Vec::new();
    while let Some((milliseconds, after)) = receiver.recv().await {
        holds(
            after >= Duration::from_millis(milliseconds),
            "a sleep was too short",
        )?;
        ended.push(milliseconds);
    }
    ended.sort_unstable();
    holds(ended == [5, 30, 60, 90], "a sleep has not ended")?;

    let start = Instant::now();
    let mut beat = interval(Duration::from_millis(10));
    for _ in 0..6 {
        beat.tick().await;
    }
    // The first beat is at once.
    holds(
        start.elapsed() >= Duration::from_millis(50),
        "the interval beats too fast",
    )?;
    let late = timeout(Duration::from_millis(20), std::future::pending::<()>()).await;
    holds(late.is_err(), "what never comes has come")
}

/// A task that is cancelled lets go of what it has, also in the middle of a wait.
async fn cancel() -> Checked {
    let held = Arc::new(());
    let (ready, wait) = oneshot::channel();
    let copy = Arc::clone(&held);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = task::spawn(async move {
        let _held = copy;
        ready.send(()).is_ok() && listener.accept().await.is_ok() && listener.accept().await.is_ok()
    });
    wait.await.map_err(|_| "the task has ended")?;
    let client = TcpStream::connect(address).await?;
    server.abort();
    let ended = server.await;
    holds(
        ended.is_err_and(|error| error.is_cancelled()),
        "the task was not cancelled",
    )?;
    holds(
        Arc::strong_count(&held) == 1,
        "the task holds something still",
    )?;
    drop(client);
    let refused = TcpStream::connect(address)
        .await
        .map(drop)
        .map_err(|error| error.kind());
    holds(
        refused == Err(ErrorKind::ConnectionRefused),
        "the port is open still",
    )
}

/// A server that sends back in capitals, a hundred clients at once, and a transfer in both directions.
async fn tcp() -> Checked {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = task::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            task::spawn(async move {
                let (reader, mut writer) = stream.into_split();
                let mut lines = BufReader::new(reader).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let answer = line.to_uppercase() + "\n";
                    if writer.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let mut clients = JoinSet::new();
    for number in 0..100 {
        clients.spawn(async move {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (reader, mut writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            for turn in 0..5 {
                writer
                    .write_all(format!("line {number} {turn}\n").as_bytes())
                    .await?;
                let answer = lines.next_line().await?;
                if answer != Some(format!("LINE {number} {turn}")) {
                    return Err(std::io::Error::other(format!("{answer:?}")));
                }
            }
            writer.shutdown().await?;
            Ok(lines.next_line().await?.is_none())
        });
    }
    while let Some(ended) = clients.join_next().await {
        holds(ended??, "the server has said more than was asked")?;
    }
    server.abort();

    const BYTES: usize = 2 << 20;
    let listener = TcpListener::bind("[::1]:0").await?;
    let (near, far) = tokio::join!(
        TcpStream::connect(listener.local_addr()?),
        listener.accept()
    );
    let (near, far) = (near?, far?.0);
    let pump = |stream: TcpStream| {
        task::spawn(async move {
            let (mut reader, mut writer) = stream.into_split();
            let sent = task::spawn(async move {
                let block = vec![7; BYTES];
                writer.write_all(&block).await?;
                writer.shutdown().await
            });
            let mut got = Vec::new();
            reader.read_to_end(&mut got).await?;
            sent.await??;
            Ok::<_, std::io::Error>(got.len() == BYTES && got.iter().all(|&byte| byte == 7))
        })
    };
    let (one, other) = (pump(near), pump(far));
    holds(one.await?? && other.await??, "bytes are lost")
}

/// Nobody listens: a connection is refused, not waited for.
async fn refused() -> Checked {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    drop(listener);
    let answer = TcpStream::connect(address)
        .await
        .map(drop)
        .map_err(|error| error.kind());
    holds(
        answer == Err(ErrorKind::ConnectionRefused),
        "the connection was not refused",
    )
}

/// Datagrams keep their bounds, and those that find no reader in time do not block the task.
async fn udp() -> Checked {
    let (one, two) = (
        UdpSocket::bind("127.0.0.1:0").await?,
        UdpSocket::bind("127.0.0.1:0").await?,
    );
    two.connect(one.local_addr()?).await?;
    let mut buffer = [0; 2000];
    for size in [0, 1, 1400] {
        two.send(&vec![5; size]).await?;
        let (length, from) = one.recv_from(&mut buffer).await?;
        holds(
            length == size && from == two.local_addr()?,
            "a datagram is another",
        )?;
        one.send_to(&buffer[..length], from).await?;
        holds(two.recv(&mut buffer).await? == size, "an answer is another")?;
    }
    let none = one.try_recv(&mut buffer).map_err(|error| error.kind());
    holds(
        none == Err(ErrorKind::WouldBlock),
        "there is one datagram too many",
    )
}

/// Local sockets have names and tell who is at the other end.
async fn unix() -> Checked {
    let folder = folder("unix").await?;
    let path = folder.join("socket");
    let listener = UnixListener::bind(&path)?;
    let server = task::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut said = String::new();
        stream.read_to_string(&mut said).await?;
        stream.write_all(said.to_uppercase().as_bytes()).await?;
        Ok::<_, std::io::Error>(stream.peer_cred()?.pid())
    });
    let mut stream = UnixStream::connect(&path).await?;
    stream.write_all(b"through").await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    holds(answer == "THROUGH", "the answer is another")?;
    let own = i32::try_from(process::id())?;
    holds(server.await?? == Some(own), "the client is somebody else")?;
    fs::remove_dir_all(folder).await?;
    Ok(())
}

/// Children: what they print, what they read, their status, thirty at once.
async fn process() -> Checked {
    let mut cat = Command::new("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = cat.stdin.take().ok_or("no input")?;
    let text = "line\n".repeat(40_000);
    let copy = text.clone();
    let writer = task::spawn(async move { input.write_all(copy.as_bytes()).await });
    let output = cat.wait_with_output().await?;
    writer.await??;
    holds(
        output.status.success() && output.stdout == text.as_bytes(),
        "cat has lost something",
    )?;

    let mut children = JoinSet::new();
    for number in 0..30 {
        children.spawn(async move {
            let status = Command::new("sh")
                .args(["-c", &format!("exit {number}")])
                .status()
                .await?;
            Ok::<_, std::io::Error>(status.code() == Some(number))
        });
    }
    while let Some(right) = children.join_next().await {
        holds(right??, "a status is another")?;
    }
    let missing = Command::new("/there/is/none")
        .spawn()
        .map(drop)
        .map_err(|error| error.kind());
    holds(
        missing == Err(ErrorKind::NotFound),
        "a missing program was found",
    )
}

/// A child is killed on request, and with the handle that is dropped.
async fn kill() -> Checked {
    use std::os::unix::process::ExitStatusExt;
    let mut child = Command::new("sleep").arg("1000").spawn()?;
    holds(
        timeout(Duration::from_millis(20), child.wait())
            .await
            .is_err(),
        "the child has ended",
    )?;
    child.kill().await?;
    holds(
        child.wait().await?.signal() == Some(9),
        "the child has ended otherwise",
    )?;

    let child = Command::new("sleep")
        .arg("1000")
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id().ok_or("the child has no number")?;
    drop(child);
    let place = format!("/proc/{id}");
    while Path::new(&place).exists() {
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Signals come to every task that waits for them.
async fn signals() -> Checked {
    let (mut one, mut other) = (
        signal(SignalKind::user_defined1())?,
        signal(SignalKind::user_defined1())?,
    );
    let mut changed = signal(SignalKind::window_change())?;
    let send = |name: &'static str| async move {
        let own = process::id().to_string();
        Command::new("kill").args([name, &own]).status().await
    };
    for _ in 0..5 {
        holds(send("-USR1").await?.success(), "kill has failed")?;
        one.recv().await.ok_or("no signal")?;
        other.recv().await.ok_or("no signal for the other")?;
    }
    holds(send("-WINCH").await?.success(), "kill has failed")?;
    changed.recv().await.ok_or("no signal")?;
    let more = timeout(Duration::from_millis(20), one.recv()).await;
    holds(more.is_err(), "there is one signal too many")
}

/// Files through the pool of threads: written, read, sought, renamed, listed, removed.
async fn files() -> Checked {
    let folder = folder("fs").await?;
    let mut writers = JoinSet::new();
    for number in 0..20_u8 {
        let path = folder.join(number.to_string());
        writers.spawn(async move { fs::write(path, vec![number; 10_000]).await });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    let mut names = Vec::new();
    let mut listing = fs::read_dir(&folder).await?;
    while let Some(entry) = listing.next_entry().await? {
        holds(
            entry.metadata().await?.len() == 10_000,
            "a file has another size",
        )?;
        names.push(entry.file_name());
    }
    holds(names.len() == 20, "a file is missing")?;

    let path = folder.join("file");
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .await?;
    file.write_all(b"one two three").await?;
    file.seek(std::io::SeekFrom::Start(4)).await?;
    let mut word = [0; 3];
    file.read_exact(&mut word).await?;
    holds(&word == b"two", "something else was read")?;
    file.set_len(3).await?;
    file.sync_all().await?;
    fs::rename(&path, folder.join("renamed")).await?;
    holds(
        fs::read(folder.join("renamed")).await? == b"one",
        "the file has other contents",
    )?;
    let gone = fs::metadata(&path)
        .await
        .map(drop)
        .map_err(|error| error.kind());
    holds(
        gone == Err(ErrorKind::NotFound),
        "the old name is there still",
    )?;
    fs::remove_dir_all(&folder).await?;
    Ok(())
}
