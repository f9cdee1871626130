/* Long work is cut: what happens in the middle of it is right, and nobody waits for its end. */

#include "stretch.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/time.h>
#include <sys/uio.h>

#define PAGE 4096UL
#define LARGE (96UL << 20)
#define HUGE_SIZE (512UL << 20)

static char *map(size_t size)
{
	char *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(start != MAP_FAILED);
	return start;
}

static void touch(char *start, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE)
		start[at] = 1;
}

/* The protection of what is not there cannot be changed. */
static int is_there(char *address)
{
	return mprotect((void *)((uintptr_t)address & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE) == 0;
}

static volatile sig_atomic_t signals;
static void count(int signal) { (void)signal; signals++; }

static void storm(long microseconds)
{
	struct sigaction action = { .sa_handler = count, .sa_flags = SA_RESTART };
	WANT(sigaction(SIGALRM, &action, NULL) == 0);
	struct itimerval timer = { { 0, microseconds }, { 0, microseconds } };
	WANT(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void ranges(void)
{
	/* Under a storm of signals each call does all of its range, and nothing beside it. */
	storm(500);
	for (int turn = 0; turn < 3; turn++) {
		char *start = map(LARGE + 2 * PAGE);
		char *middle = start + PAGE;
		touch(start, LARGE + 2 * PAGE);
		*start = 7;
		start[LARGE + PAGE] = 9;
		WANT(mprotect(middle, LARGE, PROT_READ) == 0);
		WANT(mprotect(middle, LARGE, PROT_READ | PROT_WRITE) == 0);
		for (size_t at = 0; at < LARGE; at += PAGE)
			WANT(middle[at] == 1);
		WANT(madvise(middle, LARGE, MADV_DONTNEED) == 0);
		for (size_t at = 0; at < LARGE; at += PAGE)
			WANT(middle[at] == 0);
		touch(middle, LARGE);
		WANT(mmap(middle, LARGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == middle);
		for (size_t at = 0; at < LARGE; at += PAGE)
			WANT(middle[at] == 0);
		WANT(mprotect(middle, LARGE, PROT_READ | PROT_WRITE) == 0);
		touch(middle, LARGE);
		WANT(munmap(middle, LARGE) == 0);
		for (size_t at = 0; at < LARGE; at += LARGE / 64)
			WANT(!is_there(middle + at));
		WANT(*start == 7 && start[LARGE + PAGE] == 9);
		WANT(munmap(start, PAGE) == 0 && munmap(middle + LARGE, PAGE) == 0);
	}
	WANT(signals > 0);
}

static void refusals(void)
{
	/* What is refused has changed nothing; a hole is told, and the rest of the range is done. */
	char *start = map(LARGE);
	touch(start, LARGE);
	WANT_ERROR(munmap(start + 1, LARGE - PAGE), EINVAL);
	WANT_ERROR(mmap(start + 1, LARGE - PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	WANT_ERROR(mremap(start, LARGE + PAGE, PAGE, 0), EFAULT);
	for (size_t at = 0; at < LARGE; at += PAGE)
		WANT(start[at] == 1);
	WANT(munmap(start + LARGE / 2, PAGE) == 0);
	WANT_ERROR(mprotect(start, LARGE, PROT_NONE), ENOMEM);
	WANT(*start == 1);
	WANT_ERROR(madvise(start, LARGE, MADV_DONTNEED), ENOMEM);
	WANT(*start == 0 && start[LARGE - PAGE] == 0);
	*start = 3;
	WANT(mremap(start, LARGE / 2, PAGE, 0) == start);
	WANT(*start == 3 && !is_there(start + PAGE));
}

static void program_break(void)
{
	storm(500);
	char *start = sbrk(0);
	WANT(sbrk(LARGE) == start);
	touch(start, LARGE);
	WANT(sbrk(-(intptr_t)(LARGE - 100)) == start + LARGE);
	WANT(sbrk(0) == start + 100);
	WANT(start[0] == 1);
	WANT(sbrk(LARGE) == start + 100);
	for (size_t at = 2 * PAGE; at < LARGE; at += PAGE)
		WANT(start[at] == 0);
}

static volatile int over;

static void *neighbour(void *unused)
{
	(void)unused;
	/* What it maps meanwhile, wherever that is, stays. */
	enum { COUNT = 64 };
	char *pages[COUNT];
	while (!over) {
		for (int index = 0; index < COUNT; index++) {
			pages[index] = map(PAGE);
			*pages[index] = index + 1;
		}
		for (int index = 0; index < COUNT; index++)
			WANT(*pages[index] == index + 1);
		for (int index = 0; index < COUNT; index++)
			WANT(munmap(pages[index], PAGE) == 0);
	}
	return NULL;
}

static void threads(void)
{
	/* A child of a fork that a neighbour's mappings interrupt has everything, too. */
	pthread_t thread;
	WANT(pthread_create(&thread, NULL, neighbour, NULL) == 0);
	for (int turn = 0; turn < 4; turn++) {
		char *start = map(LARGE);
		touch(start, LARGE);
		pid_t child = fork();
		WANT(child >= 0);
		if (child == 0) {
			for (size_t at = 0; at < LARGE; at += PAGE)
				if (start[at] != 1)
					_exit(1);
			_exit(0);
		}
		WANT(munmap(start, LARGE) == 0);
		int status;
		WANT(waitpid(child, &status, 0) == child && status == 0);
	}
	over = 1;
	WANT(pthread_join(thread, NULL) == 0);
}

static void forked(void)
{
	/* Under a storm of signals: a child is made once and has every page; both write to their own. */
	storm(500);
	char *start = map(LARGE);
	touch(start, LARGE);
	for (int turn = 0; turn < 4; turn++) {
		pid_t child = fork();
		WANT(child >= 0);
		if (child == 0) {
			for (size_t at = 0; at < LARGE; at += 16 * PAGE)
				start[at] += 1;
			for (size_t at = 0; at < LARGE; at += PAGE)
				if (start[at] != (at % (16 * PAGE) == 0 ? 2 : 1))
					_exit(1);
			_exit(0);
		}
		int status;
		WANT(waitpid(child, &status, 0) == child && status == 0);
		for (size_t at = 0; at < LARGE; at += PAGE)
			WANT(start[at] == 1);
	}
	WANT_ERROR(waitpid(-1, NULL, 0), ECHILD);
	WANT(signals > 0);
}

static void unmap_for_ever(void)
{
	for (;;) {
		char *start = map(LARGE);
		touch(start, LARGE);
		munmap(start, LARGE);
	}
}

static void fork_for_ever(void)
{
	char *start = map(LARGE);
	touch(start, LARGE);
	for (;;) {
		pid_t child = fork();
		if (child == 0)
			_exit(0);
		waitpid(child, NULL, 0);
	}
}

static void killed(void)
{
	/* Killed wherever it is. */
	for (int turn = 0; turn < 12; turn++) {
		pid_t child = fork();
		WANT(child >= 0);
		if (child == 0) {
			if (turn % 2 == 0)
				unmap_for_ever();
			fork_for_ever();
		}
		struct timespec moment = { 0, 60000000 + turn * 1370000 };
		nanosleep(&moment, NULL);
		WANT(kill(child, SIGKILL) == 0);
		int status;
		WANT(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

static void replaced(void)
{
	/* execve gives a large memory back, and the new program begins with the right one. */
	for (int turn = 0; turn < 4; turn++) {
		pid_t child = fork();
		WANT(child >= 0);
		if (child == 0) {
			char *start = map(LARGE);
			touch(start, LARGE);
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		int status;
		if (turn % 2 == 1) {
			struct timespec moment = { 0, 60000000 };
			nanosleep(&moment, NULL);
			kill(child, SIGKILL);
		}
		WANT(waitpid(child, &status, 0) == child);
		WANT(turn % 2 == 1 || status == 0);
	}
}

static char *huge;

static void unmap_huge(void) { WANT(munmap(huge, HUGE_SIZE) == 0); huge = map(HUGE_SIZE); touch(huge, HUGE_SIZE); }
static void protect_huge(void) { WANT(mprotect(huge, HUGE_SIZE, PROT_READ) == 0); }
static void open_huge(void) { WANT(mprotect(huge, HUGE_SIZE, PROT_READ | PROT_WRITE) == 0); }
static void drop_huge(void) { WANT(madvise(huge, HUGE_SIZE, MADV_DONTNEED) == 0); }
static void touch_huge(void) { touch(huge, HUGE_SIZE); }

static void replace_huge(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	WANT(mmap(huge, HUGE_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0) == huge);
}

static void fork_and_exit(void)
{
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0)
		_exit(0);
	WANT(waitpid(child, NULL, 0) == child);
}

static void fork_and_exec(void)
{
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	int status;
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static void exec_huge(void)
{
	execl("/bin/true", "true", (char *)NULL);
}

static void in_child_exec(void) { WANT(in_child(exec_huge) == 0); }

static void latency(void)
{
	static const struct work steps[] = {
		{ "touching", touch_huge }, { "munmap", unmap_huge }, { "mprotect", protect_huge },
		{ "mprotect back", open_huge }, { "fork", fork_and_exit }, { "fork and execve", fork_and_exec },
		{ "execve", in_child_exec }, { "MADV_DONTNEED", drop_huge }, { "touching again", touch_huge },
		{ "MAP_FIXED", replace_huge },
	};
	huge = map(HUGE_SIZE);
	WANT_CUT(steps);
}

static void leave_children(void)
{
	/* Some have ended and some have not: these are told of their parent's end, and end by that. */
	pid_t parent = fork();
	WANT(parent >= 0);
	if (parent == 0) {
		pid_t self = getpid();
		for (int count = 0; count < 1500; count++) {
			pid_t child = fork();
			if (child < 0)
				_exit(1);
			if (child == 0 && count % 3 == 0) {
				prctl(PR_SET_PDEATHSIG, SIGKILL);
				if (getppid() == self)
					pause();
			}
			if (child == 0)
				_exit(0);
		}
		_exit(0);
	}
	int status;
	WANT(waitpid(parent, &status, 0) == parent && status == 0);
}

static void orphans(void) { WANT(is_cut("the end of a parent", leave_children)); }

#define FILE_SIZE (256UL << 20)
#define DESCRIPTORS 60000
static int file;

static void fill(int file)
{
	static char buffer[1 << 20];
	for (size_t done = 0; done < FILE_SIZE; done += sizeof(buffer))
		WANT(pwrite(file, buffer, sizeof(buffer), done) == sizeof(buffer));
}

static int large_file(void)
{
	int made = open("/tmp/large", O_RDWR | O_CREAT | O_EXCL, 0600);
	WANT(made >= 0);
	fill(made);
	return made;
}

static void fill_file(void) { file = large_file(); }
static void truncate_file(void) { WANT(ftruncate(file, 5 * PAGE + 1) == 0); }
static void refill_file(void) { fill(file); }
static void unlink_file(void) { WANT(unlink("/tmp/large") == 0 && close(file) == 0); }
static void replace_file(void) { close(large_file()); WANT(rename("/tmp/small", "/tmp/large") == 0 && unlink("/tmp/large") == 0); }
static void open_with_truncation(void) { close(large_file()); WANT((file = open("/tmp/large", O_RDWR | O_TRUNC)) >= 0); }

static void end_with_file(void)
{
	/* Its pages go with the process: at the descriptor's end, and at the mapping's. */
	WANT((file = large_file()) >= 0 && unlink("/tmp/large") == 0);
}

static void end_with_mapped_file(void)
{
	end_with_file();
	WANT(mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, file, 0) != MAP_FAILED && close(file) == 0);
}

static void shared_memory(void)
{
	char *start = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	WANT(start != MAP_FAILED);
	touch(start, FILE_SIZE);
	WANT(munmap(start, FILE_SIZE) == 0);
}

static void segment(void)
{
	int number = shmget(IPC_PRIVATE, FILE_SIZE, 0600);
	char *start = shmat(number, NULL, 0);
	WANT(number >= 0 && start != (void *)-1);
	touch(start, FILE_SIZE);
	WANT(shmctl(number, IPC_RMID, NULL) == 0 && shmdt(start) == 0);
}

static void many_descriptors(void)
{
	struct rlimit limit = { DESCRIPTORS + 100, DESCRIPTORS + 100 };
	WANT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (int number = 10; number < DESCRIPTORS; number++) {
		int made = number % 2 == 0 ? memfd_create("one of many", 0) : dup(0);
		WANT(made >= 0 && dup2(made, number) == number && close(made) == 0);
	}
}

static void close_many(void)
{
	many_descriptors();
	WANT(close_range(10, ~0U, CLOSE_RANGE_CLOEXEC) == 0);
	WANT(fcntl(10, F_GETFD) == FD_CLOEXEC && fcntl(DESCRIPTORS - 1, F_GETFD) == FD_CLOEXEC);
	WANT(close_range(10, ~0U, 0) == 0);
	WANT_ERROR(fcntl(10, F_GETFD), EBADF);
	WANT_ERROR(fcntl(DESCRIPTORS - 1, F_GETFD), EBADF);
	WANT(fcntl(9, F_GETFD) == -1 && fcntl(0, F_GETFD) == 0);
}

static void many_areas(void)
{
	/* Every second page is an area of its own. */
	char *start = map(30000 * PAGE);
	for (size_t at = 0; at < 30000; at += 2)
		WANT(mprotect(start + at * PAGE, PAGE, PROT_READ) == 0);
}

static void end_with_many(void) { WANT(in_child(many_descriptors) == 0); }
static void end_with_open_file(void) { WANT(in_child(end_with_file) == 0); }
static void end_with_mapping(void) { WANT(in_child(end_with_mapped_file) == 0); }
static void end_with_areas(void) { WANT(in_child(many_areas) == 0); }

static void objects(void)
{
	static const struct work steps[] = {
		{ "write", fill_file }, { "ftruncate", truncate_file }, { "write again", refill_file },
		{ "unlink and close", unlink_file }, { "rename", replace_file },
		{ "O_TRUNC", open_with_truncation }, { "unlink and close", unlink_file },
		{ "exit with a file", end_with_open_file }, { "exit with a mapped file", end_with_mapping },
		{ "shared memory", shared_memory }, { "shmdt", segment },
		{ "close_range", close_many }, { "exit with descriptors", end_with_many },
		{ "exit with areas", end_with_areas },
	};
	WANT(close(open("/tmp/small", O_RDWR | O_CREAT, 0600)) == 0);
	WANT_CUT(steps);
}

static void kill_amid(void)
{
	/* Killed while its file is given back. */
	for (int turn = 0; turn < 6; turn++) {
		pid_t child = fork();
		WANT(child >= 0);
		if (child == 0) {
			end_with_file();
			_exit(0);
		}
		while (access("/tmp/large", F_OK) != 0)
			;
		while (access("/tmp/large", F_OK) == 0)
			;
		struct timespec moment = { 0, turn * 1370000 };
		nanosleep(&moment, NULL);
		kill(child, SIGKILL);
		int status;
		WANT(waitpid(child, &status, 0) == child);
	}
}

static struct iovec vector[16];
static volatile int reading;

static void *shorten(void *unused)
{
	while (!over) {
		while (!reading && !over)
			sched_yield();
		for (int part = 0; part < 16; part++)
			vector[part].iov_len = 1;
		reading = 0;
	}
	return unused;
}

static void vectors(void)
{
	/* Another thread makes the vector of a long transfer shorter than what has been transferred. */
	size_t length = 8UL << 20;
	char *start = map(length);
	int zero = open("/dev/zero", O_RDWR), shortened = 0;
	pthread_t thread;
	WANT(zero >= 0 && pthread_create(&thread, NULL, shorten, NULL) == 0);
	for (int turn = 0; turn < 20; turn++) {
		for (int part = 0; part < 16; part++)
			vector[part] = (struct iovec) { start, length };
		reading = 1;
		ssize_t count = turn % 2 == 0 ? readv(zero, vector, 16) : writev(zero, vector, 16);
		WANT(count >= 16 && count <= (ssize_t)(16 * length));
		shortened += !reading && count > 16 && count < (ssize_t)(16 * length);
		while (reading)
			sched_yield();
	}
	over = 1;
	WANT(pthread_join(thread, NULL) == 0 && shortened > 0);
}

static const struct check checks[] = {
	{ "ranges", ranges }, { "refusals", refusals }, { "break", program_break }, { "threads", threads },
	{ "fork", forked }, { "killed", killed }, { "replaced", replaced }, { "latency", latency },
	{ "orphans", orphans }, { "objects", objects }, { "amid", kill_amid }, { "vectors", vectors },
};
MAIN(checks)
