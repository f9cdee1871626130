/* What a program is told of its machine when it begins (man 3 getauxval). */

#include "check.h"
#include <sys/auxv.h>
#include <sys/mman.h>

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static void blocks(void)
{
	unsigned long block = getauxval(AT_DCACHEBSIZE), cleared = 0;
	unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(page != MAP_FAILED);
	memset(page, 1, 4096);
	__asm__ volatile("dcbz 0, %0" : : "r"(page + 2048) : "memory");
	for (int at = 0; at < 4096; at++)
		cleared += page[at] == 0;
	WANT(cleared == block && page[2048] == 0);
	WANT(getauxval(AT_ICACHEBSIZE) == block);
	/* The two are apart. */
	WANT(getauxval(AT_UCACHEBSIZE) == 0);
}

static char stack[64 << 10] __attribute__((aligned(16)));
static volatile unsigned long used;

static void handler(int signal)
{
	(void)signal;
	/* The back chain: the stack pointer that the handler began with. */
	used = (unsigned long)(stack + sizeof stack - *(char **)__builtin_frame_address(0));
}

static void stack_of_a_signal(void)
{
	unsigned long least = getauxval(AT_MINSIGSTKSZ);
	stack_t other = { .ss_sp = stack, .ss_size = sizeof stack };
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	WANT(sigaltstack(&other, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
	WANT(raise(SIGUSR1) == 0);
	WANT(used > sizeof(ucontext_t) && used <= least && least <= used + 16);
	WANT((unsigned long)sysconf(_SC_MINSIGSTKSZ) == least);
}

static const struct check checks[] = {
	{ "blocks", blocks }, { "stack", stack_of_a_signal },
};
MAIN(checks)
