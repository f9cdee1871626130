/* Makes every place of the kernel that allocates for a piece of work fail once (/dev/injection of kernels with debug
   assertions): `injection DEPTH COMMAND...` runs a command, in a session of its own, again and again until a run has met
   no new place. What the command answers does not matter; that the machine goes on does.
   `injection work NAME` is a piece of such work: it asks for everything of its area and heeds no error. */

#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <termios.h>

#define DEVICE "/dev/injection"
/* A run that takes longer is stuck: an allocation that failed has left its program waiting. It is killed. */
#define PATIENCE_NS 20000000000LL
/* More runs than any work has places. */
#define MOST_RUNS 2000

static long failures(void)
{
	char text[512];
	int file = open(DEVICE, O_RDONLY);
	WANT(file >= 0);
	ssize_t length = read(file, text, sizeof text - 1);
	WANT(length > 0);
	text[length] = 0;
	close(file);
	return atol(strchr(text, ' '));
}

static void tell(const char *text)
{
	int file = open(DEVICE, O_WRONLY);
	WANT(file >= 0);
	WANT(write(file, text, strlen(text)) == (ssize_t)strlen(text));
	close(file);
}

static int parent_of(int pid)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int file = open(path, O_RDONLY);
	WANT(file >= 0);
	ssize_t length = read(file, text, sizeof text - 1);
	WANT(length > 0);
	text[length] = 0;
	close(file);
	return atoi(strrchr(text, ')') + 4);
}

/* Kills a session's processes that are left, also those that are being made meanwhile. */
static void end_session(int session)
{
	for (int round = 0; round < 20; round++) {
		bool found = false;
		DIR *proc = opendir("/proc");
		WANT(proc);
		for (struct dirent *entry; (entry = readdir(proc));) {
			int pid = atoi(entry->d_name);
			if (pid > 0 && getsid(pid) == session && kill(pid, SIGKILL) == 0)
				found = true;
		}
		closedir(proc);
		if (!found)
			return;
	}
}

/* Runs the command once; says whether it came to an end by itself. */
static bool run_once(char **command)
{
	int status;
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		setsid();
		execvp(command[0], command);
		_exit(127);
	}
	int handle = syscall(SYS_pidfd_open, child, 0);
	WANT(handle >= 0);
	struct pollfd ended = {.fd = handle, .events = POLLIN};
	int64_t end = now_ns() + PATIENCE_NS;
	bool done;
	while (!(done = poll(&ended, 1, 100) == 1) && now_ns() < end)
		;
	end_session(child);
	WANT(waitpid(child, &status, 0) == child);
	close(handle);
	return done;
}

static int drive(const char *depth, char **command)
{
	char line[128];
	int length = snprintf(line, sizeof line, "arm %s", depth);
	for (int pid = getpid(); pid > 1; pid = parent_of(pid))
		length += snprintf(line + length, sizeof line - length, " %d", pid);
	long before = failures(), begun = before;
	int stuck = 0;
	tell(line);
	for (int runs = 1;; runs++) {
		stuck += !run_once(command);
		long after = failures();
		if (after == before) {
			tell("disarm");
			printf("places %ld runs %d stuck %d of %s %s\n", after - begun, runs, stuck, command[0], command[1]);
			return 0;
		}
		before = after;
		if (runs == MOST_RUNS)
			FAIL("%d runs, and still new places", runs);
	}
}

/* What follows asks for things and takes what it gets. */

static void sink(long value)
{
	static volatile long last;
	last = value;
	(void)last;
}

static void work_files(void)
{
	char name[300], text[5000];
	memset(text, 'x', sizeof text);
	mkdir("/tmp/injection", 0755);
	chdir("/tmp/injection");
	for (int number = 0; number < 40; number++) {
		snprintf(name, sizeof name, "a-name-that-is-not-so-short-%d", number);
		int file = open(name, O_RDWR | O_CREAT, 0644);
		sink(write(file, text, sizeof text));
		sink(pwrite(file, text, 10, 1 << 20));
		sink(pread(file, text, sizeof text, 0));
		sink(ftruncate(file, 3000));
		sink(fallocate(file, 0, 0, 20000));
		close(file);
	}
	mkdir("folder", 0755);
	sink(symlink("folder", "link"));
	sink(link("a-name-that-is-not-so-short-1", "other"));
	rename("other", "link/another");
	rename("a-name-that-is-not-so-short-2", "folder/moved");
	sink(readlink("link", text, sizeof text));
	sink(mknod("fifo", S_IFIFO | 0644, 0));
	sink(mknod("zero", S_IFCHR | 0644, makedev(1, 5)));
	struct stat data;
	sink(stat("zero", &data));
	struct statfs whole;
	sink(statfs(".", &whole));
	sink(setxattr("folder", "user.long", text, 3000, 0));
	sink(setxattr("folder", "user.short", text, 3, 0));
	sink(getxattr("folder", "user.long", text, sizeof text));
	sink(listxattr("folder", text, sizeof text));
	sink(removexattr("folder", "user.short"));
	int file = open("fifo", O_RDWR | O_NONBLOCK);
	sink(write(file, text, 4000));
	sink(read(file, text, 4000));
	close(file);
	file = open("a-name-that-is-not-so-short-1", O_RDWR);
	for (int copy = 0; copy < 100; copy++)
		sink(dup(file));
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5};
	sink(fcntl(file, F_SETLK, &lock));
	lock.l_start = 0, lock.l_len = 100, lock.l_type = F_RDLCK;
	sink(fcntl(file, F_SETLK, &lock));
	lock.l_start = 20, lock.l_len = 5, lock.l_type = F_UNLCK;
	sink(fcntl(file, F_SETLK, &lock));
	lock.l_start = 40, lock.l_type = F_WRLCK;
	sink(fcntl(file, F_OFD_SETLK, &lock));
	sink(flock(file, LOCK_EX));
	int other = open("a-name-that-is-not-so-short-3", O_RDWR);
	off_t at = 0;
	sink(sendfile(other, file, &at, 3000));
	sink(copy_file_range(file, NULL, other, NULL, 2000, 0));
	struct iovec parts[3] = {{text, 100}, {text + 200, 1000}, {text + 2000, 10}};
	sink(writev(other, parts, 3));
	sink(readv(other, parts, 3));
	DIR *folder = opendir(".");
	if (folder) {
		while (readdir(folder))
			;
		closedir(folder);
	}
	sink(getcwd(text, sizeof text) != NULL);
	mkdir("mount", 0755);
	sink(mount("none", "mount", "tmpfs", 0, ""));
	file = open("mount/file", O_RDWR | O_CREAT, 0644);
	close(file);
	sink(mount("folder", "mount", NULL, MS_BIND, NULL));
	sink(umount("mount"));
	sink(umount("mount"));
	sink(system("rm -rf /tmp/injection"));
}

static void work_proc(void)
{
	static const char *const names[] = {
		"/proc/self/maps", "/proc/self/smaps", "/proc/self/stat", "/proc/self/status", "/proc/self/statm", "/proc/self/cmdline",
		"/proc/self/environ", "/proc/self/auxv", "/proc/self/mounts", "/proc/self/mountinfo", "/proc/self/limits", "/proc/self/comm",
		"/proc/self/fdinfo/0", "/proc/self/io", "/proc/self/cgroup", "/proc/self/oom_score", "/proc/self/wchan", "/proc/self/sched",
		"/proc/stat", "/proc/meminfo", "/proc/cpuinfo", "/proc/uptime", "/proc/loadavg", "/proc/version", "/proc/filesystems", "/proc/mounts",
		"/proc/devices", "/proc/self/task/self", "/proc/vmstat", "/proc/partitions", "/proc/cmdline", "/proc/sys/kernel/hostname",
		"/proc/sys/kernel/osrelease", "/proc/sys/kernel/pid_max", "/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu/online",
		"/sys/devices/system/cpu/cpu0/topology/core_id", "/dev/latency", "/dev/null", "/dev/zero", "/dev/random", "/proc/corral/objects",
	};
	static const char *const folders[] = {"/proc", "/proc/self", "/proc/self/fd", "/proc/self/task", "/proc/self/fdinfo", "/proc/self/ns", "/proc/sys",
		"/proc/sys/kernel", "/dev", "/dev/pts", "/sys", "/sys/devices/system/cpu", "/sys/devices/system/cpu/cpu0"};
	char text[4096];
	for (size_t at = 0; at < sizeof names / sizeof *names; at++) {
		int file = open(names[at], O_RDONLY);
		sink(read(file, text, sizeof text));
		sink(read(file, text, 10));
		close(file);
	}
	for (size_t at = 0; at < sizeof folders / sizeof *folders; at++) {
		DIR *folder = opendir(folders[at]);
		if (!folder)
			continue;
		for (struct dirent *entry; (entry = readdir(folder));) {
			struct stat data;
			fstatat(dirfd(folder), entry->d_name, &data, AT_SYMLINK_NOFOLLOW);
			sink(readlinkat(dirfd(folder), entry->d_name, text, sizeof text));
		}
		closedir(folder);
	}
	int file = open("/proc/self/comm", O_WRONLY);
	sink(write(file, "other", 5));
	close(file);
}

static void work_memory(void)
{
	char *all[64];
	for (int at = 0; at < 64; at++) {
		all[at] = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (all[at] != MAP_FAILED)
			mprotect(all[at] + 4096 * (at % 16), 4096, PROT_READ);
	}
	int file = open("/bin/busybox", O_RDONLY);
	char *mapped = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE, file, 0);
	char *writable = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	char *shared = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fork() == 0)
		_exit(0);
	wait(NULL);
	for (int at = 0; at < 64; at++)
		if (all[at] != MAP_FAILED)
			madvise(all[at], 8192, MADV_DONTNEED), munmap(all[at] + 8192, 4096);
	all[0] = mremap(all[0], 65536, 1 << 20, MREMAP_MAYMOVE);
	unsigned char resident[256];
	sink(mincore(mapped, 1 << 20, resident));
	sbrk(1 << 20);
	if (mapped != MAP_FAILED)
		sink(mapped[5000] + mapped[900000]);
	if (writable != MAP_FAILED)
		writable[5] = 1;
	if (shared != MAP_FAILED)
		shared[5] = 1, shared[50000] = 2;
	for (int at = 0; at < 64; at++)
		if (all[at] != MAP_FAILED)
			all[at][60000] = 1;
}

static void *nothing(void *argument)
{
	usleep(1000);
	return argument;
}

static void nobody(int signal)
{
	(void)signal;
}

static void work_processes(void)
{
	pid_t children[8];
	for (int at = 0; at < 8; at++) {
		children[at] = at % 2 ? fork() : vfork();
		if (children[at] == 0) {
			if (at < 4)
				execl("/usr/lib/corral-tests/dynamic", "dynamic", "nothing", NULL);
			_exit(0);
		}
	}
	siginfo_t info;
	struct rusage usage;
	waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
	wait4(-1, NULL, 0, &usage);
	while (waitpid(-1, NULL, 0) > 0)
		;
	pthread_t threads[4];
	bool made[4];
	for (int at = 0; at < 4; at++)
		made[at] = pthread_create(&threads[at], NULL, nothing, NULL) == 0;
	for (int at = 0; at < 4; at++)
		if (made[at])
			pthread_join(threads[at], NULL);
	pid_t child = fork();
	if (child == 0) {
		setpgid(0, 0);
		setsid();
		pause();
		_exit(0);
	}
	if (child > 0) {
		getpgid(child), getsid(child), getpriority(PRIO_PROCESS, child), setpriority(PRIO_PGRP, 0, 1);
		getpriority(PRIO_USER, 0);
		cpu_set_t cpus;
		sched_getaffinity(child, sizeof cpus, &cpus);
		sched_setaffinity(child, sizeof cpus, &cpus);
		int handle = syscall(SYS_pidfd_open, child, 0);
		struct pollfd waiting = {.fd = handle, .events = POLLIN};
		poll(&waiting, 1, 0);
		syscall(SYS_pidfd_send_signal, handle, SIGCONT, NULL, 0);
		kill(child, SIGKILL);
		poll(&waiting, 1, 1000);
		waitpid(child, NULL, 0);
	}
	gid_t groups[40] = {1, 2, 3};
	sink(setgroups(40, groups));
	sink(getgroups(40, groups));
	sink(setresgid(5, 5, 5));
	sink(setresuid(5, 0, 0));
	sink(setuid(5));
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	setrlimit(RLIMIT_NOFILE, &limit);
	sink(syscall(999));
	sink(syscall(400 + getpid() % 5));
}

static void work_signals(void)
{
	struct sigaction action = {.sa_handler = nobody};
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGRTMIN, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	union sigval value = {.sival_int = 1};
	for (int at = 0; at < 40; at++)
		sigqueue(getpid(), SIGRTMIN, value);
	raise(SIGUSR1);
	kill(0, SIGCONT);
	int file = signalfd(-1, &set, 0);
	struct signalfd_siginfo info;
	sink(read(file, &info, sizeof info));
	struct timespec soon = {.tv_nsec = 1000000};
	sigtimedwait(&set, NULL, &soon);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
	sigaltstack(&stack, NULL);
	timer_t timer;
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
	struct itimerspec times = {.it_value.tv_nsec = 1000000};
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) {
		timer_settime(timer, 0, &times, NULL);
		nanosleep(&soon, NULL);
		timer_delete(timer);
	}
	if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0) {
		timer_settime(timer, 0, &times, NULL);
		timer_delete(timer);
	}
	if (timer_create(CLOCK_REALTIME, &event, &timer) == 0) {
		times.it_value.tv_sec = 1;
		timer_settime(timer, TIMER_ABSTIME, &times, NULL);
		timer_delete(timer);
	}
	struct itimerval interval = {.it_value.tv_usec = 1000};
	setitimer(ITIMER_REAL, &interval, NULL);
	setitimer(ITIMER_VIRTUAL, &interval, NULL);
	setitimer(ITIMER_PROF, &interval, NULL);
	nanosleep(&soon, NULL);
}

static void work_events(void)
{
	int pipes[2] = {-1, -1}, pair[2] = {-1, -1};
	char text[70000] = "text";
	sink(pipe2(pipes, O_NONBLOCK));
	sink(write(pipes[1], text, sizeof text));
	sink(fcntl(pipes[1], F_SETPIPE_SZ, 1 << 18));
	sink(write(pipes[1], text, sizeof text));
	sink(read(pipes[0], text, sizeof text));
	sink(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	int epoll = epoll_create1(0);
	int timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	struct itimerspec times = {.it_value.tv_nsec = 1000000};
	timerfd_settime(timer, 0, &times, NULL);
	int counter = eventfd(0, EFD_NONBLOCK);
	int watched[] = {pipes[0], pipes[1], pair[0], pair[1], timer, counter, 0};
	struct epoll_event event = {.events = EPOLLIN | EPOLLET}, events[8];
	for (int at = 0; at < 7; at++)
		epoll_ctl(epoll, EPOLL_CTL_ADD, watched[at], &event);
	int outer = epoll_create1(0);
	event.events = EPOLLIN;
	epoll_ctl(outer, EPOLL_CTL_ADD, epoll, &event);
	epoll_wait(outer, events, 8, 2);
	epoll_wait(epoll, events, 8, 2);
	epoll_ctl(epoll, EPOLL_CTL_MOD, pair[0], &event);
	uint64_t one = 1;
	sink(write(counter, &one, 8));
	sink(write(pair[0], text, 5000));
	sink(read(timer, &one, 8));
	struct pollfd polled[40];
	for (int at = 0; at < 40; at++)
		polled[at] = (struct pollfd){.fd = watched[at % 7], .events = POLLIN | POLLPRI};
	poll(polled, 40, 0);
	for (int at = 0; at < 40; at++)
		polled[at] = (struct pollfd){.fd = epoll, .events = POLLPRI};
	poll(polled, 40, 2);
	fd_set set, more;
	FD_ZERO(&set);
	FD_ZERO(&more);
	FD_SET(0, &set);
	struct timeval soon = {.tv_usec = 1000};
	if (pair[0] >= 0 && pair[1] >= 0)
		FD_SET(pair[1], &more);
	select(64, &set, NULL, &more, &soon);
	int watcher = inotify_init1(IN_NONBLOCK);
	inotify_add_watch(watcher, "/tmp", IN_ALL_EVENTS);
	close(open("/tmp/watched", O_CREAT | O_RDWR, 0644));
	sink(read(watcher, text, sizeof text));
	unlink("/tmp/watched");
	pid_t child = fork();
	if (child == 0) {
		sink(write(pair[1], text, 100));
		sink(write(counter, &one, 8));
		_exit(0);
	}
	epoll_wait(epoll, events, 8, 20);
	int word = 0;
	struct timespec moment = {.tv_nsec = 1000000};
	syscall(SYS_futex, &word, 0, 0, &moment, NULL, 0);
	syscall(SYS_futex, &word, 1 | 128, 1, NULL, NULL, 0);
}

static void pass_files(int channel, int count)
{
	char byte = 'x', control[CMSG_SPACE(sizeof(int) * 16)];
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control};
	message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int) * count);
	for (int at = 0; at < count; at++)
		((int *)CMSG_DATA(head))[at] = 0;
	sink(sendmsg(channel, &message, MSG_DONTWAIT));
}

static void work_sockets(void)
{
	char text[9000] = "text", control[1000];
	static const int kinds[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
	for (int at = 0; at < 3; at++) {
		int pair[2] = {-1, -1};
		sink(socketpair(AF_UNIX, kinds[at] | SOCK_NONBLOCK, 0, pair));
		int on = 1;
		sink(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
		sink(send(pair[0], text, sizeof text, 0));
		pass_files(pair[0], 1);
		pass_files(pair[0], 16);
		struct iovec part = {text, sizeof text};
		struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
		for (int turn = 0; turn < 3; turn++) {
			message.msg_controllen = sizeof control;
			sink(recvmsg(pair[1], &message, 0));
		}
		struct mmsghdr many[3] = {{.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}, {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}};
		sink(sendmmsg(pair[0], many, 2, 0));
		sink(recvmmsg(pair[1], many, 2, MSG_DONTWAIT, NULL));
		close(pair[0]), close(pair[1]);
	}
	for (int named = 0; named < 2; named++) {
		struct sockaddr_un place = {.sun_family = AF_UNIX};
		strcpy(place.sun_path + !named, "/tmp/injection-socket");
		unlink("/tmp/injection-socket");
		socklen_t length = offsetof(struct sockaddr_un, sun_path) + 23;
		for (int at = 0; at < 3; at++) {
			int server = socket(AF_UNIX, kinds[at] | SOCK_NONBLOCK, 0);
			sink(bind(server, (void *)&place, length));
			sink(listen(server, 5));
			int client = socket(AF_UNIX, kinds[at] | SOCK_NONBLOCK, 0);
			sink(connect(client, (void *)&place, length));
			sink(send(client, text, 100, 0));
			int accepted = accept4(server, NULL, NULL, SOCK_NONBLOCK);
			struct sockaddr_un whose;
			length = sizeof whose;
			sink(getpeername(client, (void *)&whose, &length));
			sink(recv(accepted, text, 50, 0));
			sink(sendto(client, text, 100, 0, (void *)&place, 25));
			close(client), close(accepted), close(server);
			unlink("/tmp/injection-socket");
			length = offsetof(struct sockaddr_un, sun_path) + 23;
		}
	}
	struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
	int socket_ = socket(AF_UNIX, SOCK_DGRAM, 0);
	sink(bind(socket_, (void *)&unnamed, sizeof(sa_family_t)));
}

static void work_terminals(void)
{
	int master = -1, slave = -1;
	char text[600];
	if (openpty(&master, &slave, NULL, NULL, NULL) == 0) {
		fcntl(master, F_SETFL, O_NONBLOCK);
		fcntl(slave, F_SETFL, O_NONBLOCK);
		memset(text, 'y', sizeof text);
		text[200] = '\n';
		sink(write(master, text, sizeof text));
		sink(read(slave, text, sizeof text));
		sink(write(slave, text, sizeof text));
		sink(read(master, text, sizeof text));
		struct termios settings;
		tcgetattr(slave, &settings);
		cfmakeraw(&settings);
		tcsetattr(slave, TCSADRAIN, &settings);
		sink(ttyname_r(slave, text, sizeof text));
		pid_t child = fork();
		if (child == 0) {
			setsid();
			ioctl(slave, TIOCSCTTY, 0);
			tcsetpgrp(slave, getpid());
			sink(open("/dev/tty", O_RDWR));
			execl("/bin/busybox", "sh", "-c", "stty -a; tty", NULL);
			_exit(0);
		}
		usleep(2000);
		sink(write(master, "\3", 1));
		if (child > 0)
			kill(child, SIGKILL), waitpid(child, NULL, 0);
		struct winsize size = {25, 80, 0, 0};
		ioctl(master, TIOCSWINSZ, &size);
	}
}

static void work_queues(void)
{
	char text[3000] = "text";
	int sets[3];
	for (int at = 0; at < 3; at++) {
		sets[at] = semget(at ? 0x1234 + at : IPC_PRIVATE, 10, IPC_CREAT | 0600);
		struct sembuf operations[2] = {{1, 3, SEM_UNDO}, {2, 1, 0}}, waits = {3, -1, IPC_NOWAIT};
		sink(semop(sets[at], operations, 2));
		sink(semop(sets[at], &waits, 1));
		unsigned short values[10];
		sink(semctl(sets[at], 0, GETALL, values));
		sink(semctl(sets[at], 0, SETALL, values));
	}
	int queue = msgget(0x77, IPC_CREAT | 0600);
	struct {
		long kind;
		char text[2000];
	} message = {1, "text"};
	for (int at = 0; at < 4; at++)
		sink(msgsnd(queue, &message, 500 * at, IPC_NOWAIT));
	sink(msgrcv(queue, &message, 2000, 0, IPC_NOWAIT));
	int segment = shmget(0x78, 200000, IPC_CREAT | 0600);
	char *memory = shmat(segment, NULL, 0);
	if (memory != (void *)-1) {
		memory[100000] = 1;
		sink(shmdt(memory));
	}
	struct mq_attr capacity = {.mq_maxmsg = 4, .mq_msgsize = sizeof text};
	mqd_t named = mq_open("/injection", O_CREAT | O_RDWR | O_NONBLOCK, 0600, &capacity);
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
	sink(mq_notify(named, &event));
	for (unsigned at = 0; at < 3; at++)
		sink(mq_send(named, text, 1000, at));
	sink(mq_receive(named, text, sizeof text, NULL));
	mq_close(named);
	mq_unlink("/injection");
	sink(msgctl(queue, IPC_RMID, NULL));
	sink(shmctl(segment, IPC_RMID, NULL));
	for (int at = 0; at < 3; at++)
		sink(semctl(sets[at], 0, IPC_RMID));
}

static void work_network(void)
{
	char text[9000] = "text";
	struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(7070), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
	sink(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
	sink(bind(server, (void *)&place, sizeof place));
	sink(listen(server, 5));
	int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	sink(connect(client, (void *)&place, sizeof place));
	int accepted = accept4(server, NULL, NULL, SOCK_NONBLOCK);
	sink(send(client, text, sizeof text, MSG_NOSIGNAL));
	sink(recv(accepted, text, sizeof text, 0));
	sink(send(accepted, text, 10, MSG_NOSIGNAL));
	sink(shutdown(client, SHUT_WR));
	close(client), close(accepted), close(server);
	int sender = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), receiver = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	sink(bind(receiver, (void *)&place, sizeof place));
	sink(sendto(sender, text, 3000, 0, (void *)&place, sizeof place));
	sink(connect(sender, (void *)&place, sizeof place));
	sink(send(sender, text, 3000, 0));
	sink(recv(receiver, text, sizeof text, 0));
	sink(socket(AF_INET6, SOCK_STREAM, 0));
	int links = socket(AF_NETLINK, SOCK_RAW, 0);
	struct {
		int length;
		short kind, flags;
		int sequence, port, family;
	} request = {20, 18, 0x301, 1, 0, 0};
	sink(send(links, &request, 20, 0));
	sink(recv(links, text, sizeof text, MSG_DONTWAIT));
}

static void work_everything(void);

static const struct check works[] = {
	{"files", work_files},
	{"proc", work_proc},
	{"memory", work_memory},
	{"processes", work_processes},
	{"signals", work_signals},
	{"events", work_events},
	{"sockets", work_sockets},
	{"terminals", work_terminals},
	{"queues", work_queues},
	{"network", work_network},
	{"everything", work_everything},
};

#define WORKS (int)(sizeof works / sizeof *works)

static void work_everything(void)
{
	for (int at = 0; at < WORKS - 1; at++) {
		pid_t child = fork();
		if (child == 0) {
			works[at].run();
			_exit(0);
		}
		if (child > 0)
			waitpid(child, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		FAIL("usage: injection DEPTH COMMAND... | injection work NAME");
	if (strcmp(argv[1], "work"))
		return drive(argv[1], argv + 2);
	for (int at = 0; at < WORKS; at++)
		if (!strcmp(works[at].name, argv[2])) {
			works[at].run();
			return 0;
		}
	FAIL("there is no work %s", argv[2]);
}
