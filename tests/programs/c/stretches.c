/* Calls that have much to do: none of them keeps interrupts off for long. Each makes what it works on first; that counts too. */

#include "ring.h"
#include "stretch.h"
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGE 4096UL
#define LARGE (192UL << 20)
#define MANY 20000
/* Of what one call has to look at as a whole. */
#define SOME 2000
/* That one write wakes. */
#define WATCHED 600

static char *map(size_t size, int flags)
{
	char *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	WANT(start != MAP_FAILED);
	return start;
}

static void more_descriptors(int count)
{
	struct rlimit limit = { count + 100, count + 100 };
	WANT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void populate(void)
{
	char *start = map(LARGE, MAP_POPULATE);
	WANT(madvise(start, LARGE, MADV_WILLNEED) == 0 && mlock(start, LARGE) == 0);
	WANT(munmap(start, LARGE) == 0);
}

static void allocate(void)
{
	int file = open("/tmp/large", O_RDWR | O_CREAT, 0600);
	WANT(fallocate(file, 0, 0, LARGE) == 0);
	WANT(close(file) == 0);
}

static void transfer(void)
{
	int from = open("/tmp/large", O_RDWR), to = open("/tmp/copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *start = map(LARGE, 0);
	WANT(pread(from, start, LARGE, 0) == LARGE);
	WANT(pwrite(to, start, LARGE, 0) == LARGE);
	loff_t in = 0, out = 0;
	WANT(copy_file_range(from, &in, to, &out, LARGE, 0) == LARGE);
	off_t at = 0;
	WANT(lseek(to, 0, SEEK_SET) == 0 && sendfile(to, from, &at, LARGE) == LARGE);
	struct iovec parts[1024];
	for (int part = 0; part < 1024; part++)
		parts[part] = (struct iovec) { start + part * (LARGE / 1024), LARGE / 1024 };
	WANT(preadv(from, parts, 1024, 0) == LARGE && pwritev(to, parts, 1024, 0) == LARGE);
	struct iovec own = { start, LARGE / 2 }, other = { start + LARGE / 2, LARGE / 2 };
	WANT(process_vm_readv(getpid(), &own, 1, &other, 1, 0) == LARGE / 2);
	WANT(close(from) == 0 && close(to) == 0 && unlink("/tmp/copy") == 0 && munmap(start, LARGE) == 0);
}

static void random_bytes(void)
{
	char *start = map(16 << 20, 0);
	WANT(getrandom(start, 16 << 20, 0) > 0);
	int device = open("/dev/urandom", O_RDONLY);
	WANT(read(device, start, 16 << 20) == 16 << 20 && close(device) == 0);
}

static void moved(void)
{
	char *start = map(LARGE, MAP_POPULATE), *other = map(2 * LARGE, 0);
	WANT(mremap(start, LARGE, LARGE, MREMAP_MAYMOVE | MREMAP_FIXED, other + PAGE) == other + PAGE);
}

static void read_all(const char *path)
{
	static char buffer[1 << 20];
	int file = open(path, O_RDONLY);
	WANT(file >= 0);
	ssize_t count;
	while ((count = read(file, buffer, sizeof(buffer))) > 0)
		;
	WANT(count == 0 && close(file) == 0);
}

static void areas(void)
{
	char *start = map(2 * SOME * PAGE, 0);
	for (size_t at = 0; at < 2 * SOME; at += 2)
		WANT(mprotect(start + at * PAGE, PAGE, PROT_READ) == 0);
	read_all("/proc/self/maps");
	WANT(mprotect(start, 2 * SOME * PAGE, PROT_READ) == 0);
	for (size_t at = 0; at < 2 * SOME; at += 2)
		WANT(mprotect(start + at * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
	WANT(madvise(start, 2 * SOME * PAGE, MADV_DONTNEED) == 0);
	WANT(msync(start, 2 * SOME * PAGE, MS_SYNC) == 0);
}

static void directory(void)
{
	char name[64];
	WANT(mkdir("/tmp/many", 0700) == 0);
	for (int number = 0; number < MANY; number++) {
		snprintf(name, sizeof(name), "/tmp/many/a name that is not so short %d", number);
		WANT(close(open(name, O_WRONLY | O_CREAT, 0600)) == 0);
	}
	DIR *all = opendir("/tmp/many");
	int count = 0;
	while (readdir(all))
		count++;
	WANT(count == MANY + 2 && closedir(all) == 0);
	int file = open("/tmp/many", O_RDONLY | O_DIRECTORY);
	static char buffer[8 << 20];
	WANT(syscall(SYS_getdents64, file, buffer, sizeof(buffer)) > 0 && close(file) == 0);
	for (int number = 0; number < MANY; number++) {
		snprintf(name, sizeof(name), "/tmp/many/a name that is not so short %d", number);
		WANT(unlink(name) == 0);
	}
	WANT(rmdir("/tmp/many") == 0);
}

static void watched(void)
{
	more_descriptors(WATCHED);
	static struct pollfd files[WATCHED];
	int set = epoll_create1(0);
	int pair[2];
	WANT(pipe(pair) == 0);
	for (int number = 0; number < WATCHED - 100; number++) {
		int file = dup(pair[0]);
		WANT(file >= 0);
		files[number] = (struct pollfd) { .fd = file, .events = POLLIN };
		struct epoll_event event = { .events = EPOLLIN, .data.fd = file };
		WANT(epoll_ctl(set, EPOLL_CTL_ADD, file, &event) == 0);
	}
	WANT(poll(files, WATCHED - 100, 0) == 0);
	WANT(poll(files, WATCHED - 100, 20) == 0);
	WANT(write(pair[1], "x", 1) == 1);
	WANT(poll(files, WATCHED - 100, 0) == WATCHED - 100);
	static struct epoll_event events[WATCHED];
	WANT(epoll_wait(set, events, WATCHED, 0) > 0);
	read_all("/proc/self/fdinfo/3");
	DIR *all = opendir("/proc/self/fd");
	while (readdir(all))
		;
	WANT(closedir(all) == 0);
	/* Few of them go with the instance. */
	for (int number = 250; number < WATCHED - 100; number++)
		WANT(epoll_ctl(set, EPOLL_CTL_DEL, files[number].fd, NULL) == 0);
	WANT(close(set) == 0);
}

static void locks(void)
{
	int file = open("/tmp/large", O_RDWR);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	for (int number = 0; number < 4000; number++) {
		lock.l_start = 2 * number;
		WANT(fcntl(file, F_SETLK, &lock) == 0);
	}
	lock = (struct flock) { .l_type = F_UNLCK, .l_whence = SEEK_SET };
	WANT(fcntl(file, F_SETLK, &lock) == 0 && close(file) == 0);
}

static void areas_in_child(void) { WANT(in_child(areas) == 0); }
static void watched_in_child(void) { WANT(in_child(watched) == 0); }

static void datagrams(void)
{
	int pair[2];
	WANT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0);
	/* As many as there is room for, and all go with the socket. */
	while (send(pair[0], "small", 5, 0) == 5)
		;
	WANT(close(pair[0]) == 0 && close(pair[1]) == 0);
	WANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
	char *start = map(8 << 20, 0);
	while (write(pair[0], start, 8 << 20) > 0)
		;
	while (read(pair[1], start, 8 << 20) > 0)
		;
	WANT(close(pair[0]) == 0 && close(pair[1]) == 0);
}

static void passed(void)
{
	more_descriptors(MANY);
	int pair[2];
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	/* Files on their way that go with the socket. */
	for (int turn = 0; turn < 4; turn++) {
		char control[CMSG_SPACE(250 * sizeof(int))] = { 0 };
		struct iovec part = { "x", 1 };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(250 * sizeof(int));
		for (int number = 0; number < 250; number++)
			((int *)CMSG_DATA(head))[number] = open("/dev/null", O_RDONLY);
		WANT(sendmsg(pair[0], &message, 0) == 1);
		WANT(close_range(pair[1] + 1, ~0U, 0) == 0);
	}
	WANT(close(pair[0]) == 0 && close(pair[1]) == 0);
}

static int held[2];
static struct ring holds;

/* Ends with a request under way that is the last to know of a socket, in which there is the last way to a large file. */
static void *last_to_know(void *unused)
{
	int file = memfd_create("large", 0);
	WANT(file >= 0 && fallocate(file, 0, 0, 64 << 20) == 0);
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	*head = (struct cmsghdr) { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
	*(int *)CMSG_DATA(head) = file;
	WANT(sendmsg(held[0], &message, 0) == 1 && close(file) == 0);
	ring_make(&holds, 4, 8, 0);
	ring_entry(&holds, IORING_OP_POLL_ADD, held[1], 1)->poll32_events = POLLPRI;
	WANT(ring_submit(&holds, 0) == 1 && close(held[1]) == 0);
	return unused;
}

static void abandoned(void)
{
	pthread_t thread;
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, held) == 0);
	WANT(pthread_create(&thread, NULL, last_to_know, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static void signals_and_timers(void)
{
	sigset_t all;
	sigfillset(&all);
	WANT(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
	union sigval value = { 0 };
	int sent = 0;
	while (sent < SOME && sigqueue(getpid(), SIGRTMIN, value) == 0)
		sent++;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	timer_t timer;
	int made = 0;
	while (made < 400 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) {
		struct itimerspec moment = { { 0, 1000000 }, { 0, 1000000 } };
		WANT(timer_settime(timer, 0, &moment, NULL) == 0);
		made++;
	}
	usleep(20000);
	WANT(sent > 100 && made > 100);
}

static void end_of_signals(void) { WANT(in_child(signals_and_timers) == 0); }

static void deep(void)
{
	/* A path of many names, made, walked, named and removed. */
	WANT(chdir("/tmp") == 0);
	for (int level = 0; level < 1000; level++)
		WANT(mkdir("d", 0700) == 0 && chdir("d") == 0);
	static char path[PATH_MAX];
	getcwd(path, sizeof(path));
	for (int level = 0; level < 1000; level++)
		WANT(chdir("..") == 0 && rmdir("d") == 0);
	WANT(chdir("/") == 0);
}

static void objects(void)
{
	static const struct work works[] = {
		{ "MAP_POPULATE", populate }, { "fallocate", allocate }, { "transfers", transfer }, { "random bytes", random_bytes },
		{ "mremap", moved }, { "areas", areas_in_child }, { "a large directory", directory }, { "many watched files", watched_in_child },
		{ "file locks", locks }, { "messages", datagrams }, { "passed files", passed },
		{ "a large file that goes with a thread", abandoned },
		{ "signals and timers", end_of_signals }, { "a deep directory", deep },
	};
	WANT_CUT(works);
}

static const struct check checks[] = { { "calls", objects } };
MAIN(checks)
