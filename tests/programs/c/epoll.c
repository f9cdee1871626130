/* Watching many files at once (man 7 epoll). */

#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define LONG 20000

static int create(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	WANT(fd >= 0);
	return fd;
}

static int control(int epoll, int operation, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.u64 = 0x123400000000ull + fd };
	return epoll_ctl(epoll, operation, fd, &event);
}

static void add(int epoll, int fd, uint32_t events)
{
	WANT(control(epoll, EPOLL_CTL_ADD, fd, events) == 0);
}

/* The one file that is ready, and for what; 0 for none. */
static uint32_t ready(int epoll, int fd)
{
	struct epoll_event events[4];
	int count = epoll_wait(epoll, events, 4, 0);
	WANT(count == 0 || count == 1);
	if (count == 0)
		return 0;
	WANT(events[0].data.u64 == 0x123400000000ull + fd);
	return events[0].events;
}

static void put(int fd)
{
	WANT(write(fd, "x", 1) == 1);
}

static void take(int fd)
{
	char byte;
	WANT(read(fd, &byte, 1) == 1);
}

static void level(void)
{
	int epoll = create(), ends[2];
	WANT(pipe(ends) == 0);
	add(epoll, ends[0], EPOLLIN);
	WANT(ready(epoll, ends[0]) == 0);
	put(ends[1]);
	put(ends[1]);
	for (int at = 0; at < 2; at++) {
		WANT(ready(epoll, ends[0]) == EPOLLIN && ready(epoll, ends[0]) == EPOLLIN);
		take(ends[0]);
	}
	WANT(ready(epoll, ends[0]) == 0);
	add(epoll, ends[1], EPOLLOUT);
	WANT(ready(epoll, ends[1]) == EPOLLOUT && ready(epoll, ends[1]) == EPOLLOUT);
	WANT(control(epoll, EPOLL_CTL_MOD, ends[1], 0) == 0 && ready(epoll, ends[1]) == 0);
}

/* Every write is a change, also to what is readable already; what was left unread is none. */
static void edge(void)
{
	int epoll = create(), pair[2][2];
	WANT(pipe(pair[0]) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair[1]) == 0);
	for (int at = 0; at < 2; at++) {
		int from = pair[at][0], to = pair[at][1];
		add(epoll, from, EPOLLIN | EPOLLET);
		put(to);
		WANT(ready(epoll, from) == EPOLLIN && ready(epoll, from) == 0);
		put(to);
		WANT(ready(epoll, from) == EPOLLIN && ready(epoll, from) == 0);
		take(from);
		WANT(ready(epoll, from) == 0);
		WANT(control(epoll, EPOLL_CTL_MOD, from, EPOLLIN | EPOLLET) == 0);
		WANT(ready(epoll, from) == EPOLLIN && ready(epoll, from) == 0);
		take(from);
	}
	/* Room that comes is no change of what can be read. */
	put(pair[1][1]);
	WANT(ready(epoll, pair[1][0]) == EPOLLIN);
	put(pair[1][0]);
	take(pair[1][1]);
	WANT(ready(epoll, pair[1][0]) == 0);
}

static void once(void)
{
	int epoll = create(), fd = eventfd(1, 0);
	add(epoll, fd, EPOLLIN | EPOLLONESHOT);
	WANT(ready(epoll, fd) == EPOLLIN && ready(epoll, fd) == 0);
	WANT(eventfd_write(fd, 1) == 0 && ready(epoll, fd) == 0);
	WANT(control(epoll, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT) == 0);
	WANT(ready(epoll, fd) == EPOLLIN && ready(epoll, fd) == 0);
}

static void ends(void)
{
	int epoll = create(), pipes[2], sockets[2];
	WANT(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	add(epoll, pipes[0], 0);
	close(pipes[1]);
	WANT(ready(epoll, pipes[0]) == EPOLLHUP);
	close(pipes[0]);
	WANT(pipe(pipes) == 0);
	add(epoll, pipes[1], EPOLLIN);
	close(pipes[0]);
	WANT(ready(epoll, pipes[1]) == EPOLLERR);
	close(pipes[1]);
	add(epoll, sockets[0], EPOLLIN | EPOLLRDHUP);
	WANT(shutdown(sockets[1], SHUT_WR) == 0);
	WANT(ready(epoll, sockets[0]) == (EPOLLIN | EPOLLRDHUP));
	close(sockets[1]);
	WANT(ready(epoll, sockets[0]) == (EPOLLIN | EPOLLRDHUP | EPOLLHUP));
}

/* An open file is watched until the last descriptor of it is closed, whichever was added. */
static void closing(void)
{
	int epoll = create(), pipes[2];
	WANT(pipe(pipes) == 0);
	int copy = dup(pipes[0]);
	add(epoll, pipes[0], EPOLLIN);
	put(pipes[1]);
	close(pipes[0]);
	WANT(ready(epoll, pipes[0]) == EPOLLIN);
	WANT_ERROR(control(epoll, EPOLL_CTL_DEL, pipes[0], 0), EBADF);
	WANT(dup2(copy, pipes[0]) == pipes[0]);
	WANT_ERROR(control(epoll, EPOLL_CTL_ADD, pipes[0], EPOLLIN), EEXIST);
	close(pipes[0]);
	close(copy);
	WANT(ready(epoll, 0) == 0);
	/* The number is another file now. */
	int other = eventfd(1, 0);
	WANT(other == pipes[0]);
	WANT_ERROR(control(epoll, EPOLL_CTL_MOD, other, EPOLLIN), ENOENT);
	add(epoll, other, EPOLLIN);
	WANT(ready(epoll, other) == EPOLLIN);
}

static void refused(void)
{
	struct epoll_event event;
	int epoll = create(), fd = eventfd(0, 0), file = open("regular", O_CREAT | O_RDWR, 0600);
	WANT_ERROR(epoll_create(0), EINVAL);
	WANT_ERROR(epoll_create1(1), EINVAL);
	WANT(fcntl(epoll, F_GETFD) == FD_CLOEXEC);
	WANT_ERROR(epoll_wait(epoll, &event, 0, 0), EINVAL);
	WANT_ERROR(epoll_wait(epoll, &event, -1, 0), EINVAL);
	WANT_ERROR(epoll_wait(fd, &event, 1, 0), EINVAL);
	WANT_ERROR(epoll_wait(99, &event, 1, 0), EBADF);
	WANT_ERROR(control(epoll, EPOLL_CTL_ADD, 99, EPOLLIN), EBADF);
	WANT_ERROR(control(99, EPOLL_CTL_ADD, fd, EPOLLIN), EBADF);
	WANT_ERROR(control(epoll, EPOLL_CTL_ADD, epoll, EPOLLIN), EINVAL);
	WANT_ERROR(control(fd, EPOLL_CTL_ADD, epoll, EPOLLIN), EINVAL);
	WANT_ERROR(control(epoll, EPOLL_CTL_ADD, file, EPOLLIN), EPERM);
	WANT_ERROR(control(epoll, 9, fd, EPOLLIN), EINVAL);
	WANT_ERROR(control(epoll, EPOLL_CTL_MOD, fd, EPOLLIN), ENOENT);
	WANT_ERROR(control(epoll, EPOLL_CTL_DEL, fd, EPOLLIN), ENOENT);
	WANT_ERROR(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, (void *)8), EFAULT);
	WANT_ERROR(control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT), EINVAL);
	WANT_ERROR(control(epoll, EPOLL_CTL_ADD, create(), EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	add(epoll, fd, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE);
	WANT_ERROR(control(epoll, EPOLL_CTL_MOD, fd, EPOLLIN), EINVAL);
	WANT_ERROR(control(epoll, EPOLL_CTL_ADD, fd, EPOLLIN), EEXIST);
	WANT(eventfd_write(fd, 1) == 0);
	/* Nothing is reported where it cannot be stored, and nothing is lost. */
	WANT_ERROR(epoll_wait(epoll, (void *)8, 1, 0), EFAULT);
	WANT(ready(epoll, fd) == EPOLLIN);
	WANT_ERROR(read(epoll, &event, sizeof event), EINVAL);
}

static void nested(void)
{
	int chain[6], fd = eventfd(0, 0);
	for (int at = 0; at < 6; at++)
		chain[at] = create();
	for (int at = 1; at < 5; at++)
		add(chain[at], chain[at - 1], EPOLLIN);
	WANT_ERROR(control(chain[5], EPOLL_CTL_ADD, chain[4], EPOLLIN), ELOOP);
	WANT_ERROR(control(chain[0], EPOLL_CTL_ADD, chain[5], EPOLLIN), ELOOP);
	WANT_ERROR(control(chain[0], EPOLL_CTL_ADD, chain[4], EPOLLIN), ELOOP);
	add(chain[0], fd, EPOLLIN);
	WANT(ready(chain[4], chain[3]) == 0);
	WANT(eventfd_write(fd, 1) == 0);
	WANT(ready(chain[4], chain[3]) == EPOLLIN && ready(chain[0], fd) == EPOLLIN);
	struct pollfd entry = { .fd = chain[4], .events = POLLIN };
	WANT(poll(&entry, 1, LONG) == 1 && entry.revents == POLLIN);
	close(fd);
	WANT(poll(&entry, 1, 0) == 0 && ready(chain[4], chain[3]) == 0);
}

static void waiting(void)
{
	int epoll = create(), pipes[2], status;
	struct epoll_event event;
	WANT(pipe(pipes) == 0);
	add(epoll, pipes[0], EPOLLIN);
	int64_t start = now_ns();
	WANT(epoll_wait(epoll, &event, 1, 30) == 0 && now_ns() - start >= 30000000);
	struct timespec span = { .tv_nsec = 20000001 };
	start = now_ns();
	WANT(syscall(SYS_epoll_pwait2, epoll, &event, 1, &span, NULL, 8) == 0);
	WANT(now_ns() - start >= 20000001);
	span.tv_nsec = 1000000000;
	WANT_ERROR(syscall(SYS_epoll_pwait2, epoll, &event, 1, &span, NULL, 8), EINVAL);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		WANT(epoll_wait(epoll, &event, 1, LONG) == 1 && event.events == EPOLLIN);
		_exit(0);
	}
	put(pipes[1]);
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static volatile sig_atomic_t handled;

static void handler(int signal)
{
	handled = signal;
}

static void masked(void)
{
	int epoll = create();
	struct epoll_event event;
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	sigset_t blocked, none, old;
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	WANT(sigaction(SIGUSR1, &action, NULL) == 0 && sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
	raise(SIGUSR1);
	WANT(epoll_wait(epoll, &event, 1, 0) == 0 && handled == 0);
	WANT_ERROR(epoll_pwait(epoll, &event, 1, LONG, &none), EINTR);
	WANT(handled == SIGUSR1 && sigprocmask(SIG_BLOCK, NULL, &old) == 0 && sigismember(&old, SIGUSR1));
	WANT_ERROR(syscall(SYS_epoll_pwait, epoll, &event, 1, 0, &none, 4), EINVAL);
}

#define FILES 300

static void many(void)
{
	int epoll = create(), fds[FILES];
	struct epoll_event events[FILES];
	for (int at = 0; at < FILES; at++) {
		fds[at] = eventfd(0, 0);
		WANT(fds[at] >= 0);
		add(epoll, fds[at], EPOLLIN);
	}
	WANT(eventfd_write(fds[200], 1) == 0);
	WANT(ready(epoll, fds[200]) == EPOLLIN);
	for (int at = 0; at < FILES; at++)
		WANT(eventfd_write(fds[at], 1) == 0);
	WANT(epoll_wait(epoll, events, FILES, 0) == FILES);
	/* With room for a part, everybody has a turn. */
	char seen[1024] = { 0 };
	for (int turn = 0; turn < 3; turn++) {
		WANT(epoll_wait(epoll, events, 100, 0) == 100);
		for (int at = 0; at < 100; at++)
			seen[events[at].data.fd] = 1;
	}
	for (int at = 0; at < FILES; at++) {
		WANT(seen[fds[at]]);
		WANT(control(epoll, EPOLL_CTL_DEL, fds[at], 0) == 0);
	}
	WANT(epoll_wait(epoll, events, FILES, 0) == 0);
}

static int shared_epoll;
static int reports;

static void *wait_once(void *unused)
{
	struct epoll_event event;
	(void)unused;
	int count = epoll_wait(shared_epoll, &event, 1, LONG);
	__atomic_add_fetch(&reports, count == 1 ? 1 : 100, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Each change is told to one of the threads that wait. */
static void threads(void)
{
	pthread_t all[4];
	int fd = eventfd(0, EFD_SEMAPHORE);
	shared_epoll = create();
	add(shared_epoll, fd, EPOLLIN | EPOLLET);
	for (int at = 0; at < 4; at++)
		WANT(pthread_create(&all[at], NULL, wait_once, NULL) == 0);
	for (int at = 0; at < 4; at++) {
		WANT(eventfd_write(fd, 1) == 0);
		while (__atomic_load_n(&reports, __ATOMIC_SEQ_CST) <= at)
			sched_yield();
		WANT(__atomic_load_n(&reports, __ATOMIC_SEQ_CST) == at + 1);
	}
	for (int at = 0; at < 4; at++)
		WANT(pthread_join(all[at], NULL) == 0);
	WANT(reports == 4);
}

/* All that a partition may watch can be used up, and comes back when the files are closed. */
static void limit(void)
{
	struct rlimit files = { 1200, 1200 };
	WANT(setrlimit(RLIMIT_NOFILE, &files) == 0);
	int fds[1000], sets[70], count = 0, made = 0;
	for (int at = 0; at < 1000; at++)
		WANT((fds[at] = eventfd(0, 0)) >= 0);
	errno = 0;
	for (made = 0; made < 70 && errno != ENOSPC; made++) {
		sets[made] = create();
		for (int at = 0; at < 1000; at++, count++) {
			if (control(sets[made], EPOLL_CTL_ADD, fds[at], EPOLLIN) != 0)
				break;
		}
	}
	WANT(errno == ENOSPC && count > 60000);
	close(sets[0]);
	int again = create();
	add(again, fds[0], EPOLLIN);
	for (int at = 0; at < 1000; at++)
		close(fds[at]);
	WANT(pipe(fds) == 0);
	for (int at = 1; at < made; at++)
		add(sets[at], fds[0], EPOLLIN);
}

static const struct check checks[] = {
	{ "level", level }, { "edge", edge }, { "once", once }, { "ends", ends },
	{ "closing", closing }, { "refused", refused }, { "nested", nested },
	{ "waiting", waiting }, { "masked", masked }, { "many", many },
	{ "threads", threads }, { "limit", limit },
};
MAIN(checks)
