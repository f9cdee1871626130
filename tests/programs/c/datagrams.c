/* What is told of datagrams besides their bytes, and of those that find nobody (man 7 ip, man 7 ipv6). */

#include "check.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static int make(int family)
{
	int fd = socket(family, SOCK_DGRAM, 0);
	WANT(fd >= 0);
	return fd;
}

static void set(int fd, int level, int option, int value)
{
	int shown;
	socklen_t length = sizeof(shown);
	WANT(setsockopt(fd, level, option, &value, sizeof(value)) == 0);
	WANT(getsockopt(fd, level, option, &shown, &length) == 0 && shown == value);
}

static struct sockaddr_in at(const char *address, int port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	WANT(inet_pton(AF_INET, address, &name.sin_addr) == 1);
	return name;
}

struct room {
	char bytes[100];
	char control[300];
	struct sockaddr_storage from;
	struct iovec part;
	struct msghdr header;
};

static ssize_t receive(int fd, struct room *room, int flags)
{
	room->part = (struct iovec){ room->bytes, sizeof(room->bytes) };
	room->header = (struct msghdr){ &room->from, sizeof(room->from), &room->part, 1, room->control, sizeof(room->control), 0 };
	return recvmsg(fd, &room->header, flags);
}

/* The data of what came with a message. */
static void *told(struct room *room, int level, int kind)
{
	for (struct cmsghdr *one = CMSG_FIRSTHDR(&room->header); one; one = CMSG_NXTHDR(&room->header, one))
		if (one->cmsg_level == level && one->cmsg_type == kind)
			return CMSG_DATA(one);
	return NULL;
}

static void ways(void)
{
	struct room room;
	struct sockaddr_in place = at("0.0.0.0", 5301), to = at("127.0.0.9", 5301);
	int server = make(AF_INET), client = make(AF_INET);
	WANT(bind(server, (void *)&place, sizeof(place)) == 0);
	set(client, IPPROTO_IP, IP_TTL, 9);
	set(client, IPPROTO_IP, IP_TOS, 16);
	WANT(sendto(client, "a", 1, 0, (void *)&to, sizeof(to)) == 1);
	WANT(receive(server, &room, 0) == 1 && room.header.msg_controllen == 0);
	set(server, IPPROTO_IP, IP_PKTINFO, 1);
	set(server, IPPROTO_IP, IP_RECVTTL, 1);
	set(server, IPPROTO_IP, IP_RECVTOS, 1);
	WANT(sendto(client, "ab", 2, 0, (void *)&to, sizeof(to)) == 2);
	WANT(receive(server, &room, 0) == 2 && room.header.msg_flags == 0);
	struct in_pktinfo *info = told(&room, IPPROTO_IP, IP_PKTINFO);
	int *life = told(&room, IPPROTO_IP, IP_TTL);
	unsigned char *service = told(&room, IPPROTO_IP, IP_TOS);
	WANT(info && info->ipi_ifindex == 1 && info->ipi_addr.s_addr == to.sin_addr.s_addr);
	WANT(life && *life == 9 && service && *service == 16);
	/* Without room for it the message says so. */
	WANT(sendto(client, "a", 1, 0, (void *)&to, sizeof(to)) == 1);
	room.part = (struct iovec){ room.bytes, 1 };
	room.header = (struct msghdr){ NULL, 0, &room.part, 1, room.control, CMSG_SPACE(12), 0 };
	WANT(recvmsg(server, &room.header, 0) == 1 && (room.header.msg_flags & MSG_CTRUNC));
	WANT(told(&room, IPPROTO_IP, IP_PKTINFO) && !told(&room, IPPROTO_IP, IP_TTL));
	WANT_ERROR(setsockopt(make(AF_INET), IPPROTO_IPV6, IPV6_RECVPKTINFO, &(int){ 1 }, 4), ENOPROTOOPT);
}

static void ways_of_six(void)
{
	struct room room;
	struct sockaddr_in6 place = { .sin6_family = AF_INET6, .sin6_port = htons(5302) }, to = place;
	struct sockaddr_in four = at("127.0.0.3", 5302);
	int server = make(AF_INET6), client = make(AF_INET6), other = make(AF_INET);
	to.sin6_addr = in6addr_loopback;
	WANT(bind(server, (void *)&place, sizeof(place)) == 0);
	set(server, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set(server, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	set(server, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	set(client, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 33);
	WANT(sendto(client, "a", 1, 0, (void *)&to, sizeof(to)) == 1 && receive(server, &room, 0) == 1);
	struct in6_pktinfo *info = told(&room, IPPROTO_IPV6, IPV6_PKTINFO);
	int *life = told(&room, IPPROTO_IPV6, IPV6_HOPLIMIT), *class = told(&room, IPPROTO_IPV6, IPV6_TCLASS);
	WANT(info && info->ipi6_ifindex == 1 && IN6_IS_ADDR_LOOPBACK(&info->ipi6_addr));
	WANT(life && *life == 33 && class && *class == 0);
	WANT(sendto(other, "a", 1, 0, (void *)&four, sizeof(four)) == 1 && receive(server, &room, 0) == 1);
	info = told(&room, IPPROTO_IPV6, IPV6_PKTINFO);
	WANT(info && IN6_IS_ADDR_V4MAPPED(&info->ipi6_addr) && info->ipi6_addr.s6_addr[15] == 3);
	WANT(!told(&room, IPPROTO_IPV6, IPV6_HOPLIMIT));
}

/* A resolver asks for this on each socket, and gives up where it is refused. */
static void lost(void)
{
	struct room room;
	struct sockaddr_in to = at("127.0.0.1", 5399);
	int client = make(AF_INET);
	struct pollfd poller = { client, 0, 0 };
	WANT(sendto(client, "abc", 3, 0, (void *)&to, sizeof(to)) == 3);
	WANT_ERROR(receive(client, &room, MSG_ERRQUEUE), EAGAIN);
	set(client, IPPROTO_IP, IP_RECVERR, 1);
	WANT(sendto(client, "abc", 3, 0, (void *)&to, sizeof(to)) == 3);
	WANT(poll(&poller, 1, 10000) == 1 && poller.revents == POLLERR);
	WANT(receive(client, &room, MSG_ERRQUEUE) == 3 && memcmp(room.bytes, "abc", 3) == 0);
	struct sockaddr_in *named = (void *)&room.from;
	WANT((room.header.msg_flags & MSG_ERRQUEUE) && named->sin_port == to.sin_port);
	struct sock_extended_err *error = told(&room, IPPROTO_IP, IP_RECVERR);
	WANT(error && error->ee_errno == ECONNREFUSED && error->ee_origin == SO_EE_ORIGIN_ICMP);
	WANT(error->ee_type == 3 && error->ee_code == 3);
	struct sockaddr_in *who = (void *)SO_EE_OFFENDER(error);
	WANT(who->sin_family == AF_INET && who->sin_addr.s_addr == to.sin_addr.s_addr);
	WANT_ERROR(receive(client, &room, MSG_ERRQUEUE), EAGAIN);
	WANT(poll(&poller, 1, 0) == 0);
	/* Who does not look there is told by the next call. */
	WANT(sendto(client, "abc", 3, 0, (void *)&to, sizeof(to)) == 3);
	WANT_ERROR(recv(client, room.bytes, 3, 0), ECONNREFUSED);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(5399), .sin6_addr = in6addr_loopback };
	int other = make(AF_INET6);
	set(other, IPPROTO_IPV6, IPV6_RECVERR, 1);
	WANT(sendto(other, "", 0, 0, (void *)&six, sizeof(six)) == 0 && receive(other, &room, MSG_ERRQUEUE) == 0);
	error = told(&room, IPPROTO_IPV6, IPV6_RECVERR);
	WANT(error && error->ee_origin == SO_EE_ORIGIN_ICMP6 && error->ee_type == 1 && error->ee_code == 4);
}

static const struct check checks[] = {
	{ "ways", ways },
	{ "ways-of-six", ways_of_six },
	{ "lost", lost },
};
MAIN(checks)
