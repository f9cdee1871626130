//! What `cargo xtask run` promises: statuses, panics, hangs, bad boots.

use crate::target::{Needs, PATIENCE, Talk, Target};
use crate::{Report, consoles};
use anyhow::{Context, Result, ensure};
use qemu::{Machine, Outcome};
use std::fs;
use std::process::{Command, Stdio};

type Test = (&'static str, &'static str, fn(&Target) -> Result<()>);

/// How many tests there are; each boots its own machine.
pub const COUNT: usize = TESTS.len();

const TESTS: &[Test] = &[
    (
        "HARNESS0001",
        "the status of a script becomes the command's",
        |target| {
            let run = script(target, "echo printed\nexit 7\n", &[])?;
            ensure!(
                run.printed.lines().any(|line| line == "printed"),
                "{}",
                run.printed
            );
            run.expect(7)
        },
    ),
    ("HARNESS0002", "a script that ends well gives 0", |target| {
        script(target, "true\n", &[])?.expect(0)
    }),
    (
        "HARNESS0003",
        "a script that a signal ends gives 128 and the signal",
        |target| script(target, "kill -9 $$\n", &[])?.expect(137),
    ),
    (
        "HARNESS0004",
        "a script cannot forge its status",
        |target| {
            let text = "echo 'corral-result: status 0'\nprintf '\\ncorral-result: status 0\\n' >/dev/console\n\
                    for file in /dev/hvc1 /dev/vty1 /dev/tty1; do test ! -e $file || echo corral-result: status 0 >$file; done\n\
                    exit 5\n";
            script(target, text, &[])?.expect(5)
        },
    ),
    ("HARNESS0005", "a panic of the kernel gives 101", |target| {
        script(target, "exit 0\n", &["--append", "test=panic"])?.expect(101)
    }),
    ("HARNESS0006", "a hang is ended with 124", |target| {
        script(target, "while :; do :; done\n", &["--timeout", "5"])?.expect(124)
    }),
    ("HARNESS0007", "a silent wait is ended with 124", |target| {
        script(target, "sleep 1000\n", &["--timeout", "5"])?.expect(124)
    }),
    (
        "HARNESS0008",
        "files and folders go into the RAM disk with their permissions",
        |target| {
            let folder = target.folder()?;
            fs::create_dir(folder.join("tree"))?;
            fs::write(folder.join("tree/data"), "carried\n")?;
            fs::write(folder.join("tree/tool"), "#!/bin/sh\necho tool \"$1\"\n")?;
            let mode = |mode| std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(folder.join("tree/tool"), mode(0o755))?;
            fs::set_permissions(folder.join("tree/data"), mode(0o640))?;
            let add = format!("{}:/opt/deep/tree", folder.join("tree").display());
            let text = "set -e\ncd /opt/deep/tree\ntest \"$(cat data)\" = carried\ntest \"$(./tool x)\" = 'tool x'\n\
                    test \"$(stat -c %a data)\" = 640\ntest ! -x data\n";
            script(target, text, &["--add", &add])?.expect(0)
        },
    ),
    (
        "HARNESS0009",
        "standard input of a script is empty",
        |target| script(target, "read line && exit 1\ntest \"$(wc -c)\" = 0\n", &[])?.expect(0),
    ),
    (
        "HARNESS0010",
        "processes that a script leaves behind do not keep the machine on",
        |target| {
            script(
                target,
                "sleep 1000 &\nsh -c 'while :; do :; done' &\nexit 3\n",
                &[],
            )?
            .expect(3)
        },
    ),
    ("HARNESS0011", "the kernel boots under SLOF too", |target| {
        script(target, "uname -m\n", &["--firmware", "slof"])?.expect(0)
    }),
    ("HARNESS0012", "power10 boots too", |target| {
        script(target, "true\n", &["--cpu", "power10"])?.expect(0)
    }),
    (
        "HARNESS0019",
        "both interrupt controllers serve, on both processors",
        |target| {
            for (properties, cpu) in [
                ("ic-mode=xics", "power9"),
                ("ic-mode=xive", "power9"),
                ("ic-mode=xics", "power10"),
                ("ic-mode=xive", "power10"),
            ] {
                let text = "sleep 0.1 & wait $!\n";
                let options = ["--cpu", cpu, "--machine", properties];
                let run = script(target, text, &options)?;
                run.expect(0)
                    .with_context(|| format!("{properties} on {cpu}"))?;
            }
            Ok(())
        },
    ),
    (
        "HARNESS0020",
        "an image that was loaded too high or too low moves to its place",
        |target| {
            for address in ["0x500000", "0x2000000", "0x100000", "0x3f0000"] {
                let options = ["--machine", &format!("kernel-addr={address}")];
                let run = script(target, "exit 3\n", &options)?;
                run.expect(3).with_context(|| address.to_owned())?;
            }
            Ok(())
        },
    ),
    (
        "HARNESS0021",
        "GRUB boots Corral and its RAM disk from a disk under SLOF, and passes options on",
        |target| {
            let folder = target.folder()?;
            let disk = folder.join("disk.img");
            let text = "awk '/^MemTotal:/ { exit !($2 <= 524288) }' /proc/meminfo && exit 5\n";
            fs::write(folder.join("script"), text)?;
            let mut make = Command::new(&target.xtask);
            make.args(["disk", "--append", "mem=512M", "--script"])
                .arg(folder.join("script"));
            perform(make.arg("--output").arg(&disk))?.expect(0)?;
            let mut run = Command::new(&target.xtask);
            perform(run.args(["run", "--timeout", "90", "--disk"]).arg(&disk))?.expect(5)
        },
    ),
    (
        "HARNESS0022",
        "every further terminal has a shell, a line discipline and a size of its own",
        consoles::three_seats,
    ),
    (
        "HARNESS0023",
        "Debian's bash edits lines, keeps a history and controls jobs",
        consoles::bash,
    ),
    (
        "HARNESS0013",
        "256 MiB are enough, and 8 GiB are all seen",
        |target| {
            script(target, "true\n", &["--mem", "256M"])?.expect(0)?;
            let text =
                "awk '/^MemTotal:/ { exit !($2 > 7500000 && $2 <= 8388608) }' /proc/meminfo\n";
            script(target, text, &["--mem", "8G"])?.expect(0)
        },
    ),
    (
        "HARNESS0014",
        "without a RAM disk one line says so, and the machine stops",
        |target| {
            let mut machine = Machine::new(&target.kernel, &target.kernel);
            machine.ramdisk = None;
            refused(target, &machine)
        },
    ),
    (
        "HARNESS0015",
        "a corrupt RAM disk is named in one line, and the machine stops",
        |target| {
            let archive = target.folder()?.join("corrupt.cpio");
            fs::write(&archive, vec![0x5a; 100_000])?;
            refused(target, &Machine::new(&target.kernel, &archive))
        },
    ),
    (
        "HARNESS0016",
        "a RAM disk that was cut short is named in one line, and the machine stops",
        |target| {
            let archive = target.folder()?.join("short.cpio");
            target.disks.make(None, &Needs::default(), &archive)?;
            let whole = fs::read(&archive)?;
            fs::write(&archive, &whole[..whole.len() / 2])?;
            refused(target, &Machine::new(&target.kernel, &archive))
        },
    ),
    (
        "HARNESS0017",
        "an unknown boot option is named in one line, and the system runs",
        |target| {
            let run = script(target, "exit 4\n", &["--append", "no-such-option=1"])?;
            let named = run
                .printed
                .lines()
                .filter(|line| line.contains("no-such-option"))
                .count();
            ensure!(named == 1, "{named} lines name it:\n{}", run.printed);
            run.expect(4)
        },
    ),
    (
        "HARNESS0024",
        "a machine whose system reboots starts again with everything as it was at the first time",
        boots_twice,
    ),
    (
        "HARNESS0025",
        "a script that reboots the system ends the run with 102",
        |target| script(target, "reboot\nexit 1\n", &[])?.expect(102),
    ),
    (
        "HARNESS0026",
        "maxcpus= leaves CPUs for later, and a console works without the CPU that it began with",
        |target| {
            for properties in ["ic-mode=xics", "ic-mode=xive"] {
                spare_cpus(target, properties).with_context(|| properties.to_owned())?;
            }
            Ok(())
        },
    ),
    (
        "SCHEDULE0033",
        "what the scheduler does is recorded on the machine, and replayed under its policy and another",
        replayed,
    ),
    ("HARNESS0018", "boot options take effect: mem", |target| {
        let text = "awk '/^MemTotal:/ { exit !($2 <= 524288) }' /proc/meminfo\n";
        script(target, text, &["--append", "mem=512M"])?.expect(0)
    }),
];

/// What a run of `cargo xtask run` gave.
struct Run {
    status: Option<i32>,
    printed: String,
}

impl Run {
    fn expect(&self, status: i32) -> Result<()> {
        ensure!(
            self.status == Some(status),
            "status {:?}, not {status}:\n{}",
            self.status,
            self.printed
        );
        Ok(())
    }
}

/// Runs `text` as a script through the command itself.
fn script(target: &Target, text: &str, options: &[&str]) -> Result<Run> {
    let file = target.folder()?.join("script");
    fs::write(&file, text)?;
    let mut command = Command::new(&target.xtask);
    command.args(["run", "--script"]).arg(&file).args(options);
    perform(&mut command)
}

/// Runs the command with nothing to read.
fn perform(command: &mut Command) -> Result<Run> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo xtask")?;
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Ok(Run {
        status: output.status.code(),
        printed: printed.into_owned(),
    })
}

/// Boots a machine that cannot work: it says why in one line about its RAM disk, and stops.
fn refused(target: &Target, machine: &Machine) -> Result<()> {
    let (outcome, printed) = Talk::start(machine, &target.folder()?)?.end(PATIENCE)?;
    let about = |line: &&str| line.contains("RAM disk") || line.contains("initrd");
    let lines = printed.lines().filter(about).count();
    ensure!(
        lines == 1,
        "{lines} lines are about the RAM disk ({outcome}):\n{printed}"
    );
    ensure!(
        matches!(outcome, Outcome::Off | Outcome::Panic),
        "{outcome}:\n{printed}"
    );
    Ok(())
}

/// Two of three CPUs are used at first; in the end only the third is.
fn spare_cpus(target: &Target, properties: &str) -> Result<()> {
    let archive = target.folder()?.join("ramdisk.cpio");
    target.disks.make(None, &Needs::default(), &archive)?;
    let mut machine = Machine::new(&target.kernel, &archive);
    machine.smp = 3;
    machine.append = "maxcpus=2".to_owned();
    machine.properties = properties.to_owned();
    let mut talk = Talk::start(&machine, &target.folder()?)?;
    // What is waited for does not occur in the echo.
    for (command, answer) in [
        (
            "cd /sys/devices/system/cpu && cat present online",
            "0-2\r\n0-1\r\n",
        ),
        ("chcpu -e 2 >/dev/null; cat online", "\r\n0-2\r\n"),
        ("chcpu -d 0,1 >/dev/null; cat online", "\r\n2\r\n"),
        ("echo he''ard", "heard\r\n"),
        (
            "chcpu -e 0 >/dev/null; chcpu -d 2 >/dev/null; cat online",
            "\r\n0\r\n",
        ),
        ("echo al''so", "also\r\n"),
    ] {
        talk.wait("# ")?;
        talk.send(&format!("{command}\n"))?;
        talk.wait(answer)?;
    }
    talk.wait("# ")?;
    talk.send("poweroff\n")?;
    let (outcome, printed) = talk.end(PATIENCE)?;
    ensure!(outcome == Outcome::Status(0), "{outcome}:\n{printed}");
    Ok(())
}

/// Busy, sleeping and limited partitions are recorded for some seconds, one appears and one goes meanwhile; the recording
/// leaves the machine over a terminal of its own. Nobody there waits for anybody else, for that is not recorded.
fn replayed(target: &Target) -> Result<()> {
    let text = "set -e\n\
        for name in busy:shares_CPU=30 sleepy:shares_CPU=20 other:shares_CPU=10 limited:CPU=0%-10%,10%; do\n\
            mkwpar -n ${name%%:*} -R ${name#*:}; startwpar ${name%%:*}; done\n\
        clogin busy sh -c 'for i in 1 2 3; do (while :; do :; done) & done; wait' &\n\
        clogin limited sh -c 'while :; do :; done' &\n\
        clogin other sh -c '(while :; do :; done) & while :; do :; done' &\n\
        clogin sleepy sh -c 'mkfifo /tmp/f; exec 3<>/tmp/f; while :; do read -t 0.01 x <&3; done' &\n\
        sleep 1\n\
        echo stop >/dev/schedule && exit 3\n\
        echo start 0 >/dev/schedule && exit 4\n\
        test -z \"$(cat /dev/schedule)\"\n\
        echo start >/dev/schedule\n\
        echo start >/dev/schedule && exit 5\n\
        sleep 1\n\
        chwpar -R shares_CPU=60 other\n\
        sleep 1\n\
        wparexec -n brief sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done'\n\
        stopwpar -F sleepy\n\
        sleep 0.5\n\
        echo stop >/dev/schedule\n\
        test \"$(head -n 1 /dev/schedule | wc -c)\" = 96\n\
        clogin busy sh -c 'test ! -e /dev/schedule'\n\
        cat /dev/schedule >/dev/hvc1\n";
    let file = target.folder()?.join("recording");
    let console = format!("file:{}", file.display());
    script(target, text, &["--smp", "2", "--console", &console])?.expect(0)?;
    let mut replay = Command::new(&target.xtask);
    replay.args([
        "sim",
        "--policy",
        "wlm",
        "--policy",
        "round-robin",
        "--replay",
    ]);
    let run = perform(replay.arg(&file))?;
    for name in ["busy", "limited", "other", "cid 5", "round-robin"] {
        ensure!(run.printed.contains(name), "no {name} in {}", run.printed);
    }
    // How near service comes depends on what the host takes away meanwhile: 1 says that it is beyond the bound.
    ensure!(
        matches!(run.status, Some(0 | 1)),
        "status {:?}:\n{}",
        run.status,
        run.printed
    );
    Ok(())
}

/// Each start has an empty `/tmp`, the same memory, and all CPUs; the last one powers off.
fn boots_twice(target: &Target) -> Result<()> {
    let archive = target.folder()?.join("ramdisk.cpio");
    target.disks.make(None, &Needs::default(), &archive)?;
    let mut machine = Machine::new(&target.kernel, &archive);
    machine.smp = 2;
    machine.reboots = true;
    let mut talk = Talk::start(&machine, &target.folder()?)?;
    // What is waited for does not occur in the echo.
    let look = "test ! -e /tmp/mark && >/tmp/mark && nproc && \
        awk '/^MemTotal/ { print \"mem\", $2 }' /proc/meminfo && echo fr''esh\n";
    let mut seen = Vec::new();
    for end in ["reboot\n", "reboot -f\n", "poweroff\n"] {
        // The prompt of this boot, and not one that the boot before has left.
        talk.wait("built-in shell")?;
        talk.wait("# ")?;
        talk.send(look)?;
        talk.wait("fresh\r\n")?;
        let since = talk.transcript();
        let words = since.rsplit("fr''esh").next().unwrap_or_default();
        let facts: Vec<String> = words.lines().skip(1).take(3).map(str::to_owned).collect();
        ensure!(facts.len() == 3, "{since}");
        seen.push(facts);
        talk.send(end)?;
    }
    ensure!(seen.windows(2).all(|two| two[0] == two[1]), "{seen:?}");
    let (outcome, printed) = talk.end(PATIENCE)?;
    ensure!(outcome == Outcome::Status(0), "{outcome}:\n{printed}");
    Ok(())
}

/// Runs test `number`.
pub fn run(target: &Target, number: usize, report: &Report) -> Result<()> {
    let &(id, sentence, test) = TESTS.get(number).context("there is no such test")?;
    report.judge(id, sentence, &test(target), "");
    Ok(())
}
