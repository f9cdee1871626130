/* Rings as an enemy uses them: anything in their memory, and the end of everything while calls wait. */

#include "ring.h"
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

static struct ring ring;

static uint64_t state = 88172645463325252ull;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void *scribble(void *until)
{
	size_t length = ring.params.sq_off.array + 4 * ring.params.sq_entries;
	while (now_ns() < *(int64_t *)until) {
		for (int at = 0; at < 64; at++)
			*(volatile unsigned *)(ring.memory + any() % length / 4 * 4) = any() % 3 ? any() % 16 : any();
		unsigned char *entry = (unsigned char *)&ring.entries[any() % ring.params.sq_entries];
		for (int at = 0; at < 64; at++)
			entry[at] = any() % 4 ? 0 : any();
		/* Mostly an operation that there is, and never one on a descriptor that the program needs. */
		entry[0] = any() % 48;
		((int *)entry)[1] = any() % 8 + 3;
	}
	return NULL;
}

/* The program survives or is killed for memory; the kernel and everybody else go on. */
static void hostile(void)
{
	int64_t until = now_ns() + 1500000000;
	pthread_t thread;
	int status;
	pid_t child = fork();
	if (child == 0) {
		int ends[2];
		signal(SIGSEGV, SIG_DFL);
		ring_make(&ring, 16, 0, 0);
		WANT(pipe(ends) == 0);
		WANT(pthread_create(&thread, NULL, scribble, &until) == 0);
		while (now_ns() < until)
			ring_enter(&ring, any() % 32, any() % 2, any() % 2 ? 0 : IORING_ENTER_GETEVENTS * (any() % 64 == 0));
		_exit(0);
	}
	int64_t end = now_ns() + 20000000000;
	while (waitpid(child, &status, WNOHANG) == 0) {
		usleep(50000);
		/* It may wait for completions that never come. */
		if (now_ns() > until + 500000000)
			kill(child, SIGKILL);
		WANT(now_ns() < end);
	}
}

/* The child has calls that wait when its end comes in this way; afterwards the pipe has no reader any more. */
static void ended_by(int how)
{
	static char text[8];
	int ends[2], ready[2], status;
	WANT(pipe(ends) == 0 && pipe(ready) == 0);
	pid_t child = fork();
	if (child == 0) {
		ring_make(&ring, 8, 0, 0);
		for (int at = 0; at < 8; at++) {
			struct io_uring_sqe *entry = ring_entry(&ring, IORING_OP_READ, ends[0], at);
			entry->addr = (uintptr_t)text;
			entry->len = 1;
		}
		WANT(ring_submit(&ring, 0) == 8);
		close(ends[0]);
		close(ends[1]);
		if (how == 1) {
			execl("/proc/self/exe", "uring_enemy", "tell", NULL);
			_exit(2);
		}
		if (how == 2)
			close(ring.fd);
		WANT(write(ready[1], "r", 1) == 1);
		if (how == 0)
			_exit(0);
		for (;;)
			how == 4 ? ring_enter(&ring, 0, 1, IORING_ENTER_GETEVENTS) : pause();
	}
	close(ends[0]);
	if (how == 1) {
		/* What executes a program keeps no call of the one before, though its ring may stay. */
		usleep(50000);
	} else {
		char got;
		WANT(read(ready[0], &got, 1) == 1);
	}
	if (how >= 3) {
		usleep(10000);
		kill(child, SIGKILL);
	}
	if (how == 0 || how >= 3)
		WANT(waitpid(child, &status, 0) == child);
	signal(SIGPIPE, SIG_IGN);
	int64_t end = now_ns() + 5000000000;
	if (how == 2)
		/* Only the mappings are left of the ring. */
		usleep(10000);
	while (write(ends[1], "x", 1) >= 0)
		WANT(now_ns() < end);
	WANT(errno == EPIPE);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	close(ends[1]);
}

static void ends(void)
{
	for (int how = 0; how <= 4; how++)
		ended_by(how);
}

static void tell(void)
{
	pause();
}

/* A thread that ends takes its calls with it, and says so. */
static void *submits(void *fd)
{
	static char text[8];
	struct io_uring_sqe *entry = ring_entry(&ring, IORING_OP_READ, *(int *)fd, 7);
	entry->addr = (uintptr_t)text;
	entry->len = 1;
	WANT(ring_submit(&ring, 0) == 1);
	return NULL;
}

static void thread_ends(void)
{
	int ends[2];
	pthread_t thread;
	WANT(pipe(ends) == 0);
	ring_make(&ring, 8, 0, 0);
	WANT(pthread_create(&thread, NULL, submits, &ends[0]) == 0);
	WANT(pthread_join(thread, NULL) == 0);
	WANT(ring_enter(&ring, 0, 1, IORING_ENTER_GETEVENTS) == 0);
	WANT_DONE(&ring, 7, -ECANCELED);
}

/* Many rings and many calls: refused in time, and all of it comes back. */
static void exhausted(void)
{
	int status;
	for (int turn = 0; turn < 3; turn++) {
		pid_t child = fork();
		if (child == 0) {
			int ends[2], made = 0, begun = 0;
			static char text[8];
			WANT(pipe(ends) == 0);
			struct rlimit files = { 4096, 4096 };
			setrlimit(RLIMIT_NOFILE, &files);
			for (;; made++) {
				struct io_uring_params params = { .flags = IORING_SETUP_CLAMP };
				int fd = syscall(SYS_io_uring_setup, 32768, &params);
				if (fd < 0) {
					WANT(errno == ENOMEM || errno == EMFILE);
					break;
				}
			}
			for (int fd = 0; fd < 64; fd++)
				close(3 + ends[1] + fd);
			ring_make(&ring, 4096, 0, 0);
			for (;;) {
				for (int at = 0; at < 4096; at++) {
					struct io_uring_sqe *entry = ring_entry(&ring, IORING_OP_READ, ends[0], at);
					entry->addr = (uintptr_t)text;
					entry->len = 1;
				}
				int count = ring_submit(&ring, 0);
				if (count < 0) {
					WANT(errno == ENOMEM);
					break;
				}
				begun += count;
				if (count < 4096)
					break;
			}
			_exit(made < 1 || begun < 1);
		}
		WANT(waitpid(child, &status, 0) == child);
		/* Whoever takes all memory may be killed for it. */
		if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && status != 0)
			FAIL("wait status %#x", status);
	}
}

/* Two threads that submit, complete, cancel and wait on one ring at once. */
static int pipes[2];

static void *writes(void *unused)
{
	for (int at = 0; at < 3000; at++)
		WANT(write(pipes[1], "x", 1) == 1);
	return unused;
}

static void races(void)
{
	static char text[64];
	pthread_t thread;
	WANT(pipe(pipes) == 0);
	ring_make(&ring, 64, 256, 0);
	WANT(pthread_create(&thread, NULL, writes, NULL) == 0);
	int got = 0, cancelled = 0;
	while (got < 3000) {
		for (int at = 0; at < 8; at++) {
			struct io_uring_sqe *entry = ring_entry(&ring, IORING_OP_READ, pipes[0], 1);
			entry->addr = (uintptr_t)&text[at];
			entry->len = 1;
		}
		ring_entry(&ring, IORING_OP_ASYNC_CANCEL, -1, 2)->cancel_flags = IORING_ASYNC_CANCEL_ANY;
		WANT(ring_submit(&ring, 9) == 9);
		for (int at = 0; at < 9; at++) {
			struct io_uring_cqe done = ring_take(&ring);
			if (done.user_data == 2)
				WANT(done.res >= 0);
			else if (done.res == 1)
				got++;
			else if (done.res == -ECANCELED)
				cancelled++;
			else
				FAIL("a read gave %d", done.res);
		}
		WANT(ring_ready(&ring) == 0);
		sched_yield();
	}
	WANT(pthread_join(thread, NULL) == 0);
	WANT(got == 3000 && cancelled >= 0);
}

/* A ring that another partition has made is not this one's. */
static void handed(void)
{
	ring_make(&ring, 8, 0, 0);
	WANT(dup2(ring.fd, 0) == 0);
	execlp("wparexec", "wparexec", "-n", "handed", "/usr/lib/corral-tests/uring_enemy", "handed-inside", NULL);
	FAIL("wparexec");
}

static void handed_inside(void)
{
	struct iovec { void *base; size_t length; } buffer = { &ring, sizeof ring };
	WANT_ERROR(syscall(SYS_io_uring_enter, 0, 1, 0, 0, NULL, 0), ENOENT);
	WANT_ERROR(syscall(SYS_io_uring_register, 0, IORING_REGISTER_BUFFERS, &buffer, 1), ENOENT);
}

static const struct check checks[] = {
	{ "handed", handed }, { "handed-inside", handed_inside },
	{ "hostile", hostile }, { "ends", ends },   { "tell", tell }, { "thread-ends", thread_ends },
	{ "exhausted", exhausted }, { "races", races },
};

MAIN(checks)
