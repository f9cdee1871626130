/* For how long a piece of work keeps interrupts off; for machines with counted time. */

#ifndef STRETCH_H
#define STRETCH_H

#include "check.h"
#include <fcntl.h>

/* Interrupts may be off for so long, in nanoseconds. */
#define LONGEST 1000000L

struct work {
	const char *what;
	void (*run)(void);
};

/* Whether interrupts were off for no longer than allowed while something was done; says so if not. */
static inline int is_cut(const char *what, void (*run)(void))
{
	char text[256];
	long off;
	int device = open("/dev/latency", O_RDWR);
	WANT(device >= 0 && write(device, "0", 1) == 1 && close(device) == 0);
	run();
	device = open("/dev/latency", O_RDONLY);
	WANT(device >= 0);
	ssize_t length = read(device, text, sizeof(text) - 1);
	WANT(length > 0);
	text[length] = 0;
	close(device);
	WANT(sscanf(text, "cpu0 off %ld ns", &off) == 1);
	if (off >= LONGEST)
		fprintf(stderr, "%s: %.*s\n", what, (int)strcspn(text, "\n"), text);
	return off < LONGEST;
}

static inline void want_cut(const struct work *works, size_t count)
{
	int wrong = 0;
	for (size_t at = 0; at < count; at++)
		wrong |= !is_cut(works[at].what, works[at].run);
	WANT(!wrong);
}

#define WANT_CUT(works) want_cut(works, sizeof(works) / sizeof(*(works)))

#endif
