/* Clocks in the vDSO beside those of the system calls. Static glibc programs call the vDSO when there is one. */

#include "check.h"
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>

static int64_t by_call(int clock)
{
	struct timespec time;
	WANT(syscall(SYS_clock_gettime, clock, &time) == 0);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static int64_t by_vdso(int clock)
{
	struct timespec time;
	WANT(clock_gettime(clock, &time) == 0);
	WANT(time.tv_nsec >= 0 && time.tv_nsec < 1000000000);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* The function in the object at AT_SYSINFO_EHDR, found as a dynamic linker does it. */
static void *vdso_function(const char *wanted)
{
	const char *start = (const char *)getauxval(AT_SYSINFO_EHDR);
	WANT(start != NULL && memcmp(start, ELFMAG, SELFMAG) == 0);
	const ElfW(Ehdr) *header = (const void *)start;
	const ElfW(Phdr) *segment = (const void *)(start + header->e_phoff);
	const ElfW(Dyn) *dynamic = NULL;
	for (int at = 0; at < header->e_phnum; at++)
		if (segment[at].p_type == PT_DYNAMIC)
			dynamic = (const void *)(start + segment[at].p_vaddr);
	WANT(dynamic != NULL);
	const char *names = NULL;
	const ElfW(Sym) *symbols = NULL;
	const uint32_t *hash = NULL;
	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		const void *there = start + dynamic->d_un.d_ptr;
		names = dynamic->d_tag == DT_STRTAB ? there : names;
		symbols = dynamic->d_tag == DT_SYMTAB ? there : symbols;
		hash = dynamic->d_tag == DT_HASH ? there : hash;
	}
	WANT(names && symbols && hash);
	for (uint32_t at = 0; at < hash[1]; at++)
		if (strcmp(names + symbols[at].st_name, wanted) == 0)
			return (void *)(start + symbols[at].st_value);
	FAIL("no %s", wanted);
	return NULL;
}

static void same(void)
{
	int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE,
			 CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME };
	for (unsigned at = 0; at < sizeof(clocks) / sizeof(*clocks); at++)
		for (int turn = 0; turn < 2000; turn++) {
			int64_t before = by_call(clocks[at]), between = by_vdso(clocks[at]), after = by_call(clocks[at]);
			if (before > between || between > after)
				FAIL("clock %d: %ld %ld %ld", clocks[at], before, between, after);
		}
	int64_t before = by_call(CLOCK_REALTIME) / 1000;
	struct timeval now;
	struct timezone zone = { 1, 1 };
	WANT(gettimeofday(&now, &zone) == 0 && zone.tz_minuteswest == 0 && zone.tz_dsttime == 0);
	int64_t between = now.tv_sec * 1000000LL + now.tv_usec;
	WANT(before <= between && between <= by_call(CLOCK_REALTIME) / 1000);
	time_t told, answered = time(&told);
	WANT(told == answered && llabs(answered - by_call(CLOCK_REALTIME) / 1000000000) <= 1);
}

static void others(void)
{
	/* Clocks that are not in the vDSO are asked of the kernel, errors included. */
	struct timespec time;
	WANT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
	WANT_ERROR(clock_gettime(99, &time), EINVAL);
	WANT_ERROR(clock_gettime(2000, &time), EINVAL);
	WANT_ERROR(clock_getres(99, &time), EINVAL);
	WANT(clock_getres(CLOCK_MONOTONIC, &time) == 0 && time.tv_sec == 0 && time.tv_nsec == 1);
	WANT(clock_getres(CLOCK_MONOTONIC, NULL) == 0);
	unsigned cpu = 99, node = 99;
	int (*getcpu_)(unsigned *, unsigned *, void *) = vdso_function("__kernel_getcpu");
	WANT(getcpu_(&cpu, &node, NULL) == 0 && node == 0 && cpu < (unsigned)sysconf(_SC_NPROCESSORS_CONF));
	uint64_t (*frequency)(void) = vdso_function("__kernel_get_tbfreq");
	WANT(frequency() == 512000000);
	vdso_function("__kernel_sigtramp_rt64");
	vdso_function("__kernel_sync_dicache");
}

static void set(void)
{
	struct timespec there = { 1000000000, 5 };
	int64_t began = by_vdso(CLOCK_MONOTONIC), wall = by_vdso(CLOCK_REALTIME);
	WANT(clock_settime(CLOCK_REALTIME, &there) == 0);
	int64_t shown = by_vdso(CLOCK_REALTIME);
	WANT(shown >= 1000000000000000005LL && shown < 1000000060000000000LL);
	WANT(by_call(CLOCK_REALTIME) >= shown);
	int64_t now = by_vdso(CLOCK_MONOTONIC);
	WANT(now >= began && now < began + 60000000000LL);
	wall += now - began;
	there = (struct timespec){ wall / 1000000000, wall % 1000000000 };
	WANT(clock_settime(CLOCK_REALTIME, &there) == 0);
}

static _Atomic int64_t latest;

static void *read_clock(void *cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((long)cpu, &set);
	WANT(sched_setaffinity(0, sizeof(set), &set) == 0);
	for (int turn = 0; turn < 20000; turn++) {
		int64_t seen = latest, now = by_vdso(CLOCK_MONOTONIC);
		if (now < seen)
			FAIL("CPU %ld: %ld after %ld", (long)cpu, now, seen);
		while (seen < now && !__atomic_compare_exchange_n(&latest, &seen, now, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
	}
	return NULL;
}

static void everywhere(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t threads[16];
	for (long cpu = 0; cpu < cpus; cpu++)
		WANT(pthread_create(&threads[cpu], NULL, read_clock, (void *)cpu) == 0);
	for (long cpu = 0; cpu < cpus; cpu++)
		WANT(pthread_join(threads[cpu], NULL) == 0);
}

/* What `adjtimex` tells, and who may change what by it. */
static void discipline(void)
{
	struct timex asked = { 0 };
	int64_t before = by_call(CLOCK_REALTIME);
	WANT(adjtimex(&asked) == TIME_ERROR && (asked.status & STA_UNSYNC));
	WANT(asked.tick == 10000 && asked.freq == 0);
	WANT(asked.time.tv_sec >= before / 1000000000 && asked.time.tv_usec < 1000000);
	WANT_ERROR(clock_adjtime(CLOCK_MONOTONIC, &asked), EOPNOTSUPP);
	WANT_ERROR(clock_adjtime(99, &asked), EINVAL);
	WANT_ERROR(syscall(SYS_adjtimex, 8), EFAULT);
	asked.modes = ADJ_FREQUENCY;
	WANT_ERROR(adjtimex(&asked), getuid() == 0 && getenv("INSIDE") == NULL ? EINVAL : EPERM);
	asked = (struct timex){ .modes = ADJ_SETOFFSET | ADJ_NANO, .time = { 100, 5 } };
	if (getenv("INSIDE") != NULL) {
		WANT_ERROR(adjtimex(&asked), EPERM);
		return;
	}
	before = by_call(CLOCK_REALTIME);
	WANT(adjtimex(&asked) == TIME_ERROR);
	WANT(by_vdso(CLOCK_REALTIME) - before >= 100000000000);
	asked.time.tv_sec = -100;
	asked.modes = ADJ_SETOFFSET;
	WANT(adjtimex(&asked) == TIME_ERROR);
	WANT(by_call(CLOCK_REALTIME) - before < 100000000000);
	asked.time.tv_usec = -1;
	WANT_ERROR(adjtimex(&asked), EINVAL);
	asked = (struct timex){ .modes = ADJ_SETOFFSET, .time = { INT64_MIN, 0 } };
	WANT_ERROR(adjtimex(&asked), EINVAL);
}

static const struct check checks[] = {
	{ "discipline", discipline },
	{ "same", same }, { "others", others }, { "set", set }, { "everywhere", everywhere },
};
MAIN(checks)
