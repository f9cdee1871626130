//! What is measured, how far below Linux it is to be, and which suite measures it.

/// Whether small or large figures are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Times and sizes.
    Less,
    /// Rates; a goal of 0.8 of the time is one of 1 / 0.8 of the rate.
    More,
}

/// What is good enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// At most this part of Linux's cost.
    Ratio(f64),
    /// At most this, whatever Linux does.
    Value(f64),
    /// At most the first on one CPU, and the second on several.
    Cpus(f64, f64),
    /// None: it is told beside the others.
    Told,
}

/// A figure with a goal.
#[derive(Debug)]
pub struct Goal {
    /// The name that the programs print.
    pub figure: &'static str,
    /// What it is.
    pub sentence: &'static str,
    /// What is good enough.
    pub bound: Bound,
    /// Which direction is good.
    pub better: Better,
}

const fn cost(figure: &'static str, sentence: &'static str, at_most: f64) -> Goal {
    Goal {
        figure,
        sentence,
        bound: Bound::Ratio(at_most),
        better: Better::Less,
    }
}

/// A bandwidth, of which a byte may take 0.8 of Linux's time.
const fn rate(figure: &'static str, sentence: &'static str) -> Goal {
    Goal {
        figure,
        sentence,
        bound: Bound::Ratio(0.8),
        better: Better::More,
    }
}

const fn bound(figure: &'static str, sentence: &'static str, at_most: f64) -> Goal {
    Goal {
        figure,
        sentence,
        bound: Bound::Value(at_most),
        better: Better::Less,
    }
}

/// What has no goal of its own.
const fn told(figure: &'static str, sentence: &'static str) -> Goal {
    Goal {
        figure,
        sentence,
        bound: Bound::Told,
        better: Better::Less,
    }
}

const fn bound_by_cpus(
    figure: &'static str,
    sentence: &'static str,
    one: f64,
    several: f64,
) -> Goal {
    Goal {
        bound: Bound::Cpus(one, several),
        ..told(figure, sentence)
    }
}

/// All goals, in the order of the table.
pub const GOALS: &[Goal] = &[
    cost(
        "boot_first_program",
        "start of QEMU to first program speaking",
        0.1,
    ),
    cost("boot_memory_used", "memory used after boot", 0.25),
    cost("null_syscall_getppid_sc", "null system call", 0.5),
    cost("clock_gettime", "clock read", 1.0),
    cost(
        "pipe_pingpong_rt_1cpu",
        "pipe round trip of two processes",
        0.35,
    ),
    cost("pipe_pingpong_rt_2cpu", "the same on two CPUs", 0.35),
    cost(
        "yield2_per_yield",
        "sched_yield between two processes",
        0.35,
    ),
    cost(
        "ring2_per_switch",
        "switch between two processes in a ring",
        0.35,
    ),
    cost("ring16_per_switch", "the same among 16", 0.35),
    cost("futex_rt_1cpu", "futex round trip of two threads", 0.35),
    cost("futex_rt_2cpu", "the same on two CPUs", 0.35),
    cost("futex_wake_nobody", "futex wake, nobody waits", 0.35),
    cost("thread_create_join", "thread created and joined", 0.4),
    cost("fork_exit_wait", "fork, exit and wait", 0.3),
    cost(
        "fork_exec_wait_tiny",
        "fork, exec without a C library and wait",
        0.25,
    ),
    cost(
        "fork_exec_wait_libc",
        "fork, exec of a static program and wait",
        0.25,
    ),
    cost(
        "fork_exec_wait_dynamic",
        "fork, exec of a dynamic program and wait",
        0.4,
    ),
    cost("sigaction", "sigaction", 0.4),
    cost(
        "signal_self_deliver",
        "signal to oneself, with handler",
        0.4,
    ),
    cost("mmap_munmap_4M_untouched", "mmap and munmap of 4 MiB", 0.6),
    cost(
        "mmap_touch_4M_basepages",
        "mmap, touch and munmap of 4 MiB",
        0.6,
    ),
    cost("file_read_64K", "64 KiB read from the page cache", 0.6),
    cost("file_create_unlink", "file created and removed", 0.6),
    cost(
        "sleeper_memory_each",
        "memory for each of 200 sleeping processes",
        0.4,
    ),
    rate("pipe_bw_1cpu", "bandwidth of a pipe (time for a byte)"),
    rate("pipe_bw_2cpu", "the same on two CPUs"),
    cost(
        "unix_rt_1cpu",
        "round trip of a byte over a UNIX socket",
        0.5,
    ),
    cost("unix_rt_2cpu", "the same on two CPUs", 0.5),
    rate(
        "unix_bw_1cpu",
        "bandwidth of a UNIX socket (time for a byte)",
    ),
    rate("unix_bw_2cpu", "the same on two CPUs"),
    cost("tcp_rt_1cpu", "round trip of a byte over TCP", 0.4),
    cost("tcp_rt_2cpu", "the same on two CPUs", 0.4),
    cost("udp_rt_1cpu", "round trip of a datagram", 0.4),
    cost(
        "tcp_connection_1cpu",
        "connection, a byte each way, end",
        0.4,
    ),
    cost(
        "tcp_self_connect_accept",
        "connection of a process with itself",
        0.4,
    ),
    rate("tcp_bw_1cpu", "bandwidth of TCP (time for a byte)"),
    rate("tcp_bw_2cpu", "the same on two CPUs"),
    cost("python_start", "python3 -c pass", 0.8),
    cost("gcc_hello", "gcc of a small program", 0.8),
    rate("redis_PING_MBULK", "redis-benchmark PING (time for one)"),
    rate("redis_SET", "the same for SET"),
    rate("redis_GET", "the same for GET"),
    cost("sqlite_insert", "sqlite3, 10 000 rows inserted", 0.8),
    cost("git_gc", "git gc of Perl's modules", 0.8),
    cost("wake_idle_p50", "lateness of a 1 ms sleeper, median", 1.0),
    cost("wake_idle_p99", "the same, 99th percentile", 0.5),
    cost(
        "cont_full_tiny_total",
        "partition created, program run, removed",
        0.1,
    ),
    cost(
        "density_1000_memory_each",
        "memory for each of 1000 sleeping partitions",
        0.25,
    ),
    cost(
        "density_1000_create_each",
        "time to create each of them",
        0.25,
    ),
    cost(
        "density_1000_remove_each",
        "time to remove each of them",
        0.25,
    ),
    bound(
        "scale_life",
        "life of one among 8000, against one among 10",
        1.5,
    ),
    bound(
        "scale_switch",
        "turn of 100 among 8000 loaded, against 10",
        1.5,
    ),
    bound("share_error_max", "shares 1:2:5, largest error", 0.02),
    bound(
        "share_many_error_max",
        "the same with four processes each",
        0.02,
    ),
    bound(
        "share_window_difference",
        "the same, any window of 1 s, slices a CPU",
        2.0,
    ),
    bound_by_cpus(
        "share50_error_mean",
        "shares 1 to 50, mean error",
        0.004,
        0.01,
    ),
    bound_by_cpus(
        "share50_error_max",
        "shares 1 to 50, largest error",
        0.013,
        0.04,
    ),
    bound("cap_12_error_max", "hard maximum of 12.5 %, error", 0.01),
    bound("cap_5_error_max", "hard maximum of 5 %, error", 0.01),
    bound("cap_05_error_max", "hard maximum of 0.5 %, error", 0.01),
    bound(
        "cap_busy_error_max",
        "12.5 % beside a busy partition, error",
        0.01,
    ),
    bound("cap_busy_5_error_max", "5 % beside it, error", 0.01),
    bound("cap_busy_05_error_max", "0.5 % beside it, error", 0.01),
    bound(
        "cap_many_error_max",
        "12.5 % for four processes, error",
        0.01,
    ),
    bound(
        "cap_many_busy_error_max",
        "12.5 % for four beside four that are busy",
        0.01,
    ),
    bound(
        "cap_window_beyond",
        "12.5 % in any 100 ms, beyond it, ms",
        4.0,
    ),
    bound(
        "least_window_lacking",
        "30 % against 20, lacking in any 200 ms",
        0.0,
    ),
    cost("wake_1_busy_p50", "1 ms sleeper beside 1 busy, median", 1.0),
    cost("wake_1_busy_p99", "the same, 99th percentile", 0.5),
    told("wake_1_busy_max", "the same, largest"),
    cost("wake_8_busy_p50", "beside 8 busy, median", 1.0),
    cost("wake_8_busy_p99", "the same, 99th percentile", 0.5),
    told("wake_8_busy_max", "the same, largest"),
    told("timer_late", "largest lateness of a timer's interrupt"),
    told(
        "interrupts_off_cold",
        "longest time with interrupts off, code not translated yet",
    ),
    bound("attack_fork_loss", "lost beside one that forks", 1.0),
    bound("attack_fault_loss", "lost beside one that faults", 1.0),
    bound("attack_send_loss", "lost beside one that sends", 1.0),
    bound("attack_call_loss", "lost beside one that calls", 1.0),
    bound("attack_timer_loss", "lost beside one with timers", 1.0),
    bound(
        "interrupts_off",
        "longest time with interrupts off after that",
        1_000_000.0,
    ),
    bound(
        "command_p99",
        "a command beside 8 that are busy, p99",
        100_000.0,
    ),
];

/// A suite is lines of the plan that the first process follows.
#[derive(Debug)]
pub struct Suite {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it runs; nothing for what every boot measures.
    pub plan: &'static str,
    /// Debian's packages that it runs. Such suites have boots of their own.
    pub packages: &'static [&'static str],
    /// Whether Linux can do it on this machine too.
    pub has_peer: bool,
    /// Whether it means anything when time is the number of instructions and the run is short.
    pub is_counted: bool,
    /// Whether it is so short that it runs once before anything is measured: then the emulator has translated the code.
    pub is_warmed: bool,
}

const fn suite(name: &'static str, plan: &'static str) -> Suite {
    Suite {
        name,
        plan,
        packages: &[],
        has_peer: true,
        is_counted: true,
        is_warmed: false,
    }
}

/// A suite of paths of the kernel that are short.
const fn paths(name: &'static str, plan: &'static str) -> Suite {
    Suite {
        is_warmed: true,
        ..suite(name, plan)
    }
}

/// A suite of Debian's programs; too long to be counted.
const fn programs(
    name: &'static str,
    packages: &'static [&'static str],
    plan: &'static str,
) -> Suite {
    Suite {
        packages,
        ..timed(name, plan)
    }
}

/// A suite about the passing of time: what it measures is no number of instructions.
const fn timed(name: &'static str, plan: &'static str) -> Suite {
    Suite {
        is_counted: false,
        ..suite(name, plan)
    }
}

/// Suites that go by one name.
pub const ALIASES: &[(&str, &[&str])] = &[
    (
        "sched",
        &[
            "share", "share50", "caps", "least", "wakelat", "attack", "command", "turns",
        ],
    ),
    (
        "abi",
        &[
            "syscall", "clock", "pipe", "yield", "ring", "threads", "fork", "exec", "signal",
            "fault", "file", "sleepers", "pipebw", "net", "python", "gcc", "redis", "sqlite",
            "git",
        ],
    ),
    ("partitions", &["cont", "density", "scale", "turns"]),
];

/// All suites.
pub const SUITES: &[Suite] = &[
    suite("boot", ""),
    paths("syscall", "/b/micro syscall"),
    paths("clock", "/b/micro clock"),
    paths("pipe", "/b/micro pipe"),
    paths("yield", "/b/micro yield"),
    paths("ring", "/b/ring"),
    paths("threads", "/b/threads"),
    paths("fork", "/b/micro fork"),
    paths("exec", "/b/micro exec"),
    paths("signal", "/b/micro signal"),
    paths("fault", "/b/micro fault"),
    paths("file", "/b/file"),
    paths("sleepers", "/b/sleepers"),
    paths("pipebw", "/b/micro pipebw"),
    paths("net", "/b/net"),
    programs(
        "python",
        &["python3-minimal"],
        "/b/command python_start python3 -c pass",
    ),
    programs(
        "gcc",
        &["gcc", "libc6-dev"],
        "/b/command gcc_hello gcc -o /tmp/hello /b/hello.c",
    ),
    programs("redis", &["redis-server", "redis-tools"], "/b/redis"),
    programs(
        "sqlite",
        &["sqlite3"],
        "/b/command sqlite_insert sqlite3 /tmp/rows.db",
    ),
    programs(
        "git",
        &["git", "perl-modules-5.36"],
        "GIT_DIR=/tmp/.git\n\
         /b/command - git init -q\n\
         /b/command - git --work-tree=/usr/share/perl/5.36.0 add .\n\
         /b/command - git -c user.name=a -c user.email=a@b commit -q -m modules\n\
         /b/command git_gc git gc -q --aggressive --prune=now",
    ),
    suite("wake", "/b/wake"),
    suite("cont", "/b/partitions life 100"),
    suite("density", "/b/partitions density 1000"),
    Suite {
        has_peer: false,
        ..suite("scale", "/b/partitions life 50 8000")
    },
    Suite {
        has_peer: false,
        ..suite("turns", "/b/partitions runnable 8000 100")
    },
    timed(
        "share",
        "/b/partitions share share 10 100 200 500\n\
         /b/partitions share share_many 10 100x4 200x4 500x4\n\
         /b/partitions window share_window 10 100x4 200x4 500x4",
    ),
    timed("share50", "/b/partitions share share50 30 1..50"),
    timed(
        "caps",
        "/b/partitions share cap_12 10 100@1250\n\
         /b/partitions share cap_5 10 100@500\n\
         /b/partitions share cap_05 10 100@50\n\
         /b/partitions share cap_busy 10 100@1250 100\n\
         /b/partitions share cap_busy_5 10 100@500 100\n\
         /b/partitions share cap_busy_05 10 100@50 100\n\
         /b/partitions share cap_many 10 100x4@1250\n\
         /b/partitions share cap_many_busy 10 100x4@1250 100x4\n\
         /b/partitions most cap_window 10 100x4@1250 100x4",
    ),
    Suite {
        has_peer: false,
        ..timed(
            "least",
            "/b/partitions least least_window 10 1x4+3000 981..1000",
        )
    },
    timed("wakelat", "/b/partitions late 2000"),
    timed("attack", "/b/partitions attack 3"),
    timed(
        "command",
        "/b/partitions command command 200 100x4 100x4 100x4 100x4 100x4 100x4 100x4 100x4",
    ),
];
