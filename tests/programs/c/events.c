/* Files that stand for events. */

#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#define GREATEST (UINT64_MAX - 1)

static int make(unsigned count, int flags)
{
	int fd = eventfd(count, flags);
	WANT(fd >= 0);
	return fd;
}

static void add(int fd, uint64_t value)
{
	WANT(write(fd, &value, sizeof value) == sizeof value);
}

static uint64_t take(int fd)
{
	uint64_t value;
	WANT(read(fd, &value, sizeof value) == sizeof value);
	return value;
}

static void counter(void)
{
	uint64_t value;
	int fd = make(3, EFD_NONBLOCK | EFD_CLOEXEC);
	WANT(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	add(fd, 1);
	add(fd, 0xfffffffffull);
	WANT(take(fd) == 0x1000000003ull);
	WANT_ERROR(read(fd, &value, sizeof value), EAGAIN);
	WANT_ERROR(lseek(fd, 0, SEEK_SET), ESPIPE);
}

static void semaphore(void)
{
	uint64_t value;
	int fd = make(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	add(fd, 1);
	for (int at = 0; at < 3; at++)
		WANT(take(fd) == 1);
	WANT_ERROR(read(fd, &value, sizeof value), EAGAIN);
}

/* A child reads twice; its first read waits for the first write, and the write of more than fits waits for it. */
static void waiting(void)
{
	int status, fd = make(0, 0), back = make(0, 0);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		WANT(take(fd) == 7);
		add(back, 1);
		WANT(take(fd) == GREATEST);
		WANT(take(fd) == 2);
		_exit(0);
	}
	add(fd, 7);
	WANT(take(back) == 1);
	add(fd, GREATEST);
	add(fd, 2);
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static short ready(int fd)
{
	struct pollfd entry = { .fd = fd, .events = POLLIN | POLLOUT };
	WANT(poll(&entry, 1, 0) >= 0);
	return entry.revents;
}

static void readiness(void)
{
	int status, fd = make(0, 0);
	WANT(ready(fd) == POLLOUT);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		add(fd, GREATEST);
		_exit(0);
	}
	struct pollfd entry = { .fd = fd, .events = POLLIN };
	WANT(poll(&entry, 1, 20000) == 1 && entry.revents == POLLIN);
	WANT(waitpid(child, &status, 0) == child && status == 0);
	WANT(ready(fd) == POLLIN);
	WANT(take(fd) == GREATEST && ready(fd) == POLLOUT);
}

static void refused(void)
{
	uint64_t value = UINT64_MAX, two[2] = { 1, 1 };
	int fd = make(0, EFD_NONBLOCK);
	WANT_ERROR(eventfd(0, 2), EINVAL);
	WANT_ERROR(write(fd, &value, sizeof value), EINVAL);
	WANT_ERROR(write(fd, &value, 7), EINVAL);
	WANT_ERROR(read(fd, &value, 7), EINVAL);
	WANT_ERROR(read(fd, &value, 0), EINVAL);
	WANT_ERROR(write(fd, &value, 0), EINVAL);
	add(fd, GREATEST);
	value = 1;
	WANT_ERROR(write(fd, &value, sizeof value), EAGAIN);
	WANT_ERROR(read(fd, (void *)8, sizeof value), EFAULT);
	WANT(take(fd) == GREATEST);
	WANT(write(fd, two, sizeof two) == sizeof value && take(fd) == 1);
}

static const struct check checks[] = {
	{ "counter", counter }, { "semaphore", semaphore }, { "waiting", waiting },
	{ "readiness", readiness }, { "refused", refused },
};
MAIN(checks)
