/* Filters of system calls (man 2 seccomp). */

#ifndef SECCOMP_H
#define SECCOMP_H

#include "check.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static inline long seccomp(unsigned operation, unsigned flags, void *argument)
{
	return syscall(SYS_seccomp, operation, flags, argument);
}

static inline long install_with(unsigned flags, struct sock_filter *filter, int length)
{
	struct sock_fprog program = { length, filter };
	return seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* One call gets `value`, all others are made. */
static inline long restrict_with(unsigned flags, int call, uint32_t value)
{
	struct sock_filter filter[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_PPC64LE, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
		RETURN(value),
		RETURN(SECCOMP_RET_ALLOW),
	};
	WANT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	return install_with(flags, filter, COUNT(filter));
}

static inline void restrict_call(int call, uint32_t value)
{
	WANT(restrict_with(0, call, value) == 0);
}

#endif
