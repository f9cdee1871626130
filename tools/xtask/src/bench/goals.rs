//! What is measured, how far below Linux it is to be, and which suite measures it.

/// Whether small or large figures are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Times and sizes.
    Less,
    /// Rates; a goal of 0.8 of the time is one of 1 / 0.8 of the rate.
    More,
}

/// A figure with a goal.
#[derive(Debug)]
pub struct Goal {
    /// The name that the programs print.
    pub figure: &'static str,
    /// What it is.
    pub sentence: &'static str,
    /// The largest part of Linux's cost that is good enough.
    pub at_most: f64,
    /// Which direction is good.
    pub better: Better,
}

const fn cost(figure: &'static str, sentence: &'static str, at_most: f64) -> Goal {
    Goal {
        figure,
        sentence,
        at_most,
        better: Better::Less,
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
    Goal {
        figure: "pipe_bw_1cpu",
        sentence: "bandwidth of a pipe (time for a byte)",
        at_most: 0.8,
        better: Better::More,
    },
    Goal {
        figure: "pipe_bw_2cpu",
        sentence: "the same on two CPUs",
        at_most: 0.8,
        better: Better::More,
    },
    cost("wake_idle_p50", "lateness of a 1 ms sleeper, median", 1.0),
    cost("wake_idle_p99", "the same, 99th percentile", 0.5),
];

/// A suite is lines of the plan that the first process follows.
#[derive(Debug)]
pub struct Suite {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it runs; nothing for what every boot measures.
    pub plan: &'static str,
}

const fn suite(name: &'static str, plan: &'static str) -> Suite {
    Suite { name, plan }
}

/// All suites.
pub const SUITES: &[Suite] = &[
    suite("boot", ""),
    suite("syscall", "/b/micro syscall"),
    suite("clock", "/b/micro clock"),
    suite("pipe", "/b/micro pipe"),
    suite("yield", "/b/micro yield"),
    suite("fork", "/b/micro fork"),
    suite("exec", "/b/micro exec"),
    suite("signal", "/b/micro signal"),
    suite("fault", "/b/micro fault"),
    suite("pipebw", "/b/micro pipebw"),
    suite("wake", "/b/wake"),
];
