/* What a process may have, of memory, locked or not, of processes, of message queues (man 2 getrlimit, man 2 mlock), and what
   a child gets of memory (man 2 madvise). */

#include "check.h"
#include <mqueue.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define PAGE 4096L
#define MAPPED(length) \
	mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)

/* From here on the process is a user without rights. */
static void become_user(void)
{
	WANT(setresuid(1000, 1000, 1000) == 0);
}

static void limit(int resource, rlim_t bytes)
{
	struct rlimit both = {.rlim_cur = bytes, .rlim_max = bytes};
	WANT(setrlimit(resource, &both) == 0);
}

/* A figure of /proc/self/status in KiB. */
static long status_kib(const char *name)
{
	char line[256];
	long value = -1;
	FILE *status = fopen("/proc/self/status", "r");
	WANT(status != NULL);
	while (value < 0 && fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			sscanf(line + strlen(name), ": %ld", &value);
	fclose(status);
	return value;
}

static void counts(void)
{
	unsigned char present[4];
	char *memory = MAPPED(4 * PAGE);
	WANT(memory != MAP_FAILED);
	WANT(status_kib("VmLck") == 0);
	/* Bytes of two pages. */
	WANT(mlock(memory + PAGE + 1, PAGE) == 0);
	WANT(status_kib("VmLck") == 8);
	WANT(mincore(memory, 4 * PAGE, present) == 0);
	WANT(present[0] == 0 && present[1] == 1 && present[2] == 1 && present[3] == 0);
	/* Once is as good as twice. */
	WANT(mlock(memory, 3 * PAGE) == 0);
	WANT(status_kib("VmLck") == 12);
	WANT_ERROR(madvise(memory, PAGE, MADV_DONTNEED), EINVAL);
	WANT(madvise(memory + 3 * PAGE, PAGE, MADV_DONTNEED) == 0);
	WANT(munlock(memory + PAGE, PAGE) == 0);
	WANT(status_kib("VmLck") == 8);
	WANT(madvise(memory + PAGE, PAGE, MADV_DONTNEED) == 0);
	WANT(munmap(memory, PAGE) == 0);
	WANT(status_kib("VmLck") == 4);
	WANT_ERROR(mlock(memory, 2 * PAGE), ENOMEM);
	WANT_ERROR(munlock(memory, 2 * PAGE), ENOMEM);
	WANT(mlock2(memory + 3 * PAGE, PAGE, MLOCK_ONFAULT) == 0);
	WANT(mincore(memory + 3 * PAGE, PAGE, present) == 0 && present[0] == 0);
	WANT_ERROR(mlock2(memory, PAGE, 2), EINVAL);
	WANT(munlockall() == 0);
	WANT(status_kib("VmLck") == 0);
	/* What nobody may touch cannot be made to exist. */
	char *closed = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(closed != MAP_FAILED);
	WANT_ERROR(mlock(closed, PAGE), ENOMEM);
}

static void unlocked_child(void)
{
	WANT(status_kib("VmLck") == 0);
}

static void limited(void)
{
	limit(RLIMIT_MEMLOCK, 8 * PAGE);
	become_user();
	char *memory = MAPPED(16 * PAGE);
	WANT(memory != MAP_FAILED);
	WANT(mlock(memory, 8 * PAGE) == 0);
	WANT(mlock(memory, 8 * PAGE) == 0);
	WANT_ERROR(mlock(memory, 9 * PAGE), ENOMEM);
	WANT_ERROR(mlock(memory + 8 * PAGE, 1), ENOMEM);
	WANT_ERROR(mlockall(MCL_CURRENT), ENOMEM);
	errno = 0;
	WANT(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) == MAP_FAILED);
	WANT(errno == EAGAIN);
	WANT(munlock(memory, 2 * PAGE) == 0);
	WANT(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) != MAP_FAILED);
	WANT(status_kib("VmLck") == 7 * PAGE / 1024);
	WANT(in_child(unlocked_child) == 0);
	/* What is locked may not grow beyond the limit either. */
	WANT(mremap(memory + 2 * PAGE, 6 * PAGE, 12 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	WANT(errno == EAGAIN);
	WANT(munlockall() == 0);
	WANT(status_kib("VmLck") == 0);
	/* From now on everything is locked. */
	WANT(mlockall(MCL_FUTURE) == 0);
	char *later = MAPPED(8 * PAGE);
	WANT(later != MAP_FAILED && status_kib("VmLck") == 8 * PAGE / 1024);
	WANT(MAPPED(PAGE) == MAP_FAILED && errno == EAGAIN);
	WANT_ERROR(mlockall(0), EINVAL);
	WANT_ERROR(mlockall(MCL_ONFAULT), EINVAL);
	WANT(munlockall() == 0);
	WANT(MAPPED(PAGE) != MAP_FAILED);
	limit(RLIMIT_MEMLOCK, 0);
	WANT_ERROR(mlock(memory, PAGE), EPERM);
	WANT_ERROR(mlockall(MCL_FUTURE), EPERM);
}

static void privileged(void)
{
	limit(RLIMIT_MEMLOCK, 0);
	char *memory = MAPPED(1024 * PAGE);
	WANT(memory != MAP_FAILED);
	WANT(mlock(memory, 1024 * PAGE) == 0);
	WANT(status_kib("VmLck") == 4096);
	WANT(status_kib("VmRSS") >= 4096);
	WANT(mlockall(MCL_CURRENT) == 0);
	WANT(status_kib("VmLck") > 4096);
	WANT(munlockall() == 0);
	WANT(status_kib("VmLck") == 0);
}

static void data(void)
{
	char *before = MAPPED(PAGE);
	WANT(before != MAP_FAILED);
	limit(RLIMIT_DATA, (status_kib("VmData") + 64) * 1024);
	WANT(MAPPED(17 * PAGE) == MAP_FAILED && errno == ENOMEM);
	char *memory = MAPPED(8 * PAGE);
	WANT(memory != MAP_FAILED);
	/* What cannot be written, or is shared, is no data. */
	char *closed = mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(closed != MAP_FAILED);
	WANT(mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	WANT_ERROR(mprotect(closed, 9 * PAGE, PROT_READ | PROT_WRITE), ENOMEM);
	WANT(mprotect(closed, 4 * PAGE, PROT_READ | PROT_WRITE) == 0);
	char *end = sbrk(0);
	WANT(sbrk(8 * PAGE) == (void *)-1 && sbrk(0) == end);
	WANT(mremap(memory, 8 * PAGE, 64 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM);
	WANT(munmap(memory, 8 * PAGE) == 0);
	WANT(sbrk(8 * PAGE) == end);
}

static char *withheld, *wiped, *kept;

static void child_of_advised(void)
{
	WANT(wiped[0] == 0 && wiped[PAGE] == 0 && kept[0] == 3);
	signal(SIGSEGV, SIG_DFL);
	withheld[0] = 1;
}

static void inherited(void)
{
	withheld = MAPPED(2 * PAGE);
	wiped = MAPPED(3 * PAGE);
	kept = MAPPED(PAGE);
	WANT(withheld != MAP_FAILED && wiped != MAP_FAILED && kept != MAP_FAILED);
	withheld[0] = 1, wiped[0] = wiped[PAGE] = wiped[2 * PAGE] = 2, kept[0] = 3;
	WANT(madvise(withheld, 2 * PAGE, MADV_DONTFORK) == 0);
	WANT(madvise(wiped, 2 * PAGE, MADV_WIPEONFORK) == 0);
	WANT(madvise(kept, PAGE, MADV_WIPEONFORK) == 0);
	WANT(madvise(kept, PAGE, MADV_KEEPONFORK) == 0);
	WANT_SIGNAL(child_of_advised, SIGSEGV);
	WANT(withheld[0] == 1 && wiped[0] == 2 && wiped[2 * PAGE] == 2);
	WANT(madvise(withheld, 2 * PAGE, MADV_DOFORK) == 0);
	WANT(in_child(child_of_advised) == 0);
	char *shared = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	WANT(shared != MAP_FAILED);
	WANT_ERROR(madvise(shared, PAGE, MADV_WIPEONFORK), EINVAL);
	WANT(munmap(shared, PAGE) == 0);
	WANT_ERROR(madvise(shared, PAGE, MADV_NORMAL), ENOMEM);
	WANT_ERROR(madvise(shared, PAGE, MADV_DONTFORK), ENOMEM);
	WANT_ERROR(madvise(kept + 1, PAGE, MADV_NORMAL), EINVAL);
	WANT_ERROR(madvise(kept, PAGE, 99), EINVAL);
}

static void *sleep_on(void *unused)
{
	pause();
	return unused;
}

static void processes(void)
{
	pthread_t thread;
	int status;
	limit(RLIMIT_NPROC, 3);
	become_user();
	pid_t one = fork();
	WANT(one >= 0);
	if (one == 0)
		_exit(0);
	/* One that nobody has waited for counts. */
	WANT(waitid(P_PID, one, &(siginfo_t){0}, WEXITED | WNOWAIT) == 0);
	WANT(pthread_create(&thread, NULL, sleep_on, NULL) == 0);
	WANT_ERROR(fork(), EAGAIN);
	WANT(pthread_create(&thread, NULL, sleep_on, NULL) == EAGAIN);
	WANT(waitpid(one, &status, 0) == one);
	pid_t other = fork();
	WANT(other >= 0);
	if (other == 0) {
		WANT_ERROR(fork(), EAGAIN);
		_exit(0);
	}
	WANT(waitpid(other, &status, 0) == other && status == 0);
}

static void processes_of_root(void)
{
	limit(RLIMIT_NPROC, 1);
	WANT(in_child(unlocked_child) == 0);
	become_user();
	WANT_ERROR(fork(), EAGAIN);
}

static void processes_of_a_new_user(void)
{
	int status, ready[2];
	char *arguments[] = {"/bin/true", NULL};
	WANT(pipe(ready) == 0);
	pid_t other = fork();
	WANT(other >= 0);
	if (other == 0) {
		become_user();
		WANT(write(ready[1], "x", 1) == 1);
		pause();
	}
	WANT(read(ready[0], &status, 1) == 1);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		limit(RLIMIT_NPROC, 1);
		become_user();
		WANT_ERROR(execv(arguments[0], arguments), EAGAIN);
		WANT(kill(other, SIGKILL) == 0 && write(ready[1], "x", 1) == 1);
		/* Until its parent, of another user, has waited for it. */
		while (execv(arguments[0], arguments) == -1 && errno == EAGAIN)
			usleep(1000);
		_exit(1);
	}
	WANT(waitpid(other, &status, 0) == other);
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static void message_queues(void)
{
	struct mq_attr small = {.mq_maxmsg = 10, .mq_msgsize = 1000};
	/* Ten messages with 96 bytes each besides. */
	limit(RLIMIT_MSGQUEUE, 2 * 10960);
	mqd_t one = mq_open("/limits-1", O_CREAT | O_RDWR, 0600, &small);
	WANT(one >= 0);
	mqd_t two = mq_open("/limits-2", O_CREAT | O_RDWR, 0600, &small);
	WANT(two >= 0);
	WANT_ERROR(mq_open("/limits-3", O_CREAT | O_RDWR, 0600, &small), EMFILE);
	WANT(mq_unlink("/limits-1") == 0);
	WANT_ERROR(mq_open("/limits-3", O_CREAT | O_RDWR, 0600, &small), EMFILE);
	WANT(mq_close(one) == 0);
	WANT(mq_open("/limits-3", O_CREAT | O_RDWR, 0600, &small) >= 0);
	WANT(mq_unlink("/limits-2") == 0 && mq_unlink("/limits-3") == 0);
}

static const struct check checks[] = {
	{"counts", counts},         {"limited", limited}, {"privileged", privileged},
	{"data", data},             {"inherited", inherited},
	{"processes", processes},   {"processes-of-root", processes_of_root},
	{"new-user", processes_of_a_new_user},
	{"message-queues", message_queues},
};

MAIN(checks)
