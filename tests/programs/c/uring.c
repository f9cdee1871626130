/* Calls through rings: what each operation does, chains, timeouts, cancelling. */

#include "ring.h"
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

static struct ring ring;

static void make(void)
{
	ring_make(&ring, 8, 0, 0);
}

static struct io_uring_sqe *move(int operation, int fd, uint64_t data, void *at, unsigned length, uint64_t offset)
{
	struct io_uring_sqe *entry = ring_entry(&ring, operation, fd, data);
	entry->addr = (uintptr_t)at;
	entry->len = length;
	entry->off = offset;
	return entry;
}

/* Nothing has been completed a while after everything that could do it. */
static void want_nothing(void)
{
	usleep(3000);
	WANT(ring_ready(&ring) == 0);
}

static void setup(void)
{
	struct io_uring_params params = { 0 };
	WANT_ERROR(syscall(SYS_io_uring_setup, 0, &params), EINVAL);
	WANT_ERROR(syscall(SYS_io_uring_setup, 1 << 20, &params), EINVAL);
	WANT_ERROR(syscall(SYS_io_uring_setup, 1, NULL), EFAULT);
	params.flags = 1u << 31;
	WANT_ERROR(syscall(SYS_io_uring_setup, 1, &params), EINVAL);
	params.flags = IORING_SETUP_SQPOLL;
	WANT_ERROR(syscall(SYS_io_uring_setup, 1, &params), EINVAL);
	params = (struct io_uring_params){ .resv = { 1 } };
	WANT_ERROR(syscall(SYS_io_uring_setup, 1, &params), EINVAL);
	params = (struct io_uring_params){ .flags = IORING_SETUP_CQSIZE, .cq_entries = 2 };
	WANT_ERROR(syscall(SYS_io_uring_setup, 4, &params), EINVAL);
	ring_make(&ring, 5, 40, IORING_SETUP_CLAMP);
	WANT(ring.params.sq_entries == 8 && ring.params.cq_entries == 64);
	WANT(fcntl(ring.fd, F_GETFD) == FD_CLOEXEC);
	WANT(*ring_word(&ring, ring.params.sq_off.ring_mask) == 7);
	WANT(*ring_word(&ring, ring.params.cq_off.ring_entries) == 64);
	char *again = mmap(NULL, 4096, PROT_READ, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	WANT(again != MAP_FAILED && memcmp(again, ring.memory, 4096) == 0);
	WANT_ERROR(syscall(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0), EOPNOTSUPP);
	WANT_ERROR(syscall(SYS_io_uring_enter, -1, 0, 0, 0, NULL, 0), EBADF);
	WANT_ERROR(ring_enter(&ring, 0, 0, 1 << 20), EINVAL);
	WANT(ring_enter(&ring, 5, 0, 0) == 0);
	WANT(ring_enter(&ring, 0, 0, IORING_ENTER_GETEVENTS) == 0);
	for (int at = 0; at < 3; at++)
		ring_entry(&ring, IORING_OP_NOP, -1, 10 + at);
	WANT(ring_submit(&ring, 3) == 3);
	for (int at = 0; at < 3; at++)
		WANT_DONE(&ring, 10 + at, 0);
	ring_entry(&ring, 200, -1, 4);
	ring_entry(&ring, IORING_OP_NOP, -1, 5)->personality = 1;
	ring_entry(&ring, IORING_OP_NOP, -1, 6)->flags = 0x80;
	ring_entry(&ring, IORING_OP_NOP, -1, 7)->flags = IOSQE_CQE_SKIP_SUCCESS;
	WANT(ring_submit(&ring, 3) == 4);
	for (int at = 4; at < 7; at++)
		WANT_DONE(&ring, at, -EINVAL);
	WANT(ring_ready(&ring) == 0);
}

static void transfers(void)
{
	char text[16] = "";
	make();
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	struct iovec parts[2] = { { "ab", 2 }, { "cd", 2 } };
	move(IORING_OP_WRITE, fd, 1, "0123", 4, 0);
	move(IORING_OP_WRITEV, fd, 2, parts, 2, 4);
	move(IORING_OP_WRITE, fd, 3, "XY", 2, -1);
	move(IORING_OP_READ, fd, 4, text, sizeof text, 2);
	move(IORING_OP_FSYNC, fd, 5, NULL, 0, 0);
	WANT(ring_submit(&ring, 5) == 5);
	WANT_DONE(&ring, 1, 4);
	WANT_DONE(&ring, 2, 4);
	WANT_DONE(&ring, 3, 2);
	WANT_DONE(&ring, 4, 6);
	WANT_DONE(&ring, 5, 0);
	WANT(memcmp(text, "23abcd", 6) == 0 && lseek(fd, 0, SEEK_CUR) == 2);
	move(IORING_OP_READ, 99, 1, text, 1, 0);
	move(IORING_OP_READ, fd, 2, (void *)8, 1, 0);
	move(IORING_OP_READ, fd, 3, text, 1, 0)->rw_flags = 1 << 20;
	move(IORING_OP_READ, fd, 4, text, 1, INT64_MIN);
	move(IORING_OP_WRITE, open("f", O_RDONLY), 5, text, 1, 0);
	WANT(ring_submit(&ring, 5) == 5);
	WANT_DONE(&ring, 1, -EBADF);
	WANT_DONE(&ring, 2, -EFAULT);
	WANT_DONE(&ring, 3, -EOPNOTSUPP);
	WANT_DONE(&ring, 4, -EINVAL);
	WANT_DONE(&ring, 5, -EBADF);
	/* A transfer that is longer than what is moved at once. */
	size_t length = 3 << 20;
	char *large = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(large, 'x', length);
	move(IORING_OP_WRITE, fd, 1, large, length, 0);
	WANT(ring_submit(&ring, 1) == 1);
	WANT_DONE(&ring, 1, length);
}

static void registered(void)
{
	char buffer[32] = "", other[4];
	make();
	int fd = open("f", O_RDWR | O_CREAT, 0600);
	int files[3] = { fd, -1, fd };
	struct iovec buffers[1] = { { buffer, sizeof buffer } };
	WANT(ring_register(&ring, IORING_REGISTER_FILES, files, 3) == 0);
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_FILES, files, 3), EBUSY);
	WANT(ring_register(&ring, IORING_REGISTER_BUFFERS, buffers, 1) == 0);
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_BUFFERS, buffers, 1), EBUSY);
	close(fd);
	memcpy(buffer, "hello", 5);
	move(IORING_OP_WRITE_FIXED, 0, 1, buffer, 5, 0)->flags = IOSQE_FIXED_FILE;
	move(IORING_OP_READ_FIXED, 2, 2, buffer + 8, 5, 0)->flags = IOSQE_FIXED_FILE;
	move(IORING_OP_READ_FIXED, 0, 3, buffer + 30, 5, 0)->flags = IOSQE_FIXED_FILE;
	move(IORING_OP_READ_FIXED, 0, 4, other, 4, 0)->flags = IOSQE_FIXED_FILE;
	struct io_uring_sqe *entry = move(IORING_OP_READ_FIXED, 0, 5, buffer, 4, 0);
	entry->flags = IOSQE_FIXED_FILE;
	entry->buf_index = 7;
	move(IORING_OP_READ, 1, 6, other, 4, 0)->flags = IOSQE_FIXED_FILE;
	move(IORING_OP_READ, 3, 7, other, 4, 0)->flags = IOSQE_FIXED_FILE;
	move(IORING_OP_READ, -1, 8, other, 4, 0)->flags = IOSQE_FIXED_FILE;
	WANT(ring_submit(&ring, 8) == 8);
	WANT_DONE(&ring, 1, 5);
	WANT_DONE(&ring, 2, 5);
	for (int at = 3; at < 6; at++)
		WANT_DONE(&ring, at, -EFAULT);
	for (int at = 6; at < 9; at++)
		WANT_DONE(&ring, at, -EBADF);
	WANT(memcmp(buffer + 8, "hello", 5) == 0);
	int null = open("/dev/null", O_RDONLY);
	int new[2] = { IORING_REGISTER_FILES_SKIP, null };
	struct io_uring_files_update update = { .offset = 1, .fds = (uintptr_t)new };
	WANT(ring_register(&ring, IORING_REGISTER_FILES_UPDATE, &update, 2) == 2);
	move(IORING_OP_READ, 2, 1, other, 4, 0)->flags = IOSQE_FIXED_FILE;
	WANT(ring_submit(&ring, 1) == 1);
	WANT_DONE(&ring, 1, 0);
	update.offset = 2;
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_FILES_UPDATE, &update, 2), EINVAL);
	update.offset = -1;
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_FILES_UPDATE, &update, 2), EOVERFLOW);
	WANT(ring_register(&ring, IORING_UNREGISTER_FILES, NULL, 0) == 0);
	WANT_ERROR(ring_register(&ring, IORING_UNREGISTER_FILES, NULL, 0), ENXIO);
	WANT(ring_register(&ring, IORING_UNREGISTER_BUFFERS, NULL, 0) == 0);
	WANT_ERROR(ring_register(&ring, IORING_UNREGISTER_BUFFERS, NULL, 0), ENXIO);
	/* Two files that keep each other are not made. */
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_FILES, &ring.fd, 1), EBADF);
	buffers[0].iov_base = (void *)4096;
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_BUFFERS, buffers, 1), EFAULT);
	WANT_ERROR(ring_register(&ring, 99, NULL, 0), EINVAL);
	struct { struct io_uring_probe head; struct io_uring_probe_op ops[64]; } probe;
	memset(&probe, 0, sizeof probe);
	WANT(ring_register(&ring, IORING_REGISTER_PROBE, &probe, 64) == 0);
	WANT(probe.head.last_op >= IORING_OP_SHUTDOWN && probe.head.ops_len == probe.head.last_op + 1);
	WANT(probe.ops[IORING_OP_READ].flags & IO_URING_OP_SUPPORTED);
	WANT(!(probe.ops[IORING_OP_MSG_RING].flags & IO_URING_OP_SUPPORTED));
}

/* What has to wait is done by whoever makes it ready, wherever the program is then. */
static void waiting(void)
{
	char text[8];
	int ends[2], others[2];
	make();
	WANT(pipe(ends) == 0 && pipe(others) == 0);
	move(IORING_OP_READ, ends[0], 1, text, sizeof text, 0);
	WANT(ring_submit(&ring, 0) == 1);
	want_nothing();
	WANT(write(ends[1], "abc", 3) == 3);
	/* Between two calls of its own. */
	int64_t end = now_ns() + 2000000000;
	while (ring_ready(&ring) == 0)
		WANT(now_ns() < end);
	WANT_DONE(&ring, 1, 3);
	/* In another call. */
	move(IORING_OP_READ, ends[0], 2, text, sizeof text, 0);
	WANT(ring_submit(&ring, 0) == 1);
	pid_t child = fork();
	if (child == 0) {
		usleep(20000);
		WANT(write(ends[1], "de", 2) == 2);
		usleep(20000);
		WANT(write(others[1], "f", 1) == 1);
		_exit(0);
	}
	WANT(read(others[0], text + 4, 1) == 1 && text[4] == 'f');
	WANT_DONE(&ring, 2, 2);
	WANT(memcmp(text, "de", 2) == 0);
	/* In the wait for it. */
	move(IORING_OP_READ, ends[0], 3, text, sizeof text, 0);
	child = fork();
	if (child == 0) {
		usleep(20000);
		_exit(write(ends[1], "gh", 2) != 2);
	}
	WANT(ring_submit(&ring, 1) == 1);
	WANT_DONE(&ring, 3, 2);
	/* A file that is closed meanwhile stays what it was. */
	move(IORING_OP_READ, ends[0], 4, text, sizeof text, 0);
	WANT(ring_submit(&ring, 0) == 1);
	close(ends[0]);
	WANT(open("/dev/null", O_RDONLY) == ends[0]);
	WANT(write(ends[1], "i", 1) == 1);
	WANT(ring_enter(&ring, 0, 1, IORING_ENTER_GETEVENTS) == 0);
	WANT_DONE(&ring, 4, 1);
	/* Only the last file of an end ends it. */
	struct ring *last = &ring;
	WANT(pipe(others) == 0);
	move(IORING_OP_READ, others[0], 5, text, sizeof text, 0);
	WANT(ring_submit(last, 0) == 1);
	close(others[1]);
	WANT(ring_enter(&ring, 0, 1, IORING_ENTER_GETEVENTS) == 0);
	WANT_DONE(&ring, 5, 0);
}

static void events(void)
{
	char text[8];
	int ends[2], events = eventfd(0, EFD_NONBLOCK), epoll = epoll_create1(0);
	uint64_t count;
	make();
	WANT(pipe(ends) == 0);
	WANT(ring_register(&ring, IORING_REGISTER_EVENTFD, &events, 1) == 0);
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_EVENTFD, &events, 1), EBUSY);
	struct epoll_event interest = { .events = EPOLLIN };
	WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, ring.fd, &interest) == 0);
	WANT(epoll_wait(epoll, &interest, 1, 0) == 0);
	ring_entry(&ring, IORING_OP_NOP, -1, 1);
	move(IORING_OP_READ, ends[0], 2, text, sizeof text, 0);
	WANT(ring_submit(&ring, 0) == 2);
	WANT(read(events, &count, 8) == 8 && count == 1);
	WANT(epoll_wait(epoll, &interest, 1, 0) == 1);
	WANT_DONE(&ring, 1, 0);
	WANT(epoll_wait(epoll, &interest, 1, 0) == 0);
	pid_t child = fork();
	if (child == 0) {
		usleep(10000);
		_exit(write(ends[1], "a", 1) != 1);
	}
	WANT(epoll_wait(epoll, &interest, 1, 5000) == 1);
	WANT(read(events, &count, 8) == 8 && count == 1);
	WANT_DONE(&ring, 2, 1);
	*ring_word(&ring, ring.params.cq_off.flags) = IORING_CQ_EVENTFD_DISABLED;
	ring_entry(&ring, IORING_OP_NOP, -1, 3);
	WANT(ring_submit(&ring, 1) == 1);
	WANT_ERROR(read(events, &count, 8), EAGAIN);
	*ring_word(&ring, ring.params.cq_off.flags) = 0;
	WANT(ring_register(&ring, IORING_UNREGISTER_EVENTFD, NULL, 0) == 0);
	WANT_ERROR(ring_register(&ring, IORING_UNREGISTER_EVENTFD, NULL, 0), ENXIO);
	/* Only what was not done at once. */
	WANT(ring_register(&ring, IORING_REGISTER_EVENTFD_ASYNC, &events, 1) == 0);
	ring_entry(&ring, IORING_OP_NOP, -1, 4);
	move(IORING_OP_READ, ends[0], 5, text, sizeof text, 0);
	WANT(ring_submit(&ring, 1) == 2);
	WANT_ERROR(read(events, &count, 8), EAGAIN);
	WANT(write(ends[1], "b", 1) == 1);
	WANT(ring_enter(&ring, 0, 3, IORING_ENTER_GETEVENTS) == 0);
	WANT(read(events, &count, 8) == 8 && count == 1);
	int plain = open("f", O_RDWR | O_CREAT, 0600);
	WANT(ring_register(&ring, IORING_UNREGISTER_EVENTFD, NULL, 0) == 0);
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_EVENTFD, &plain, 1), EINVAL);
}

static void polls(void)
{
	int ends[2];
	make();
	WANT(pipe(ends) == 0);
	ring_entry(&ring, IORING_OP_POLL_ADD, ends[1], 1)->poll32_events = POLLOUT;
	ring_entry(&ring, IORING_OP_POLL_ADD, ends[0], 2)->poll32_events = POLLIN;
	ring_entry(&ring, IORING_OP_POLL_ADD, ends[0], 3)->poll32_events = POLLIN;
	WANT(ring_submit(&ring, 1) == 3);
	WANT_DONE(&ring, 1, POLLOUT);
	want_nothing();
	ring_entry(&ring, IORING_OP_POLL_REMOVE, -1, 4)->addr = 2;
	ring_entry(&ring, IORING_OP_POLL_REMOVE, -1, 5)->addr = 2;
	ring_entry(&ring, IORING_OP_POLL_ADD, 99, 6)->poll32_events = POLLIN;
	WANT(ring_submit(&ring, 4) == 3);
	WANT_DONE(&ring, 2, -ECANCELED);
	WANT_DONE(&ring, 4, 0);
	WANT_DONE(&ring, 5, -ENOENT);
	WANT_DONE(&ring, 6, -EBADF);
	WANT(write(ends[1], "a", 1) == 1);
	WANT(ring_enter(&ring, 0, 1, IORING_ENTER_GETEVENTS) == 0);
	WANT_DONE(&ring, 3, POLLIN);
}

static struct __kernel_timespec after(int milliseconds)
{
	return (struct __kernel_timespec){ milliseconds / 1000, milliseconds % 1000 * 1000000 };
}

static struct io_uring_sqe *timer(int operation, uint64_t data, struct __kernel_timespec *time)
{
	struct io_uring_sqe *entry = ring_entry(&ring, operation, -1, data);
	entry->addr = (uintptr_t)time;
	entry->len = 1;
	return entry;
}

static void timeouts(void)
{
	struct __kernel_timespec soon = after(30), late = after(60000), wrong = { 0, -1 };
	make();
	int64_t begin = now_ns();
	timer(IORING_OP_TIMEOUT, 1, &soon);
	WANT(ring_submit(&ring, 1) == 1);
	WANT_DONE(&ring, 1, -ETIME);
	WANT(now_ns() - begin >= 30000000);
	/* The time may change once it is submitted. A number of completions ends it before its time. */
	struct __kernel_timespec given = late;
	timer(IORING_OP_TIMEOUT, 2, &given)->off = 2;
	WANT(ring_submit(&ring, 0) == 1);
	given = wrong;
	ring_entry(&ring, IORING_OP_NOP, -1, 3);
	WANT(ring_submit(&ring, 0) == 1);
	WANT_DONE(&ring, 3, 0);
	want_nothing();
	ring_entry(&ring, IORING_OP_NOP, -1, 4);
	WANT(ring_submit(&ring, 2) == 1);
	WANT_DONE(&ring, 4, 0);
	WANT_DONE(&ring, 2, 0);
	timer(IORING_OP_TIMEOUT, 5, &late);
	timer(IORING_OP_TIMEOUT, 6, &late);
	ring_entry(&ring, IORING_OP_TIMEOUT_REMOVE, -1, 7)->addr = 5;
	struct io_uring_sqe *update = ring_entry(&ring, IORING_OP_TIMEOUT_REMOVE, -1, 8);
	update->addr = 6;
	update->addr2 = (uintptr_t)&soon;
	update->timeout_flags = IORING_TIMEOUT_UPDATE;
	ring_entry(&ring, IORING_OP_TIMEOUT_REMOVE, -1, 9)->addr = 5;
	WANT(ring_submit(&ring, 5) == 5);
	WANT_DONE(&ring, 5, -ECANCELED);
	WANT_DONE(&ring, 7, 0);
	WANT_DONE(&ring, 8, 0);
	WANT_DONE(&ring, 9, -ENOENT);
	WANT_DONE(&ring, 6, -ETIME);
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	struct __kernel_timespec point = { now.tv_sec, now.tv_nsec };
	timer(IORING_OP_TIMEOUT, 1, &point)->timeout_flags = IORING_TIMEOUT_ABS;
	timer(IORING_OP_TIMEOUT, 2, &wrong);
	timer(IORING_OP_TIMEOUT, 3, (void *)8);
	timer(IORING_OP_TIMEOUT, 4, &soon)->len = 2;
	timer(IORING_OP_LINK_TIMEOUT, 5, &soon);
	WANT(ring_submit(&ring, 5) == 5);
	WANT_DONE(&ring, 1, -ETIME);
	WANT_DONE(&ring, 2, -EINVAL);
	WANT_DONE(&ring, 3, -EFAULT);
	WANT_DONE(&ring, 4, -EINVAL);
	WANT_DONE(&ring, 5, -EINVAL);
	/* The wait itself has one too. */
	struct io_uring_getevents_arg waits = { .ts = (uintptr_t)&soon };
	unsigned flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	WANT_ERROR(syscall(SYS_io_uring_enter, ring.fd, 0, 1, flags, &waits, sizeof waits), ETIME);
	WANT_ERROR(syscall(SYS_io_uring_enter, ring.fd, 0, 1, flags, &waits, 4), EINVAL);
	waits.ts = (uintptr_t)&wrong;
	WANT_ERROR(syscall(SYS_io_uring_enter, ring.fd, 0, 1, flags, &waits, sizeof waits), EINVAL);
}

static void chains(void)
{
	char text[8] = "";
	int ends[2], fd = open("f", O_RDWR | O_CREAT, 0600);
	struct __kernel_timespec soon = after(30), late = after(60000);
	make();
	WANT(pipe(ends) == 0);
	/* Each begins when the one before it has succeeded. */
	move(IORING_OP_WRITE, fd, 1, "abcd", 4, 0)->flags = IOSQE_IO_LINK;
	move(IORING_OP_READ, fd, 2, text, 4, 0)->flags = IOSQE_IO_LINK;
	move(IORING_OP_WRITE, ends[1], 3, text, 4, 0);
	WANT(ring_submit(&ring, 3) == 3);
	WANT_DONE(&ring, 1, 4);
	WANT_DONE(&ring, 2, 4);
	WANT_DONE(&ring, 3, 4);
	WANT(read(ends[0], text + 4, 4) == 4 && memcmp(text + 4, "abcd", 4) == 0);
	/* A short read is none. */
	move(IORING_OP_READ, fd, 1, text, 8, 0)->flags = IOSQE_IO_LINK;
	ring_entry(&ring, IORING_OP_NOP, -1, 2)->flags = IOSQE_IO_LINK;
	ring_entry(&ring, IORING_OP_NOP, -1, 3);
	ring_entry(&ring, IORING_OP_NOP, -1, 4);
	WANT(ring_submit(&ring, 4) == 4);
	WANT_DONE(&ring, 1, 4);
	WANT_DONE(&ring, 2, -ECANCELED);
	WANT_DONE(&ring, 3, -ECANCELED);
	WANT_DONE(&ring, 4, 0);
	move(IORING_OP_READ, 99, 1, text, 8, 0)->flags = IOSQE_IO_HARDLINK;
	ring_entry(&ring, IORING_OP_NOP, -1, 2);
	WANT(ring_submit(&ring, 2) == 2);
	WANT_DONE(&ring, 1, -EBADF);
	WANT_DONE(&ring, 2, 0);
	/* Nothing follows before what has to wait. */
	move(IORING_OP_READ, ends[0], 1, text, 1, 0)->flags = IOSQE_IO_LINK;
	ring_entry(&ring, IORING_OP_NOP, -1, 2);
	WANT(ring_submit(&ring, 0) == 2);
	want_nothing();
	WANT(write(ends[1], "x", 1) == 1);
	WANT(ring_enter(&ring, 0, 2, IORING_ENTER_GETEVENTS) == 0);
	WANT_DONE(&ring, 1, 1);
	WANT_DONE(&ring, 2, 0);
	/* A timeout that goes with one. */
	move(IORING_OP_READ, ends[0], 1, text, 1, 0)->flags = IOSQE_IO_LINK;
	timer(IORING_OP_LINK_TIMEOUT, 2, &soon)->flags = IOSQE_IO_LINK;
	ring_entry(&ring, IORING_OP_NOP, -1, 3);
	WANT(ring_submit(&ring, 3) == 3);
	WANT_DONE(&ring, 1, -ECANCELED);
	WANT_DONE(&ring, 3, -ECANCELED);
	WANT_DONE(&ring, 2, -ETIME);
	move(IORING_OP_READ, ends[0], 1, text, 1, 0)->flags = IOSQE_IO_LINK;
	timer(IORING_OP_LINK_TIMEOUT, 2, &late);
	WANT(ring_submit(&ring, 0) == 2);
	want_nothing();
	WANT(write(ends[1], "x", 1) == 1);
	WANT(ring_enter(&ring, 0, 2, IORING_ENTER_GETEVENTS) == 0);
	WANT_DONE(&ring, 1, 1);
	WANT_DONE(&ring, 2, -ECANCELED);
	ring_entry(&ring, IORING_OP_NOP, -1, 1)->flags = IOSQE_IO_LINK;
	timer(IORING_OP_LINK_TIMEOUT, 2, &late);
	WANT(ring_submit(&ring, 2) == 2);
	WANT_DONE(&ring, 1, 0);
	WANT_DONE(&ring, 2, -ECANCELED);
	/* A timeout in the middle of a chain. */
	timer(IORING_OP_TIMEOUT, 1, &soon)->flags = IOSQE_IO_LINK;
	ring_entry(&ring, IORING_OP_NOP, -1, 2);
	struct io_uring_sqe *entry = timer(IORING_OP_TIMEOUT, 3, &soon);
	entry->flags = IOSQE_IO_LINK;
	entry->timeout_flags = IORING_TIMEOUT_ETIME_SUCCESS;
	ring_entry(&ring, IORING_OP_NOP, -1, 4);
	WANT(ring_submit(&ring, 4) == 4);
	int sum = 0;
	for (int at = 0; at < 4; at++) {
		struct io_uring_cqe done = ring_take(&ring);
		sum += done.user_data * (done.res == (int[]){ -ETIME, -ECANCELED, -ETIME, 0 }[done.user_data - 1]);
	}
	WANT(sum == 10);
}

static void cancelling(void)
{
	char text[8];
	int ends[2];
	make();
	WANT(pipe(ends) == 0);
	for (int at = 1; at < 5; at++)
		move(IORING_OP_READ, ends[0], at, text, 1, 0);
	WANT(ring_submit(&ring, 0) == 4);
	ring_entry(&ring, IORING_OP_ASYNC_CANCEL, -1, 10)->addr = 2;
	ring_entry(&ring, IORING_OP_ASYNC_CANCEL, -1, 11)->addr = 2;
	WANT(ring_submit(&ring, 3) == 2);
	WANT_DONE(&ring, 2, -ECANCELED);
	WANT_DONE(&ring, 10, 0);
	WANT_DONE(&ring, 11, -ENOENT);
	ring_entry(&ring, IORING_OP_ASYNC_CANCEL, ends[1], 12)->cancel_flags = IORING_ASYNC_CANCEL_FD;
	ring_entry(&ring, IORING_OP_ASYNC_CANCEL, ends[0], 13)->cancel_flags = IORING_ASYNC_CANCEL_FD;
	ring_entry(&ring, IORING_OP_ASYNC_CANCEL, -1, 14)->cancel_flags = IORING_ASYNC_CANCEL_ANY;
	ring_entry(&ring, IORING_OP_ASYNC_CANCEL, -1, 15)->cancel_flags = 1 << 10;
	WANT(ring_submit(&ring, 7) == 4);
	WANT_DONE(&ring, 12, -ENOENT);
	WANT_DONE(&ring, 1, -ECANCELED);
	WANT_DONE(&ring, 13, 0);
	WANT_DONE(&ring, 3, -ECANCELED);
	WANT_DONE(&ring, 4, -ECANCELED);
	WANT_DONE(&ring, 14, 2);
	WANT_DONE(&ring, 15, -EINVAL);
	/* What was cancelled takes nothing. */
	WANT(write(ends[1], "a", 1) == 1);
	want_nothing();
	WANT(read(ends[0], text, 1) == 1);
}

static void names(void)
{
	struct open_how { uint64_t flags, mode, resolve; } how = { O_RDWR | O_CREAT, 0600, 0 };
	struct statx statx;
	make();
	move(IORING_OP_MKDIRAT, AT_FDCWD, 1, "d", 0700, 0)->flags = IOSQE_IO_LINK;
	move(IORING_OP_OPENAT, AT_FDCWD, 2, "d/f", 0600, 0)->open_flags = O_RDWR | O_CREAT;
	move(IORING_OP_OPENAT2, AT_FDCWD, 3, "d/g", sizeof how, (uintptr_t)&how);
	WANT(ring_submit(&ring, 3) == 3);
	WANT_DONE(&ring, 1, 0);
	struct io_uring_cqe opened = ring_take(&ring);
	WANT(opened.user_data == 2 && opened.res >= 0);
	WANT(write(opened.res, "text", 4) == 4);
	WANT(ring_take(&ring).res > opened.res);
	move(IORING_OP_STATX, AT_FDCWD, 1, "d/f", STATX_SIZE, (uintptr_t)&statx);
	ring_entry(&ring, IORING_OP_CLOSE, opened.res, 2);
	ring_entry(&ring, IORING_OP_CLOSE, opened.res, 3);
	struct io_uring_sqe *entry = move(IORING_OP_RENAMEAT, AT_FDCWD, 4, "d/f", AT_FDCWD, (uintptr_t) "d/h");
	move(IORING_OP_UNLINKAT, AT_FDCWD, 5, "d/h", 0, 0);
	move(IORING_OP_SYMLINKAT, AT_FDCWD, 6, "target", 0, (uintptr_t) "d/link");
	move(IORING_OP_OPENAT, AT_FDCWD, 7, "d/missing", 0, 0);
	move(IORING_OP_OPENAT, AT_FDCWD, 8, (void *)8, 0, 0);
	WANT(entry != NULL && ring_submit(&ring, 8) == 8);
	WANT_DONE(&ring, 1, 0);
	WANT(statx.stx_size == 4);
	WANT_DONE(&ring, 2, 0);
	WANT_DONE(&ring, 3, -EBADF);
	for (int at = 4; at < 7; at++)
		WANT_DONE(&ring, at, 0);
	WANT_DONE(&ring, 7, -ENOENT);
	WANT_DONE(&ring, 8, -EFAULT);
	WANT(access("d/h", F_OK) != 0 && readlink("d/link", (char[8]){ 0 }, 8) == 6);
}

static void sockets(void)
{
	char text[16] = "", more[16] = "";
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t length = sizeof address;
	make();
	/* None of them waits for a call of its own; a ring waits all the same. */
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	WANT(bind(listener, (void *)&address, length) == 0 && listen(listener, 4) == 0);
	WANT(getsockname(listener, (void *)&address, &length) == 0);
	ring_entry(&ring, IORING_OP_ACCEPT, listener, 1)->accept_flags = SOCK_NONBLOCK;
	move(IORING_OP_SOCKET, AF_INET, 2, NULL, 0, SOCK_STREAM | SOCK_NONBLOCK);
	WANT(ring_submit(&ring, 1) == 2);
	struct io_uring_cqe made = ring_take(&ring);
	WANT(made.user_data == 2 && made.res >= 0);
	want_nothing();
	move(IORING_OP_CONNECT, made.res, 3, &address, 0, length);
	WANT(ring_submit(&ring, 2) == 1);
	struct io_uring_cqe both[2] = { ring_take(&ring), ring_take(&ring) };
	int accepted = both[both[0].user_data == 3].res;
	WANT(both[0].user_data + both[1].user_data == 4 && accepted >= 0);
	move(IORING_OP_RECV, accepted, 4, text, sizeof text, 0);
	struct iovec part = { more, sizeof more };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	move(IORING_OP_RECVMSG, made.res, 5, &message, 1, 0);
	WANT(ring_submit(&ring, 0) == 2);
	want_nothing();
	move(IORING_OP_SEND, made.res, 6, "hello", 5, 0);
	WANT(ring_submit(&ring, 2) == 1);
	struct io_uring_cqe sent[2] = { ring_take(&ring), ring_take(&ring) };
	WANT(sent[0].res == 5 && sent[1].res == 5 && strcmp(text, "hello") == 0);
	struct iovec out = { "world", 5 };
	struct msghdr sending = { .msg_iov = &out, .msg_iovlen = 1 };
	move(IORING_OP_SENDMSG, accepted, 7, &sending, 1, 0);
	WANT(ring_submit(&ring, 2) == 1);
	ring_take(&ring), ring_take(&ring);
	WANT(strcmp(more, "world") == 0);
	move(IORING_OP_RECV, accepted, 8, text, sizeof text, 0)->msg_flags = MSG_DONTWAIT;
	move(IORING_OP_RECV, 0, 9, text, sizeof text, 0);
	move(IORING_OP_RECV, accepted, 10, text, sizeof text, 0);
	WANT(ring_submit(&ring, 2) == 3);
	WANT_DONE(&ring, 8, -EAGAIN);
	WANT_DONE(&ring, 9, -ENOTSOCK);
	move(IORING_OP_SHUTDOWN, made.res, 11, NULL, SHUT_WR, 0);
	WANT(ring_submit(&ring, 2) == 1);
	ring_take(&ring), ring_take(&ring);
	/* Sending to nobody is an error and no signal. */
	close(accepted);
	move(IORING_OP_SEND, made.res, 12, "x", 1, 0);
	WANT(ring_submit(&ring, 1) == 1);
	WANT_DONE(&ring, 12, -EPIPE);
	/* A ring does not travel: it could keep the socket that it is sent through. */
	int pair[2];
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct msghdr passing = { .msg_iov = &out, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *head = CMSG_FIRSTHDR(&passing);
	*head = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(head), &ring.fd, sizeof(int));
	WANT_ERROR(sendmsg(pair[0], &passing, 0), EINVAL);
}

static void overflow(void)
{
	ring_make(&ring, 4, 4, 0);
	for (int at = 0; at < 4; at++)
		ring_entry(&ring, IORING_OP_NOP, -1, at);
	WANT(ring_submit(&ring, 4) == 4);
	for (int at = 4; at < 8; at++)
		ring_entry(&ring, IORING_OP_NOP, -1, at);
	WANT(ring_submit(&ring, 0) >= 1);
	WANT(*ring_word(&ring, ring.params.sq_off.flags) & IORING_SQ_CQ_OVERFLOW);
	ring_show(&ring);
	WANT_ERROR(ring_enter(&ring, 4, 0, 0), EBUSY);
	for (unsigned at = 0; at < 8; at++) {
		if (ring_ready(&ring) == 0)
			WANT(ring_enter(&ring, 8, 1, IORING_ENTER_GETEVENTS) >= 0);
		WANT_DONE(&ring, at, 0);
	}
	WANT(!(*ring_word(&ring, ring.params.sq_off.flags) & IORING_SQ_CQ_OVERFLOW));
	WANT(*ring_word(&ring, ring.params.cq_off.overflow) == 0);
}

static void disabled(void)
{
	ring_make(&ring, 4, 0, IORING_SETUP_R_DISABLED);
	ring_entry(&ring, IORING_OP_NOP, -1, 1);
	ring_show(&ring);
	WANT_ERROR(ring_enter(&ring, 1, 0, 0), EBADFD);
	WANT(ring_register(&ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0);
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0), EBADFD);
	WANT(ring_enter(&ring, 1, 1, IORING_ENTER_GETEVENTS) == 1);
	WANT_DONE(&ring, 1, 0);
}

static volatile int handled;

static void handler(int signal)
{
	handled = signal;
}

/* A handler interrupts the wait and nothing else. */
static void interrupted(void)
{
	char text[8];
	int ends[2];
	make();
	WANT(pipe(ends) == 0);
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &action, NULL);
	move(IORING_OP_READ, ends[0], 1, text, 1, 0);
	WANT(ring_submit(&ring, 0) == 1);
	ualarm(20000, 0);
	WANT_ERROR(ring_enter(&ring, 0, 1, IORING_ENTER_GETEVENTS), EINTR);
	WANT(handled == SIGALRM);
	/* What has begun counts. */
	move(IORING_OP_READ, ends[0], 2, text + 1, 1, 0);
	ualarm(20000, 0);
	WANT(ring_submit(&ring, 1) == 1);
	WANT(write(ends[1], "ab", 2) == 2);
	WANT(ring_enter(&ring, 0, 2, IORING_ENTER_GETEVENTS) == 0);
	WANT_DONE(&ring, 1, 1);
	WANT_DONE(&ring, 2, 1);
	WANT(memcmp(text, "ab", 2) == 0);
}

static const struct check checks[] = {
	{ "setup", setup },           { "transfers", transfers },   { "registered", registered },
	{ "waiting", waiting },       { "events", events },         { "polls", polls },
	{ "timeouts", timeouts },     { "chains", chains },         { "cancelling", cancelling },
	{ "names", names },           { "sockets", sockets },       { "overflow", overflow },
	{ "disabled", disabled },     { "interrupted", interrupted },
};

MAIN(checks)
