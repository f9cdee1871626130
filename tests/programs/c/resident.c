/* resident MEGABYTES: touches so much memory, removes /tmp/filling, which it has made, and keeps still until it is killed. */

#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	WANT(argc == 2);
	size_t size = strtoul(argv[1], NULL, 10) << 20;
	WANT(close(creat("/tmp/filling", 0600)) == 0);
	char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(bytes != MAP_FAILED);
	for (size_t at = 0; at < size; at += 4096)
		bytes[at] = 1;
	WANT(unlink("/tmp/filling") == 0);
	for (;;)
		pause();
}
