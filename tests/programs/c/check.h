/* A program of named checks: run with a name it does that check and prints only what is wrong; run without
   one it lists them. Every check is a process of its own, so it may end as it likes. */

#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct check {
	const char *name;
	void (*run)(void);
};

#define FAIL(...) fail(__LINE__, __VA_ARGS__)
#define WANT(condition)                                                 \
	do {                                                                \
		if (!(condition))                                               \
			FAIL("%s (errno %d %s)", #condition, errno, strerror(errno)); \
	} while (0)
/* The call fails with this error. */
#define WANT_ERROR(call, error)                                               \
	do {                                                                      \
		errno = 0;                                                            \
		long result_ = (long)(call);                                          \
		if (result_ != -1 || errno != (error))                                \
			FAIL("%s gave %ld, errno %d %s", #call, result_, errno, strerror(errno)); \
	} while (0)

static inline void fail(int line, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "line %d: ", line);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	_exit(1);
}

static inline int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Runs `body` in a child and returns its wait status. */
static inline int in_child(void (*body)(void))
{
	int status;
	fflush(NULL);
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		body();
		_exit(0);
	}
	WANT(waitpid(pid, &status, 0) == pid);
	return status;
}

/* `body` ends by this signal. */
#define WANT_SIGNAL(body, number)                                          \
	do {                                                                   \
		int status_ = in_child(body);                                      \
		if (!WIFSIGNALED(status_) || WTERMSIG(status_) != (number))        \
			FAIL("%s: wait status %#x, not signal %d", #body, status_, number); \
	} while (0)

static inline int run_checks(const struct check *checks, int count, int argc, char **argv)
{
	for (int word = 1; word < argc; word++) {
		int at = 0;
		while (at < count && strcmp(checks[at].name, argv[word]) != 0)
			at++;
		if (at == count)
			FAIL("there is no check %s", argv[word]);
		checks[at].run();
	}
	for (int at = 0; argc < 2 && at < count; at++)
		puts(checks[at].name);
	return 0;
}

#define MAIN(checks)                                                             \
	int main(int argc, char **argv)                                              \
	{                                                                            \
		return run_checks(checks, sizeof(checks) / sizeof(*(checks)), argc, argv); \
	}

#endif
