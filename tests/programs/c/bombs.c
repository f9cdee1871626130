/* Programs that take all they can get: each attack goes on until it is killed. What fails is tried again, and what is
   ended from outside is made again, as somebody would do who wants to harm. */

#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#define MIB (1024 * 1024L)

static void raise_limits(void)
{
	struct rlimit most;
	for (int which = 0; which < RLIM_NLIMITS; which++)
		if (getrlimit(which, &most) == 0) {
			most.rlim_cur = most.rlim_max;
			setrlimit(which, &most);
		}
}

/* Keeps `count` copies of the attack alive. */
static void in_copies(int count, void (*attack)(void))
{
	for (;;) {
		int alive = 0;
		for (; alive < count; alive++) {
			pid_t pid = fork();
			if (pid == 0) {
				attack();
				_exit(0);
			}
			if (pid < 0)
				break;
		}
		while (alive > 0 && waitpid(-1, NULL, 0) > 0)
			alive--;
	}
}

static void forks(void)
{
	for (;;)
		fork();
}

static void *wait_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void make_threads(void)
{
	pthread_attr_t small;
	pthread_t id;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (;;)
		if (pthread_create(&id, &small, wait_for_ever, NULL) != 0)
			sched_yield();
}
static void threads(void) { in_copies(4, make_threads); }

static void touch_memory(void)
{
	for (;;) {
		char *start = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (start != MAP_FAILED)
			memset(start, 1, 16 * MIB);
	}
}
static void maps(void) { in_copies(4, touch_memory); }

/* A page here and there: tables cost more than what they map. */
static void scatter(void)
{
	for (uint64_t at = 1L << 32; at < 1L << 46; at += 2 * MIB) {
		char *start = mmap((void *)at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		if (start != MAP_FAILED)
			*start = 1;
	}
}
static void tables(void) { in_copies(4, scatter); }

static void hoard_pipes(void)
{
	static char block[65536];
	for (;;) {
		int ends[2];
		if (pipe2(ends, O_NONBLOCK) != 0)
			wait_for_ever(NULL);
		fcntl(ends[1], F_SETPIPE_SZ, MIB);
		while (write(ends[1], block, sizeof(block)) > 0)
			;
	}
}
static void pipes(void) { in_copies(16, hoard_pipes); }

static void hoard_sockets(void)
{
	static char block[65536];
	for (;;) {
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
			wait_for_ever(NULL);
		while (write(ends[1], block, sizeof(block)) > 0)
			;
	}
}
static void sockets(void) { in_copies(16, hoard_sockets); }

static void hoard_descriptors(void)
{
	for (;;)
		if (open("/dev/null", O_RDONLY) < 0 && dup(0) < 0)
			wait_for_ever(NULL);
}
static void descriptors(void) { in_copies(32, hoard_descriptors); }

static void hoard_terminals(void)
{
	for (;;)
		if (posix_openpt(O_RDWR | O_NOCTTY) < 0)
			sched_yield();
}
static void terminals(void) { in_copies(2, hoard_terminals); }

static void count_signal(int signal) { (void)signal; }

static void send_to_group(void)
{
	for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
		sigaction(signal, &(struct sigaction){ .sa_handler = count_signal }, NULL);
	for (;;)
		for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
			sigqueue(getpid(), signal, (union sigval){ 0 }), kill(0, signal);
}
static void signals(void)
{
	for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
		sigaction(signal, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	in_copies(8, send_to_group);
}

static void tick(void)
{
	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = count_signal }, NULL);
	struct itimerval often = { { 0, 1 }, { 0, 1 } };
	setitimer(ITIMER_REAL, &often, NULL);
	for (;;)
		getppid();
}
static void alarms(void) { in_copies(8, tick); }

static char *again[] = { "bombs", "execs", NULL };
static void execs(void)
{
	execv("/proc/self/exe", again);
	_exit(1);
}

static void die_at_once(void)
{
	for (;;)
		if (fork() == 0)
			_exit(0);
}
static void zombies(void) { in_copies(4, die_at_once); }

static void hammer_futex(void)
{
	static uint32_t words[1024];
	for (uint32_t at = 0;; at++) {
		struct timespec soon = { 0, 1 };
		syscall(SYS_futex, &words[at % 1024], FUTEX_WAIT, 0, &soon, NULL, 0);
		syscall(SYS_futex, &words[(at + 7) % 1024], FUTEX_WAKE, 1000, NULL, NULL, 0);
	}
}
static void futexes(void) { in_copies(8, hammer_futex); }

static void dig(void)
{
	if (chdir("/tmp") != 0)
		return;
	for (;;)
		if (mkdir("d", 0777) != 0 || chdir("d") != 0)
			wait_for_ever(NULL);
}
static void directories(void) { in_copies(2, dig); }

static void fill_files(void)
{
	static char block[65536];
	for (int number = 0;; number++) {
		char name[64];
		snprintf(name, sizeof(name), "/tmp/%d.%d", getpid(), number);
		int file = open(name, O_CREAT | O_RDWR, 0600);
		while (file >= 0 && write(file, block, sizeof(block)) > 0)
			;
		close(file);
	}
}
static void files(void) { in_copies(4, fill_files); }

static void call_fast(void)
{
	for (;;)
		syscall(SYS_getpgid, 0);
}
static void calls(void) { in_copies(4, call_fast); }

static void fault_fast(void)
{
	char *start = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (;;) {
		for (long at = 0; at < 4 * MIB; at += 4096)
			start[at] = 1;
		madvise(start, 4 * MIB, MADV_DONTNEED);
	}
}
static void faults(void) { in_copies(4, fault_fast); }

static void fork_fast(void)
{
	for (;;) {
		pid_t pid = fork();
		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}
static void births(void) { in_copies(4, fork_fast); }

static const struct check checks[] = {
	{ "forks", forks }, { "threads", threads }, { "maps", maps }, { "tables", tables }, { "pipes", pipes },
	{ "sockets", sockets }, { "descriptors", descriptors }, { "terminals", terminals }, { "signals", signals },
	{ "alarms", alarms }, { "execs", execs }, { "zombies", zombies }, { "futexes", futexes },
	{ "directories", directories }, { "files", files }, { "calls", calls }, { "faults", faults }, { "births", births },
};
int main(int argc, char **argv)
{
	raise_limits();
	return run_checks(checks, sizeof(checks) / sizeof(*checks), argc, argv);
}
