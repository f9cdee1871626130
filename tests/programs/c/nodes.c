/* Policies of memory where there is one node (man 2 set_mempolicy), advice about another process's memory (man 2
   process_madvise), and handles of files, of which there are none (man 2 open_by_handle_at). */

#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define get_policy(mode, set, bits, address, flags) \
	syscall(SYS_get_mempolicy, mode, set, bits, address, flags)
#define set_policy(mode, set, bits) syscall(SYS_set_mempolicy, mode, set, bits)

enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL };

static void child_has_it(void)
{
	int mode;
	WANT(get_policy(&mode, NULL, 0, NULL, 0) == 0 && mode == BIND);
}

static void policies(void)
{
	int mode = -1, on_stack;
	unsigned long set[2] = { 7, 7 }, first = 1, second = 2;
	WANT(get_policy(&mode, set, 128, NULL, 0) == 0 && mode == DEFAULT);
	WANT(set[0] == 0 && set[1] == 0);
	WANT(get_policy(NULL, set, 64, NULL, 4) == 0 && set[0] == 1);
	WANT(set_policy(BIND, &first, 64) == 0);
	WANT(get_policy(&mode, set, 64, NULL, 0) == 0 && mode == BIND && set[0] == 1);
	WANT(in_child(child_has_it) == 0);
	/* The node of an address, and no address. */
	WANT(get_policy(&mode, NULL, 0, &on_stack, 1 | 2) == 0 && mode == 0);
	WANT_ERROR(get_policy(&mode, NULL, 0, NULL, 2), EFAULT);
	WANT_ERROR(get_policy(&mode, NULL, 0, NULL, 1), EINVAL);
	WANT_ERROR(get_policy(&mode, NULL, 0, NULL, 8), EINVAL);
	WANT_ERROR(get_policy(NULL, set, 0, NULL, 0), EINVAL);
	WANT_ERROR(set_policy(BIND, &second, 64), EINVAL);
	WANT_ERROR(set_policy(BIND, NULL, 0), EINVAL);
	WANT_ERROR(set_policy(DEFAULT, &first, 64), EINVAL);
	WANT_ERROR(set_policy(99, &first, 64), EINVAL);
	WANT_ERROR(set_policy(BIND, (void *)8, 64), EFAULT);
	WANT(set_policy(PREFERRED, NULL, 0) == 0);
	WANT(get_policy(&mode, NULL, 0, NULL, 0) == 0 && mode == LOCAL);
	WANT(set_policy(DEFAULT, NULL, 0) == 0);
	char *memory = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(syscall(SYS_mbind, memory, 8192, BIND, &first, 64, 0) == 0);
	WANT_ERROR(syscall(SYS_mbind, memory + 1, 8192, BIND, &first, 64, 0), EINVAL);
	WANT_ERROR(syscall(SYS_mbind, memory, 8192, BIND, &second, 64, 0), EINVAL);
	WANT(munmap(memory, 8192) == 0);
	WANT_ERROR(syscall(SYS_mbind, memory, 8192, BIND, &first, 64, 0), EFAULT);
}

static void advice(void)
{
	char *memory = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec parts[] = { { memory, 4096 }, { memory + 4096, 4096 }, { (void *)4096, 4096 } };
	int self = syscall(SYS_pidfd_open, getpid(), 0);
	WANT(self >= 0);
	WANT(syscall(SYS_process_madvise, self, parts, 2, MADV_COLD, 0) == 8192);
	WANT(syscall(SYS_process_madvise, self, parts, 3, MADV_PAGEOUT, 0) == 8192);
	WANT_ERROR(syscall(SYS_process_madvise, self, parts + 2, 1, MADV_COLD, 0), ENOMEM);
	WANT_ERROR(syscall(SYS_process_madvise, self, parts, 2, MADV_DONTNEED, 0), EINVAL);
	WANT_ERROR(syscall(SYS_process_madvise, self, parts, 2, MADV_COLD, 1), EINVAL);
	WANT_ERROR(syscall(SYS_process_madvise, -1, parts, 2, MADV_COLD, 0), EBADF);
	int parent = syscall(SYS_pidfd_open, getppid(), 0);
	WANT(parent >= 0 && setresuid(1000, 1000, 1000) == 0);
	WANT_ERROR(syscall(SYS_process_madvise, parent, parts, 2, MADV_COLD, 0), EPERM);
}

static void handles(void)
{
	struct { struct file_handle head; unsigned char room[128]; } handle = { .head.handle_bytes = 128 };
	int mount;
	WANT_ERROR(name_to_handle_at(AT_FDCWD, "/", &handle.head, &mount, 0), EOPNOTSUPP);
	WANT_ERROR(name_to_handle_at(AT_FDCWD, "/none", &handle.head, &mount, 0), ENOENT);
	WANT_ERROR(name_to_handle_at(AT_FDCWD, "/", &handle.head, &mount, 1), EINVAL);
	WANT_ERROR(open_by_handle_at(AT_FDCWD, &handle.head, O_RDONLY), ESTALE);
	WANT_ERROR(open_by_handle_at(99, &handle.head, O_RDONLY), EBADF);
	handle.head.handle_bytes = 129;
	WANT_ERROR(open_by_handle_at(AT_FDCWD, &handle.head, O_RDONLY), EINVAL);
	WANT(setresuid(1000, 1000, 1000) == 0);
	WANT_ERROR(open_by_handle_at(AT_FDCWD, &handle.head, O_RDONLY), EPERM);
}

static const struct check checks[] = {
	{ "policies", policies }, { "advice", advice }, { "handles", handles },
};

MAIN(checks)
