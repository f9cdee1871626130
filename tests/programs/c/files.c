/* Extended attributes and transfers between files: run in an empty folder, as root. */

#include "check.h"
#include <sys/uio.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>

static int make(const char *path, int flags)
{
	int file = open(path, O_CREAT | O_RDWR | flags, 0644);
	WANT(file >= 0);
	return file;
}

static void as_nobody(void)
{
	WANT(setgid(65534) == 0 && setuid(65534) == 0);
}

static void attributes(void)
{
	char value[64], list[64];
	int file = make("f", 0);
	WANT(listxattr("f", list, sizeof(list)) == 0);
	WANT_ERROR(getxattr("f", "user.a", value, sizeof(value)), ENODATA);
	WANT_ERROR(setxattr("f", "user.a", "one", 3, XATTR_REPLACE), ENODATA);
	WANT(setxattr("f", "user.a", "one", 3, XATTR_CREATE) == 0);
	WANT_ERROR(setxattr("f", "user.a", "two", 3, XATTR_CREATE), EEXIST);
	WANT(fgetxattr(file, "user.a", NULL, 0) == 3);
	WANT(fgetxattr(file, "user.a", value, 3) == 3 && memcmp(value, "one", 3) == 0);
	WANT_ERROR(fgetxattr(file, "user.a", value, 2), ERANGE);
	WANT(fsetxattr(file, "user.a", "", 0, 0) == 0);
	WANT(getxattr("f", "user.a", value, sizeof(value)) == 0);
	WANT(setxattr("f", "security.x", "s", 1, 0) == 0);
	WANT(flistxattr(file, list, sizeof(list)) == 7 + 11);
	WANT(memmem(list, 18, "user.a", 7) && memmem(list, 18, "security.x", 11));
	WANT_ERROR(flistxattr(file, list, 17), ERANGE);
	WANT(removexattr("f", "user.a") == 0);
	WANT_ERROR(removexattr("f", "user.a"), ENODATA);
	/* They belong to the file, not to its name. */
	WANT(link("f", "g") == 0 && unlink("f") == 0);
	WANT(getxattr("g", "security.x", value, sizeof(value)) == 1);
}

static void attribute_names(void)
{
	char name[300] = "user.", value[70000];
	memset(value, 'v', sizeof(value));
	make("f", 0);
	memset(name + 5, 'n', 250);
	WANT(setxattr("f", name, "x", 1, 0) == 0);
	name[255] = 'n';
	WANT_ERROR(setxattr("f", name, "x", 1, 0), ERANGE);
	WANT_ERROR(setxattr("f", "", "x", 1, 0), ERANGE);
	WANT_ERROR(setxattr("f", "user.", "x", 1, 0), EINVAL);
	WANT_ERROR(setxattr("f", "system.posix_acl_access", "x", 1, 0), EOPNOTSUPP);
	WANT_ERROR(setxattr("f", "nothing", "x", 1, 0), EOPNOTSUPP);
	WANT_ERROR(setxattr("f", "user.a", value, 65537, 0), E2BIG);
	WANT_ERROR(setxattr("f", "user.a", value, 65536, 0), ENOSPC);
	WANT_ERROR(setxattr("f", "user.a", value, 1, 4), EINVAL);
	WANT_ERROR(setxattr("f", "user.a", (void *)8, 8, 0), EFAULT);
	WANT_ERROR(setxattr("f", (void *)8, value, 8, 0), EFAULT);
	WANT_ERROR(setxattr("none", "user.a", value, 8, 0), ENOENT);
	/* What is refused leaves nothing: the file holds one name of 255 bytes and its value. */
	WANT(listxattr("f", NULL, 0) == 256);
}

static void attributes_of_others(void)
{
	char value[8];
	make("f", 0);
	WANT(chmod("f", 0600) == 0 && chmod(".", 0777) == 0);
	WANT(setxattr("f", "user.a", "1", 1, 0) == 0 && setxattr("f", "trusted.a", "1", 1, 0) == 0);
	WANT(symlink("f", "l") == 0);
	WANT_ERROR(lsetxattr("l", "user.a", "1", 1, 0), EPERM);
	WANT_ERROR(lgetxattr("l", "user.a", value, 8), ENODATA);
	WANT(getxattr("l", "user.a", value, 8) == 1);
	WANT(mkdir("d", 0777) == 0 && chmod("d", 01777) == 0);
	WANT(setxattr("d", "user.a", "1", 1, 0) == 0);
	as_nobody();
	WANT_ERROR(getxattr("f", "user.a", value, 8), EACCES);
	WANT_ERROR(setxattr("f", "user.a", "2", 1, 0), EACCES);
	WANT_ERROR(getxattr("f", "trusted.a", value, 8), ENODATA);
	WANT_ERROR(setxattr("f", "trusted.a", "2", 1, 0), EPERM);
	WANT_ERROR(setxattr("f", "security.a", "2", 1, 0), EPERM);
	WANT(listxattr("f", NULL, 0) == 7);
	/* A directory in which everybody writes keeps its marks. */
	WANT_ERROR(setxattr("d", "user.b", "1", 1, 0), EPERM);
}

static void fill(int file, int size)
{
	char block[1000];
	for (int at = 0; at < size; at += 1000) {
		memset(block, 'a' + at / 1000 % 26, sizeof(block));
		WANT(write(file, block, sizeof(block)) == 1000);
	}
}

static void copy_range(void)
{
	enum { SIZE = 3000000 };
	int from = make("from", 0), to = make("to", 0);
	fill(from, SIZE);
	/* Offsets in memory leave the positions alone. */
	loff_t in = 500, out = 10;
	WANT(copy_file_range(from, &in, to, &out, 1000, 0) == 1000 && in == 1500 && out == 1010);
	WANT(lseek(from, 0, SEEK_CUR) == SIZE && lseek(to, 0, SEEK_CUR) == 0);
	char bytes[20];
	WANT(pread(to, bytes, 20, 500) == 20);
	WANT(memcmp(bytes, "aaaaaaaaaabbbbbbbbbb", 20) == 0);
	WANT(pread(to, bytes, 10, 0) == 10 && memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0", 10) == 0);
	/* Positions of the files move; a copy of everything ends at the end. */
	WANT(lseek(from, 0, SEEK_SET) == 0 && ftruncate(to, 0) == 0);
	long done = 0, step;
	while ((step = copy_file_range(from, NULL, to, NULL, 1 << 30, 0)) > 0)
		done += step;
	WANT(step == 0 && done == SIZE && lseek(to, 0, SEEK_CUR) == SIZE);
	char a[1000], b[1000];
	for (int at = 0; at < SIZE; at += 1000)
		WANT(pread(from, a, 1000, at) == 1000 && pread(to, b, 1000, at) == 1000 && memcmp(a, b, 1000) == 0);
}

static void copy_range_errors(void)
{
	int from = make("from", 0), to = make("to", 0), end = make("end", O_APPEND);
	int reader = open("from", O_RDONLY), directory = open(".", O_RDONLY), ends[2];
	fill(from, 5000);
	loff_t in = 0, out = 100, negative = -1;
	WANT(pipe(ends) == 0);
	WANT_ERROR(copy_file_range(from, &in, from, &out, 101, 0), EINVAL);
	WANT(copy_file_range(from, &in, from, &out, 100, 0) == 100);
	WANT_ERROR(copy_file_range(from, &negative, to, NULL, 1, 0), EINVAL);
	WANT_ERROR(copy_file_range(from, NULL, reader, NULL, 1, 0), EBADF);
	WANT_ERROR(copy_file_range(from, NULL, end, NULL, 1, 0), EBADF);
	WANT_ERROR(copy_file_range(directory, NULL, to, NULL, 1, 0), EISDIR);
	WANT_ERROR(copy_file_range(from, NULL, ends[1], NULL, 1, 0), EINVAL);
	WANT_ERROR(copy_file_range(from, NULL, to, NULL, 1, 1), EINVAL);
	WANT_ERROR(copy_file_range(from, (void *)8, to, NULL, 1, 0), EFAULT);
	WANT_ERROR(copy_file_range(99, NULL, to, NULL, 1, 0), EBADF);
	WANT(lseek(to, 0, SEEK_END) == 0);
}

static void sending(void)
{
	int from = make("from", 0), ends[2];
	fill(from, 5000);
	WANT(pipe(ends) == 0);
	off_t at = 990;
	WANT(sendfile(ends[1], from, &at, 20) == 20 && at == 1010);
	char bytes[20];
	WANT(read(ends[0], bytes, 20) == 20 && memcmp(bytes, "aaaaaaaaaabbbbbbbbbb", 20) == 0);
	WANT(lseek(from, 4995, SEEK_SET) == 4995);
	WANT(sendfile(ends[1], from, NULL, 100) == 5 && lseek(from, 0, SEEK_CUR) == 5000);
	WANT_ERROR(sendfile(from, ends[0], NULL, 1), EINVAL);
}

/* The flags of preadv2 and pwritev2. */
static void transfer_flags(void)
{
	char text[16] = "";
	struct iovec one = { "abc", 3 }, into = { text, sizeof text };
	int fd = open("flags", O_RDWR | O_CREAT, 0600);
	WANT(pwritev2(fd, &one, 1, 0, RWF_SYNC | RWF_DSYNC | RWF_HIPRI) == 3);
	/* The position moves only without an offset. */
	WANT(pwritev2(fd, &one, 1, 0, RWF_APPEND) == 3 && lseek(fd, 0, SEEK_CUR) == 0);
	WANT(pwritev2(fd, &one, 1, -1, RWF_APPEND) == 3 && lseek(fd, 0, SEEK_CUR) == 9);
	WANT(preadv2(fd, &into, 1, 0, RWF_NOWAIT) == 9 && memcmp(text, "abcabcabc", 9) == 0);
	WANT_ERROR(preadv2(fd, &into, 1, 0, RWF_APPEND), EOPNOTSUPP);
	WANT_ERROR(preadv2(fd, &into, 1, 0, 1 << 20), EOPNOTSUPP);
	WANT_ERROR(pwritev2(fd, &one, 1, 0, 1 << 20), EOPNOTSUPP);
	int ends[2];
	WANT(pipe(ends) == 0);
	WANT_ERROR(preadv2(ends[0], &into, 1, -1, RWF_NOWAIT), EAGAIN);
	WANT(pwritev2(ends[1], &one, 1, -1, RWF_NOWAIT | RWF_APPEND) == 3);
	WANT(preadv2(ends[0], &into, 1, -1, RWF_NOWAIT) == 3);
	WANT_ERROR(preadv2(ends[0], &into, 1, 0, 0), ESPIPE);
}

/* How much memory a file has, in bytes. */
static long held(int file)
{
	struct stat now;
	WANT(fstat(file, &now) == 0);
	return now.st_blocks * 512L;
}

static long size_of(int file)
{
	struct stat now;
	WANT(fstat(file, &now) == 0);
	return now.st_size;
}

static void holes(void)
{
	long page = sysconf(_SC_PAGESIZE);
	static char text[16384], found[16384], zeros[16384];
	int file = make("f", 0);
	memset(text, 'x', sizeof text);
	/* Memory in advance, with and without a new size, and for what had been a hole. */
	WANT(fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 2 * page) == 0);
	WANT(size_of(file) == 0 && held(file) == 2 * page);
	WANT(fallocate(file, 0, 0, page + 1) == 0);
	WANT(size_of(file) == page + 1 && held(file) == 2 * page);
	WANT(ftruncate(file, 0) == 0 && ftruncate(file, 100 * page) == 0 && held(file) == 0);
	WANT(fallocate(file, 0, 50 * page, page) == 0 && size_of(file) == 100 * page && held(file) == page);
	WANT(fallocate(file, 0, 200 * page, 2000 * page) == 0 && size_of(file) == 2200 * page);
	WANT(held(file) == 2001 * page);
	WANT(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 3000 * page) == 0);
	WANT(size_of(file) == 2200 * page && held(file) == 0);
	/* A hole in the middle of pages reads as zeros; what is mapped shows it too. */
	WANT(ftruncate(file, 0) == 0 && pwrite(file, text, sizeof text, 0) == (ssize_t)sizeof text);
	char *shared = mmap(NULL, sizeof text, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	WANT(shared != MAP_FAILED && shared[3 * page] == 'x');
	WANT(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 3 * page) == 0);
	WANT(pread(file, found, sizeof found, 0) == (ssize_t)sizeof found);
	WANT(memcmp(found, text, 100) == 0 && memcmp(found + 100, zeros, 3 * page) == 0);
	WANT(memcmp(found + 100 + 3 * page, text, page - 100) == 0);
	WANT(memcmp(shared, found, sizeof found) == 0);
	shared[page] = 'y';
	WANT(pread(file, found, 1, page) == 1 && found[0] == 'y');
	/* What cannot be. */
	WANT_ERROR(fallocate(file, FALLOC_FL_PUNCH_HOLE, 0, page), EOPNOTSUPP);
	WANT_ERROR(fallocate(file, FALLOC_FL_COLLAPSE_RANGE, 0, page), EOPNOTSUPP);
	WANT_ERROR(fallocate(file, 0, 0, 0), EINVAL);
	WANT_ERROR(fallocate(file, 0, -1, 5), EINVAL);
	WANT_ERROR(fallocate(file, 0, 0x7fffffffffffffff, 5), EFBIG);
	int readable = open("f", O_RDONLY);
	WANT_ERROR(fallocate(readable, 0, 0, page), EBADF);
	int pipes[2];
	WANT(pipe(pipes) == 0);
	WANT_ERROR(fallocate(pipes[1], 0, 0, page), ESPIPE);
	int sealed = memfd_create("m", MFD_ALLOW_SEALING);
	WANT(sealed >= 0 && ftruncate(sealed, page) == 0);
	WANT(fallocate(sealed, 0, 0, page) == 0 && fcntl(sealed, F_ADD_SEALS, F_SEAL_GROW) == 0);
	WANT_ERROR(fallocate(sealed, 0, 0, 2 * page), EPERM);
	WANT(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	WANT_ERROR(fallocate(sealed, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, page), EPERM);
}

/* Pipes and sockets have owners and modes too. */
static void owners(void)
{
	int ends[2];
	struct stat now;
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	WANT(fchmod(ends[0], 0400) == 0 && fstat(ends[0], &now) == 0 && (now.st_mode & 07777) == 0400);
	WANT(fstat(ends[1], &now) == 0 && (now.st_mode & 07777) == 0777);
	WANT(fchown(ends[0], 7, -1) == 0 && fstat(ends[0], &now) == 0 && now.st_uid == 7 && now.st_gid == 0);
	WANT(pipe(ends) == 0 && fchmod(ends[1], 0200) == 0);
	as_nobody();
	WANT_ERROR(fchmod(ends[1], 0777), EPERM);
	WANT_ERROR(fchown(ends[1], 65534, -1), EPERM);
	WANT(pipe(ends) == 0 && fchmod(ends[1], 0200) == 0 && fchown(ends[1], 65534, 65534) == 0);
	WANT_ERROR(fchown(ends[1], 0, -1), EPERM);
}

/* Mapping a file is an access to it, whatever is looked at; what cannot be mapped is not. */
static void mapping_time(void)
{
	struct timespec early[2] = { { 1000, 0 }, { 2000, 0 } };
	struct stat told;
	int fd = open("mapped", O_RDWR | O_CREAT, 0600);
	WANT(fd >= 0 && ftruncate(fd, 10) == 0 && futimens(fd, early) == 0);
	int other = open("mapped", O_WRONLY);
	WANT_ERROR(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, other, 0), EACCES);
	WANT(fstat(fd, &told) == 0 && told.st_atime == 1000);
	WANT(mmap(NULL, 10, PROT_READ, MAP_PRIVATE, fd, 0) != MAP_FAILED);
	WANT(fstat(fd, &told) == 0 && told.st_atime > 2000 && told.st_mtime == 2000);
	WANT(futimens(fd, early) == 0 && mmap(NULL, 10, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
	WANT(fstat(fd, &told) == 0 && told.st_atime > 2000 && told.st_mtime == 2000);
}

static const struct check checks[] = {
	{ "mapping-time", mapping_time },
	{ "owners", owners },
	{ "holes", holes },
	{ "transfer-flags", transfer_flags },
	{ "attributes", attributes },	      { "attribute-names", attribute_names },
	{ "attributes-of-others", attributes_of_others }, { "copy-range", copy_range },
	{ "copy-range-errors", copy_range_errors },	      { "send", sending },
};
MAIN(checks)
