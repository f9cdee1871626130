/* openat2: walks that must not take certain ways. */

#include "check.h"
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int walk_sized(int at, const char *path, uint64_t flags, uint64_t resolve, size_t size)
{
	struct { struct open_how how; uint64_t more; } asked = { { flags, 0, resolve }, 0 };
	return syscall(SYS_openat2, at, path, &asked, size);
}

static int walk(int at, const char *path, uint64_t flags, uint64_t resolve)
{
	return walk_sized(at, path, flags, resolve, sizeof(struct open_how));
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);
	WANT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* What is read through a descriptor is this text. */
static void holds(int fd, const char *text)
{
	char found[32] = "";
	WANT(fd >= 0);
	WANT(read(fd, found, sizeof found - 1) == (ssize_t)strlen(text));
	WANT(strcmp(found, text) == 0);
	close(fd);
}

static int make_tree(void)
{
	WANT(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
	put("outside", "outside");
	put("d/f", "inside");
	WANT(symlink("f", "d/relative") == 0);
	WANT(symlink("/f", "d/absolute") == 0);
	WANT(symlink("../outside", "d/up") == 0);
	WANT(symlink("e/../f", "d/around") == 0);
	int fd = open("d", O_RDONLY | O_DIRECTORY);
	WANT(fd >= 0);
	return fd;
}

static void beneath(void)
{
	int d = make_tree();
	holds(walk(d, "f", O_RDONLY, RESOLVE_BENEATH), "inside");
	holds(walk(d, "e/../f", O_RDONLY, RESOLVE_BENEATH), "inside");
	holds(walk(d, "relative", O_RDONLY, RESOLVE_BENEATH), "inside");
	holds(walk(d, "around", O_RDONLY, RESOLVE_BENEATH), "inside");
	holds(walk(d, "up", O_RDONLY, 0), "outside");
	WANT_ERROR(walk(d, "up", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	WANT_ERROR(walk(d, "..", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	WANT_ERROR(walk(d, "e/../..", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	WANT_ERROR(walk(d, "absolute", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	WANT_ERROR(walk(d, "/dev/null", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	WANT_ERROR(walk(d, "missing", O_RDONLY, RESOLVE_BENEATH), ENOENT);
	WANT_ERROR(walk(d, "../new", O_WRONLY | O_CREAT, RESOLVE_BENEATH), EXDEV);
	WANT(access("new", F_OK) != 0);
	close(walk(d, "new", O_WRONLY | O_CREAT, RESOLVE_BENEATH));
	WANT(access("d/new", F_OK) == 0);
	WANT(chdir("d") == 0);
	WANT_ERROR(walk(AT_FDCWD, "../outside", O_RDONLY, RESOLVE_BENEATH), EXDEV);
}

static void in_root(void)
{
	int d = make_tree();
	holds(walk(d, "/f", O_RDONLY, RESOLVE_IN_ROOT), "inside");
	holds(walk(d, "absolute", O_RDONLY, RESOLVE_IN_ROOT), "inside");
	holds(walk(d, "../../../f", O_RDONLY, RESOLVE_IN_ROOT), "inside");
	holds(walk(d, "e/../../f", O_RDONLY, RESOLVE_IN_ROOT), "inside");
	WANT_ERROR(walk(d, "up", O_RDONLY, RESOLVE_IN_ROOT), ENOENT);
	WANT_ERROR(walk(d, "/dev/null", O_RDONLY, RESOLVE_IN_ROOT), ENOENT);
	WANT_ERROR(walk(d, "f", O_RDONLY, RESOLVE_IN_ROOT | RESOLVE_BENEATH), EINVAL);
	WANT_ERROR(walk(-1, "/f", O_RDONLY, RESOLVE_IN_ROOT), EBADF);
}

static void links(void)
{
	char own[64];
	int d = make_tree();
	WANT_ERROR(walk(d, "relative", O_RDONLY, RESOLVE_NO_SYMLINKS), ELOOP);
	holds(walk(d, "f", O_RDONLY, RESOLVE_NO_SYMLINKS), "inside");
	int link = walk(d, "relative", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
	WANT(link >= 0);
	snprintf(own, sizeof own, "/proc/self/fd/%d/f", d);
	holds(walk(AT_FDCWD, own, O_RDONLY, 0), "inside");
	WANT_ERROR(walk(AT_FDCWD, own, O_RDONLY, RESOLVE_NO_MAGICLINKS), ELOOP);
	WANT_ERROR(walk(AT_FDCWD, "/proc/self/root/dev/null", O_RDONLY, RESOLVE_NO_MAGICLINKS), ELOOP);
	holds(walk(d, "relative", O_RDONLY, RESOLVE_NO_MAGICLINKS), "inside");
	int proc = open("/proc/self", O_RDONLY | O_DIRECTORY);
	WANT_ERROR(walk(proc, "root/dev/null", O_RDONLY, RESOLVE_BENEATH), EXDEV);
	WANT_ERROR(walk(proc, "cwd", O_RDONLY, RESOLVE_IN_ROOT), EXDEV);
}

static void crossing(void)
{
	int root = open("/", O_RDONLY | O_DIRECTORY);
	WANT(root >= 0);
	WANT_ERROR(walk(root, "proc/self/stat", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
	WANT_ERROR(walk(AT_FDCWD, "/dev/null", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
	int dev = open("/dev", O_RDONLY | O_DIRECTORY);
	close(walk(dev, "null", O_RDONLY, RESOLVE_NO_XDEV));
	WANT_ERROR(walk(dev, "../etc", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
	WANT(symlink("/dev/null", "out") == 0);
	WANT_ERROR(walk(AT_FDCWD, "out", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
	WANT(walk(AT_FDCWD, "/etc", O_RDONLY, RESOLVE_NO_XDEV) >= 0);
}

static void arguments(void)
{
	put("f", "text");
	WANT_ERROR(walk_sized(AT_FDCWD, "f", O_RDONLY, 0, 16), EINVAL);
	WANT_ERROR(walk_sized(AT_FDCWD, "f", O_RDONLY, 0, 1 << 20), E2BIG);
	holds(walk_sized(AT_FDCWD, "f", O_RDONLY, 0, 32), "text");
	struct { struct open_how how; uint64_t more; } longer = { { O_RDONLY, 0, 0 }, 1 };
	WANT_ERROR(syscall(SYS_openat2, AT_FDCWD, "f", &longer, sizeof longer), E2BIG);
	WANT_ERROR(walk(AT_FDCWD, "f", 1ull << 40, 0), EINVAL);
	WANT_ERROR(walk(AT_FDCWD, "f", 1u << 30, 0), EINVAL);
	WANT_ERROR(walk(AT_FDCWD, "f", O_RDONLY, 1 << 10), EINVAL);
	WANT_ERROR(walk(AT_FDCWD, "f", O_PATH | O_RDWR, 0), EINVAL);
	WANT_ERROR(walk(AT_FDCWD, "f", O_TRUNC | O_WRONLY, RESOLVE_CACHED), EAGAIN);
	holds(walk(AT_FDCWD, "f", O_RDONLY, RESOLVE_CACHED), "text");
	struct open_how how = { .flags = O_RDONLY, .mode = 0644 };
	WANT_ERROR(syscall(SYS_openat2, AT_FDCWD, "f", &how, sizeof how), EINVAL);
	how = (struct open_how){ .flags = O_CREAT | O_WRONLY, .mode = 010644 };
	WANT_ERROR(syscall(SYS_openat2, AT_FDCWD, "g", &how, sizeof how), EINVAL);
	how.mode = 0600;
	WANT(syscall(SYS_openat2, AT_FDCWD, "g", &how, sizeof how) >= 0);
	struct stat stat;
	WANT(lstat("g", &stat) == 0 && (stat.st_mode & 07777) == 0600);
	WANT_ERROR(syscall(SYS_openat2, AT_FDCWD, "f", NULL, sizeof how), EFAULT);
	WANT_ERROR(syscall(SYS_openat2, AT_FDCWD, NULL, &(struct open_how){ 0 }, sizeof how), EFAULT);
}

static const struct check checks[] = {
	{ "beneath", beneath }, { "in-root", in_root },     { "links", links },
	{ "crossing", crossing }, { "arguments", arguments },
};

MAIN(checks)
