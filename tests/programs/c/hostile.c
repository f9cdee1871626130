/* What an enemy inside a partition tries. A child may end by any signal; a check fails when one does not end, and the
   machine when the kernel does not live. */

#include "check.h"
#include <sys/mman.h>
#include <sys/syscall.h>

enum { NUMBERS = 501, BATCH = 25, ROUNDS = 2 };
#define BATCH_TIME 200000000LL /* nanoseconds until what waits is killed */

static uint64_t state;

static uint64_t draw(void)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return state >> 16;
}

static char near_end[8192] __attribute__((aligned(4096)));

/* One argument: an address of every bad kind, a length that wraps, a descriptor that is none, a small number. */
static unsigned long argument(void)
{
	const unsigned long values[] = {
		0, 1, 8, 0xfff, (unsigned long)near_end + 1, (unsigned long)near_end + 4095, (unsigned long)draw,
		0x7fffffff0000, 0x0010000000000000, 0x4000000000000001, 0x8000000000000000, 0xc000000000000000,
		0xc000000000400003, 0xfffffffffffff000, 0xfffffffffffffff8, -1UL, 0x7fffffff, 0x80000000, 0xffffffff,
		0x7fffffffffffffff, draw() % 16, draw(), -(draw() % 4096),
	};
	return values[draw() % (sizeof(values) / sizeof(*values))];
}

/* With a process number that happens to exist these would end the test itself, or starve it, when root makes them. */
static int reaches_others(int number)
{
	static const int those[] = { SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_prlimit64,
		424 /* pidfd_send_signal */ };
	for (size_t at = 0; at < sizeof(those) / sizeof(*those); at++)
		if (those[at] == number)
			return 1;
	return 0;
}

/* The calls of one batch, each in a child, since some end, stop or replace the process or wait for ever. */
static void batch(int first)
{
	WANT(setpgid(0, 0) == 0);
	for (int number = first; number < first + BATCH && number < NUMBERS; number++) {
		unsigned long words[6];
		for (int at = 0; at < 6; at++)
			words[at] = argument();
		if (fork() == 0) {
			if (reaches_others(number))
				WANT(setresuid(65534, 65534, 65534) == 0);
			syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
			_exit(0);
		}
	}
	struct timespec nap = { 0, 2000000 };
	int64_t deadline = now_ns() + BATCH_TIME;
	while (waitpid(-1, NULL, WNOHANG) >= 0 && now_ns() < deadline)
		nanosleep(&nap, NULL);
	kill(0, SIGKILL); /* what waits, and this process too */
}

static void calls(void)
{
	for (int round = 0; round < ROUNDS; round++)
		for (int first = 0; first < NUMBERS; first += BATCH) {
			state = (uint64_t)round * NUMBERS + first;
			pid_t pid = fork();
			WANT(pid >= 0);
			if (pid == 0)
				batch(first);
			/* A call may have killed the batch by another signal, but it must end. */
			int64_t deadline = now_ns() + 20000000000LL;
			struct timespec nap = { 0, 2000000 };
			pid_t ended;
			while ((ended = waitpid(pid, NULL, WNOHANG)) == 0) {
				WANT(now_ns() < deadline);
				nanosleep(&nap, NULL);
			}
			WANT(ended == pid);
		}
}

/* Executes one instruction word, with kernel addresses in the registers that it is likely to use. */
static void execute(uint32_t word)
{
	uint32_t *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(code != MAP_FAILED);
	code[0] = word;
	code[1] = 0x4e800020; /* blr; after the first word of a prefixed instruction, its second */
	code[2] = 0x4e800020;
	__asm__ volatile("dcbst 0,%0; sync; icbi 0,%0; isync" : : "r"(code) : "memory");
	register unsigned long third __asm__("r3") = 0xc000000000400000;
	register unsigned long fourth __asm__("r4") = 0xc000000000000000;
	register unsigned long fifth __asm__("r5") = 0;
	__asm__ volatile("mtctr %3; bctrl" : "+r"(third), "+r"(fourth), "+r"(fifth) : "r"(code)
		: "memory", "ctr", "lr", "cr0", "r0", "r6", "r7", "r8", "r9", "r10", "r11", "r12");
}

/* A child executes `word`; it ends, by whatever signal, and does not stay. */
static void attempt(uint32_t word)
{
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		alarm(2);
		execute(word);
		_exit(0);
	}
	WANT(waitpid(pid, NULL, 0) == pid);
}

static void instructions(void)
{
	static const uint32_t words[] = {
		0x7c600124, 0x7c600164, /* mtmsr, mtmsrd */
		0x4c000024, 0x4c000224, 0x4c0000a4, /* rfid, hrfid, rfscv */
		0x7c001a64, 0x7c001a24, 0x7c0003e4, 0x7c602324, /* tlbie, tlbiel, slbia, slbmte */
		0x00000200, 0x7fe00008, 0x00000000, 0xffffffff, /* attn, trap, reserved */
		0x44000022, 0x44000001, 0x44000fe1, /* sc 1, scv 0, scv 127 */
		0x7c001fac, 0x7c001bac, 0x7c001fec, 0x7c0018ac, 0x7c001a2c, /* icbi, dcbi, dcbz, dcbf, dcbt of kernel addresses */
		0x4c0002e4, 0x4c000324, 0x4c000364, 0x7c00003c, /* stop, doze, nap, wait */
		0xe0c30000, 0xf8c30002, 0x7c6018a8, 0x7c601a28, /* lq, stq, ldarx, lqarx of kernel addresses */
		0x06000000, 0x04000000, 0x07ffffff, /* prefixes */
		0x7c0018ce, 0x7c0019ce, 0x7c001e98, 0x7c001f98, /* vector accesses of kernel addresses */
		0x7c00051d, 0x7c00055d, 0x7c00071d, /* tbegin, tend, tabort */
	};
	for (size_t at = 0; at < sizeof(words) / sizeof(*words); at++)
		attempt(words[at]);
	state = 1;
	for (int count = 0; count < 500; count++)
		attempt((uint32_t)draw());
}

static void registers(void)
{
	for (unsigned spr = 0; spr < 1024; spr++) {
		uint32_t field = (spr & 31) << 16 | (spr >> 5) << 11;
		attempt(0x7c6002a6 | field); /* mfspr */
		if (spr != 9 && spr != 8)
			attempt(0x7c8003a6 | field); /* mtspr */
	}
}

static const struct check checks[] = { { "calls", calls }, { "instructions", instructions }, { "registers", registers } };
MAIN(checks)
