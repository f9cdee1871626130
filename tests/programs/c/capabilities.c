/* Capabilities: what a process may do is what it holds of them, and what it gives up it does not get back. */

#include "copy.h"
#include <netinet/in.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <linux/capability.h>
#include <linux/securebits.h>

#define BIT(capability) (1ULL << (capability))
#define EVERY (BIT(CAP_LAST_CAP + 1) - 1)

struct sets {
	uint64_t effective, permitted, inheritable;
};

static struct sets get(pid_t pid)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, pid };
	struct __user_cap_data_struct data[2];
	WANT(syscall(SYS_capget, &header, data) == 0);
	return (struct sets){
		data[0].effective | (uint64_t)data[1].effective << 32,
		data[0].permitted | (uint64_t)data[1].permitted << 32,
		data[0].inheritable | (uint64_t)data[1].inheritable << 32,
	};
}

static int set(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ effective, permitted, inheritable },
		{ effective >> 32, permitted >> 32, inheritable >> 32 },
	};
	return syscall(SYS_capset, &header, data);
}

/* The value of a line of hexadecimal digits in /proc/self/status. */
static uint64_t shown(const char *name)
{
	char line[256];
	FILE *file = fopen("/proc/self/status", "r");
	WANT(file != NULL);
	while (fgets(line, sizeof line, file))
		if (strncmp(line, name, strlen(name)) == 0) {
			fclose(file);
			return strtoull(strchr(line, '\t'), NULL, 16);
		}
	FAIL("there is no %s", name);
	return 0;
}

static int bind_low_port(void)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(81) };
	name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	WANT(fd >= 0);
	int result = bind(fd, (struct sockaddr *)&name, sizeof name);
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

/* A daemon that keeps the right to low ports and no other. */
static void keeping(void)
{
	WANT(get(0).permitted == EVERY && get(0).effective == EVERY && get(0).inheritable == 0);
	WANT(prctl(PR_GET_KEEPCAPS) == 0 && prctl(PR_SET_KEEPCAPS, 1) == 0 && prctl(PR_GET_KEEPCAPS) == 1);
	WANT(setresuid(7, 7, 7) == 0);
	WANT(get(0).effective == 0 && get(0).permitted == EVERY);
	WANT_ERROR(bind_low_port(), EACCES);
	WANT(set(BIT(CAP_NET_BIND_SERVICE), BIT(CAP_NET_BIND_SERVICE), 0) == 0);
	WANT(bind_low_port() == 0);
	WANT(shown("CapEff:") == BIT(CAP_NET_BIND_SERVICE) && shown("CapBnd:") == EVERY);
	WANT_ERROR(setuid(0), EPERM);
	WANT_ERROR(chown("/tmp", 1, 1), EPERM);
	WANT_ERROR(set(EVERY, EVERY, 0), EPERM);
	WANT(set(0, 0, 0) == 0);
	WANT_ERROR(bind_low_port(), EACCES);
}

static void without_kill(void)
{
	WANT(set(EVERY & ~BIT(CAP_KILL), EVERY & ~BIT(CAP_KILL), 0) == 0);
}

/* User 0 without a capability is refused what it is for, and no more. */
static void dropping(void)
{
	pid_t other = fork();
	WANT(other >= 0);
	if (other == 0) {
		WANT(setresuid(7, 7, 7) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		pause();
	}
	without_kill();
	/* Before it changes its user it is the own one's. */
	while (kill(other, 0) == 0)
		usleep(1000);
	WANT(errno == EPERM);
	WANT(set(EVERY & ~BIT(CAP_KILL) & ~BIT(CAP_CHOWN), EVERY & ~BIT(CAP_KILL) & ~BIT(CAP_CHOWN), 0) == 0);
	int fd = open("file", O_CREAT | O_WRONLY, 0600);
	WANT(fd >= 0);
	WANT_ERROR(fchown(fd, 7, 7), EPERM);
	WANT(fchmod(fd, 0640) == 0);
	WANT(set(0, 0, 0) == 0);
	/* An owner still is one. */
	WANT(fchmod(fd, 0600) == 0);
	WANT_ERROR(setgid(7), EPERM);
	WANT_ERROR(setuid(7), EPERM);
	WANT_ERROR(chroot("/"), EPERM);
	WANT_ERROR(bind_low_port(), EACCES);
}

/* Runs `sh -c TEXT`; its status. */
static int shell(const char *text)
{
	int status;
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", text, NULL);
		_exit(127);
	}
	WANT(waitpid(pid, &status, 0) == pid);
	return WEXITSTATUS(status);
}

/* What execve gives: all of the bounding set to user 0, ambient ones to others. */
static void executing(void)
{
	WANT(prctl(PR_CAPBSET_READ, CAP_CHOWN) == 1 && prctl(PR_CAPBSET_DROP, CAP_CHOWN) == 0);
	WANT(prctl(PR_CAPBSET_READ, CAP_CHOWN) == 0);
	WANT_ERROR(prctl(PR_CAPBSET_DROP, CAP_LAST_CAP + 1), EINVAL);
	WANT(shell("touch f && ! chown 7 f 2>/dev/null") == 0);
	WANT_ERROR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0), EPERM);
	WANT(set(EVERY, EVERY, BIT(CAP_NET_BIND_SERVICE)) == 0);
	WANT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0);
	WANT(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) == 0);
	WANT(setresuid(7, 7, 7) == 0);
	WANT(shell("grep -q '^CapEff:\t0000000000000400$' /proc/self/status") == 0);
	WANT(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0);
	WANT(shell("grep -q '^CapEff:\t0000000000000000$' /proc/self/status") == 0);
	WANT(set(0, 0, 0) == 0);
	WANT_ERROR(prctl(PR_CAPBSET_DROP, CAP_KILL), EPERM);
}

static void arguments(void)
{
	struct __user_cap_header_struct header = { 1, 0 };
	struct __user_cap_data_struct data[2] = { 0 };
	WANT(syscall(SYS_capget, &header, NULL) == 0 && header.version == _LINUX_CAPABILITY_VERSION_3);
	header.version = 1;
	WANT_ERROR(syscall(SYS_capget, &header, data), EINVAL);
	header.version = 1;
	WANT_ERROR(syscall(SYS_capset, &header, data), EINVAL);
	header.pid = -1;
	WANT_ERROR(syscall(SYS_capget, &header, data), EINVAL);
	header.pid = getppid();
	WANT_ERROR(syscall(SYS_capset, &header, data), EPERM);
	header.pid = 4000000;
	WANT_ERROR(syscall(SYS_capget, &header, data), ESRCH);
	WANT_ERROR(syscall(SYS_capget, NULL, data), EFAULT);
	WANT_ERROR(set(1, 0, 0), EPERM);
	header = (struct __user_cap_header_struct){ _LINUX_CAPABILITY_VERSION_1, 0 };
	WANT(syscall(SYS_capget, &header, data) == 0 && data[0].effective == 0xffffffff && data[1].effective == 0);
	WANT_ERROR(prctl(PR_SET_KEEPCAPS, 2), EINVAL);
	WANT_ERROR(prctl(PR_SET_SECUREBITS, 1 << 8), EPERM);
	WANT_ERROR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_LAST_CAP + 1, 0, 0), EINVAL);
	WANT(get(getpid()).permitted == EVERY);
}

#define ATTRIBUTE "security.capability"

/* A copy of this program, which gives `permitted` to who runs it. */
static void make_program(const char *path, uint64_t permitted, uint32_t flags)
{
	copy(path);
	uint32_t value[5] = { VFS_CAP_REVISION_2 | flags, permitted, 0, permitted >> 32, 0 };
	WANT(setxattr(path, ATTRIBUTE, value, sizeof(value), 0) == 0);
}

/* What the program comes to when user 7 runs it; `before` prepares that. */
static int run_as_user(const char *path, const char *check, void (*before)(void))
{
	int status;
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		if (before)
			before();
		WANT(setresgid(7, 7, 7) == 0 && setresuid(7, 7, 7) == 0);
		execl(path, path, check, NULL);
		_exit(errno == EPERM ? 98 : 99);
	}
	WANT(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void has_ports(void)
{
	WANT(get(0).permitted == BIT(CAP_NET_BIND_SERVICE) && get(0).effective == BIT(CAP_NET_BIND_SERVICE));
	WANT(getuid() == 7 && getauxval(AT_SECURE) == 1 && bind_low_port() == 0);
	/* They are not handed on. */
	WANT(shell("grep -q '^CapPrm:\t0000000000000000$' /proc/self/status") == 0);
}

static void may_have_ports(void)
{
	WANT(get(0).permitted == BIT(CAP_NET_BIND_SERVICE) && get(0).effective == 0 && getauxval(AT_SECURE) == 1);
	WANT_ERROR(bind_low_port(), EACCES);
	WANT(set(BIT(CAP_NET_BIND_SERVICE), BIT(CAP_NET_BIND_SERVICE), 0) == 0 && bind_low_port() == 0);
}

static void has_none(void)
{
	WANT(get(0).permitted == 0 && get(0).effective == 0 && getauxval(AT_SECURE) == 0);
}

static void without_ports(void)
{
	WANT(prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE) == 0);
}

static void without_gain(void)
{
	WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

/* What a file gives to who runs it. */
static void of_files(void)
{
	const uint64_t ports = BIT(CAP_NET_BIND_SERVICE);
	WANT(chmod(".", 0777) == 0);
	make_program("p", ports, VFS_CAP_FLAGS_EFFECTIVE);
	WANT(run_as_user("./p", "has-ports", NULL) == 0);
	/* Not beyond what the process may ever have, and not to who has renounced it. */
	WANT(run_as_user("./p", "has-ports", without_ports) == 98);
	WANT(run_as_user("./p", "has-none", without_gain) == 0);
	make_program("q", ports, 0);
	WANT(run_as_user("./q", "may-have-ports", NULL) == 0);
	WANT(run_as_user("./q", "has-none", without_ports) == 0);
}

/* Whoever changes a file takes that away. */
static void of_changed_files(void)
{
	char value[32];
	make_program("p", BIT(CAP_NET_BIND_SERVICE), VFS_CAP_FLAGS_EFFECTIVE);
	WANT(getxattr("p", ATTRIBUTE, value, sizeof(value)) == 20);
	int fd = open("p", O_WRONLY);
	WANT(fd >= 0 && getxattr("p", ATTRIBUTE, value, sizeof(value)) == 20);
	WANT(pwrite(fd, "\177", 1, 0) == 1);
	WANT_ERROR(getxattr("p", ATTRIBUTE, value, sizeof(value)), ENODATA);
	/* Also through what was open before. */
	uint32_t again[5] = { VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE, BIT(CAP_NET_BIND_SERVICE) };
	WANT(fsetxattr(fd, ATTRIBUTE, again, sizeof(again), 0) == 0 && pwrite(fd, "\177", 1, 0) == 1);
	WANT_ERROR(fgetxattr(fd, ATTRIBUTE, value, sizeof(value)), ENODATA);
	WANT(close(fd) == 0 && run_as_user("./p", "has-none", NULL) == 0);
	WANT(setxattr("p", ATTRIBUTE, again, sizeof(again), 0) == 0 && chown("p", 7, 7) == 0);
	WANT_ERROR(getxattr("p", ATTRIBUTE, value, sizeof(value)), ENODATA);
	WANT(setxattr("p", ATTRIBUTE, again, sizeof(again), 0) == 0 && truncate("p", 10) == 0);
	WANT_ERROR(getxattr("p", ATTRIBUTE, value, sizeof(value)), ENODATA);
	/* Who may not give capabilities to files does not, his own either. */
	uint32_t odd[5] = { 9 << 24 };
	WANT_ERROR(setxattr("p", ATTRIBUTE, odd, sizeof(odd), 0), EINVAL);
	WANT_ERROR(setxattr("p", ATTRIBUTE, again, 19, 0), EINVAL);
	WANT_ERROR(setxattr(".", ATTRIBUTE, again, sizeof(again), 0), EINVAL);
	WANT(setxattr("p", ATTRIBUTE, again, sizeof(again), 0) == 0);
	WANT(set(EVERY & ~BIT(CAP_SETFCAP), EVERY & ~BIT(CAP_SETFCAP), 0) == 0);
	WANT_ERROR(setxattr("p", ATTRIBUTE, again, sizeof(again), 0), EPERM);
	WANT_ERROR(removexattr("p", ATTRIBUTE), EPERM);
	WANT(setxattr("p", "security.other", "x", 1, 0) == 0);
}

static const struct check checks[] = {
	{ "of-files", of_files },
	{ "of-changed-files", of_changed_files },
	{ "has-ports", has_ports },
	{ "may-have-ports", may_have_ports },
	{ "has-none", has_none },
	{ "keeping", keeping },
	{ "dropping", dropping },
	{ "executing", executing },
	{ "arguments", arguments },
};
MAIN(checks)
