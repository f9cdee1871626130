/* redis.c - a server of Debian's with its own benchmark, whose figures are printed as ours are. */
#include "loopback.h"
#include <arpa/inet.h>

static int answers(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(6379) };
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int connected = fd >= 0 && connect(fd, (void *)&at, sizeof at) == 0;
	close(fd);
	return connected;
}

static void measure(void)
{
	char line[512], name[32], figure[64];
	double rate;
	int ends[2], status;
	fflush(stdout);
	if (pipe(ends)) pb_die("pipe");
	pid_t client = fork();
	if (client == 0) {
		if (dup2(ends[1], 1) != 1) _exit(126);
		close(ends[0]);
		close(ends[1]);
		execl("/usr/bin/redis-benchmark", "redis-benchmark", "--csv", "-n", "2000", "-c", "10", "-t", "ping_mbulk,set,get",
		      (char *)0);
		_exit(127);
	}
	close(ends[1]);
	FILE *output = fdopen(ends[0], "r");
	if (client < 0 || !output) pb_die("redis-benchmark");
	while (fgets(line, sizeof line, output))
		if (sscanf(line, "\"%31[^\"]\",\"%lf\"", name, &rate) == 2) {
			snprintf(figure, sizeof figure, "redis_%s", name);
			pb_out(figure, "/s", rate);
		}
	fclose(output);
	if (waitpid(client, &status, 0) != client || status) pb_die("redis-benchmark");
}

int main(void)
{
	int status;
	loopback_up();
	fflush(stdout);
	pid_t server = fork();
	if (server == 0) {
		int nowhere = open("/dev/null", O_WRONLY);
		if (nowhere < 0 || dup2(nowhere, 1) != 1) _exit(126);
		execl("/usr/bin/redis-server", "redis-server", "--save", "", "--dir", "/tmp", (char *)0);
		_exit(127);
	}
	if (server < 0) pb_die("fork");
	for (int look = 0; !answers(); look++) {
		if (look == 600 || waitpid(server, &status, WNOHANG)) pb_die("redis-server");
		usleep(50000);
	}
	for (int turn = 0; turn < pb_reps(); turn++) measure();
	kill(server, SIGTERM);
	if (waitpid(server, &status, 0) != server || status) pb_die("redis-server");
	return 0;
}
