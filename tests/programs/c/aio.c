/* Asynchronous transfers (man 2 io_setup, io_submit, io_getevents, io_cancel, io_destroy). */

#include "check.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static long setup(unsigned count, aio_context_t *context)
{
	return syscall(SYS_io_setup, count, context);
}

static long destroy(aio_context_t context)
{
	return syscall(SYS_io_destroy, context);
}

static long submit(aio_context_t context, long count, struct iocb **list)
{
	return syscall(SYS_io_submit, context, count, list);
}

static long get(aio_context_t context, long least, long most, struct io_event *events, long ns)
{
	struct timespec span = { ns / 1000000000, ns % 1000000000 };
	return syscall(SYS_io_getevents, context, least, most, events, ns < 0 ? NULL : &span);
}

static long cancel(aio_context_t context, struct iocb *asked)
{
	struct io_event unused;
	return syscall(SYS_io_cancel, context, asked, &unused);
}

static struct iocb make(int opcode, int file, void *buffer, size_t length, off_t offset)
{
	struct iocb asked = { .aio_lio_opcode = opcode, .aio_fildes = file,
		.aio_buf = (uintptr_t)buffer, .aio_nbytes = length, .aio_offset = offset };
	return asked;
}

static aio_context_t context;

static long one(struct iocb *asked)
{
	return submit(context, 1, &asked);
}

/* Submits one and answers its result. */
static long result(struct iocb asked)
{
	struct io_event event;
	asked.aio_data = 77;
	WANT(one(&asked) == 1);
	WANT(get(context, 1, 1, &event, -1) == 1);
	WANT(event.data == 77 && event.obj == (uintptr_t)&asked && event.res2 == 0);
	return event.res;
}

static void transfers(void)
{
	char out[100], in[100], small[3];
	struct iovec ranges[2] = { { in, 4 }, { small, 3 } };
	int file = memfd_create("aio", 0);
	WANT(setup(8, &context) == 0 && context != 0);
	memset(out, 'x', sizeof(out));
	memcpy(out, "0123456789", 10);
	WANT(result(make(IOCB_CMD_PWRITE, file, out, 100, 1000)) == 100);
	WANT(lseek(file, 0, SEEK_CUR) == 0 && lseek(file, 0, SEEK_END) == 1100);
	WANT(result(make(IOCB_CMD_PREAD, file, in, 100, 1002)) == 98 && in[0] == '2');
	WANT(result(make(IOCB_CMD_PREADV, file, ranges, 2, 1000)) == 7);
	WANT(memcmp(in, "0123", 4) == 0 && memcmp(small, "456", 3) == 0);
	ranges[0].iov_base = out;
	WANT(result(make(IOCB_CMD_PWRITEV, file, ranges, 2, 0)) == 7);
	WANT(pread(file, in, 7, 0) == 7 && memcmp(in, "0123456", 7) == 0);
	WANT(result(make(IOCB_CMD_PREAD, file, in, 10, 5000)) == 0);
	WANT(result(make(IOCB_CMD_FSYNC, file, NULL, 0, 0)) == 0);
	WANT(result(make(IOCB_CMD_FDSYNC, file, NULL, 0, 0)) == 0);
	WANT(result(make(IOCB_CMD_PREAD, file, (void *)8, 10, 0)) == -EFAULT);
	WANT(destroy(context) == 0);
	WANT_ERROR(destroy(context), EINVAL);
}

static void waits(void)
{
	struct io_event events[4];
	char byte;
	int ends[2], counter = eventfd(0, 0);
	uint64_t count;
	WANT(pipe(ends) == 0 && setup(4, &context) == 0);
	struct iocb asked[3] = { make(IOCB_CMD_PREAD, ends[0], &byte, 1, 0),
		make(IOCB_CMD_POLL, ends[0], (void *)POLLIN, 0, 0),
		make(IOCB_CMD_POLL, ends[1], (void *)POLLOUT, 0, 0) };
	asked[0].aio_flags = IOCB_FLAG_RESFD;
	asked[0].aio_resfd = counter;
	struct iocb *list[3] = { &asked[0], &asked[1], &asked[2] };
	WANT(submit(context, 2, list) == 2);
	/* Nothing is ready: at once, and after a while. */
	WANT(get(context, 0, 4, events, -1) == 0);
	WANT(get(context, 1, 4, events, 0) == 0);
	int64_t began = now_ns();
	WANT(get(context, 1, 4, events, 20000000) == 0 && now_ns() - began >= 20000000);
	WANT(submit(context, 1, list + 2) == 1);
	WANT(get(context, 1, 4, events, -1) == 1 && events[0].obj == (uintptr_t)&asked[2]);
	WANT(events[0].res & POLLOUT);
	pid_t child = fork();
	if (child == 0) {
		/* The child has no contexts. */
		errno = 0;
		int none = get(context, 0, 1, events, 0) == -1 && errno == EINVAL;
		_exit(!none || write(ends[1], "yz", 2) != 2);
	}
	WANT(get(context, 2, 4, events, -1) == 2);
	WANT(byte == 'y' && read(counter, &count, 8) == 8 && count == 1);
	int status;
	WANT(waitpid(child, &status, 0) == child && status == 0);
	/* The poll tells what there is. */
	int at = events[0].obj == (uintptr_t)&asked[1] ? 0 : 1;
	WANT(events[at].res & POLLIN && events[1 - at].res == 1);
	WANT(destroy(context) == 0);
}

static void refused(void)
{
	char byte;
	struct io_event event;
	int ends[2], reads = open("/dev/null", O_RDONLY);
	aio_context_t other = 5, huge = 0;
	WANT(pipe(ends) == 0);
	WANT_ERROR(setup(0, &huge), EINVAL);
	WANT_ERROR(setup(1, &other), EINVAL);
	WANT_ERROR(setup(1, NULL), EFAULT);
	WANT_ERROR(setup(1 << 20, &huge), EAGAIN);
	WANT(setup(2, &context) == 0);
	WANT_ERROR(get(context, -1, 1, &event, 0), EINVAL);
	WANT_ERROR(get(context, 2, 1, &event, 0), EINVAL);
	WANT_ERROR(get(context + 4096, 0, 1, &event, 0), EINVAL);
	WANT_ERROR(submit(context + 4096, 0, NULL), EINVAL);
	WANT_ERROR(submit(context, -1, NULL), EINVAL);
	WANT(submit(context, 0, NULL) == 0);
	WANT_ERROR(submit(context, 1, NULL), EFAULT);
	struct iocb asked = make(IOCB_CMD_PREAD, 1000, &byte, 1, 0);
	WANT_ERROR(one(&asked), EBADF);
	asked = make(IOCB_CMD_PWRITE, reads, &byte, 1, 0);
	WANT_ERROR(one(&asked), EBADF);
	asked = make(IOCB_CMD_NOOP, reads, &byte, 1, 0);
	WANT_ERROR(one(&asked), EINVAL);
	asked = make(IOCB_CMD_PREAD, reads, &byte, 1, -1);
	WANT_ERROR(one(&asked), EINVAL);
	asked = make(IOCB_CMD_PREAD, reads, &byte, -1, 0);
	WANT_ERROR(one(&asked), EINVAL);
	asked = make(IOCB_CMD_FSYNC, reads, NULL, 1, 0);
	WANT_ERROR(one(&asked), EINVAL);
	asked = make(IOCB_CMD_POLL, reads, (void *)0x10001, 0, 0);
	WANT_ERROR(one(&asked), EINVAL);
	asked = make(IOCB_CMD_PREAD, reads, &byte, 1, 0);
	asked.aio_flags = 8;
	WANT_ERROR(one(&asked), EINVAL);
	asked.aio_flags = IOCB_FLAG_RESFD;
	asked.aio_resfd = reads;
	WANT_ERROR(one(&asked), EINVAL);
	asked.aio_flags = 0;
	asked.aio_reserved2 = 1;
	WANT_ERROR(one(&asked), EINVAL);
	/* What is refused takes no room, and what has no room is refused. */
	struct iocb waiting[3], *list[3];
	for (int at = 0; at < 3; at++) {
		waiting[at] = make(IOCB_CMD_PREAD, ends[0], &byte, 1, 0);
		list[at] = &waiting[at];
	}
	WANT(submit(context, 3, list) == 2);
	WANT_ERROR(submit(context, 1, list + 2), EAGAIN);
	/* Where the first is in order, a bad second one ends the submission. */
	WANT(write(ends[1], "ab", 2) == 2 && get(context, 1, 1, &event, -1) == 1);
	list[1] = (struct iocb *)8;
	WANT(get(context, 1, 1, &event, -1) == 1);
	WANT(submit(context, 2, list) == 1);
	WANT(destroy(context) == 0);
}

static void cancelled(void)
{
	char byte;
	struct io_event event;
	int ends[2];
	WANT(pipe(ends) == 0 && setup(4, &context) == 0);
	struct iocb asked = make(IOCB_CMD_POLL, ends[0], (void *)POLLIN, 0, 0);
	asked.aio_data = 9;
	WANT_ERROR(cancel(context, &asked), EINVAL);
	WANT(one(&asked) == 1 && get(context, 0, 1, &event, 0) == 0);
	asked.aio_key = 1;
	WANT_ERROR(cancel(context, &asked), EINVAL);
	asked.aio_key = 0;
	WANT_ERROR(cancel(context + 4096, &asked), EINVAL);
	WANT_ERROR(cancel(context, NULL), EFAULT);
	WANT_ERROR(cancel(context, &asked), EINPROGRESS);
	WANT(get(context, 1, 1, &event, -1) == 1 && event.data == 9);
	WANT_ERROR(cancel(context, &asked), EINVAL);
	/* What waits goes with the context: nothing is read after that. */
	asked = make(IOCB_CMD_PREAD, ends[0], &byte, 1, 0);
	WANT(one(&asked) == 1 && destroy(context) == 0);
	WANT(write(ends[1], "a", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'a');
}

static void *destroys(void *unused)
{
	(void)unused;
	usleep(20000);
	WANT(destroy(context) == 0);
	return NULL;
}

static void handler(int signal)
{
	(void)signal;
}

static void ended(void)
{
	struct io_event event;
	struct sigaction action = { .sa_handler = handler };
	pthread_t thread;
	WANT(setup(4, &context) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
	ualarm(20000, 0);
	WANT_ERROR(get(context, 1, 1, &event, -1), EINTR);
	/* Only while it waits is the mask another. */
	sigset_t set, none;
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	WANT(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGALRM) == 0);
	struct {
		sigset_t *set;
		size_t size;
	} mask = { &none, 8 };
	WANT_ERROR(syscall(SYS_io_pgetevents, context, 1L, 1L, &event, NULL, &mask), EINTR);
	mask.size = 9;
	WANT_ERROR(syscall(SYS_io_pgetevents, context, 1L, 1L, &event, NULL, &mask), EINVAL);
	WANT(pthread_create(&thread, NULL, destroys, NULL) == 0);
	WANT_ERROR(get(context, 1, 1, &event, -1), EINVAL);
	WANT(pthread_join(thread, NULL) == 0);
}

/* More than is done at once, and than fits. */
static void many(void)
{
	enum { COUNT = 1000 };
	static struct iocb asked[COUNT], *list[COUNT];
	static struct io_event events[COUNT];
	static char bytes[COUNT];
	int file = memfd_create("many", 0);
	WANT(setup(COUNT, &context) == 0);
	for (int at = 0; at < COUNT; at++) {
		bytes[at] = at % 100;
		asked[at] = make(IOCB_CMD_PWRITE, file, &bytes[at], 1, at);
		list[at] = &asked[at];
	}
	WANT(submit(context, COUNT, list) == COUNT);
	WANT(get(context, COUNT, COUNT, events, -1) == COUNT);
	for (int at = 0; at < COUNT; at++)
		WANT(events[at].obj == (uintptr_t)&asked[at] && events[at].res == 1);
	char found[COUNT];
	WANT(pread(file, found, COUNT, 0) == COUNT && memcmp(found, bytes, COUNT) == 0);
	/* A place that cannot be written takes nothing. */
	WANT(submit(context, 1, list) == 1);
	WANT_ERROR(get(context, 1, 1, (struct io_event *)8, -1), EFAULT);
	WANT(get(context, 1, 1, events, -1) == 1);
	/* An exec and an end leave nothing behind. */
	int ends[2];
	WANT(pipe(ends) == 0);
	asked[0] = make(IOCB_CMD_PREAD, ends[0], bytes, 1, 0);
	WANT(submit(context, 1, list) == 1);
	execl("/bin/true", "true", NULL);
	FAIL("exec");
}

static const struct check checks[] = {
	{ "transfers", transfers },
	{ "waits", waits },
	{ "refused", refused },
	{ "cancelled", cancelled },
	{ "ended", ended },
	{ "many", many },
};

MAIN(checks)
