/* Addresses, ports, options and datagrams of the network (man 7 ip, man 7 udp, man 7 netdevice). */

#include "network.h"

static void options(void)
{
	int fd = make(AF_INET, SOCK_STREAM), other = make(AF_INET, SOCK_DGRAM), value;
	static const int switches[][2] = {
		{ SOL_SOCKET, SO_REUSEADDR }, { SOL_SOCKET, SO_REUSEPORT }, { SOL_SOCKET, SO_KEEPALIVE },
		{ IPPROTO_TCP, TCP_NODELAY }, { IPPROTO_TCP, TCP_CORK }, { SOL_SOCKET, SO_OOBINLINE },
		{ SOL_SOCKET, SO_BROADCAST },
	};
	for (unsigned at = 0; at < sizeof switches / sizeof *switches; at++) {
		int level = switches[at][0], option = switches[at][1];
		WANT(number(fd, level, option) == 0);
		set(fd, level, option, 17);
		WANT(number(fd, level, option) == 1);
		set(fd, level, option, 0);
		WANT(number(fd, level, option) == 0);
	}
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 100);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	WANT(number(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 100 && number(fd, IPPROTO_TCP, TCP_KEEPCNT) == 3);
	value = 0;
	WANT_ERROR(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof value), EINVAL);
	WANT_ERROR(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 2), EINVAL);
	WANT_ERROR(setsockopt(fd, IPPROTO_TCP, 9999, &value, sizeof value), ENOPROTOOPT);
	WANT_ERROR(setsockopt(fd, 9999, 1, &value, sizeof value), ENOPROTOOPT);
	WANT_ERROR(setsockopt(other, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value), ENOPROTOOPT);
	set(fd, SOL_SOCKET, SO_RCVBUF, 10000);
	WANT(number(fd, SOL_SOCKET, SO_RCVBUF) == 20000);
	set(fd, SOL_SOCKET, SO_SNDBUF, 1);
	WANT(number(fd, SOL_SOCKET, SO_SNDBUF) >= 2048);
	struct linger linger = { 0, 0 };
	socklen_t length = sizeof linger;
	WANT(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 && linger.l_onoff == 0);
	linger = (struct linger){ 1, 7 };
	WANT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
	memset(&linger, 0, sizeof linger);
	WANT(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 && linger.l_onoff == 1 && linger.l_linger == 7);
	/* An accepted socket has those of the one that listens. */
	int server = listener(5);
	set(server, IPPROTO_TCP, TCP_NODELAY, 1);
	set(server, SOL_SOCKET, SO_KEEPALIVE, 1);
	int client = connected(port_of(server)), peer = accept(server, NULL, NULL);
	WANT(number(peer, IPPROTO_TCP, TCP_NODELAY) == 1 && number(peer, SOL_SOCKET, SO_KEEPALIVE) == 1);
	WANT(number(client, SOL_SOCKET, SO_KEEPALIVE) == 0);
	/* Two that share a port take turns; a third that does not share is refused. */
	int sharers[2];
	struct sockaddr_in name = four("127.0.0.1", 0);
	for (int at = 0; at < 2; at++) {
		sharers[at] = make(AF_INET, SOCK_STREAM);
		set(sharers[at], SOL_SOCKET, SO_REUSEPORT, 1);
		WANT(bind(sharers[at], (void *)&name, sizeof name) == 0 && listen(sharers[at], 100) == 0);
		name.sin_port = htons(port_of(sharers[at]));
	}
	WANT_ERROR(bind(fd, (void *)&name, sizeof name), EADDRINUSE);
	for (int at = 0; at < 60; at++)
		connected(ntohs(name.sin_port));
	WANT(awaited(sharers[0], POLLIN) == POLLIN && awaited(sharers[1], POLLIN) == POLLIN);
}

static void addresses(void)
{
	int server = listener(5), port = port_of(server), fd = make(AF_INET, SOCK_STREAM);
	struct sockaddr_in name = four("127.0.0.1", port);
	WANT_ERROR(bind(fd, (void *)&name, sizeof name), EADDRINUSE);
	WANT_ERROR(bind(fd, (void *)&name, 8), EINVAL);
	name = four("192.0.2.1", port);
	WANT_ERROR(bind(fd, (void *)&name, sizeof name), EADDRNOTAVAIL);
	name = four("0.0.0.0", port);
	WANT_ERROR(bind(fd, (void *)&name, sizeof name), EADDRINUSE);
	name.sin_family = AF_UNIX;
	WANT_ERROR(bind(fd, (void *)&name, sizeof name), EAFNOSUPPORT);
	WANT_ERROR(connect(fd, (void *)&name, sizeof name), EAFNOSUPPORT);
	name = four("127.0.0.2", port);
	WANT(bind(fd, (void *)&name, sizeof name) == 0);
	WANT_ERROR(bind(fd, (void *)&name, sizeof name), EINVAL);
	/* A bound client keeps its address. */
	WANT(connect_to(fd, port) == 0);
	int peer = accept(server, NULL, NULL);
	socklen_t length = sizeof name;
	WANT(getpeername(peer, (void *)&name, &length) == 0);
	WANT(ntohs(name.sin_port) == port && name.sin_addr.s_addr == inet_addr("127.0.0.2"));
	/* The unspecified address is this system; one without port is chosen by listen. */
	fd = make(AF_INET, SOCK_STREAM);
	name = four("0.0.0.0", port);
	WANT(connect(fd, (void *)&name, sizeof name) == 0);
	fd = make(AF_INET, SOCK_STREAM);
	WANT(listen(fd, 1) == 0 && port_of(fd) != 0 && connected(port_of(fd)) >= 0);
	WANT_ERROR(connect_to(fd, port), EISCONN);
	/* After the server has closed first, its port is free for one that shares it. */
	int ends[2], again = make(AF_INET, SOCK_STREAM);
	server = listener(5);
	set(server, SOL_SOCKET, SO_REUSEADDR, 1);
	ends[0] = connected(port_of(server));
	ends[1] = accept(server, NULL, NULL);
	name = four("127.0.0.1", port_of(server));
	close(server);
	WANT_ERROR(bind(again, (void *)&name, sizeof name), EADDRINUSE);
	set(again, SOL_SOCKET, SO_REUSEADDR, 1);
	WANT(bind(again, (void *)&name, sizeof name) == 0 && listen(again, 5) == 0);
	close(ends[1]);
	close(ends[0]);
	WANT_ERROR(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	WANT_ERROR(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
	WANT_ERROR(socket(AF_INET, 77, 0), EINVAL);
	int two[2];
	WANT_ERROR(socketpair(AF_INET, SOCK_STREAM, 0, two), EOPNOTSUPP);
	/* A low port is for the privileged. */
	WANT(geteuid() != 0 || (setegid(1) == 0 && seteuid(1) == 0));
	fd = make(AF_INET, SOCK_STREAM);
	name = four("127.0.0.1", 80);
	WANT_ERROR(bind(fd, (void *)&name, sizeof name), EACCES);
	WANT_ERROR(socket(AF_INET, SOCK_RAW, IPPROTO_TCP), EPERM);
}

static void families(void)
{
	struct sockaddr_in6 name = six("::", 0), shown;
	socklen_t length = sizeof shown;
	int server = make(AF_INET6, SOCK_STREAM);
	WANT(bind(server, (void *)&name, sizeof name) == 0 && listen(server, 5) == 0);
	int port = port_of(server), client = connected(port);
	/* IPv4 is shown in its mapped form. */
	int peer = accept(server, (void *)&shown, &length);
	WANT(length == sizeof shown && shown.sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&shown.sin6_addr));
	WANT(ntohs(shown.sin6_port) == port_of(client));
	name = six("::1", port);
	client = make(AF_INET6, SOCK_STREAM);
	WANT(connect(client, (void *)&name, sizeof name) == 0);
	peer = accept(server, (void *)&shown, &length);
	WANT(peer >= 0 && IN6_IS_ADDR_LOOPBACK(&shown.sin6_addr));
	name = six("::ffff:127.0.0.1", port);
	client = make(AF_INET6, SOCK_STREAM);
	WANT(connect(client, (void *)&name, sizeof name) == 0);
	WANT(getsockname(client, (void *)&shown, &length) == 0 && IN6_IS_ADDR_V4MAPPED(&shown.sin6_addr));
	struct sockaddr_in other = four("127.0.0.1", port);
	int fd = make(AF_INET, SOCK_STREAM);
	WANT_ERROR(bind(fd, (void *)&other, sizeof other), EADDRINUSE);
	/* Only IPv6, and IPv4 beside it. */
	int only = make(AF_INET6, SOCK_STREAM);
	WANT(number(only, IPPROTO_IPV6, IPV6_V6ONLY) == 0);
	set(only, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	name = six("::", 0);
	WANT(bind(only, (void *)&name, sizeof name) == 0 && listen(only, 5) == 0);
	WANT_ERROR(connect_to(fd, port_of(only)), ECONNREFUSED);
	other = four("127.0.0.1", port_of(only));
	fd = make(AF_INET, SOCK_STREAM);
	WANT(bind(fd, (void *)&other, sizeof other) == 0);
	int value = 0;
	WANT_ERROR(setsockopt(only, IPPROTO_IPV6, IPV6_V6ONLY, &value, sizeof value), EINVAL);
	/* Datagrams between the families. */
	int four_side = bound(SOCK_DGRAM, "127.0.0.1"), six_side = make(AF_INET6, SOCK_DGRAM);
	name = six("::ffff:127.0.0.1", port_of(four_side));
	WANT(sendto(six_side, "x", 1, 0, (void *)&name, sizeof name) == 1);
	char byte;
	length = sizeof other;
	WANT(recvfrom(four_side, &byte, 1, 0, (void *)&other, &length) == 1 && length == sizeof other);
	WANT(sendto(four_side, "y", 1, 0, (void *)&other, sizeof other) == 1);
	length = sizeof shown;
	WANT(recvfrom(six_side, &byte, 1, 0, (void *)&shown, &length) == 1 && IN6_IS_ADDR_V4MAPPED(&shown.sin6_addr));
}

static void datagrams(void)
{
	struct sockaddr_in name, from;
	socklen_t length = sizeof from;
	char bytes[16];
	static char much[70000];
	int chosen = bound(SOCK_DGRAM, "127.0.0.1"), client = make(AF_INET, SOCK_DGRAM);
	name = four("127.0.0.1", port_of(chosen));
	/* A port that was chosen goes with an association that is taken back, one that was asked for stays. */
	close(chosen);
	int server = make(AF_INET, SOCK_DGRAM);
	WANT(bind(server, (void *)&name, sizeof name) == 0);
	WANT_ERROR(send(client, "x", 1, 0), EDESTADDRREQ);
	WANT_ERROR(getpeername(client, (void *)&from, &length), ENOTCONN);
	WANT(sendto(client, "one", 3, 0, (void *)&name, sizeof name) == 3);
	WANT(sendto(client, "", 0, 0, (void *)&name, sizeof name) == 0);
	WANT(sendto(client, "three", 5, 0, (void *)&name, sizeof name) == 5);
	WANT(awaited(server, POLLIN | POLLOUT) == (POLLIN | POLLOUT));
	int waiting;
	WANT(ioctl(server, FIONREAD, &waiting) == 0 && waiting == 3);
	WANT(recvfrom(server, bytes, 2, MSG_TRUNC | MSG_PEEK, (void *)&from, &length) == 3);
	WANT(ntohs(from.sin_port) == port_of(client) && from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	WANT(recv(server, bytes, 2, 0) == 2 && recv(server, bytes, 9, 0) == 0 && recv(server, bytes, 9, 0) == 5);
	WANT_ERROR(recv(server, bytes, 9, MSG_DONTWAIT), EAGAIN);
	WANT_ERROR(sendto(client, much, sizeof much, 0, (void *)&name, sizeof name), EMSGSIZE);
	WANT(sendto(client, much, 65507, 0, (void *)&name, sizeof name) == 65507);
	WANT(recv(server, much, sizeof much, 0) == 65507);
	/* A peer is heard alone. */
	WANT(connect(server, (void *)&from, sizeof from) == 0);
	int stranger = make(AF_INET, SOCK_DGRAM);
	WANT(sendto(stranger, "x", 1, 0, (void *)&name, sizeof name) == 1);
	WANT_ERROR(recv(server, bytes, 9, MSG_DONTWAIT), EAGAIN);
	WANT(send(server, "hi", 2, 0) == 2 && recv(client, bytes, 9, 0) == 2);
	WANT(write(server, bytes, 0) == 0 && recv(client, bytes, 9, 0) == 0);
	close(client);
	/* That nobody is there any more is told once. */
	WANT(send(server, "x", 1, 0) == 1 && awaited(server, POLLIN) & POLLERR);
	WANT_ERROR(recv(server, bytes, 9, 0), ECONNREFUSED);
	WANT_ERROR(recv(server, bytes, 9, MSG_DONTWAIT), EAGAIN);
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	WANT(connect(server, &none, sizeof none) == 0);
	WANT_ERROR(getpeername(server, (void *)&from, &length), ENOTCONN);
	WANT(port_of(server) == ntohs(name.sin_port));
	WANT(sendto(stranger, "x", 1, 0, (void *)&name, sizeof name) == 1 && recv(server, bytes, 9, 0) == 1);
	WANT_ERROR(listen(server, 1), EOPNOTSUPP);
	WANT_ERROR(accept(server, NULL, NULL), EOPNOTSUPP);
	name = four("198.51.100.1", 9);
	int fd = make(AF_INET, SOCK_DGRAM);
	WANT(fd >= 0);
	name = four("127.0.0.1", 0);
	WANT_ERROR(sendto(fd, "x", 1, 0, (void *)&name, sizeof name), EINVAL);
	/* recvmsg says that a datagram was cut. */
	name = four("127.0.0.1", port_of(server));
	struct iovec part = { bytes, 2 };
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &part, .msg_iovlen = 1 };
	WANT(sendto(stranger, "long", 4, 0, (void *)&name, sizeof name) == 4);
	WANT(recvmsg(server, &message, 0) == 2 && message.msg_flags == MSG_TRUNC && message.msg_namelen == sizeof from);
}

/* What the library asks the kernel about interfaces. */
static void interfaces(void)
{
	struct ifaddrs *all;
	int families = 0, fd = make(AF_INET, SOCK_DGRAM);
	WANT(getifaddrs(&all) == 0);
	for (struct ifaddrs *at = all; at; at = at->ifa_next) {
		if (strcmp(at->ifa_name, "lo") != 0 || !at->ifa_addr)
			continue;
		WANT((at->ifa_flags & (IFF_LOOPBACK | IFF_UP)) == (IFF_LOOPBACK | IFF_UP));
		if (at->ifa_addr->sa_family == AF_INET) {
			struct sockaddr_in *mask = (void *)at->ifa_netmask;
			WANT(((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
			WANT(mask->sin_addr.s_addr == htonl(0xff000000));
			families |= 1;
		}
		if (at->ifa_addr->sa_family == AF_PACKET)
			families |= 4;
		if (at->ifa_addr->sa_family == AF_INET6)
			families |= 2;
	}
	freeifaddrs(all);
	/* The machine may have been started without IPv6. */
	WANT((families | 2) == 7);
	char name[IF_NAMESIZE];
	WANT(if_nametoindex("lo") == 1 && strcmp(if_indextoname(1, name), "lo") == 0);
	WANT(if_nametoindex("none9") == 0 && errno == ENODEV);
	struct ifreq request = { .ifr_name = "lo" }, listed[50];
	WANT(ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu == 65536);
	WANT(ioctl(fd, SIOCGIFHWADDR, &request) == 0 && request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK);
	struct ifconf list = { .ifc_len = sizeof listed, .ifc_req = listed };
	WANT(ioctl(fd, SIOCGIFCONF, &list) == 0 && list.ifc_len >= (int)sizeof *listed);
	WANT(strcmp(listed[0].ifr_name, "lo") == 0);
	WANT(geteuid() != 0 || (setegid(1) == 0 && seteuid(1) == 0));
	request.ifr_flags = 0;
	WANT_ERROR(ioctl(fd, SIOCSIFFLAGS, &request), EPERM);
	/* The kernel answers from address 0; nothing waits then. */
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	socklen_t length = sizeof address;
	struct { struct nlmsghdr header; struct rtgenmsg body; } ask = {
		{ sizeof ask, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 5, 0 }, { AF_UNSPEC } };
	char bytes[8192];
	WANT(netlink >= 0 && bind(netlink, (void *)&address, sizeof address) == 0);
	WANT(getsockname(netlink, (void *)&address, &length) == 0 && length == sizeof address && address.nl_pid != 0);
	WANT(send(netlink, &ask, sizeof ask, 0) == sizeof ask && awaited(netlink, POLLIN) == POLLIN);
	WANT(recvfrom(netlink, bytes, sizeof bytes, 0, (void *)&address, &length) > 16 && address.nl_pid == 0);
	WANT(((struct nlmsghdr *)(void *)bytes)->nlmsg_type == RTM_NEWLINK && ((struct nlmsghdr *)(void *)bytes)->nlmsg_seq == 5);
}

/* What loopback makes no difference to is kept and shown, within its bounds. */
static void kept_options(void)
{
	static const struct {
		int type, level, option, first, value, wrong;
	} kept[] = {
		{ SOCK_DGRAM, IPPROTO_IP, IP_MULTICAST_TTL, 1, 255, 256 },
		{ SOCK_DGRAM, IPPROTO_IP, IP_MINTTL, 0, 255, 256 },
		{ SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1, 0, -2 },
		{ SOCK_DGRAM, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1, 0, 2 },
		{ SOCK_DGRAM, IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1, 5, 6 },
		{ SOCK_STREAM, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, 1, 2 },
		{ SOCK_STREAM, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, 1, 2 },
		{ SOCK_STREAM, IPPROTO_TCP, TCP_FASTOPEN, 0, 5, -1 },
	};
	for (unsigned at = 0; at < sizeof kept / sizeof *kept; at++) {
		int fd = make(AF_INET6, kept[at].type), level = kept[at].level, option = kept[at].option;
		WANT(number(fd, level, option) == kept[at].first);
		set(fd, level, option, kept[at].value);
		WANT(number(fd, level, option) == kept[at].value);
		WANT_ERROR(setsockopt(fd, level, option, &kept[at].wrong, sizeof(int)), EINVAL);
		WANT(number(fd, level, option) == kept[at].value);
		close(fd);
	}
	int stream = make(AF_INET, SOCK_STREAM), datagrams = make(AF_INET, SOCK_DGRAM);
	set(datagrams, IPPROTO_IP, IP_MULTICAST_LOOP, 17);
	WANT(number(datagrams, IPPROTO_IP, IP_MULTICAST_LOOP) == 1);
	set(datagrams, IPPROTO_IP, IP_MULTICAST_TTL, 9);
	set(datagrams, IPPROTO_IP, IP_MULTICAST_TTL, -1);
	WANT(number(datagrams, IPPROTO_IP, IP_MULTICAST_TTL) == 1);
	WANT_ERROR(setsockopt(stream, IPPROTO_IP, IP_MULTICAST_TTL, &(int){ 1 }, sizeof(int)), EINVAL);
	set(stream, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096);
	WANT(number(stream, IPPROTO_TCP, TCP_NOTSENT_LOWAT) == 4096);
	/* IPv4 takes single bytes, and tells them to who has room for no more; others do not. */
	unsigned char life = 77;
	WANT(setsockopt(datagrams, IPPROTO_IP, IP_MULTICAST_TTL, &life, sizeof life) == 0);
	WANT(number(datagrams, IPPROTO_IP, IP_MULTICAST_TTL) == 77);
	socklen_t length = sizeof life;
	life = 0;
	WANT(getsockopt(datagrams, IPPROTO_IP, IP_MULTICAST_TTL, &life, &length) == 0 && length == 1 && life == 77);
	WANT_ERROR(setsockopt(make(AF_INET6, SOCK_DGRAM), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &life, 1), EINVAL);
	/* A mark is for who rules the network. */
	set(stream, SOL_SOCKET, SO_MARK, 1337);
	WANT(number(stream, SOL_SOCKET, SO_MARK) == 1337);
	WANT(seteuid(65534) == 0);
	WANT_ERROR(setsockopt(stream, SOL_SOCKET, SO_MARK, &(int){ 1 }, sizeof(int)), EPERM);
}

static const struct check checks[] = {
	{ "options", options }, { "kept-options", kept_options }, { "addresses", addresses }, { "families", families },
	{ "datagrams", datagrams }, { "interfaces", interfaces },
};
MAIN(checks)
