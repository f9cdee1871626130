/* What a fixed piece of computing costs of CPU time, in nanoseconds: `pace MILLIONS`. It is the same whatever others do, where
   nobody else's work is in the account. */

#include "check.h"

static long used(void)
{
	struct timespec now;
	WANT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

int main(int count, char **words)
{
	if (count != 2)
		return 2;
	long before = used();
	for (volatile long left = atol(words[1]) * 1000000; left > 0; left--)
		;
	printf("%ld\n", used() - before);
	return 0;
}
