/* Locks of ranges that go with an open file (man 2 fcntl, "Open file description locks"); run in an empty folder. */

#include "check.h"
#include <fcntl.h>

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
	char stat[64], state = 0;
	snprintf(stat, sizeof(stat), "/proc/%d/stat", child);
	while (state != 'S') {
		FILE *file = fopen(stat, "r");
		WANT(file != NULL && fscanf(file, "%*d %*s %c", &state) == 1);
		fclose(file);
		WANT(waitpid(child, &status, WNOHANG) == 0);
	}
	WANT(close(one) == 0);
	WANT(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
}

static const struct check checks[] = {
	{"of-open-files", of_open_files},
	{"shared-with-a-child", shared_with_a_child},
	{"waits", waits},
};

MAIN(checks)
