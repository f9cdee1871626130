/* Sockets for the checks of the network. */

#ifndef NETWORK_H
#define NETWORK_H

#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

static inline struct sockaddr_in four(const char *address, int port)
{
	struct sockaddr_in made = { .sin_family = AF_INET, .sin_port = htons(port) };
	WANT(inet_pton(AF_INET, address, &made.sin_addr) == 1);
	return made;
}

static inline struct sockaddr_in6 six(const char *address, int port)
{
	struct sockaddr_in6 made = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	WANT(inet_pton(AF_INET6, address, &made.sin6_addr) == 1);
	return made;
}

static inline int make(int family, int type)
{
	int fd = socket(family, type, 0);
	WANT(fd >= 0);
	return fd;
}

static inline int port_of(int fd)
{
	struct sockaddr_in6 name;
	socklen_t length = sizeof name;
	WANT(getsockname(fd, (void *)&name, &length) == 0);
	return ntohs(name.sin6_port);
}

static inline int bound(int type, const char *address)
{
	struct sockaddr_in name = four(address, 0);
	int fd = make(AF_INET, type);
	WANT(bind(fd, (void *)&name, sizeof name) == 0 && port_of(fd) != 0);
	return fd;
}

static inline int listener(int backlog)
{
	int fd = bound(SOCK_STREAM, "127.0.0.1");
	WANT(listen(fd, backlog) == 0);
	return fd;
}

static inline int connect_to(int fd, int port)
{
	struct sockaddr_in name = four("127.0.0.1", port);
	return connect(fd, (void *)&name, sizeof name);
}

static inline int connected(int port)
{
	int fd = make(AF_INET, SOCK_STREAM);
	WANT(connect_to(fd, port) == 0);
	return fd;
}

static inline void pair(int ends[2])
{
	int server = listener(5);
	ends[0] = connected(port_of(server));
	ends[1] = accept(server, NULL, NULL);
	WANT(ends[1] >= 0 && close(server) == 0);
}

static inline short ready(int fd, short events)
{
	struct pollfd entry = { .fd = fd, .events = events };
	WANT(poll(&entry, 1, 0) >= 0);
	return entry.revents;
}

static inline short awaited(int fd, short events)
{
	struct pollfd entry = { .fd = fd, .events = events };
	WANT(poll(&entry, 1, 20000) == 1);
	return entry.revents;
}

static inline int number(int fd, int level, int option)
{
	int value = -1;
	socklen_t length = sizeof value;
	WANT(getsockopt(fd, level, option, &value, &length) == 0 && length == sizeof value);
	return value;
}

static inline void set(int fd, int level, int option, int value)
{
	WANT(setsockopt(fd, level, option, &value, sizeof value) == 0);
}

#endif
