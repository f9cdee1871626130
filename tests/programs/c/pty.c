/* Pseudoterminals: names, locks, line discipline, job control, hanging up. */

#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif
#ifndef TIOCSIG
#define TIOCSIG _IOW('T', 0x36, int)
#endif

static volatile sig_atomic_t signals[64];

static void note(int number)
{
	signals[number]++;
}

static void catch(int number)
{
	struct sigaction action = { .sa_handler = note };
	WANT(sigaction(number, &action, NULL) == 0);
}

static int open_master(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	WANT(master >= 0);
	return master;
}

/* A pair whose slave echoes nothing and reads lines. */
static void pair(int *master, int *slave)
{
	struct termios termios;
	WANT(openpty(master, slave, NULL, NULL, NULL) == 0);
	WANT(tcgetattr(*slave, &termios) == 0);
	termios.c_lflag &= ~ECHO;
	WANT(tcsetattr(*slave, TCSANOW, &termios) == 0);
}

/* Reads exactly `text` within a second. */
static void want_text(int file, const char *text)
{
	char buffer[256];
	size_t got = 0, length = strlen(text);
	while (got < length) {
		struct pollfd ready = { .fd = file, .events = POLLIN };
		WANT(poll(&ready, 1, 1000) == 1);
		ssize_t count = read(file, buffer + got, length - got);
		WANT(count > 0);
		got += count;
	}
	buffer[got] = 0;
	if (strcmp(buffer, text) != 0)
		FAIL("'%s', not '%s'", buffer, text);
}

static void type(int master, const char *text)
{
	WANT(write(master, text, strlen(text)) == (ssize_t)strlen(text));
}

/* Waits until a byte comes through a pipe. */
static void await(int file)
{
	char byte;
	WANT(read(file, &byte, 1) == 1);
}

static void tell(int file)
{
	WANT(write(file, "", 1) == 1);
}

/* Waits for a signal without a race; the signal is blocked. */
static void want_signal(int number)
{
	sigset_t set;
	struct timespec second = { .tv_sec = 2 };
	sigemptyset(&set);
	sigaddset(&set, number);
	WANT(sigtimedwait(&set, NULL, &second) == number);
}

static void block(int number)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	WANT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
}

static void names(void)
{
	int master = open_master(), number = -1;
	char name[64], expected[64];
	struct stat status;
	WANT(ioctl(master, TIOCGPTN, &number) == 0 && number >= 0);
	WANT(ptsname_r(master, name, sizeof(name)) == 0);
	snprintf(expected, sizeof(expected), "/dev/pts/%d", number);
	WANT(strcmp(name, expected) == 0);
	WANT(grantpt(master) == 0);
	WANT(stat(name, &status) == 0 && S_ISCHR(status.st_mode));
	WANT(status.st_rdev == makedev(136, number) && status.st_uid == getuid());
	WANT(isatty(master));
	close(master);
	WANT_ERROR(stat(name, &status), ENOENT);
}

static void lowest_number(void)
{
	int masters[4], number, base;
	for (int at = 0; at < 4; at++)
		masters[at] = open_master();
	WANT(ioctl(masters[1], TIOCGPTN, &base) == 0);
	close(masters[1]);
	masters[1] = open_master();
	WANT(ioctl(masters[1], TIOCGPTN, &number) == 0 && number == base);
}

static void locked(void)
{
	int master = open_master(), lock = -1;
	WANT(ioctl(master, TIOCGPTLCK, &lock) == 0 && lock == 1);
	WANT_ERROR(open(ptsname(master), O_RDWR | O_NOCTTY), EIO);
	WANT_ERROR(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY), EIO);
	WANT(unlockpt(master) == 0);
	WANT(ioctl(master, TIOCGPTLCK, &lock) == 0 && lock == 0);
	WANT(open(ptsname(master), O_RDWR | O_NOCTTY) >= 0);
}

static void peer(void)
{
	int master = open_master();
	char name[64];
	WANT(unlockpt(master) == 0);
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	WANT(slave >= 0 && isatty(slave));
	WANT(fcntl(slave, F_GETFD) == FD_CLOEXEC);
	WANT(ttyname_r(slave, name, sizeof(name)) == 0);
	WANT(strcmp(name, ptsname(master)) == 0);
	WANT(ioctl(slave, TIOCGPTPEER, O_RDWR) == -1);
}

static void transfer(void)
{
	int master, slave;
	WANT(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	type(master, "ab\177c\n");
	want_text(slave, "ac\n");
	want_text(master, "ab\b \bc\r\n");
	type(slave, "out\n");
	want_text(master, "out\r\n");
	struct pollfd ready = { .fd = master, .events = POLLIN | POLLOUT };
	WANT(poll(&ready, 1, 0) == 1 && ready.revents == POLLOUT);
	WANT(fcntl(master, F_SETFL, O_NONBLOCK) == 0);
	char byte;
	WANT_ERROR(read(master, &byte, 1), EAGAIN);
}

static void raw(void)
{
	int master, slave;
	struct termios termios;
	WANT(openpty(&master, &slave, NULL, NULL, NULL) == 0);
	WANT(tcgetattr(master, &termios) == 0);
	cfmakeraw(&termios);
	WANT(tcsetattr(master, TCSANOW, &termios) == 0);
	type(master, "\003\004\032\r");
	want_text(slave, "\003\004\032\r");
	type(slave, "a\n");
	want_text(master, "a\n");
}

static void slave_closed(void)
{
	int master, slave;
	char byte;
	pair(&master, &slave);
	type(slave, "x");
	close(slave);
	struct pollfd ready = { .fd = master, .events = POLLIN };
	WANT(poll(&ready, 1, 0) == 1 && ready.revents == (POLLIN | POLLHUP));
	want_text(master, "x");
	WANT_ERROR(read(master, &byte, 1), EIO);
	WANT(poll(&ready, 1, 0) == 1 && ready.revents == POLLHUP);
	/* Opened again it works again. */
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	WANT(slave >= 0);
	type(slave, "y");
	want_text(master, "y");
}

static void master_closed(void)
{
	int master, slave;
	char byte;
	pair(&master, &slave);
	struct pollfd ready = { .fd = slave, .events = POLLIN };
	close(master);
	WANT(poll(&ready, 1, 0) == 1 && (ready.revents & POLLHUP));
	WANT(read(slave, &byte, 1) == 0);
	WANT_ERROR(write(slave, "x", 1), EIO);
	struct termios termios;
	WANT_ERROR(tcgetattr(slave, &termios), EIO);
}

static void window(void)
{
	int master, slave;
	struct winsize size = { .ws_row = 24, .ws_col = 80 }, found;
	WANT(openpty(&master, &slave, NULL, NULL, &size) == 0);
	WANT(ioctl(slave, TIOCGWINSZ, &found) == 0 && found.ws_row == 24 && found.ws_col == 80);
	size.ws_col = 132;
	WANT(ioctl(slave, TIOCSWINSZ, &size) == 0);
	WANT(ioctl(master, TIOCGWINSZ, &found) == 0 && found.ws_col == 132);
}

/* In a child of forkpty: the terminal is its own. */
static void own_terminal(void)
{
	int master;
	pid_t pid = forkpty(&master, NULL, NULL, NULL);
	WANT(pid >= 0);
	if (pid == 0) {
		int tty = open("/dev/tty", O_RDWR);
		if (tty < 0 || getsid(0) != getpid() || tcgetsid(0) != getpid() || tcgetpgrp(tty) != getpgrp())
			_exit(1);
		if (strncmp(ttyname(0), "/dev/pts/", 9) != 0)
			_exit(2);
		_exit(write(tty, "mine\n", 5) == 5 ? 7 : 3);
	}
	want_text(master, "mine\r\n");
	int status;
	WANT(waitpid(pid, &status, 0) == pid);
	WANT(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* Starts a child on a pty that has caught `number` and waits for it; it ends with status 9 when it came. */
static pid_t catcher(int *master, int number)
{
	int ready[2];
	block(number);
	WANT(pipe(ready) == 0);
	pid_t pid = forkpty(master, NULL, NULL, NULL);
	WANT(pid >= 0);
	if (pid == 0) {
		tell(ready[1]);
		want_signal(number);
		_exit(9);
	}
	await(ready[0]);
	return pid;
}

static void want_nine(pid_t pid)
{
	int status;
	WANT(waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 9)
		FAIL("wait status %#x", status);
}

static void interrupt(void)
{
	int master;
	pid_t pid = catcher(&master, SIGINT);
	type(master, "\003");
	want_nine(pid);
}

static void window_signal(void)
{
	int master;
	pid_t pid = catcher(&master, SIGWINCH);
	struct winsize size = { .ws_row = 3, .ws_col = 4 };
	WANT(ioctl(master, TIOCSWINSZ, &size) == 0);
	want_nine(pid);
}

static void sent_signal(void)
{
	int master;
	pid_t pid = catcher(&master, SIGQUIT);
	WANT_ERROR(ioctl(master, TIOCSIG, SIGKILL), EINVAL);
	WANT(ioctl(master, TIOCSIG, SIGQUIT) == 0);
	want_nine(pid);
}

static void hang_up(void)
{
	int master;
	pid_t pid = catcher(&master, SIGHUP);
	WANT(tcgetpgrp(master) == pid);
	close(master);
	want_nine(pid);
}

/* A master that two descriptors refer to hangs up with the second. */
static void hang_up_last(void)
{
	int master;
	pid_t pid = catcher(&master, SIGHUP);
	int other = dup(master), status;
	close(master);
	WANT(waitpid(pid, &status, WNOHANG) == 0);
	WANT(tcgetpgrp(other) == pid);
	close(other);
	want_nine(pid);
}

/* When the session leader ends, its foreground group gets SIGHUP, and the terminal is nobody's. */
static void leader_ends(void)
{
	int master, ready[2], done[2];
	WANT(pipe(ready) == 0 && pipe(done) == 0);
	block(SIGHUP);
	pid_t leader = forkpty(&master, NULL, NULL, NULL);
	WANT(leader >= 0);
	if (leader == 0) {
		pid_t job = fork();
		if (job == 0) {
			close(0), close(1), close(2);
			await(ready[0]);
			want_signal(SIGHUP);
			int lost = open("/dev/tty", O_RDWR) < 0 && errno == ENXIO;
			write(done[1], lost ? "y" : "n", 1);
			_exit(0);
		}
		setpgid(job, job);
		signal(SIGTTOU, SIG_IGN);
		if (tcsetpgrp(0, job) != 0)
			_exit(1);
		tell(ready[1]);
		_exit(0);
	}
	int status;
	WANT(waitpid(leader, &status, 0) == leader && status == 0);
	char answer;
	WANT(read(done[0], &answer, 1) == 1 && answer == 'y');
	WANT(tcgetpgrp(master) <= 0);
}

/* A background member is stopped when it reads, and goes on in the foreground. */
static void background_read(void)
{
	int master;
	pid_t leader = forkpty(&master, NULL, NULL, NULL);
	WANT(leader >= 0);
	if (leader == 0) {
		int status;
		pid_t job = fork();
		if (job == 0) {
			char line[16];
			setpgid(0, 0);
			ssize_t count = read(0, line, sizeof(line));
			_exit(count == 3 ? 0 : 4);
		}
		setpgid(job, job);
		if (waitpid(job, &status, WUNTRACED) != job || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTIN)
			_exit(1);
		if (tcsetpgrp(0, job) != 0 || kill(-job, SIGCONT) != 0)
			_exit(2);
		if (waitpid(job, &status, 0) != job)
			_exit(3);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 5);
	}
	type(master, "go\n");
	int status;
	WANT(waitpid(leader, &status, 0) == leader);
	if (status != 0)
		FAIL("wait status %#x", status);
}

/* The terminal of one session cannot be taken by another, nor can a second be had. */
static void control(void)
{
	int master, other_master, other;
	WANT(openpty(&other_master, &other, NULL, NULL, NULL) == 0);
	pid_t pid = forkpty(&master, NULL, NULL, NULL);
	WANT(pid >= 0);
	if (pid == 0) {
		int status;
		if (ioctl(other, TIOCSCTTY, 0) != -1 || errno != EPERM)
			_exit(1);
		pid_t child = fork();
		if (child == 0) {
			setsid();
			_exit(ioctl(0, TIOCSCTTY, 0) == -1 && errno == EPERM ? 0 : 2);
		}
		waitpid(child, &status, 0);
		if (status != 0)
			_exit(2);
		/* Given up, it can be had again by opening. */
		signal(SIGHUP, SIG_IGN);
		if (ioctl(0, TIOCNOTTY) != 0 || open("/dev/tty", O_RDWR) != -1)
			_exit(3);
		if (open(ptsname(other_master), O_RDWR) < 0 || open("/dev/tty", O_RDWR) < 0)
			_exit(4);
		_exit(9);
	}
	want_nine(pid);
}

static void limit(void)
{
	static int masters[5000];
	int count = 0;
	while (count < 5000 && (masters[count] = open("/dev/ptmx", O_RDWR | O_NOCTTY)) >= 0)
		count++;
	WANT(count > 16 && count < 5000);
	WANT(errno == ENOSPC || errno == EMFILE);
	while (count > 0)
		close(masters[--count]);
	close(open_master());
}

/* Much output through a slow master arrives whole. */
static void flow(void)
{
	int master, slave, status;
	pair(&master, &slave);
	pid_t pid = fork();
	if (pid == 0) {
		char block[1000];
		memset(block, 'z', sizeof(block));
		for (int at = 0; at < 100; at++)
			for (size_t sent = 0; sent < sizeof(block);) {
				ssize_t count = write(slave, block + sent, sizeof(block) - sent);
				if (count <= 0)
					_exit(1);
				sent += count;
			}
		_exit(0);
	}
	close(slave);
	long total = 0;
	char buffer[700];
	for (ssize_t count; (count = read(master, buffer, sizeof(buffer))) > 0; total += count)
		;
	WANT(errno == EIO && total == 100000);
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
}

/* A write to a full slave waits for its reader. */
static void full(void)
{
	int master, slave;
	char buffer[4096];
	memset(buffer, '\n', sizeof(buffer));
	pair(&master, &slave);
	WANT(fcntl(master, F_SETFL, O_NONBLOCK) == 0);
	long total = 0;
	for (ssize_t count; (count = write(master, buffer, sizeof(buffer))) > 0; total += count)
		;
	WANT(errno == EAGAIN && total > 0 && total < 100000);
	struct pollfd ready = { .fd = master, .events = POLLOUT };
	WANT(poll(&ready, 1, 0) == 0);
	want_text(slave, "\n");
	WANT(poll(&ready, 1, 1000) == 1 && ready.revents == POLLOUT);
}

static void interrupted_read(void)
{
	int master, slave;
	char byte;
	pair(&master, &slave);
	catch(SIGALRM);
	alarm(1);
	WANT_ERROR(read(slave, &byte, 1), EINTR);
	WANT(signals[SIGALRM] == 1);
}

static const struct check checks[] = {
	{ "names", names },
	{ "lowest-number", lowest_number },
	{ "locked", locked },
	{ "peer", peer },
	{ "transfer", transfer },
	{ "raw", raw },
	{ "slave-closed", slave_closed },
	{ "master-closed", master_closed },
	{ "window", window },
	{ "own-terminal", own_terminal },
	{ "interrupt", interrupt },
	{ "window-signal", window_signal },
	{ "sent-signal", sent_signal },
	{ "hang-up", hang_up },
	{ "hang-up-last", hang_up_last },
	{ "leader-ends", leader_ends },
	{ "background-read", background_read },
	{ "control", control },
	{ "limit", limit },
	{ "flow", flow },
	{ "full", full },
	{ "interrupted-read", interrupted_read },
};

MAIN(checks)
