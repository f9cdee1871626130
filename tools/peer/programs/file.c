/* file.c - files in memory: reading what is in the page cache, names that come and go. */
#include "pb.h"

enum { PART = 65536, PARTS = 16 };
static char part[PART];

/* One operation reads 64 KiB of a file of 1 MiB. */
static void read_parts(long n, void *a)
{
	int fd = *(int *)a;
	for (long at = 0; at < n; at++)
		if (pread(fd, part, PART, (off_t)(at % PARTS) * PART) != PART) pb_die("pread");
}

static void create_unlink(long n, void *a)
{
	while (n--) {
		int fd = open(a, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (fd < 0 || close(fd) || unlink(a)) pb_die("create");
	}
}

int main(void)
{
	const char *name = "/tmp/cached";
	int fd = open(name, O_CREAT | O_RDWR, 0600);
	pb_pin(0);
	for (int at = 0; at < PARTS; at++)
		if (fd < 0 || pb_full_write(fd, part, PART)) pb_die(name);
	pb_run("file_read_64K", read_parts, &fd);
	close(fd);
	unlink(name);
	pb_run("file_create_unlink", create_unlink, "/tmp/new");
	return 0;
}
