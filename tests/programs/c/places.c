/* Where programs are put (man 2 personality, man 5 proc, randomize_va_space). */

#include "check.h"
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>

#define RUNS 8
#define KINDS 4

struct places {
	uintptr_t stack, heap, mapping;
	uint64_t random;
};

static const char *self = "/usr/lib/corral-tests/places";

static void tell(void)
{
	struct places here;
	here.stack = (uintptr_t)&here;
	here.heap = (uintptr_t)sbrk(0);
	here.mapping = (uintptr_t)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy(&here.random, (void *)getauxval(AT_RANDOM), sizeof here.random);
	WANT(write(1, &here, sizeof here) == sizeof here);
}

/* What another run of this program says of itself. */
static struct places run(unsigned persona)
{
	struct places places;
	int ends[2], status;
	WANT(pipe(ends) == 0);
	pid_t child = fork();
	WANT(child >= 0);
	if (child == 0) {
		dup2(ends[1], 1);
		WANT(personality(persona) >= 0);
		execl(self, self, "tell", NULL);
		_exit(1);
	}
	close(ends[1]);
	WANT(read(ends[0], &places, sizeof places) == sizeof places);
	WANT(waitpid(child, &status, 0) == child && status == 0);
	close(ends[0]);
	return places;
}

static uint64_t part(const struct places *places, int kind)
{
	const uint64_t parts[KINDS] = { places->stack, places->heap, places->mapping, places->random };
	return parts[kind];
}

/* At how many different places `kind` has been. */
static int variety(const struct places *runs, int kind)
{
	int count = 0;
	for (int at = 0; at < RUNS; at++) {
		int seen = 0;
		for (int before = 0; before < at; before++)
			seen |= part(&runs[at], kind) == part(&runs[before], kind);
		count += !seen;
	}
	return count;
}

static void differ(void)
{
	struct places runs[RUNS];
	for (int at = 0; at < RUNS; at++)
		runs[at] = run(0);
	/* The heap has 8192 places: two of eight may meet. */
	static const int least[KINDS] = { RUNS, RUNS - 1, RUNS, RUNS };
	for (int kind = 0; kind < KINDS; kind++)
		if (variety(runs, kind) < least[kind])
			FAIL("kind %d has been at %d places", kind, variety(runs, kind));
	for (int at = 0; at < RUNS; at++)
		WANT(runs[at].mapping < runs[at].stack && runs[at].heap < runs[at].mapping);
}

static void fixed(void)
{
	struct places runs[RUNS];
	for (int at = 0; at < RUNS; at++)
		runs[at] = run(ADDR_NO_RANDOMIZE);
	for (int kind = 0; kind < KINDS - 1; kind++)
		WANT(variety(runs, kind) == 1);
	WANT(variety(runs, KINDS - 1) == RUNS);
	WANT(personality(0xffffffff) == 0 && personality(ADDR_NO_RANDOMIZE) == 0);
	WANT(personality(0xffffffff) == ADDR_NO_RANDOMIZE && personality(0) == ADDR_NO_RANDOMIZE);
}

/* As much stack as the limit allows is there, wherever it begins. */
static void deep(void)
{
	struct rlimit limit;
	WANT(getrlimit(RLIMIT_STACK, &limit) == 0);
	size_t size = limit.rlim_cur - (256 << 10);
	volatile char *bottom = __builtin_alloca(size);
	for (size_t at = size; at >= 4096; at -= 4096)
		bottom[at - 1] = 1;
}

static const struct check checks[] = {
	{ "tell", tell }, { "differ", differ }, { "fixed", fixed }, { "deep", deep },
};
MAIN(checks)
