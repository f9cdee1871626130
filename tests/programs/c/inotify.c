/* Events of watched files (man 7 inotify). Every check works in a directory of its own, which is the working directory. */

#include "check.h"
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

static int in;
static char events[65536] __attribute__((aligned(8)));
static ssize_t got, at;

static void begin(int flags)
{
	char name[] = "inotify.XXXXXX";
	WANT(mkdtemp(name) && chdir(name) == 0);
	in = inotify_init1(IN_NONBLOCK | flags);
	WANT(in >= 0);
}

static int watch(const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(in, path, mask);
	WANT(wd > 0);
	return wd;
}

static void make(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	WANT(fd >= 0 && close(fd) == 0);
}

static struct inotify_event *next(void)
{
	if (at == got) {
		at = 0;
		got = read(in, events, sizeof events);
		WANT(got > 0);
	}
	struct inotify_event *event = (void *)(events + at);
	at += sizeof *event + event->len;
	WANT(at <= got && event->len % sizeof *event == 0);
	return event;
}

/* The next event is this one; answers its cookie. */
static uint32_t want(int wd, uint32_t mask, const char *name)
{
	struct inotify_event *event = next();
	const char *found = event->len ? event->name : "";
	if (event->wd != wd || event->mask != mask || strcmp(found, name) != 0)
		FAIL("event %d %#x '%s' instead of %d %#x '%s'", event->wd, event->mask, found, wd, mask, name);
	return event->cookie;
}

static void want_none(void)
{
	WANT(at == got);
	WANT_ERROR(read(in, events, sizeof events), EAGAIN);
}

static void contents(void)
{
	char byte;
	begin(0);
	make("file");
	int directory = watch(".", IN_ALL_EVENTS), file = watch("file", IN_MODIFY | IN_CLOSE_WRITE);
	int fd = open("file", O_RDWR);
	want(directory, IN_OPEN, "file");
	WANT(write(fd, "x", 1) == 1);
	want(directory, IN_MODIFY, "file");
	want(file, IN_MODIFY, "");
	WANT(pread(fd, &byte, 1, 0) == 1);
	want(directory, IN_ACCESS, "file");
	WANT(read(fd, &byte, 1) == 0 && pwrite(fd, "", 0, 0) == 0);
	WANT(ftruncate(fd, 0) == 0);
	want(directory, IN_MODIFY, "file");
	want(file, IN_MODIFY, "");
	WANT(close(fd) == 0);
	want(directory, IN_CLOSE_WRITE, "file");
	want(file, IN_CLOSE_WRITE, "");
	WANT((fd = open("file", O_RDONLY)) >= 0 && close(fd) == 0);
	want(directory, IN_OPEN, "file");
	want(directory, IN_CLOSE_NOWRITE, "file");
	WANT((fd = open("file", O_PATH)) >= 0 && close(fd) == 0);
	WANT((fd = open("file", O_WRONLY | O_TRUNC)) >= 0 && close(fd) == 0);
	want(directory, IN_OPEN, "file");
	want(directory, IN_MODIFY, "file");
	want(file, IN_MODIFY, "");
	want(directory, IN_CLOSE_WRITE, "file");
	want(file, IN_CLOSE_WRITE, "");
	want_none();
}

static void metadata(void)
{
	begin(0);
	make("file");
	int directory = watch(".", IN_ATTRIB | IN_MODIFY | IN_ACCESS), file = watch("file", IN_ATTRIB);
	struct timespec both[2] = { { 1, 0 }, { 2, 0 } }, late[2] = { { 0, UTIME_OMIT }, { 3, 0 } };
	WANT(chmod("file", 0640) == 0);
	want(directory, IN_ATTRIB, "file");
	want(file, IN_ATTRIB, "");
	WANT(chown("file", 1, 1) == 0);
	want(directory, IN_ATTRIB, "file");
	want(file, IN_ATTRIB, "");
	WANT(utimensat(AT_FDCWD, "file", both, 0) == 0);
	want(directory, IN_ATTRIB, "file");
	want(file, IN_ATTRIB, "");
	WANT(utimensat(AT_FDCWD, "file", late, 0) == 0);
	want(directory, IN_MODIFY, "file");
	WANT(truncate("file", 9) == 0);
	want(directory, IN_MODIFY, "file");
	WANT(link("file", "other") == 0);
	want(file, IN_ATTRIB, "");
	WANT(unlink("other") == 0);
	want(file, IN_ATTRIB, "");
	WANT(chmod(".", 0750) == 0);
	want(directory, IN_ATTRIB | IN_ISDIR, "");
	want_none();
}

static void names(void)
{
	begin(0);
	WANT(mkdir("to", 0700) == 0);
	int here = watch(".", IN_CREATE | IN_DELETE | IN_MOVE), to = watch("to", IN_MOVE | IN_CREATE | IN_DELETE);
	make("a");
	want(here, IN_CREATE, "a");
	WANT(mkdir("d", 0700) == 0 && symlink("nowhere", "s") == 0 && mkfifo("p", 0600) == 0 && link("a", "b") == 0);
	want(here, IN_CREATE | IN_ISDIR, "d");
	want(here, IN_CREATE, "s");
	want(here, IN_CREATE, "p");
	want(here, IN_CREATE, "b");
	int moved = watch("a", IN_MOVE_SELF);
	WANT(rename("a", "to/c") == 0);
	uint32_t from = want(here, IN_MOVED_FROM, "a"), into = want(to, IN_MOVED_TO, "c");
	WANT(from == into && from != 0);
	want(moved, IN_MOVE_SELF, "");
	WANT(rename("d", "e") == 0);
	uint32_t second = want(here, IN_MOVED_FROM | IN_ISDIR, "d");
	WANT(want(here, IN_MOVED_TO | IN_ISDIR, "e") == second && second != from);
	WANT(rename("to/c", "b") == 0); /* two names of one file: nothing happens */
	want_none();
	WANT(unlink("b") == 0 && rmdir("e") == 0);
	want(here, IN_DELETE, "b");
	want(here, IN_DELETE | IN_ISDIR, "e");
	want_none();
}

static void end(void)
{
	begin(0);
	make("file");
	make("kept");
	WANT(mkdir("d", 0700) == 0);
	int file = watch("file", IN_DELETE_SELF | IN_ATTRIB), kept = watch("kept", IN_DELETE_SELF), d = watch("d", IN_DELETE_SELF);
	WANT(unlink("file") == 0);
	want(file, IN_ATTRIB, "");
	want(file, IN_DELETE_SELF, "");
	want(file, IN_IGNORED, "");
	int fd = open("kept", O_RDONLY);
	WANT(fd >= 0 && unlink("kept") == 0);
	want_none();
	WANT(close(fd) == 0);
	want(kept, IN_DELETE_SELF, "");
	want(kept, IN_IGNORED, "");
	WANT(rmdir("d") == 0);
	want(d, IN_DELETE_SELF, "");
	want(d, IN_IGNORED, "");
	WANT_ERROR(inotify_rm_watch(in, file), EINVAL);
	make("file");
	make("new");
	int again = watch("file", IN_DELETE_SELF);
	WANT(again > d);
	WANT(rename("new", "file") == 0);
	want(again, IN_DELETE_SELF, "");
	want(again, IN_IGNORED, "");
	want_none();
}

static void manners(void)
{
	begin(0);
	make("file");
	int wd = watch("file", IN_OPEN | IN_ONESHOT);
	make("file");
	make("file");
	want(wd, IN_OPEN, "");
	want(wd, IN_IGNORED, "");
	want_none();
	wd = watch("file", IN_OPEN);
	WANT(watch("file", IN_CLOSE_WRITE | IN_MASK_ADD) == wd);
	WANT_ERROR(inotify_add_watch(in, "file", IN_OPEN | IN_MASK_CREATE), EEXIST);
	make("file");
	want(wd, IN_OPEN, "");
	want(wd, IN_CLOSE_WRITE, "");
	WANT(watch("file", IN_CLOSE_WRITE) == wd);
	make("file");
	want(wd, IN_CLOSE_WRITE, "");
	WANT(inotify_rm_watch(in, wd) == 0);
	want(wd, IN_IGNORED, "");
	make("file");
	want_none();
	int all = watch(".", IN_CLOSE);
	int fd = open("file", O_RDONLY);
	WANT(unlink("file") == 0 && close(fd) == 0);
	want(all, IN_CLOSE_NOWRITE, "file");
	WANT(watch(".", IN_CLOSE | IN_EXCL_UNLINK) == all);
	fd = open("file", O_RDWR | O_CREAT, 0600);
	WANT(unlink("file") == 0 && close(fd) == 0);
	want_none();
	make("file");
	want(all, IN_CLOSE_WRITE, "file");
	WANT(symlink("file", "link") == 0);
	int link = watch("link", IN_ATTRIB | IN_DONT_FOLLOW), target = watch("link", IN_ATTRIB);
	WANT(link != target);
	WANT(chmod("link", 0600) == 0);
	want(target, IN_ATTRIB, "");
	want_none();
}

static void refused(void)
{
	begin(IN_CLOEXEC);
	char small[sizeof(struct inotify_event)];
	WANT(fcntl(in, F_GETFD) == FD_CLOEXEC && (fcntl(in, F_GETFL) & O_NONBLOCK));
	WANT_ERROR(inotify_init1(1), EINVAL);
	make("file");
	WANT_ERROR(inotify_add_watch(in, "file", 0), EINVAL);
	WANT_ERROR(inotify_add_watch(in, "file", 0x10000), EINVAL);
	WANT_ERROR(inotify_add_watch(in, "file", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
	WANT_ERROR(inotify_add_watch(0, "file", IN_OPEN), EINVAL);
	WANT_ERROR(inotify_add_watch(99, "file", IN_OPEN), EBADF);
	WANT_ERROR(inotify_add_watch(in, "missing", IN_OPEN), ENOENT);
	WANT_ERROR(inotify_add_watch(in, "file", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	WANT_ERROR(inotify_add_watch(in, NULL, IN_OPEN), EFAULT);
	WANT_ERROR(inotify_rm_watch(in, 5), EINVAL);
	WANT_ERROR(inotify_rm_watch(0, 1), EINVAL);
	WANT_ERROR(write(in, "x", 1), EBADF);
	int wd = watch(".", IN_OPEN);
	make("file");
	WANT_ERROR(read(in, small, sizeof small), EINVAL);
	WANT_ERROR(read(in, NULL, 4096), EFAULT);
	want(wd, IN_OPEN, "file");
	WANT(chmod("file", 0) == 0 && seteuid(1000) == 0);
	WANT_ERROR(inotify_add_watch(in, "file", IN_OPEN), EACCES);
}

static void waiting(void)
{
	int bytes, status;
	begin(0);
	struct epoll_event event = { EPOLLIN, { .u32 = 7 } };
	int epoll = epoll_create1(0);
	WANT(epoll_ctl(epoll, EPOLL_CTL_ADD, in, &event) == 0);
	int wd = watch(".", IN_CREATE);
	WANT(epoll_wait(epoll, &event, 1, 0) == 0);
	WANT(ioctl(in, FIONREAD, &bytes) == 0 && bytes == 0);
	WANT(fcntl(in, F_SETFL, 0) == 0);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		make("file");
		_exit(0);
	}
	WANT(epoll_wait(epoll, &event, 1, -1) == 1 && event.data.u32 == 7);
	WANT(ioctl(in, FIONREAD, &bytes) == 0 && bytes == sizeof(struct inotify_event) + 16);
	want(wd, IN_CREATE, "file");
	WANT(waitpid(child, &status, 0) == child && status == 0);
	child = fork();
	if (child == 0) {
		struct pollfd reader = { in, POLLIN, 0 };
		WANT(poll(&reader, 1, -1) == 1 && reader.revents == POLLIN);
		want(wd, IN_CREATE, "again");
		_exit(0);
	}
	make("again");
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

/* The same event twice in a row is one; what does not fit is told at the end. */
static void overflow(void)
{
	begin(0);
	make("file");
	int wd = watch("file", IN_ATTRIB | IN_OPEN), mask = 0, count = 0;
	WANT(chmod("file", 0600) == 0 && chmod("file", 0600) == 0);
	want(wd, IN_ATTRIB, "");
	want_none();
	for (int made = 0; made < 20000; made++) {
		int fd = open("file", O_RDONLY);
		WANT(fd >= 0 && close(fd) == 0 && chmod("file", 0600) == 0);
	}
	for (; !(mask & IN_Q_OVERFLOW); count++) {
		struct inotify_event *event = next();
		mask = event->mask;
		WANT(event->wd == (mask & IN_Q_OVERFLOW ? -1 : wd) && event->len == 0);
	}
	WANT(count == 16385);
	want_none();
	WANT(chmod("file", 0600) == 0);
	want(wd, IN_ATTRIB, "");
}

/* Instances and watches are counted, and come back. */
static void limits(void)
{
	begin(0);
	int count = 0, made[1024];
	while ((made[count] = inotify_init1(0)) >= 0)
		count++;
	WANT(errno == EMFILE && count >= 100);
	while (count > 0)
		close(made[--count]);
	WANT((made[0] = inotify_init1(0)) >= 0);
}

/* Run inside a partition on a file that Global has: what others only look at is not told. */
static void others(void)
{
	char byte;
	begin(0);
	int wd = watch("/usr/bin/busybox", IN_ALL_EVENTS);
	puts("watching");
	fflush(stdout);
	WANT(read(0, &byte, 1) == 1); /* Global has run it */
	want_none();
	int fd = open("/usr/bin/busybox", O_RDONLY);
	want(wd, IN_OPEN, "");
	close(fd);
}

static void truncated(void)
{
	begin(0);
	make("file");
	int wd = watch("file", IN_OPEN | IN_MODIFY);
	close(open("file", O_WRONLY | O_TRUNC));
	want(wd, IN_OPEN, "");
	want(wd, IN_MODIFY, "");
	want_none();
}

static const struct check checks[] = {
	{ "contents", contents }, { "metadata", metadata }, { "names", names }, { "end", end },
	{ "manners", manners }, { "refused", refused }, { "waiting", waiting }, { "overflow", overflow },
	{ "limits", limits }, { "others", others }, { "truncated", truncated },
};

MAIN(checks)
