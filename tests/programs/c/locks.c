/* Locks of ranges that go with an open file (man 2 fcntl, "Open file description locks"); run in an empty folder. */

#include "check.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static int lock(int file, int command, int kind, off_t start, off_t length)
{
	struct flock range = {.l_type = kind, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
	return fcntl(file, command, &range);
}

static void of_open_files(void)
{
	struct flock found = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int one = open("f", O_CREAT | O_RDWR, 0644);
	int other = open("f", O_RDWR);
	WANT(one >= 0 && other >= 0);
	WANT(lock(one, F_OFD_SETLK, F_WRLCK, 10, 10) == 0);
	/* The same process, another open file: a conflict. */
	WANT_ERROR(lock(other, F_OFD_SETLK, F_RDLCK, 19, 5), EAGAIN);
	WANT(lock(other, F_OFD_SETLK, F_RDLCK, 20, 5) == 0);
	/* Nobody in particular holds it. */
	WANT(fcntl(other, F_OFD_GETLK, &found) == 0);
	WANT(found.l_type == F_WRLCK && found.l_start == 10 && found.l_len == 10 && found.l_pid == -1);
	found.l_type = F_WRLCK, found.l_start = 0, found.l_len = 0, found.l_pid = 0;
	/* Those of processes conflict with them too. */
	WANT_ERROR(lock(one, F_SETLK, F_WRLCK, 12, 1), EAGAIN);
	WANT(fcntl(one, F_GETLK, &found) == 0 && found.l_pid == -1);
	found.l_pid = 1;
	WANT_ERROR(fcntl(other, F_OFD_GETLK, &found), EINVAL);
	/* They go with the last descriptor of the open file, and with no other. */
	int copy = dup(one);
	WANT(close(open("f", O_RDONLY)) == 0 && close(one) == 0);
	WANT_ERROR(lock(other, F_OFD_SETLK, F_WRLCK, 10, 1), EAGAIN);
	WANT(close(copy) == 0);
	WANT(lock(other, F_OFD_SETLK, F_WRLCK, 10, 1) == 0);
	WANT(lock(other, F_OFD_SETLK, F_UNLCK, 0, 0) == 0);
}

static int inherited_file;

static void unlock_inherited(void)
{
	WANT(lock(inherited_file, F_OFD_SETLK, F_UNLCK, 0, 0) == 0);
}

static void shared_with_a_child(void)
{
	int other;
	inherited_file = open("f", O_CREAT | O_RDWR, 0644);
	other = open("f", O_RDWR);
	WANT(lock(inherited_file, F_OFD_SETLK, F_WRLCK, 0, 0) == 0);
	WANT_ERROR(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1), EAGAIN);
	WANT(in_child(unlock_inherited) == 0);
	WANT(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1) == 0);
}

static void sleeps(pid_t child)
{
	char stat[64], state = 0;
	int status;
	snprintf(stat, sizeof(stat), "/proc/%d/stat", child);
	while (state != 'S') {
		FILE *file = fopen(stat, "r");
		WANT(file != NULL && fscanf(file, "%*d %*s %c", &state) == 1);
		fclose(file);
		WANT(waitpid(child, &status, WNOHANG) == 0);
	}
}

static void waits(void)
{
	int status, one = open("f", O_CREAT | O_RDWR, 0644);
	WANT(lock(one, F_OFD_SETLK, F_WRLCK, 0, 0) == 0);
	fflush(NULL);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		int other = open("f", O_RDWR);
		close(one);
		WANT(lock(other, F_OFD_SETLKW, F_WRLCK, 0, 1) == 0);
		_exit(7);
	}
	sleeps(child);
	WANT(close(one) == 0);
	WANT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
}

static void circles(void)
{
	int status, ready[2], file = open("f", O_CREAT | O_RDWR, 0644);
	char byte;
	WANT(pipe(ready) == 0 && lock(file, F_SETLK, F_WRLCK, 0, 1) == 0);
	fflush(NULL);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		WANT(lock(file, F_SETLK, F_WRLCK, 1, 1) == 0 && write(ready[1], "x", 1) == 1);
		WANT(lock(file, F_SETLKW, F_WRLCK, 0, 1) == 0);
		_exit(7);
	}
	WANT(read(ready[0], &byte, 1) == 1);
	sleeps(child);
	WANT_ERROR(lock(file, F_SETLKW, F_WRLCK, 1, 1), EDEADLK);
	WANT_ERROR(lock(file, F_SETLK, F_WRLCK, 1, 1), EAGAIN);
	/* Who does not wait any more closes no circle. */
	WANT(lock(file, F_SETLK, F_UNLCK, 0, 1) == 0);
	WANT(lock(file, F_SETLKW, F_WRLCK, 1, 1) == 0);
	WANT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
}

/* Whether /proc/locks has a line that ends like this, behind its number. */
static int is_told(const char *wanted)
{
	char line[256];
	int found = 0;
	FILE *locks = fopen("/proc/locks", "r");
	WANT(locks != NULL);
	while (fgets(line, sizeof(line), locks) != NULL) {
		char *behind = strchr(line, ' ');
		found |= behind != NULL && strcmp(behind + 1, wanted) == 0;
	}
	fclose(locks);
	return found;
}

static void told(void)
{
	char wanted[256], place[64];
	struct stat status;
	int file = open("f", O_CREAT | O_RDWR, 0644), other = open("f", O_RDWR);
	WANT(lock(file, F_SETLK, F_WRLCK, 5, 5) == 0);
	WANT(lock(other, F_OFD_SETLK, F_RDLCK, 20, 0) == 0);
	WANT(flock(file, LOCK_SH) == 0);
	WANT(fstat(file, &status) == 0);
	snprintf(place, sizeof(place), "%02x:%02x:%lu", major(status.st_dev), minor(status.st_dev),
	         (unsigned long)status.st_ino);
	snprintf(wanted, sizeof(wanted), "POSIX  ADVISORY  WRITE %d %s 5 9\n", getpid(), place);
	WANT(is_told(wanted));
	WANT(lock(file, F_SETLK, F_UNLCK, 0, 0) == 0 && !is_told(wanted));
	snprintf(wanted, sizeof(wanted), "OFDLCK ADVISORY  READ  -1 %s 20 EOF\n", place);
	WANT(is_told(wanted));
	snprintf(wanted, sizeof(wanted), "FLOCK  ADVISORY  READ  %d %s 0 EOF\n", getpid(), place);
	WANT(is_told(wanted));
	WANT(close(file) == 0 && !is_told(wanted));
}

static void held(void)
{
	int file = open("f", O_CREAT | O_RDWR, 0644);
	WANT(lock(file, F_SETLK, F_WRLCK, 0, 0) == 0);
	pause();
}

static const struct check checks[] = {
	{"of-open-files", of_open_files},
	{"shared-with-a-child", shared_with_a_child},
	{"waits", waits},
	{"circles", circles},
	{"told", told},
	{"held", held},
};

MAIN(checks)
