/* Many processes whose interval timers expire all the time and interrupt whoever runs: `ticks COUNT MICROSECONDS`. Their
   signals are blocked, so the processes do nothing themselves. Ends when it is killed. */

#include "check.h"
#include <sys/time.h>

int main(int count, char **words)
{
	if (count != 3)
		return 2;
	int copies = atoi(words[1]);
	long pause = atol(words[2]);
	sigset_t alarm;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	WANT(sigprocmask(SIG_BLOCK, &alarm, NULL) == 0);
	for (int copy = 1; copy < copies; copy++) {
		pid_t pid = fork();
		WANT(pid >= 0);
		if (pid == 0)
			break;
	}
	struct itimerval each = { { pause / 1000000, pause % 1000000 }, { pause / 1000000, pause % 1000000 } };
	WANT(setitimer(ITIMER_REAL, &each, NULL) == 0);
	for (;;)
		sleep(1000);
}
