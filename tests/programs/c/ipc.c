/* Pipes, poll, select, futex. */

#include "check.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static int ends[2];

static void open_pipe(int flags)
{
	WANT(pipe2(ends, flags) == 0);
}

static void ends_of_pipe(void)
{
	char text[8];
	open_pipe(0);
	WANT(write(ends[1], "abcdef", 6) == 6);
	int waiting;
	WANT(ioctl(ends[0], FIONREAD, &waiting) == 0 && waiting == 6);
	WANT(read(ends[0], text, 4) == 4 && memcmp(text, "abcd", 4) == 0);
	WANT(read(ends[0], text, 8) == 2);
	WANT_ERROR(lseek(ends[0], 0, SEEK_SET), ESPIPE);
	WANT_ERROR(read(ends[1], text, 1), EBADF);
	WANT_ERROR(write(ends[0], text, 1), EBADF);
	close(ends[1]);
	WANT(read(ends[0], text, 8) == 0);
	open_pipe(0);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	WANT_ERROR(write(ends[1], "x", 1), EPIPE);
}

static void die_of_pipe(void)
{
	open_pipe(0);
	close(ends[0]);
	if (write(ends[1], "x", 1) != 1)
		_exit(3);
}

static void broken_pipe(void)
{
	WANT_SIGNAL(die_of_pipe, SIGPIPE);
}

static void non_blocking(void)
{
	char block[4096];
	memset(block, 1, sizeof(block));
	open_pipe(O_NONBLOCK | O_CLOEXEC);
	WANT(fcntl(ends[0], F_GETFD) == FD_CLOEXEC && (fcntl(ends[0], F_GETFL) & O_NONBLOCK));
	WANT_ERROR(read(ends[0], block, 1), EAGAIN);
	long total = 0, got;
	while ((got = write(ends[1], block, sizeof(block))) > 0)
		total += got;
	WANT(errno == EAGAIN && total == 65536);
	WANT(read(ends[0], block, 100) == 100);
	WANT_ERROR(write(ends[1], block, sizeof(block)), EAGAIN); /* PIPE_BUF is all or nothing */
}

static void atomic_writes(void)
{
	/* Writes of up to PIPE_BUF bytes from several processes do not mix. */
	enum { SIZE = 512, ROUNDS = 100, WRITERS = 4 };
	open_pipe(0);
	for (int writer = 0; writer < WRITERS; writer++) {
		if (fork() == 0) {
			char block[SIZE];
			memset(block, 'a' + writer, SIZE);
			for (int round = 0; round < ROUNDS; round++)
				WANT(write(ends[1], block, SIZE) == SIZE);
			_exit(0);
		}
	}
	close(ends[1]);
	char block[SIZE];
	for (int round = 0; round < WRITERS * ROUNDS; round++) {
		size_t have = 0;
		while (have < SIZE) {
			ssize_t got = read(ends[0], block + have, SIZE - have);
			WANT(got > 0);
			have += got;
		}
		for (int at = 1; at < SIZE; at++)
			WANT(block[at] == block[0]);
	}
	WANT(read(ends[0], block, 1) == 0);
	while (wait(NULL) > 0)
		;
}

static void large_transfer(void)
{
	enum { TOTAL = 4 * 1024 * 1024 };
	static unsigned char data[TOTAL], copy[TOTAL];
	for (int at = 0; at < TOTAL; at++)
		data[at] = (unsigned char)(at * 31 + (at >> 12));
	open_pipe(0);
	if (fork() == 0) {
		close(ends[0]);
		WANT(write(ends[1], data, TOTAL) == TOTAL); /* one blocking write gives all */
		_exit(0);
	}
	close(ends[1]);
	for (long have = 0, got; have < TOTAL; have += got) {
		got = read(ends[0], copy + have, 70001);
		WANT(got > 0);
	}
	WANT(memcmp(data, copy, TOTAL) == 0);
	int status;
	WANT(wait(&status) > 0 && status == 0);
}

static void vectors(void)
{
	char a[3], b[5];
	open_pipe(0);
	struct iovec out[2] = { { "abc", 3 }, { "defgh", 5 } }, in[2] = { { a, 3 }, { b, 5 } };
	WANT(writev(ends[1], out, 2) == 8);
	WANT(readv(ends[0], in, 2) == 8);
	WANT(memcmp(a, "abc", 3) == 0 && memcmp(b, "defgh", 5) == 0);
	volatile int negative = -1, many = 1025;
	WANT_ERROR(writev(ends[1], out, negative), EINVAL);
	WANT_ERROR(writev(ends[1], out, many), EINVAL);
}

static void polling(void)
{
	open_pipe(0);
	struct pollfd fds[2] = { { ends[0], POLLIN, 0 }, { ends[1], POLLOUT, 0 } };
	WANT(poll(fds, 2, 0) == 1 && fds[0].revents == 0 && fds[1].revents == POLLOUT);
	int64_t before = now_ns();
	WANT(poll(fds, 1, 30) == 0 && now_ns() - before >= 30000000);
	pid_t pid = fork();
	if (pid == 0) {
		usleep(20000);
		_exit(write(ends[1], "x", 1) != 1);
	}
	WANT(poll(fds, 1, 10000) == 1 && fds[0].revents == POLLIN);
	WANT(waitpid(pid, NULL, 0) == pid);
	close(ends[1]);
	WANT(poll(fds, 1, -1) == 1 && (fds[0].revents & POLLIN) && (fds[0].revents & POLLHUP));
	fds[1].events = POLLOUT;
	WANT(poll(fds + 1, 1, -1) == 1 && fds[1].revents == POLLNVAL);
	fds[0].fd = -1;
	WANT(poll(fds, 1, 0) == 0);
	open_pipe(0);
	close(ends[0]);
	fds[1].fd = ends[1];
	WANT(poll(fds + 1, 1, -1) == 1 && (fds[1].revents & POLLERR));
}

static void polling_timeout_kept(void)
{
	/* A wake that brings nothing does not restart the timeout. */
	open_pipe(0);
	struct pollfd fd = { ends[0], POLLIN, 0 };
	pid_t pid = fork();
	if (pid == 0) {
		for (int at = 0; at < 20; at++) {
			usleep(10000);
			kill(getppid(), SIGCHLD);
		}
		_exit(0);
	}
	int64_t before = now_ns();
	WANT(poll(&fd, 1, 100) == 0);
	int64_t took = now_ns() - before;
	WANT(took >= 100000000 && took < 5000000000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void selecting(void)
{
	fd_set readable, writable;
	open_pipe(0);
	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_SET(ends[0], &readable);
	FD_SET(ends[1], &writable);
	WANT(select(ends[1] + 1, &readable, &writable, NULL, NULL) == 1);
	WANT(!FD_ISSET(ends[0], &readable) && FD_ISSET(ends[1], &writable));
	FD_SET(ends[0], &readable);
	struct timeval limit = { .tv_usec = 20000 };
	WANT(select(ends[0] + 1, &readable, NULL, NULL, &limit) == 0);
	WANT(write(ends[1], "x", 1) == 1);
	FD_SET(ends[0], &readable);
	WANT(select(ends[0] + 1, &readable, NULL, NULL, NULL) == 1 && FD_ISSET(ends[0], &readable));
	limit.tv_usec = -1;
	WANT_ERROR(select(0, NULL, NULL, NULL, &limit), EINVAL);
}

static long futex(int *word, int operation, int value, const struct timespec *limit)
{
	return syscall(SYS_futex, word, operation, value, limit, NULL, 0);
}

static void futexes(void)
{
	int *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	WANT(word != MAP_FAILED);
	WANT_ERROR(futex(word, FUTEX_WAIT, 1, NULL), EAGAIN);
	struct timespec limit = { .tv_nsec = 20000000 };
	int64_t before = now_ns();
	WANT_ERROR(futex(word, FUTEX_WAIT, 0, &limit), ETIMEDOUT);
	WANT(now_ns() - before >= 20000000);
	WANT(futex(word, FUTEX_WAKE, 10, NULL) == 0);
	WANT_ERROR(futex((int *)((char *)word + 1), FUTEX_WAIT, 0, NULL), EINVAL);
	enum { SLEEPERS = 5 };
	for (int at = 0; at < SLEEPERS; at++) {
		if (fork() == 0) {
			__sync_fetch_and_add(word + 1, 1);
			while (*(volatile int *)word == 0)
				futex(word, FUTEX_WAIT, 0, NULL);
			_exit(0);
		}
	}
	while (*(volatile int *)(word + 1) < SLEEPERS)
		usleep(1000);
	*(volatile int *)word = 1;
	long woken = futex(word, FUTEX_WAKE, SLEEPERS, NULL);
	WANT(woken >= 0 && woken <= SLEEPERS);
	int status;
	for (int at = 0; at < SLEEPERS; at++)
		WANT(wait(&status) > 0 && status == 0);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long total, turn;

static void *adding(void *unused)
{
	(void)unused;
	for (int at = 0; at < 20000; at++) {
		pthread_mutex_lock(&lock);
		total++;
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void *turning(void *which)
{
	for (int at = 0; at < 500; at++) {
		pthread_mutex_lock(&lock);
		while (turn % 3 != (long)which)
			pthread_cond_wait(&changed, &lock);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void in_threads(void *(*body)(void *), int threads)
{
	pthread_t ids[8];
	for (long at = 0; at < threads; at++)
		WANT(pthread_create(&ids[at], NULL, body, (void *)at) == 0);
	for (int at = 0; at < threads; at++)
		WANT(pthread_join(ids[at], NULL) == 0);
}

static void mutexes(void)
{
	in_threads(adding, 4);
	WANT(total == 80000);
	in_threads(turning, 3);
	WANT(turn == 1500);
}

static void duplicates(void)
{
	char byte;
	open_pipe(0);
	WANT(dup2(ends[1], 100) == 100 && close(ends[1]) == 0);
	WANT(write(100, "x", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'x');
	int copy = fcntl(100, F_DUPFD_CLOEXEC, 200);
	WANT(copy == 200 && fcntl(copy, F_GETFD) == FD_CLOEXEC);
	close(100);
	close(200);
	WANT(read(ends[0], &byte, 1) == 0);
	WANT_ERROR(dup2(ends[0], -1), EBADF);
	WANT_ERROR(dup2(ends[0], 1 << 20), EBADF);
	WANT_ERROR(close(100), EBADF);
	WANT(dup2(ends[0], ends[0]) == ends[0]);
	WANT_ERROR(dup3(ends[0], ends[0], 0), EINVAL);
}

static void many_files(void)
{
	int last = -1, count = 0, fd;
	while ((fd = open("/dev/null", O_RDONLY)) >= 0) {
		last = fd;
		count++;
	}
	WANT(errno == EMFILE && count > 200);
	close(last);
	WANT(open("/dev/null", O_RDONLY) == last);
}

/* splice, tee and vmsplice. */
static void splicing(void)
{
	char text[16] = "";
	int other[2], file = open("f", O_RDWR | O_CREAT, 0600);
	loff_t at = 2;
	open_pipe(0);
	WANT(pipe(other) == 0);
	WANT(write(file, "0123456789", 10) == 10);
	/* From a file: at an offset, and at the position. */
	WANT(splice(file, &at, ends[1], NULL, 3, 0) == 3 && at == 5 && lseek(file, 0, SEEK_CUR) == 10);
	WANT(lseek(file, 7, SEEK_SET) == 7);
	WANT(splice(file, NULL, ends[1], NULL, 100, 0) == 3 && lseek(file, 0, SEEK_CUR) == 10);
	WANT(splice(file, NULL, ends[1], NULL, 100, 0) == 0);
	/* Copied, and still there. */
	WANT(tee(ends[0], other[1], 4, 0) == 4);
	WANT(read(other[0], text, 16) == 4 && memcmp(text, "2347", 4) == 0);
	/* From pipe to pipe, and to a file. */
	WANT(splice(ends[0], NULL, other[1], NULL, 2, SPLICE_F_MOVE) == 2);
	at = 0;
	WANT(splice(other[0], NULL, file, &at, 100, 0) == 2 && at == 2);
	WANT(splice(ends[0], NULL, file, NULL, 100, 0) == 4 && lseek(file, 0, SEEK_CUR) == 14);
	WANT(pread(file, text, 16, 0) == 14 && memcmp(text, "23234567894789", 14) == 0);
	/* Memory. */
	struct iovec parts[2] = { { "ab", 2 }, { "c", 1 } }, into = { text, 8 };
	WANT(vmsplice(ends[1], parts, 2, SPLICE_F_GIFT) == 3);
	WANT(vmsplice(ends[0], &into, 1, 0) == 3 && memcmp(text, "abc", 3) == 0);
	/* What is refused. */
	WANT_ERROR(splice(ends[0], NULL, ends[1], NULL, 1, 0), EINVAL);
	WANT_ERROR(splice(file, NULL, file, NULL, 1, 0), EINVAL);
	WANT_ERROR(splice(file, NULL, ends[1], NULL, 1, 1 << 10), EINVAL);
	WANT_ERROR(splice(ends[0], &at, file, NULL, 1, 0), ESPIPE);
	WANT_ERROR(splice(file, NULL, ends[1], &at, 1, 0), ESPIPE);
	WANT_ERROR(splice(ends[1], NULL, file, NULL, 1, 0), EBADF);
	WANT_ERROR(splice(file, (void *)8, ends[1], NULL, 1, 0), EFAULT);
	WANT_ERROR(splice(-1, NULL, ends[1], NULL, 1, 0), EBADF);
	at = -1;
	WANT_ERROR(splice(file, &at, ends[1], NULL, 1, 0), EINVAL);
	WANT_ERROR(splice(ends[0], NULL, open("f", O_WRONLY | O_APPEND), NULL, 1, 0), EINVAL);
	WANT_ERROR(tee(ends[0], ends[1], 1, 0), EINVAL);
	WANT_ERROR(tee(ends[0], file, 1, 0), EINVAL);
	WANT_ERROR(vmsplice(file, parts, 2, 0), EBADF);
	WANT_ERROR(splice(ends[0], NULL, file, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	WANT_ERROR(tee(ends[0], other[1], 1, SPLICE_F_NONBLOCK), EAGAIN);
	WANT(splice(ends[0], NULL, file, NULL, 0, 0) == 0);
	/* It waits for bytes and for room, and the end of the writers is the end. */
	pid_t child = fork();
	if (child == 0) {
		usleep(10000);
		_exit(write(ends[1], "x", 1) != 1);
	}
	close(ends[1]);
	WANT(splice(ends[0], NULL, other[1], NULL, 10, 0) == 1);
	WANT(waitpid(child, NULL, 0) == child);
	WANT(splice(ends[0], NULL, other[1], NULL, 10, 0) == 0);
	WANT(tee(ends[0], other[1], 10, 0) == 0);
	signal(SIGPIPE, SIG_IGN);
	close(other[0]);
	WANT_ERROR(splice(file, NULL, other[1], NULL, 1, 0), EPIPE);
}

/* Bytes go through two pipes and a socket in any portions, and none is lost or moved. */
static void spliced_stream(void)
{
	enum { WORDS = 64, ROUNDS = 1000 };
	unsigned words[WORDS];
	int status, second[2], sockets[2];
	const int length = ROUNDS * sizeof words;
	open_pipe(0);
	WANT(pipe(second) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
	if (fork() == 0) {
		for (unsigned at = 0; at < ROUNDS; at++) {
			for (unsigned word = 0; word < WORDS; word++)
				words[word] = at * WORDS + word;
			WANT(write(ends[1], words, sizeof words) == sizeof words);
		}
		_exit(0);
	}
	if (fork() == 0) {
		for (int done = 0; done < length;) {
			int moved = splice(ends[0], NULL, sockets[0], NULL, 5000, 0);
			WANT(moved > 0);
			done += moved;
		}
		_exit(0);
	}
	if (fork() == 0) {
		for (int done = 0; done < length;) {
			int moved = splice(sockets[1], NULL, second[1], NULL, 7000, 0);
			WANT(moved > 0);
			done += moved;
		}
		_exit(0);
	}
	for (unsigned at = 0; at < ROUNDS; at++) {
		for (size_t have = 0; have < sizeof words;) {
			int count = read(second[0], (char *)words + have, sizeof words - have);
			WANT(count > 0);
			have += count;
		}
		for (unsigned word = 0; word < WORDS; word++)
			if (words[word] != at * WORDS + word)
				FAIL("%u at %u", words[word], at * WORDS + word);
	}
	for (int at = 0; at < 3; at++)
		WANT(wait(&status) > 0 && status == 0);
}

static const struct check checks[] = {
	{ "splicing", splicing }, { "spliced-stream", spliced_stream },
	{ "ends-of-pipe", ends_of_pipe }, { "broken-pipe", broken_pipe }, { "non-blocking", non_blocking },
	{ "atomic-writes", atomic_writes }, { "large-transfer", large_transfer }, { "vectors", vectors },
	{ "poll", polling }, { "poll-timeout", polling_timeout_kept }, { "select", selecting }, { "futex", futexes },
	{ "mutexes", mutexes }, { "duplicates", duplicates }, { "many-files", many_files },
};
MAIN(checks)
