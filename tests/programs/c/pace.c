/* `pace compute MILLIONS`: what a fixed piece of computing on CPU 0 costs of CPU time, in nanoseconds: the same whatever
   others do, where nobody else's work is in the account. `pace rouse`: wakes a sleeper on CPU 0 from CPU 1 as often as it
   goes, until it is killed. */

#include "check.h"
#include <sched.h>

static void bind_to(int number)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(number, &set);
	WANT(sched_setaffinity(0, sizeof(set), &set) == 0);
}

static long used(void)
{
	struct timespec now;
	WANT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static void compute(long millions)
{
	bind_to(0);
	long before = used();
	for (volatile long left = millions * 1000000; left > 0; left--)
		;
	printf("%ld\n", used() - before);
}

static void rouse(void)
{
	int there[2], back[2];
	char byte = 0;
	WANT(pipe(there) == 0 && pipe(back) == 0);
	pid_t pid = fork();
	WANT(pid >= 0);
	bind_to(pid == 0 ? 0 : 1);
	int from = pid == 0 ? there[0] : back[0], to = pid == 0 ? back[1] : there[1];
	if (pid != 0)
		WANT(write(to, &byte, 1) == 1);
	while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
		;
}

int main(int count, char **words)
{
	if (count == 3 && strcmp(words[1], "compute") == 0)
		compute(atol(words[2]));
	else if (count == 2 && strcmp(words[1], "rouse") == 0)
		rouse();
	else
		return 2;
	return 0;
}
