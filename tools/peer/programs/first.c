/* first.c - the first process of a benchmark machine, the same binary on every system.
 *
 * It says when it began and how much memory is left, does what /b/plan says, and switches the machine off.
 * A line of the plan is NAME=VALUE, put into the environment, or a program with its arguments. */
#include "pb.h"
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>

static void memory(void)
{
	char text[8192];
	int fd = open("/proc/meminfo", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0) pb_die("/proc/meminfo");
	close(fd);
	text[n] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n")) {
		char name[32]; unsigned long kib;
		if (sscanf(line, "%31[^:]: %lu kB", name, &kib) == 2 && !strncmp(name, "Mem", 3)) {
			char label[48];
			snprintf(label, sizeof label, "boot_%s", name);
			pb_out(label, "KiB", (double)kib);
		}
	}
}

/* The longest time for which interrupts were off, and the most by which a timer's came late, where the system tells it: a
 * line "cpuN off TIME ns, …; timer late TIME ns" for each CPU. */
static void latency(const char *off_name, const char *late_name)
{
	char text[4096];
	unsigned long longest = 0, latest = 0, time;
	int fd = open("/dev/latency", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0) return;
	close(fd);
	text[n] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n")) {
		const char *late = strstr(line, "timer late ");
		if (sscanf(line, "cpu%*u off %lu ns", &time) == 1 && time > longest) longest = time;
		if (late && sscanf(late, "timer late %lu ns", &time) == 1 && time > latest) latest = time;
	}
	pb_out(off_name, "ns", (double)longest);
	if (late_name) pb_out(late_name, "ns", (double)latest);
}

/* What is measured first is measured by an emulator that still translates the code. Between the lines "warm" and "measure" of
 * the plan, programs run and nobody hears of it. */
static int silent;

static void measure(void)
{
	latency("interrupts_off_cold", 0);
	int fd = open("/dev/latency", O_WRONLY);
	if (fd >= 0 && write(fd, "\n", 1) < 0) pb_die("forget latency");
	close(fd);
	silent = 0;
}

static void perform(char *line)
{
	char *words[16]; int count = 0, status;
	for (char *word = strtok(line, " "); word && count < 15; word = strtok(0, " ")) words[count++] = word;
	words[count] = 0;
	if (!count) return;
	if (count == 1 && strchr(words[0], '=')) { putenv(words[0]); return; }
	if (!strcmp(words[0], "warm")) { silent = 1; return; }
	if (!strcmp(words[0], "measure")) { measure(); return; }
	pid_t child = fork();
	if (child == 0) {
		if (silent) dup2(open("/dev/null", O_WRONLY), 1);
		execv(words[0], words);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) pb_die("fork");
	if (status) printf("! %s: status %x\n", words[0], (unsigned)status);
}

int main(void)
{
	static char plan[4096];
	uint64_t start = pb_ticks();
	/* Corral leaves it to its init to open the console. */
	if (fcntl(1, F_GETFD) < 0) {
		int console = open("/dev/console", O_RDWR);
		while (console >= 0 && console < 2) console = dup(console);
	}
	printf("\nFIRST_PROGRAM\n");
	pb_out("boot_timebase", "ms", pb_ns(start) / 1e6);
	/* Systems that have mounted it already refuse. */
	(void)mount("proc", "/proc", "proc", 0, 0);
	if (access("/dev/null", F_OK)) (void)mount("dev", "/dev", "devtmpfs", 0, 0);
	memory();
	int fd = open("/b/plan", O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, plan, sizeof plan - 1);
	close(fd);
	char *rest = plan;
	if (n > 0) for (char *line; (line = strsep(&rest, "\n"));) perform(line);
	latency("interrupts_off", "timer_late");
	printf("PLAN_DONE\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
