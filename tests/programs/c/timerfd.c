/* Timers that are read as files (man 2 timerfd_create). */

#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define MILLISECOND 1000000ll
#define SECOND 1000000000ll

static int create(int clock, int flags)
{
	int fd = timerfd_create(clock, flags);
	WANT(fd >= 0);
	return fd;
}

static struct timespec span(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / SECOND, .tv_nsec = ns % SECOND };
}

static int64_t ns(struct timespec time)
{
	return time.tv_sec * SECOND + time.tv_nsec;
}

static int64_t clock_ns(int clock)
{
	struct timespec now;
	WANT(clock_gettime(clock, &now) == 0);
	return ns(now);
}

static void set(int fd, int flags, int64_t value, int64_t interval)
{
	struct itimerspec new = { .it_value = span(value), .it_interval = span(interval) };
	WANT(timerfd_settime(fd, flags, &new, NULL) == 0);
}

static uint64_t take(int fd)
{
	uint64_t count;
	WANT(read(fd, &count, sizeof count) == sizeof count);
	return count;
}

static void relative(void)
{
	int fd = create(CLOCK_MONOTONIC, 0);
	int64_t start = now_ns();
	set(fd, 0, 20 * MILLISECOND, 0);
	WANT(take(fd) == 1 && now_ns() - start >= 20 * MILLISECOND);
	struct itimerspec left;
	WANT(timerfd_gettime(fd, &left) == 0 && ns(left.it_value) == 0 && ns(left.it_interval) == 0);
	WANT(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	uint64_t count;
	WANT_ERROR(read(fd, &count, sizeof count), EAGAIN);
}

static void absolute(void)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME };
	for (int at = 0; at < 3; at++) {
		int fd = create(clocks[at], TFD_CLOEXEC);
		WANT(fcntl(fd, F_GETFD) == FD_CLOEXEC);
		int64_t until = clock_ns(clocks[at]) + 15 * MILLISECOND;
		set(fd, TFD_TIMER_ABSTIME, until, 0);
		WANT(take(fd) == 1 && clock_ns(clocks[at]) >= until);
		/* What has passed expires at once, as often as there was time for. */
		set(fd, TFD_TIMER_ABSTIME, clock_ns(clocks[at]) - 10 * MILLISECOND, 2 * MILLISECOND);
		WANT(take(fd) >= 6);
		close(fd);
	}
}

/* The count depends on the time alone, however late it is read. */
static void periodic(void)
{
	int fd = create(CLOCK_MONOTONIC, 0);
	int64_t start = now_ns() + 5 * MILLISECOND, before = 0;
	uint64_t total = 0;
	set(fd, TFD_TIMER_ABSTIME, start, 3 * MILLISECOND);
	for (int at = 0; at < 5; at++) {
		before = now_ns();
		total += take(fd);
		int64_t after = now_ns();
		int64_t least = before < start ? 0 : (before - start) / (3 * MILLISECOND) + 1;
		WANT((int64_t)total >= least && (int64_t)total <= (after - start) / (3 * MILLISECOND) + 1);
	}
	struct itimerspec left;
	WANT(timerfd_gettime(fd, &left) == 0 && ns(left.it_interval) == 3 * MILLISECOND);
	WANT(ns(left.it_value) > 0 && ns(left.it_value) <= 3 * MILLISECOND);
	/* A period that nobody can keep up with is counted all the same. */
	start = now_ns();
	set(fd, TFD_TIMER_ABSTIME, start, 1);
	before = now_ns();
	total = take(fd);
	WANT((int64_t)total >= before - start && (int64_t)total <= now_ns() - start + 1);
}

static void setting(void)
{
	int fd = create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec old, new = { .it_value = span(7 * SECOND) };
	uint64_t count;
	set(fd, 0, 100 * SECOND, 9 * SECOND);
	WANT(timerfd_settime(fd, 0, &new, &old) == 0);
	WANT(ns(old.it_interval) == 9 * SECOND && ns(old.it_value) > 90 * SECOND && ns(old.it_value) <= 100 * SECOND);
	WANT(timerfd_gettime(fd, &old) == 0 && ns(old.it_value) > 5 * SECOND && ns(old.it_interval) == 0);
	set(fd, TFD_TIMER_ABSTIME, 1, 0);
	/* Setting it again forgets what has expired. */
	set(fd, 0, 0, 0);
	WANT_ERROR(read(fd, &count, sizeof count), EAGAIN);
	WANT(timerfd_gettime(fd, &old) == 0 && ns(old.it_value) == 0);
}

static void readiness(void)
{
	int fd = create(CLOCK_MONOTONIC, 0), epoll = epoll_create1(0), status;
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	struct pollfd entry = { .fd = fd, .events = POLLIN | POLLOUT };
	WANT(poll(&entry, 1, 0) == 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	set(fd, 0, 5 * MILLISECOND, 5 * MILLISECOND);
	WANT(epoll_wait(epoll, &event, 1, 20000) == 1 && poll(&entry, 1, 20000) == 1 && entry.revents == POLLIN);
	/* A timer that is not read does not expire again. */
	WANT(epoll_wait(epoll, &event, 1, 20) == 0);
	take(fd);
	WANT(epoll_wait(epoll, &event, 1, 20000) == 1);
	/* Whoever waits for a timer waits for what it is set to then. */
	set(fd, 0, 1000 * SECOND, 0);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		WANT(take(fd) == 1);
		_exit(0);
	}
	set(fd, TFD_TIMER_ABSTIME, 1, 0);
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

/* Absolute times of the wall clock follow it when it is set. */
static void clock_set(void)
{
	int follows = create(CLOCK_REALTIME, TFD_NONBLOCK), cancelled = create(CLOCK_REALTIME, TFD_NONBLOCK),
	    span_only = create(CLOCK_REALTIME, TFD_NONBLOCK), status;
	int64_t start = now_ns(), wall = clock_ns(CLOCK_REALTIME);
	uint64_t count;
	set(follows, TFD_TIMER_ABSTIME, wall + 1000 * SECOND, 0);
	set(cancelled, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, wall + 5000 * SECOND, 0);
	set(span_only, 0, 1000 * SECOND, 0);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		struct pollfd entry = { .fd = cancelled, .events = POLLIN };
		WANT(poll(&entry, 1, 20000) == 1);
		WANT_ERROR(read(cancelled, &count, sizeof count), ECANCELED);
		WANT_ERROR(read(cancelled, &count, sizeof count), EAGAIN);
		_exit(0);
	}
	pid_t sleeper = fork();
	WANT(sleeper >= 0);
	if (sleeper == 0) {
		struct timespec until = span(wall + 1000 * SECOND);
		WANT(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL) == 0);
		_exit(0);
	}
	struct timespec later = span(wall + 2000 * SECOND);
	WANT(clock_settime(CLOCK_REALTIME, &later) == 0);
	WANT(take(follows) == 1);
	WANT_ERROR(read(span_only, &count, sizeof count), EAGAIN);
	WANT(waitpid(child, &status, 0) == child && status == 0);
	WANT(waitpid(sleeper, &status, 0) == sleeper && status == 0);
	later = span(wall + now_ns() - start);
	WANT(clock_settime(CLOCK_REALTIME, &later) == 0);
}

static void refused(void)
{
	struct itimerspec new = { .it_value = { 0, SECOND } };
	int fd = create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t count;
	WANT_ERROR(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	WANT_ERROR(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
	WANT_ERROR(timerfd_settime(fd, 0, &new, NULL), EINVAL);
	new.it_value = (struct timespec){ -1, 0 };
	WANT_ERROR(timerfd_settime(fd, 0, &new, NULL), EINVAL);
	new.it_value = span(SECOND);
	WANT_ERROR(timerfd_settime(fd, 4, &new, NULL), EINVAL);
	WANT_ERROR(timerfd_settime(99, 0, &new, NULL), EBADF);
	WANT_ERROR(timerfd_settime(1, 0, &new, NULL), EINVAL);
	WANT_ERROR(timerfd_gettime(1, &new), EINVAL);
	WANT_ERROR(timerfd_settime(fd, 0, (void *)8, NULL), EFAULT);
	WANT_ERROR(timerfd_settime(fd, 0, &new, (void *)8), EFAULT);
	WANT(timerfd_gettime(fd, &new) == 0 && ns(new.it_value) == 0);
	WANT_ERROR(read(fd, &count, 7), EINVAL);
	WANT_ERROR(write(fd, &count, 8), EINVAL);
	set(fd, TFD_TIMER_ABSTIME, 1, 0);
	WANT_ERROR(read(fd, (void *)8, 8), EFAULT);
	WANT(take(fd) == 1);
}

static const struct check checks[] = {
	{ "relative", relative }, { "absolute", absolute }, { "periodic", periodic },
	{ "setting", setting }, { "readiness", readiness }, { "clock_set", clock_set },
	{ "refused", refused },
};
MAIN(checks)
