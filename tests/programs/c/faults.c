/* What a program can get wrong: bad pointers to the kernel, bad instructions, bad addresses. */

#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static void *bad[] = {
	(void *)8,                    /* the first page */
	(void *)0x7fffffff0000,       /* user space, nothing there */
	(void *)0x0010000000000000,   /* beyond user space */
	(void *)0x4000000000000000,   /* quadrant 1 */
	(void *)0x8000000000000000,   /* quadrant 2 */
	(void *)0xc000000000000000,   /* the kernel */
	(void *)0xc000000000400000,   /* its text */
	(void *)0xfffffffffffffff8,   /* wraps around */
};

#define EACH for (size_t at = 0; at < sizeof(bad) / sizeof(*bad); at++)

static int ends[2];
static void fill_pipe(void) { WANT(pipe(ends) == 0 && write(ends[1], "0123456789", 10) == 10); }

static void read_write(void)
{
	fill_pipe();
	int file = open("file", O_RDWR | O_CREAT, 0600);
	WANT(file >= 0 && write(file, "0123456789", 10) == 10);
	EACH {
		void *p = bad[at];
		WANT_ERROR(read(ends[0], p, 5), EFAULT);
		WANT_ERROR(pread(file, p, 5, 0), EFAULT);
		WANT_ERROR(write(ends[1], p, 5), EFAULT);
		WANT_ERROR(write(file, p, 5), EFAULT);
		struct iovec vector = { p, 5 };
		WANT_ERROR(readv(ends[0], &vector, 1), EFAULT);
		WANT_ERROR(writev(ends[1], p, 1), EFAULT);
	}
	char text[10];
	WANT(read(ends[0], text, 10) == 10 && memcmp(text, "0123456789", 10) == 0); /* nothing was lost */
}

static void paths(void)
{
	struct stat data;
	char text[16];
	EACH {
		const char *p = bad[at];
		WANT_ERROR(open(p, O_RDONLY), EFAULT);
		WANT_ERROR(syscall(SYS_stat, p, &data), EFAULT);
		WANT_ERROR(access(p, R_OK), EFAULT);
		WANT_ERROR(unlink(p), EFAULT);
		WANT_ERROR(mkdir(p, 0700), EFAULT);
		WANT_ERROR(rename("/tmp/x", p), EFAULT);
		WANT_ERROR(symlink(p, "name"), EFAULT);
		WANT_ERROR(chdir(p), EFAULT);
		WANT_ERROR(readlink(p, text, sizeof(text)), EFAULT);
		WANT_ERROR(readlink("/bin", (char *)p, 16), EFAULT);
		WANT_ERROR(syscall(SYS_getcwd, p, 100), EFAULT);
		WANT_ERROR(syscall(SYS_execve, p, NULL, NULL), EFAULT);
		WANT_ERROR(syscall(SYS_execve, "/bin/sh", p, NULL), EFAULT);
	}
}

static void structures(void)
{
	int folder = open("/", O_RDONLY | O_DIRECTORY);
	EACH {
		void *p = bad[at];
		WANT_ERROR(syscall(SYS_stat, "/", p), EFAULT);
		WANT_ERROR(syscall(SYS_pipe, p), EFAULT);
		WANT_ERROR(syscall(SYS_clock_gettime, CLOCK_REALTIME, p), EFAULT);
		WANT_ERROR(syscall(SYS_gettimeofday, p, NULL), EFAULT);
		WANT_ERROR(syscall(SYS_nanosleep, p, NULL), EFAULT);
		WANT_ERROR(syscall(SYS_uname, p), EFAULT);
		WANT_ERROR(syscall(SYS_getdents64, folder, p, 1000), EFAULT);
		WANT_ERROR(syscall(SYS_poll, p, 1, 0), EFAULT);
		WANT_ERROR(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, p), EFAULT);
		WANT_ERROR(syscall(SYS_rt_sigaction, SIGUSR1, p, NULL, 8), EFAULT);
		WANT_ERROR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, p, NULL, 8), EFAULT);
		WANT_ERROR(syscall(SYS_futex, p, 0, 0, NULL, NULL, 0), EFAULT);
		WANT_ERROR(syscall(SYS_times, p), EFAULT);
		WANT_ERROR(syscall(SYS_sysinfo, p), EFAULT);
	}
}

static void wait_pointer(void)
{
	/* The child is reaped only when its status could be stored. */
	EACH {
		pid_t pid = fork();
		if (pid == 0)
			_exit(3);
		WANT_ERROR(syscall(SYS_wait4, pid, bad[at], 0, NULL), EFAULT);
		waitpid(pid, NULL, 0);
	}
}

static void half_bad(void)
{
	/* A buffer that runs into a hole: what is there is transferred, or nothing. */
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(page != MAP_FAILED && munmap(page + 4096, 4096) == 0);
	int zero = open("/dev/zero", O_RDONLY);
	long got = read(zero, page + 4000, 200);
	WANT(got == 96 || (got == -1 && errno == EFAULT));
	fill_pipe();
	got = write(ends[1], page + 4000, 200);
	WANT(got == 96 || (got == -1 && errno == EFAULT));
	memcpy(page + 4090, "/tmp/x", 6); /* a path without an end */
	WANT_ERROR(open(page + 4090, O_RDONLY), EFAULT);
}

static void read_only_target(void)
{
	char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fill_pipe();
	WANT_ERROR(read(ends[0], page, 5), EFAULT);
	WANT_ERROR(read(ends[0], (void *)read_only_target, 5), EFAULT);
	char text[10];
	WANT(read(ends[0], text, 10) == 10);
}

static void random_calls(void)
{
	/* Every call number with nonsense: whatever it answers, the kernel lives. Calls that end or stop the
	   process, wait without a limit or fork are left out. */
	static const int not[] = { SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_clone, SYS_pause, SYS_rt_sigsuspend,
		SYS_sigsuspend, SYS_rt_sigreturn, SYS_sigreturn, SYS_reboot, SYS_kill, SYS_tkill, SYS_tgkill, SYS_alarm, SYS_setitimer,
		SYS_rt_sigtimedwait, SYS_waitpid, 435 /* clone3 */ };
	unsigned long seed = 12345;
	for (int round = 0; round < 8; round++) {
		pid_t pid = fork();
		if (pid == 0) {
			close(0);
			for (int number = 0; number < 460; number++) {
				int skip = 0;
				for (size_t at = 0; at < sizeof(not) / sizeof(*not); at++)
					skip |= not[at] == number;
				unsigned long words[6];
				for (int at = 0; at < 6; at++) {
					seed = seed * 6364136223846793005UL + 1442695040888963407UL + round;
					switch ((seed >> 40) % 4) {
					case 0: words[at] = (unsigned long)bad[(seed >> 33) % 8]; break;
					case 1: words[at] = seed; break;
					case 2: words[at] = (seed >> 33) % 16; break;
					default: words[at] = -(unsigned long)((seed >> 33) % 4096); break;
					}
				}
				alarm(1); /* those that wait end here */
				if (!skip)
					syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
			}
			_exit(0);
		}
		WANT(waitpid(pid, NULL, 0) == pid);
	}
}

static void illegal(void) { __asm__ volatile(".long 0"); }
static void trap(void) { __asm__ volatile("trap"); }
static void privileged_mtmsr(void) { __asm__ volatile("mtmsrd %0" : : "r"(0)); }
static void privileged_sdr(void) { __asm__ volatile("mfspr 3,25" : : : "r3"); }
static void privileged_pidr(void) { __asm__ volatile("mtspr 48,%0" : : "r"(0)); }
static void privileged_rfid(void) { __asm__ volatile("rfid"); }
static void privileged_tlbie(void) { __asm__ volatile("tlbie %0,%1" : : "r"(0), "r"(0)); }
static void hypercall(void) { __asm__ volatile("li 3,4\n\tsc 1" : : : "r3", "r4", "memory"); }
static void decrementer(void) { __asm__ volatile("mtspr 22,%0" : : "r"(0)); }
static void read_kernel(void) { (void)*(volatile long *)0xc000000000400000; }
static void write_kernel(void) { *(volatile long *)0xc000000000400000 = 0; }
static void read_low(void) { (void)*(volatile long *)0x100; }
static void write_wrap(void) { *(volatile long *)0xfffffffffffffff8 = 0; }
static void read_quadrant(void) { (void)*(volatile long *)0x4000000000000000; }
static void jump(unsigned long to) { __asm__ volatile("mtctr %0\n\tbctr" : : "r"(to)); }
static void jump_kernel(void) { jump(0xc000000000000000 + 0x400000); }
static void jump_vector(void) { jump(0xc000000000004c00); }
static void jump_real_vector(void) { jump(0xc00); }
static void jump_nowhere(void) { jump(0x7fffffff0000); }
static void jump_stack(void) { long here[4] = { 0 }; jump((unsigned long)here); }
static void jump_data(void) { jump((unsigned long)bad); }
static void unaligned_reserve(void)
{
	static char text[64];
	__asm__ volatile("ldarx 3,0,%0" : : "r"(text + 1) : "r3", "memory");
}
static void unaligned_ok(void)
{
	static char text[64] = "0123456789abcdef";
	long value;
	memcpy(&value, text + 3, 8);
	__asm__ volatile("ld 3,0(%0)" : : "r"(text + 4) : "r3");
}
static void die_transaction(void) { __asm__ volatile(".long 0x7c00051d"); } /* tbegin. */
static void float_trap(void)
{
	/* Enabled FP exceptions: division by zero traps when the program asks for it, or is ignored. */
	__asm__ volatile("mtfsb1 27");
	volatile double zero = 0, one = 1;
	one = one / zero;
}

static void instructions(void)
{
	WANT_SIGNAL(illegal, SIGILL);
	WANT_SIGNAL(trap, SIGTRAP);
	WANT_SIGNAL(privileged_mtmsr, SIGILL);
	WANT_SIGNAL(privileged_sdr, SIGILL);
	WANT_SIGNAL(privileged_pidr, SIGILL);
	WANT_SIGNAL(privileged_rfid, SIGILL);
	WANT_SIGNAL(privileged_tlbie, SIGILL);
	WANT_SIGNAL(decrementer, SIGILL);
}

static void odd_instructions(void)
{
	/* What becomes of these is the processor's choice; the kernel must live. */
	in_child(hypercall);
	in_child(die_transaction);
	in_child(float_trap);
	WANT(in_child(unaligned_ok) == 0);
	WANT_SIGNAL(unaligned_reserve, SIGBUS);
}

static void addresses(void)
{
	WANT_SIGNAL(read_kernel, SIGSEGV);
	WANT_SIGNAL(write_kernel, SIGSEGV);
	WANT_SIGNAL(read_low, SIGSEGV);
	WANT_SIGNAL(write_wrap, SIGSEGV);
	WANT_SIGNAL(read_quadrant, SIGSEGV);
	WANT_SIGNAL(jump_kernel, SIGSEGV);
	WANT_SIGNAL(jump_vector, SIGSEGV);
	WANT_SIGNAL(jump_real_vector, SIGSEGV);
	WANT_SIGNAL(jump_nowhere, SIGSEGV);
	WANT_SIGNAL(jump_stack, SIGSEGV);
	WANT_SIGNAL(jump_data, SIGSEGV);
}

static void set_context(void)
{
	/* A signal frame that asks for privilege: it is refused or cleaned, never honoured. */
	struct { char gap[128]; unsigned long words[600]; } frame;
	for (int fill = 0; fill < 3; fill++) {
		memset(&frame, fill == 0 ? 0xff : fill == 1 ? 0 : 0x80, sizeof(frame));
		__asm__ volatile("mr 1,%0\n\tli 0,172\n\tsc" : : "r"(&frame) : "memory");
	}
}

static void forged_frame(void)
{
	int status = in_child(set_context);
	WANT(WIFSIGNALED(status));
}

static const struct check checks[] = {
	{ "read-write", read_write }, { "paths", paths }, { "structures", structures }, { "wait-pointer", wait_pointer },
	{ "half-bad", half_bad }, { "read-only-target", read_only_target }, { "random-calls", random_calls },
	{ "instructions", instructions }, { "odd-instructions", odd_instructions }, { "addresses", addresses },
	{ "forged-frame", forged_frame },
};
MAIN(checks)
