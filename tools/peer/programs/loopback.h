/* loopback.h - makes the loopback interface usable: some systems begin with it down, others know no such request. */
#ifndef LOOPBACK_H
#define LOOPBACK_H
#include "pb.h"
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static inline void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0) pb_die("socket");
	if (ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
		request.ifr_flags |= IFF_UP;
		if (ioctl(fd, SIOCSIFFLAGS, &request)) pb_die("SIOCSIFFLAGS");
	}
	close(fd);
}
#endif
