/* What concerns thousands at once, waiters, areas, descriptors, processes: nobody is forgotten, and no call keeps interrupts
   off for long. Making the thousands counts too. */

#include "stretch.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define PAGE 4096UL
/* As many areas as one program may have, but for those of the program itself. */
#define AREAS 65000
#define DESCRIPTORS 60000
#define ENTRIES 8000
#define THREADS 1000
#define PROCESSES 700
#define LARGE (384UL << 20)

static void more_descriptors(void)
{
	struct rlimit limit = { DESCRIPTORS + 100, DESCRIPTORS + 100 };
	WANT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static char *map(size_t size, int flags)
{
	char *start = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	WANT(start != MAP_FAILED);
	return start;
}

/* Areas: every second page of a range is one. */

static char *many_areas(void)
{
	char *start = map(AREAS * PAGE, 0);
	for (size_t at = 0; at < AREAS; at += 2)
		WANT(mprotect(start + at * PAGE, PAGE, PROT_READ) == 0);
	for (size_t at = 1; at < AREAS; at += 64)
		start[at * PAGE] = 1;
	return start;
}

static void unmapped(void)
{
	char *start = many_areas();
	WANT(munmap(start + PAGE, (AREAS - 2) * PAGE) == 0);
	WANT(*start == 0 && msync(start + PAGE, PAGE, MS_SYNC) == -1 && errno == ENOMEM);
	WANT(msync(start + (AREAS - 2) * PAGE, PAGE, MS_SYNC) == -1 && msync(start + (AREAS - 1) * PAGE, PAGE, MS_SYNC) == 0);
}

static void replaced(void)
{
	char *start = many_areas();
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	WANT(mmap(start, AREAS * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) == start);
	for (size_t at = 0; at < AREAS; at += 100)
		WANT(start[at * PAGE] == 0);
}

static void protected(void)
{
	char *start = many_areas();
	WANT(mprotect(start, AREAS * PAGE, PROT_READ | PROT_WRITE) == 0);
	WANT(start[PAGE] == 1);
	*start = 2;
}

static void advised(void)
{
	char *start = many_areas();
	WANT(madvise(start, AREAS * PAGE, MADV_DONTNEED) == 0 && start[PAGE] == 0);
	WANT(msync(start, AREAS * PAGE, MS_SYNC) == 0);
	static unsigned char pages[AREAS];
	WANT(mincore(start, AREAS * PAGE, pages) == 0);
}

static void copied(void)
{
	char *start = many_areas();
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		for (size_t at = 1; at < AREAS; at += 64)
			if (start[at * PAGE] != 1)
				_exit(1);
		/* The areas are there, the last too, and no more than these. */
		start[(AREAS - 1) * PAGE] = 1;
		_exit(msync(start, AREAS * PAGE, MS_SYNC) == 0 ? 0 : 2);
	}
	int status;
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static void looked_at(void)
{
	many_areas();
	char path[64], text[4096];
	static const char *const names[] = { "stat", "statm", "status", "comm" };
	snprintf(path, sizeof(path), "/proc/%d", getpid());
	struct stat found;
	WANT(stat(path, &found) == 0);
	for (int name = 0; name < 4; name++) {
		snprintf(path, sizeof(path), "/proc/self/%s", names[name]);
		int file = open(path, O_RDONLY);
		WANT(file >= 0 && read(file, text, sizeof(text)) > 0 && close(file) == 0);
	}
}

static void moved(void)
{
	char *start = map(LARGE, MAP_POPULATE);
	for (size_t at = 0; at < LARGE; at += PAGE)
		*(size_t *)(start + at) = at + 1;
	char *end = mmap(start + LARGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	WANT(end == start + LARGE || errno == EEXIST);
	char *grown = mremap(start, LARGE, 2 * LARGE, MREMAP_MAYMOVE);
	WANT(grown != MAP_FAILED && grown != start);
	for (size_t at = 0; at < LARGE; at += PAGE)
		WANT(*(size_t *)(grown + at) == at + 1);
	WANT(grown[LARGE] == 0 && msync(start, PAGE, MS_SYNC) == -1);
}

static void moved_oddly(void)
{
	/* To an address at which it lies otherwise in blocks of sixteen pages, and between neighbours that stay. */
	size_t length = LARGE / 2;
	char *start = map(length, 0), *other = map(length + 32 * PAGE, 0);
	memset(other, 1, length + 32 * PAGE);
	for (size_t at = 0; at < length; at += PAGE)
		*(size_t *)(start + at) = at + 1;
	char *target = other + ((start - other) & (16 * PAGE - 1)) + 3 * PAGE;
	WANT(mremap(start, length, length + PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
	for (size_t at = 0; at < length; at += PAGE)
		WANT(*(size_t *)(target + at) == at + 1);
	WANT(target[length] == 0 && msync(start, PAGE, MS_SYNC) == -1 && msync(start + length - PAGE, PAGE, MS_SYNC) == -1);
	WANT(target[-1] == 1 && target[length + PAGE] == 1);
	/* It is one area again. */
	WANT(mremap(target, length, PAGE, 0) == target);
}

/* Descriptors. */

static void many_descriptors(int flags)
{
	more_descriptors();
	int file = open("/dev/null", O_RDONLY);
	while ((file = fcntl(file, flags ? F_DUPFD_CLOEXEC : F_DUPFD, 0)) < DESCRIPTORS - 1)
		WANT(file >= 0);
}

static void copied_descriptors(void)
{
	many_descriptors(0);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0)
		_exit(fcntl(DESCRIPTORS - 1, F_GETFD) == 0 && fcntl(DESCRIPTORS, F_GETFD) == -1 && fcntl(20, F_GETFD) == 0 ? 0 : 1);
	int status;
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static void closed_by_execve(void)
{
	many_descriptors(1);
	WANT(fcntl(DESCRIPTORS - 1, F_SETFD, 0) == 0);
	char script[128];
	snprintf(script, sizeof(script), "test ! -e /proc/self/fd/20 && test ! -e /proc/self/fd/%d && test -e /proc/self/fd/%d", DESCRIPTORS - 2, DESCRIPTORS - 1);
	execl("/bin/sh", "sh", "-c", script, (char *)NULL);
}

static void polled(void)
{
	many_descriptors(0);
	struct pollfd *files = calloc(DESCRIPTORS, sizeof(*files));
	for (int number = 0; number < DESCRIPTORS; number++)
		files[number] = (struct pollfd) { .fd = number, .events = POLLIN };
	WANT(poll(files + 20, DESCRIPTORS - 20, 0) == DESCRIPTORS - 20);
	int pair[2];
	WANT(pipe(pair) == 0);
	for (int number = 20; number < DESCRIPTORS; number++)
		WANT(dup2(pair[0], number) == number);
	WANT(poll(files + 20, DESCRIPTORS - 20, 5) == 0);
}

/* Waiters. */

static int watch_often(int file)
{
	more_descriptors();
	int set = epoll_create1(0);
	for (int number = 0; number < ENTRIES; number++) {
		int copy = dup(file);
		struct epoll_event event = { .events = EPOLLIN, .data.fd = copy };
		WANT(copy >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, copy, &event) == 0);
	}
	return set;
}

static void count_events(int set)
{
	/* Each is told, and each once. */
	static struct epoll_event events[1024];
	static char seen[DESCRIPTORS];
	for (int left = ENTRIES; left > 0;) {
		int count = epoll_wait(set, events, 1024, 0);
		WANT(count > 0 && count <= left);
		for (int at = 0; at < count; at++) {
			WANT(!seen[events[at].data.fd]++);
			WANT(epoll_ctl(set, EPOLL_CTL_DEL, events[at].data.fd, NULL) == 0);
		}
		left -= count;
	}
	WANT(epoll_wait(set, events, 1024, 0) == 0);
}

static void watched_pipe(void)
{
	int pair[2];
	WANT(pipe(pair) == 0);
	int set = watch_often(pair[0]);
	WANT(write(pair[1], "x", 1) == 1);
	count_events(set);
}

static void watched_counter(void)
{
	int counter = eventfd(0, 0);
	int set = watch_often(counter);
	uint64_t one = 1;
	WANT(write(counter, &one, sizeof(one)) == sizeof(one));
	count_events(set);
}

static void closed_instance(void)
{
	int set = watch_often(eventfd(0, 0));
	WANT(close(set) == 0);
	/* All of its share of the watches is free again. */
	int other = watch_often(eventfd(0, 0));
	WANT(close(other) == 0);
}

static void closed_file(void)
{
	int counter = eventfd(0, 0);
	int set = watch_often(counter);
	WANT(close_range(set + 1, ~0U, 0) == 0 && close(counter) == 0);
	struct epoll_event event;
	WANT(epoll_wait(set, &event, 1, 0) == 0);
}

static int word, other_word, asleep, awake, counter, gate[2];

static void *wait_for_word(void *unused)
{
	(void)unused;
	__atomic_add_fetch(&asleep, 1, __ATOMIC_SEQ_CST);
	long result = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	WANT(result == 0);
	__atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *read_counter(void *unused)
{
	(void)unused;
	uint64_t value;
	__atomic_add_fetch(&asleep, 1, __ATOMIC_SEQ_CST);
	WANT(read(counter, &value, sizeof(value)) == sizeof(value) && value == 1);
	__atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *sleep_for_ever(void *unused)
{
	__atomic_add_fetch(&asleep, 1, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
	return unused;
}

static pthread_t threads[THREADS];

static void begin_threads(void *(*run)(void *))
{
	pthread_attr_t attributes;
	WANT(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 131072) == 0);
	for (int number = 0; number < THREADS; number++)
		WANT(pthread_create(&threads[number], &attributes, run, NULL) == 0);
	/* On one CPU whoever has counted itself waits by the time that this thread runs again with nobody else ready. */
	while (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST) < THREADS)
		usleep(1000);
	usleep(50000);
}

static void join_threads(void)
{
	for (int number = 0; number < THREADS; number++)
		WANT(pthread_join(threads[number], NULL) == 0);
	WANT(awake == THREADS);
}

static void woken(void)
{
	begin_threads(wait_for_word);
	WANT(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 3, NULL, NULL, 0) == 3);
	WANT(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0) == THREADS - 3);
	WANT(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0) == 0);
	join_threads();
}

static void requeued(void)
{
	begin_threads(wait_for_word);
	long moved = syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PRIVATE, 350, (void *)500, &other_word, 0);
	WANT(moved == 850);
	WANT(syscall(SYS_futex, &other_word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0) == 500);
	WANT(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0) == THREADS - 850);
	join_threads();
}

static void woken_by_operation(void)
{
	begin_threads(wait_for_word);
	WANT(syscall(SYS_futex, &word, FUTEX_REQUEUE_PRIVATE, 0, (void *)450, &other_word, 0) == 450);
	int operation = FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0);
	long count = syscall(SYS_futex, &word, FUTEX_WAKE_OP_PRIVATE, 400, (void *)425, &other_word, operation);
	WANT(count == 825 && other_word == 5);
	WANT(syscall(SYS_futex, &other_word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0) == 25);
	WANT(syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0) == THREADS - 850);
	join_threads();
}

static void read_at_once(void)
{
	/* All are woken by each of the writes, and one of them gets it. */
	counter = eventfd(0, EFD_SEMAPHORE);
	begin_threads(read_counter);
	uint64_t all = THREADS;
	WANT(write(counter, &all, sizeof(all)) == sizeof(all));
	join_threads();
}

static void ended_at_once(void) { begin_threads(sleep_for_ever); }

static void threads_replaced(void)
{
	begin_threads(sleep_for_ever);
	execl("/bin/true", "true", (char *)NULL);
}

/* Processes. */

static void begin_processes(void)
{
	WANT(pipe(gate) == 0 && setpgid(0, 0) == 0);
	char byte;
	for (int number = 0; number < PROCESSES; number++) {
		pid_t child = fork();
		WANT(child >= 0);
		if (child == 0) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1));
		}
	}
}

static void signalled(void)
{
	begin_processes();
	WANT(setpriority(PRIO_PGRP, 0, 5) == 0 && getpriority(PRIO_PGRP, 0) == 5);
	WANT(kill(0, 0) == 0 && signal(SIGTERM, SIG_IGN) != SIG_ERR && kill(0, SIGTERM) == 0);
	int status;
	for (int number = 0; number < PROCESSES; number++)
		WANT(wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	WANT_ERROR(wait(&status), ECHILD);
}

static void let_go(void)
{
	/* All read what nobody writes any more. */
	begin_processes();
	close(gate[1]);
	int status;
	for (int number = 0; number < PROCESSES; number++)
		WANT(wait(&status) > 0 && status == 0);
}

/* What a process leaves. */

static void many_timers(void)
{
	struct rlimit limit = { ENTRIES + 100, ENTRIES + 100 };
	WANT(setrlimit(RLIMIT_SIGPENDING, &limit) == 0);
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	for (int number = 0; number < ENTRIES; number++) {
		timer_t timer;
		struct itimerspec moment = { { 0, 0 }, { 1000, 0 } };
		WANT(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &moment, NULL) == 0);
	}
}

static void timers_replaced(void)
{
	many_timers();
	execl("/bin/true", "true", (char *)NULL);
}

static void many_watches(void)
{
	int instance = inotify_init();
	char name[64];
	WANT(mkdir("/tmp/crowd", 0700) == 0);
	for (int number = 0; number < ENTRIES; number++) {
		snprintf(name, sizeof(name), "/tmp/crowd/%d", number);
		WANT(mknod(name, S_IFREG | 0600, 0) == 0 && inotify_add_watch(instance, name, IN_MODIFY) > 0);
	}
	WANT(close(instance) == 0);
	instance = inotify_init();
	WANT(inotify_add_watch(instance, "/tmp/crowd/7", IN_MODIFY) == 1);
	for (int number = 0; number < ENTRIES; number++) {
		snprintf(name, sizeof(name), "/tmp/crowd/%d", number);
		WANT(unlink(name) == 0);
	}
	WANT(rmdir("/tmp/crowd") == 0);
}

static void pass_files(int socket)
{
	char control[CMSG_SPACE(250 * sizeof(int))] = { 0 };
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(250 * sizeof(int));
	for (int number = 0; number < 250; number++)
		((int *)CMSG_DATA(head))[number] = open("/dev/null", O_RDONLY);
	WANT(sendmsg(socket, &message, 0) == 1);
	for (int number = 0; number < 250; number++)
		close(((int *)CMSG_DATA(head))[number]);
}

static void passed(void)
{
	int pair[2], size = 1 << 20;
	WANT(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(pair[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	struct pollfd room = { .fd = pair[0], .events = POLLOUT };
	for (int turn = 0; turn < 40 && poll(&room, 1, 0) == 1; turn++)
		pass_files(pair[0]);
	WANT(close(pair[0]) == 0 && close(pair[1]) == 0);
}

static void refused(void)
{
	/* Thousands of connections that nobody has accepted go with their listener. */
	more_descriptors();
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0crowd" };
	WANT(bind(listener, (struct sockaddr *)&name, 8) == 0 && listen(listener, 4096) == 0);
	for (int number = 0; number < 4000; number++) {
		int client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		WANT(client >= 0 && connect(client, (struct sockaddr *)&name, 8) == 0);
	}
	WANT(close(listener) == 0);
}

#define ALONE(name, check) static void name(void) { WANT(in_child(check) == 0); }
ALONE(do_unmap, unmapped) ALONE(do_replace, replaced) ALONE(do_protect, protected) ALONE(do_advise, advised)
ALONE(do_copy, copied) ALONE(do_look, looked_at) ALONE(do_move, moved) ALONE(do_move_oddly, moved_oddly)
ALONE(do_copy_descriptors, copied_descriptors) ALONE(do_close_by_execve, closed_by_execve) ALONE(do_poll, polled)
ALONE(do_watch_pipe, watched_pipe) ALONE(do_watch_counter, watched_counter) ALONE(do_close_instance, closed_instance)
ALONE(do_close_file, closed_file) ALONE(do_wake, woken) ALONE(do_requeue, requeued) ALONE(do_operate, woken_by_operation)
ALONE(do_read, read_at_once) ALONE(do_end, ended_at_once) ALONE(do_replace_threads, threads_replaced)
ALONE(do_signal, signalled) ALONE(do_let_go, let_go) ALONE(do_end_timers, many_timers)
ALONE(do_replace_timers, timers_replaced) ALONE(do_pass, passed) ALONE(do_refuse, refused)

static void areas(void)
{
	static const struct work works[] = {
		{ "munmap", do_unmap }, { "MAP_FIXED", do_replace }, { "mprotect", do_protect }, { "madvise", do_advise },
		{ "fork", do_copy }, { "/proc", do_look }, { "mremap", do_move }, { "mremap by an odd number", do_move_oddly },
	};
	WANT_CUT(works);
}

static void descriptors(void)
{
	static const struct work works[] = {
		{ "fork", do_copy_descriptors }, { "execve", do_close_by_execve }, { "poll", do_poll },
		{ "passed files", do_pass }, { "connections that nobody accepts", do_refuse }, { "inotify", many_watches },
	};
	WANT_CUT(works);
}

static void waiters(void)
{
	static const struct work works[] = {
		{ "a pipe", do_watch_pipe }, { "eventfd", do_watch_counter }, { "the end of an epoll instance", do_close_instance },
		{ "the end of a watched file", do_close_file }, { "FUTEX_WAKE", do_wake }, { "FUTEX_CMP_REQUEUE", do_requeue },
		{ "FUTEX_WAKE_OP", do_operate }, { "threads at eventfd", do_read }, { "the end of threads", do_end },
		{ "execve of threads", do_replace_threads },
	};
	WANT_CUT(works);
}

static void processes(void)
{
	static const struct work works[] = {
		{ "kill of a group", do_signal }, { "the end of a pipe", do_let_go }, { "exit with timers", do_end_timers },
		{ "execve with timers", do_replace_timers },
	};
	WANT_CUT(works);
}

static const struct check checks[] = {
	{ "areas", areas }, { "descriptors", descriptors }, { "waiters", waiters }, { "processes", processes },
};
MAIN(checks)
