/* Everything at once. `stress partitions SECONDS SEED` runs, in Global, four partitions with workers that fork, execute, thread,
   signal, map memory and talk over pipes, sockets, terminals and files, in an order that the seed gives; each checks what it
   gets. Then the memory of the machine must be what it was after a short first round: nothing has leaked.

   `stress work SECONDS SEED` is what runs in a partition. A worker that is stuck in one operation for a minute is killed by
   its alarm, and the operation is named. */

#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

enum { PARTITIONS = 4, WORKERS = 5, PATIENCE = 60, MOST = 200000 };
#define SECOND 1000000000LL
#define SELF "/usr/lib/corral-tests/stress"

/* What each worker does, for whoever finds it dead. */
struct doing {
	const char *volatile what;
	volatile unsigned long times;
};

static uint64_t state;
/* The seed of the partition: partitions share files, and have the same process numbers. */
static unsigned origin;

static unsigned any(unsigned below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % below;
}

/* A child that is reaped and must have ended with this status. */
static void reap(pid_t child, int expected)
{
	int status;
	pid_t found;
	do
		found = waitpid(child, &status, 0);
	while (found < 0 && errno == EINTR);
	WANT(found == child);
	if (status != expected)
		FAIL("a child ended with %#x, not %#x", status, expected);
}

static pid_t split(void)
{
	pid_t child = fork();
	WANT(child >= 0);
	return child;
}

static void forks(void)
{
	pid_t children[6];
	int count = 1 + any(6), base = any(200);
	for (int at = 0; at < count; at++)
		if ((children[at] = split()) == 0)
			_exit(base + at);
	while (count-- > 0)
		reap(children[count], (base + count) << 8);
}

static void executes(void)
{
	char number[8];
	int status = any(256);
	snprintf(number, sizeof number, "%d", status);
	pid_t child = any(2) ? split() : vfork();
	WANT(child >= 0);
	if (child == 0) {
		execl(SELF, SELF, "exit", number, NULL);
		_exit(99);
	}
	reap(child, status << 8);
}

static void *count_up(void *counter)
{
	for (int turn = 0; turn < 50; turn++)
		__atomic_fetch_add((int *)counter, 1, __ATOMIC_RELAXED);
	return counter;
}

static void threads(void)
{
	pthread_t ids[8];
	int count = 1 + any(8), counter = 0;
	for (int at = 0; at < count; at++)
		WANT(pthread_create(&ids[at], NULL, count_up, &counter) == 0);
	for (int at = 0; at < count; at++) {
		void *answer;
		WANT(pthread_join(ids[at], &answer) == 0 && answer == &counter);
	}
	WANT(counter == count * 50);
}

/* A process that ends while its threads compute and wait. */
static void ends_with_threads(void)
{
	pid_t child = split();
	if (child == 0) {
		pthread_t id;
		int counter = 0;
		for (int at = 0; at < 3; at++)
			WANT(pthread_create(&id, NULL, count_up, &counter) == 0);
		_exit(7);
	}
	reap(child, 7 << 8);
}

static void fill(unsigned char *bytes, size_t length, unsigned seed)
{
	for (size_t at = 0; at < length; at++)
		bytes[at] = seed + at * 7;
}

static unsigned char out[MOST], in[MOST];

/* What a child writes into one end comes out of the other, whatever the portions. */
static void transfers(int reader, int writer)
{
	size_t length = 1 + any(MOST), portion = 1 + any(20000), got = 0;
	fill(out, length, any(256));
	pid_t child = split();
	if (child == 0) {
		close(reader);
		for (size_t sent = 0; sent < length;) {
			size_t part = length - sent < portion ? length - sent : portion;
			ssize_t now = write(writer, out + sent, part);
			WANT(now > 0);
			sent += now;
		}
		_exit(0);
	}
	WANT(close(writer) == 0);
	for (ssize_t now; (now = read(reader, in + got, MOST - got)) != 0; got += now)
		WANT(now > 0);
	WANT(got == length && memcmp(in, out, length) == 0);
	WANT(close(reader) == 0);
	reap(child, 0);
}

static void pipes(void)
{
	int ends[2];
	WANT(pipe(ends) == 0);
	transfers(ends[0], ends[1]);
}

static void sockets(void)
{
	int ends[2];
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	transfers(ends[0], ends[1]);
}

/* A descriptor goes through a socket of a name, and what is written to it comes back. */
static void names(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "stress-%d", getpid());
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1 + length;
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	WANT(listener >= 0 && bind(listener, (struct sockaddr *)&name, size) == 0 && listen(listener, 4) == 0);
	char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
	pid_t child = split();
	if (child == 0) {
		int ends[2], to = socket(AF_UNIX, SOCK_STREAM, 0);
		WANT(pipe(ends) == 0 && to >= 0 && connect(to, (struct sockaddr *)&name, size) == 0);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(head), &ends[0], sizeof(int));
		WANT(sendmsg(to, &message, 0) == 1 && write(ends[1], "hello", 5) == 5);
		_exit(0);
	}
	int from = accept(listener, NULL, NULL), passed;
	WANT(from >= 0 && recvmsg(from, &message, 0) == 1);
	WANT(CMSG_FIRSTHDR(&message) != NULL);
	memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof passed);
	WANT(read(passed, in, 5) == 5 && memcmp(in, "hello", 5) == 0 && read(passed, in, 1) == 0);
	WANT(close(passed) == 0 && close(from) == 0 && close(listener) == 0);
	reap(child, 0);
}

/* Memory that is copied on write, protected, moved and unmapped. */
static void maps(void)
{
	size_t pages = 1 + any(300), length = pages * 4096;
	unsigned char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(memory != MAP_FAILED);
	for (size_t page = 0; page < pages; page++)
		memory[page * 4096] = page;
	pid_t child = split();
	for (size_t page = 0; page < pages; page++) {
		WANT(memory[page * 4096] == (unsigned char)page);
		memory[page * 4096] += child == 0 ? 1 : 2;
	}
	if (child == 0)
		_exit(0);
	WANT(mprotect(memory, length, PROT_READ) == 0);
	for (size_t page = 0; page < pages; page++)
		WANT(memory[page * 4096] == (unsigned char)(page + 2));
	memory = mremap(memory, length, length * 2, MREMAP_MAYMOVE);
	WANT(memory != MAP_FAILED && memory[0] == 2);
	WANT(munmap(memory, length) == 0 && munmap(memory + length, length) == 0);
	reap(child, 0);
}

static void terminals(void)
{
	char name[32];
	int number, unlock = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (master < 0 && errno == ENOENT)
		return;
	WANT(master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0 && ioctl(master, TIOCGPTN, &number) == 0);
	snprintf(name, sizeof name, "/dev/pts/%d", number);
	pid_t child = split();
	if (child == 0) {
		WANT(setsid() > 0);
		int terminal = open(name, O_RDWR);
		WANT(terminal >= 0 && write(terminal, "line\n", 5) == 5);
		WANT(read(terminal, in, 8) == 4 && memcmp(in, "bye\n", 4) == 0);
		_exit(3);
	}
	WANT(read(master, in, 64) > 0 && write(master, "bye\n", 4) == 4);
	reap(child, 3 << 8);
	WANT(close(master) == 0);
}

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	(void)number;
	caught++;
}

/* Children that are stopped, continued and killed at any moment. */
static void signals(void)
{
	pid_t child = split();
	int status;
	if (child == 0)
		for (;;)
			any(10);
	WANT(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	WANT(kill(child, SIGCONT) == 0 && waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
	WANT(kill(child, SIGTERM) == 0);
	reap(child, SIGTERM);
}

/* Signals of a timer interrupt whatever goes on. */
static void alarms(void)
{
	struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	caught = 0;
	WANT(sigaction(SIGVTALRM, &action, NULL) == 0 && setitimer(ITIMER_VIRTUAL, &every, NULL) == 0);
	while (caught < 3)
		;
	WANT(setitimer(ITIMER_VIRTUAL, &never, NULL) == 0);
	forks();
}

static void *ring(void *counter)
{
	uint64_t one = 1;
	for (int turn = 0; turn < 20; turn++)
		WANT(write(*(int *)counter, &one, sizeof one) == sizeof one);
	return NULL;
}

static void events(void)
{
	pthread_t id;
	uint64_t sum = 0, more;
	int counter = eventfd(0, EFD_NONBLOCK), set = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	WANT(counter >= 0 && set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, counter, &event) == 0);
	WANT(pthread_create(&id, NULL, ring, &counter) == 0);
	while (sum < 20) {
		WANT(epoll_wait(set, &event, 1, -1) == 1);
		if (read(counter, &more, sizeof more) == sizeof more)
			sum += more;
		else
			WANT(errno == EAGAIN);
	}
	WANT(sum == 20 && pthread_join(id, NULL) == 0 && close(counter) == 0 && close(set) == 0);
}

static void files(void)
{
	char name[40], other[64];
	size_t length = 1 + any(MOST);
	snprintf(name, sizeof name, "/tmp/stress-%u-%d", origin, getpid());
	snprintf(other, sizeof other, "%s-renamed", name);
	fill(out, length, any(256));
	int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	WANT(file >= 0 && write(file, out, length) == (ssize_t)length && rename(name, other) == 0);
	unsigned char *seen = mmap(NULL, length, PROT_READ, MAP_SHARED, file, 0);
	WANT(seen != MAP_FAILED && memcmp(seen, out, length) == 0 && unlink(other) == 0);
	WANT(ftruncate(file, 0) == 0 && munmap(seen, length) == 0 && close(file) == 0);
}

static const struct check operations[] = {
	{"forks", forks},	  {"executes", executes},	{"threads", threads}, {"ends with threads", ends_with_threads},
	{"pipes", pipes},	  {"sockets", sockets},		{"names", names},	  {"maps", maps},
	{"terminals", terminals}, {"signals", signals}, {"alarms", alarms},	  {"events", events},
	{"files", files},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static void labour(struct doing *doing, int64_t end)
{
	while (now_ns() < end) {
		const struct check *next = &operations[any(OPERATIONS)];
		doing->what = next->name;
		alarm(PATIENCE);
		next->run();
		doing->times++;
	}
}

static int work(int seconds, unsigned seed)
{
	struct doing *doing = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	WANT(doing != MAP_FAILED);
	origin = seed;
	int64_t end = now_ns() + seconds * SECOND;
	pid_t workers[WORKERS];
	for (int at = 0; at < WORKERS; at++) {
		state = seed * 1000003ULL + at;
		if ((workers[at] = split()) == 0) {
			labour(&doing[at], end);
			_exit(0);
		}
	}
	int failed = 0;
	for (int at = 0; at < WORKERS; at++) {
		int status;
		WANT(waitpid(workers[at], &status, 0) == workers[at]);
		if (status) {
			fprintf(stderr, "worker %d of seed %u: %s ended with %#x\n", at, seed, doing[at].what, status);
			failed = 1;
		}
		if (doing[at].times == 0)
			FAIL("worker %d of seed %u has done nothing", at, seed);
	}
	return failed;
}

/* A value of /proc/meminfo, in KiB. */
static long memory(const char *key)
{
	char line[128];
	long value = -1;
	FILE *file = fopen("/proc/meminfo", "r");
	WANT(file);
	while (fgets(line, sizeof line, file))
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtol(line + strlen(key) + 1, NULL, 10);
	fclose(file);
	WANT(value >= 0);
	return value;
}

static void round_of(int seconds, unsigned seed)
{
	char span[16], number[16], name[16];
	pid_t partitions[PARTITIONS];
	snprintf(span, sizeof span, "%d", seconds);
	for (unsigned at = 0; at < PARTITIONS; at++) {
		snprintf(number, sizeof number, "%u", seed + at);
		snprintf(name, sizeof name, "stress%u", at);
		if ((partitions[at] = split()) == 0) {
			execl("/usr/sbin/wparexec", "wparexec", "-n", name, SELF, "work", span, number, NULL);
			_exit(98);
		}
	}
	for (int at = 0; at < PARTITIONS; at++)
		reap(partitions[at], 0);
}

/* KiB that may be missing at the end: the tables of a process of Global that has slept in between, and pieces of frames. */
enum { SLACK = 512 };

static int partitions(int seconds, unsigned seed)
{
	round_of(2, seed + 1000);
	long free = memory("MemFree"), kernel = memory("Slab");
	round_of(seconds, seed);
	long lost = free - memory("MemFree"), grown = memory("Slab") - kernel;
	printf("stress: %ld KiB of memory less, %ld KiB more kernel objects\n", lost, grown);
	if (lost > SLACK || grown > SLACK)
		FAIL("memory has been lost");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "exit") == 0)
		return atoi(argv[2]);
	if (argc == 4 && strcmp(argv[1], "work") == 0)
		return work(atoi(argv[2]), atoi(argv[3]));
	if (argc == 4 && strcmp(argv[1], "partitions") == 0)
		return partitions(atoi(argv[2]), atoi(argv[3]));
	fprintf(stderr, "Usage: stress partitions|work SECONDS SEED\n");
	return 2;
}
