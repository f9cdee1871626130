/* What is told of datagrams besides their bytes, and of those that find nobody (man 7 ip, man 7 ipv6). */

#include "check.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

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

/* What a program says of one datagram: where it comes from, and how long it lives. */
static void departures(void)
{
	struct room room;
	char control[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))] = { 0 };
	struct sockaddr_in place = at("0.0.0.0", 5303), to = at("127.0.0.1", 5303);
	struct iovec part = { "a", 1 };
	struct msghdr message = { &to, sizeof(to), &part, 1, control, CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int)), 0 };
	int server = make(AF_INET), client = make(AF_INET);
	WANT(bind(server, (void *)&place, sizeof(place)) == 0);
	set(server, IPPROTO_IP, IP_RECVTTL, 1);
	struct cmsghdr *one = CMSG_FIRSTHDR(&message);
	*one = (struct cmsghdr){ CMSG_LEN(sizeof(struct in_pktinfo)), IPPROTO_IP, IP_PKTINFO };
	struct in_pktinfo *info = (void *)CMSG_DATA(one);
	info->ipi_spec_dst = at("127.0.0.44", 0).sin_addr;
	one = CMSG_NXTHDR(&message, one);
	*one = (struct cmsghdr){ CMSG_LEN(sizeof(int)), IPPROTO_IP, IP_TTL };
	*(int *)CMSG_DATA(one) = 5;
	WANT(sendmsg(client, &message, 0) == 1 && receive(server, &room, 0) == 1);
	struct sockaddr_in *from = (void *)&room.from;
	int *life = told(&room, IPPROTO_IP, IP_TTL);
	WANT(from->sin_addr.s_addr == info->ipi_spec_dst.s_addr && life && *life == 5);
	/* The interface may be named, if it is there; another's address may not. */
	info->ipi_ifindex = 1;
	WANT(sendmsg(client, &message, 0) == 1 && receive(server, &room, 0) == 1);
	info->ipi_ifindex = 77;
	WANT_ERROR(sendmsg(client, &message, 0), ENODEV);
	info->ipi_ifindex = 0;
	info->ipi_spec_dst = at("10.1.2.3", 0).sin_addr;
	WANT_ERROR(sendmsg(client, &message, 0), EINVAL);
	info->ipi_spec_dst.s_addr = 0;
	*(int *)CMSG_DATA(one) = 0;
	WANT_ERROR(sendmsg(client, &message, 0), EINVAL);
	one->cmsg_type = 99;
	WANT_ERROR(sendmsg(client, &message, 0), EINVAL);
	one->cmsg_level = 99;
	WANT(sendmsg(client, &message, 0) == 1 && receive(server, &room, 0) == 1 && from->sin_addr.s_addr == to.sin_addr.s_addr);
	WANT_ERROR(recv(server, room.bytes, 1, MSG_DONTWAIT), EAGAIN);
	/* IPv6 says it in its own way. */
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(5304), .sin6_addr = in6addr_loopback };
	int server_six = make(AF_INET6), client_six = make(AF_INET6);
	WANT(bind(server_six, (void *)&six, sizeof(six)) == 0);
	set(server_six, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	message = (struct msghdr){ &six, sizeof(six), &part, 1, control, sizeof(control), 0 };
	one = CMSG_FIRSTHDR(&message);
	*one = (struct cmsghdr){ CMSG_LEN(sizeof(struct in6_pktinfo)), IPPROTO_IPV6, IPV6_PKTINFO };
	struct in6_pktinfo *info_six = (void *)CMSG_DATA(one);
	*info_six = (struct in6_pktinfo){ in6addr_loopback, 1 };
	one = CMSG_NXTHDR(&message, one);
	*one = (struct cmsghdr){ CMSG_LEN(sizeof(int)), IPPROTO_IPV6, IPV6_HOPLIMIT };
	*(int *)CMSG_DATA(one) = 7;
	WANT(sendmsg(client_six, &message, 0) == 1 && receive(server_six, &room, 0) == 1);
	life = told(&room, IPPROTO_IPV6, IPV6_HOPLIMIT);
	WANT(life && *life == 7);
	info_six->ipi6_addr.s6_addr[0] = 0x20;
	WANT_ERROR(sendmsg(client_six, &message, 0), EINVAL);
}

static int64_t wall(void)
{
	struct timespec now;
	WANT(clock_gettime(CLOCK_REALTIME, &now) == 0);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Sends a message from one socket, waits, and wants its time from the other: that of sending, in both forms. */
static void timed(int from, const struct sockaddr *to, socklen_t length, int fd)
{
	struct room room;
	struct timespec moment = { 0, 20000000 };
	set(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
	int64_t before = wall();
	WANT(sendto(from, "a", 1, 0, to, length) == 1);
	int64_t after = wall();
	WANT(nanosleep(&moment, NULL) == 0);
	WANT(receive(fd, &room, 0) == 1);
	struct timeval *micros = told(&room, SOL_SOCKET, SCM_TIMESTAMP);
	WANT(micros && !told(&room, SOL_SOCKET, SCM_TIMESTAMPNS));
	int64_t sent = micros->tv_sec * 1000000000LL + micros->tv_usec * 1000;
	WANT(sent >= before - 1000 && sent <= after);
	set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	before = wall();
	WANT(sendto(from, "a", 1, 0, to, length) == 1);
	after = wall();
	WANT(nanosleep(&moment, NULL) == 0);
	WANT(receive(fd, &room, 0) == 1);
	struct timespec *nanos = told(&room, SOL_SOCKET, SCM_TIMESTAMPNS);
	WANT(nanos && !told(&room, SOL_SOCKET, SCM_TIMESTAMP));
	sent = nanos->tv_sec * 1000000000LL + nanos->tv_nsec;
	WANT(sent >= before && sent <= after);
	/* What came before somebody wanted to know has the time at which it is received. */
	set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 0);
	WANT(sendto(from, "a", 1, 0, to, length) == 1);
	after = wall();
	set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	WANT(receive(fd, &room, 0) == 1);
	nanos = told(&room, SOL_SOCKET, SCM_TIMESTAMPNS);
	WANT(nanos && nanos->tv_sec * 1000000000LL + nanos->tv_nsec >= after);
}

static void times(void)
{
	struct sockaddr_in to = at("127.0.0.1", 5305);
	int server = make(AF_INET), client = make(AF_INET);
	WANT(bind(server, (void *)&to, sizeof(to)) == 0);
	timed(client, (void *)&to, sizeof(to), server);
	struct sockaddr_un name = { AF_UNIX, "timed" };
	int receiver = make(AF_UNIX), sender = make(AF_UNIX);
	WANT(bind(receiver, (void *)&name, sizeof(name)) == 0);
	timed(sender, (void *)&name, sizeof(name), receiver);
	WANT(connect(sender, (void *)&name, sizeof(name)) == 0);
	timed(sender, NULL, 0, receiver);
}

/* A buffer may be forced by who administers the network. */
static void forced(void)
{
	int kinds[] = { AF_INET, AF_UNIX, AF_NETLINK }, size = 8 << 20;
	for (int kind = 0; kind < 3; kind++)
		for (int send = 0; send < 2; send++) {
			int fd = make(kinds[kind]), option = send ? SO_SNDBUF : SO_RCVBUF, shown;
			int force = send ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;
			socklen_t length = sizeof(shown);
			WANT(setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size)) == 0);
			WANT(getsockopt(fd, SOL_SOCKET, option, &shown, &length) == 0 && shown < size);
			WANT(setsockopt(fd, SOL_SOCKET, force, &size, sizeof(size)) == 0);
			WANT(getsockopt(fd, SOL_SOCKET, option, &shown, &length) == 0 && shown == 2 * size);
			WANT_ERROR(getsockopt(fd, SOL_SOCKET, force, &shown, &length), ENOPROTOOPT);
		}
	/* It has the room then. */
	struct sockaddr_in to = at("127.0.0.1", 5306);
	int server = make(AF_INET), client = make(AF_INET), count = 0;
	static char bytes[60000];
	WANT(setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) == 0);
	WANT(bind(server, (void *)&to, sizeof(to)) == 0);
	for (int sent = 0; sent < 100; sent++)
		WANT(sendto(client, bytes, sizeof(bytes), 0, (void *)&to, sizeof(to)) == sizeof(bytes));
	while (recv(server, bytes, sizeof(bytes), MSG_DONTWAIT) == sizeof(bytes))
		count++;
	WANT(count == 100);
	WANT(setuid(1234) == 0);
	WANT_ERROR(setsockopt(server, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)), EPERM);
}

/* What packets on loopback never have may be asked for. */
static void options_of_packets(void)
{
	int four = make(AF_INET), six = make(AF_INET6);
	for (int on = 1; on >= 0; on--) {
		set(four, IPPROTO_IP, IP_RETOPTS, on);
		set(four, IPPROTO_IP, IP_RECVOPTS, on);
		set(six, IPPROTO_IPV6, IPV6_RECVHOPOPTS, on);
		set(six, IPPROTO_IPV6, IPV6_RECVRTHDR, on);
		set(six, IPPROTO_IPV6, IPV6_RECVDSTOPTS, on);
	}
	struct ip_mreq group = { at("224.0.0.251", 0).sin_addr, { 0 } };
	WANT_ERROR(setsockopt(four, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)), ENODEV);
	struct sockaddr_in to = at("224.0.0.251", 5353);
	WANT_ERROR(sendto(four, "a", 1, 0, (void *)&to, sizeof(to)), ENETUNREACH);
}

/* Sends bytes to an address with one thing that is said of them. */
static ssize_t say(int fd, struct sockaddr_in *to, size_t length, int level, int kind, const void *data, size_t size)
{
	static char bytes[100] = "abcdefgh";
	char control[CMSG_SPACE(sizeof(uint64_t))] = { 0 };
	struct iovec part = { bytes, length };
	struct msghdr message = { to, sizeof(*to), &part, 1, control, CMSG_SPACE(size), 0 };
	struct cmsghdr *one = CMSG_FIRSTHDR(&message);
	*one = (struct cmsghdr){ CMSG_LEN(size), level, kind };
	memcpy(CMSG_DATA(one), data, size);
	return sendmsg(fd, &message, 0);
}

/* One datagram is cut into several, all but the last of one length. */
static void cut(void)
{
	enum { SEGMENT = 103, GRO = 104 };
	struct room room;
	struct sockaddr_in place = at("127.0.0.1", 5307);
	int server = make(AF_INET), client = make(AF_INET);
	WANT(bind(server, (void *)&place, sizeof(place)) == 0);
	set(server, IPPROTO_UDP, GRO, 1);
	uint16_t size = 3;
	WANT(say(client, &place, 8, IPPROTO_UDP, SEGMENT, &size, sizeof(size)) == 8);
	WANT(receive(server, &room, 0) == 3 && memcmp(room.bytes, "abc", 3) == 0 && room.header.msg_controllen == 0);
	WANT(receive(server, &room, 0) == 3 && memcmp(room.bytes, "def", 3) == 0);
	WANT(receive(server, &room, 0) == 2 && memcmp(room.bytes, "gh", 2) == 0);
	WANT_ERROR(receive(server, &room, MSG_DONTWAIT), EAGAIN);
	set(client, IPPROTO_UDP, SEGMENT, 5);
	WANT(sendto(client, "abcdefgh", 8, 0, (void *)&place, sizeof(place)) == 8);
	WANT(receive(server, &room, 0) == 5 && receive(server, &room, 0) == 3);
	/* The message's word counts, of no piece is there too little, and a length has two bytes. */
	size = 0;
	WANT(say(client, &place, 8, IPPROTO_UDP, SEGMENT, &size, sizeof(size)) == 8 && receive(server, &room, 0) == 8);
	size = 1;
	WANT_ERROR(say(client, &place, 65, IPPROTO_UDP, SEGMENT, &size, sizeof(size)), EINVAL);
	WANT_ERROR(say(client, &place, 8, IPPROTO_UDP, SEGMENT, &(int){ 1 }, sizeof(int)), EINVAL);
	WANT_ERROR(say(client, &place, 8, IPPROTO_UDP, 99, &size, sizeof(size)), EINVAL);
	WANT_ERROR(setsockopt(client, IPPROTO_UDP, SEGMENT, &(int){ 65536 }, sizeof(int)), EINVAL);
}

/* Marks, losses, and where something was sent to. */
static void told_of_each(void)
{
	enum { RCVMARK = 75, OVERFLOW = 40 };
	struct room room;
	struct sockaddr_in place = at("0.0.0.0", 5308), to = at("127.0.0.5", 5308);
	int server = make(AF_INET), client = make(AF_INET);
	WANT(bind(server, (void *)&place, sizeof(place)) == 0);
	set(server, SOL_SOCKET, RCVMARK, 1);
	set(server, SOL_SOCKET, OVERFLOW, 1);
	set(server, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
	set(client, SOL_SOCKET, SO_MARK, 1337);
	WANT(sendto(client, "a", 1, 0, (void *)&to, sizeof(to)) == 1 && receive(server, &room, 0) == 1);
	uint32_t *mark = told(&room, SOL_SOCKET, SO_MARK), *losses = told(&room, SOL_SOCKET, OVERFLOW);
	struct sockaddr_in *original = told(&room, IPPROTO_IP, IP_ORIGDSTADDR);
	WANT(mark && *mark == 1337 && !losses && original && memcmp(original, &to, 8) == 0);
	WANT(say(client, &to, 1, SOL_SOCKET, SO_MARK, &(int){ 7 }, sizeof(int)) == 1 && receive(server, &room, 0) == 1);
	mark = told(&room, SOL_SOCKET, SO_MARK);
	WANT(mark && *mark == 7);
	/* What finds no room is counted for the next that does; the first of these fits, and the second goes beyond the limit. */
	WANT(setsockopt(server, SOL_SOCKET, SO_RCVBUF, &(int){ 1 }, sizeof(int)) == 0);
	char large[1000] = { 0 };
	for (int at = 0; at < 5; at++)
		WANT(sendto(client, large, sizeof(large), 0, (void *)&to, sizeof(to)) == sizeof(large));
	for (int at = 0; at < 2; at++)
		WANT(receive(server, &room, 0) > 0 && !told(&room, SOL_SOCKET, OVERFLOW));
	WANT_ERROR(receive(server, &room, MSG_DONTWAIT), EAGAIN);
	WANT(sendto(client, "a", 1, 0, (void *)&to, sizeof(to)) == 1 && receive(server, &room, 0) == 1);
	losses = told(&room, SOL_SOCKET, OVERFLOW);
	WANT(losses && *losses == 3);
	WANT(seteuid(65534) == 0);
	WANT_ERROR(say(client, &to, 1, SOL_SOCKET, SO_MARK, &(int){ 7 }, sizeof(int)), EPERM);
}

/* Times of receiving and of sending, in the form that knows of hardware. */
static void three_times(void)
{
	enum { SENT = 2, RECEIVED = 8, TOLD = 16, RAW = 64, NUMBERED = 128, ALONE = 2048 };
	struct room room;
	struct sockaddr_in place = at("127.0.0.1", 5309);
	int server = make(AF_INET), client = make(AF_INET);
	WANT(bind(server, (void *)&place, sizeof(place)) == 0);
	set(server, SOL_SOCKET, SO_TIMESTAMPING, RECEIVED | TOLD | RAW);
	set(client, SOL_SOCKET, SO_TIMESTAMPING, SENT | TOLD | NUMBERED | ALONE);
	WANT_ERROR(setsockopt(client, SOL_SOCKET, SO_TIMESTAMPING, &(int){ 1 << 30 }, sizeof(int)), EINVAL);
	int64_t before = wall();
	for (unsigned number = 0; number < 2; number++) {
		WANT(sendto(client, "a", 1, 0, (void *)&place, sizeof(place)) == 1 && receive(server, &room, 0) == 1);
		struct timespec *times = told(&room, SOL_SOCKET, SO_TIMESTAMPING);
		WANT(times && times[1].tv_sec == 0 && times[2].tv_sec == 0);
		int64_t came = times[0].tv_sec * 1000000000LL + times[0].tv_nsec;
		WANT(came >= before && came <= wall());
		struct pollfd poller = { client, 0, 0 };
		WANT(poll(&poller, 1, 10000) == 1 && poller.revents == POLLERR);
		WANT(receive(client, &room, MSG_ERRQUEUE) == 0);
		times = told(&room, SOL_SOCKET, SO_TIMESTAMPING);
		WANT(times && times[0].tv_sec * 1000000000LL + times[0].tv_nsec >= before);
		struct sock_extended_err *error = told(&room, IPPROTO_IP, IP_RECVERR);
		WANT(error && error->ee_errno == ENOMSG && error->ee_origin == SO_EE_ORIGIN_TIMESTAMPING);
		WANT(error->ee_data == number && error->ee_info == 0);
		WANT(poll(&poller, 1, 0) == 0);
	}
}

/* A time to go is taken of a socket that has said by which clock (SO_TXTIME). */
static void going_at_a_time(void)
{
	struct { int32_t clock; uint32_t flags; } how = { CLOCK_MONOTONIC, 0 }, told;
	socklen_t length = sizeof(told);
	struct sockaddr_in place;
	int server = make(AF_INET), client = make(AF_INET);
	place = at("127.0.0.1", 5315);
	WANT(bind(server, (void *)&place, sizeof(place)) == 0);
	char control[CMSG_SPACE(8)] = { 0 };
	struct iovec bytes = { "x", 1 };
	struct msghdr message = { &place, sizeof(place), &bytes, 1, control, sizeof(control), 0 };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	*header = (struct cmsghdr){ CMSG_LEN(8), SOL_SOCKET, SO_TXTIME };
	WANT_ERROR(sendmsg(client, &message, 0), EINVAL);
	WANT_ERROR(setsockopt(client, SOL_SOCKET, SO_TXTIME, &how, 4), EINVAL);
	how.flags = 4;
	WANT_ERROR(setsockopt(client, SOL_SOCKET, SO_TXTIME, &how, sizeof(how)), EINVAL);
	how.flags = 2;
	WANT(setsockopt(client, SOL_SOCKET, SO_TXTIME, &how, sizeof(how)) == 0);
	WANT(getsockopt(client, SOL_SOCKET, SO_TXTIME, &told, &length) == 0 && length == sizeof(told));
	WANT(told.clock == CLOCK_MONOTONIC && told.flags == 2);
	WANT(sendmsg(client, &message, 0) == 1 && recv(server, control, 1, 0) == 1);
	header->cmsg_len = CMSG_LEN(4);
	WANT_ERROR(sendmsg(client, &message, 0), EINVAL);
}

static const struct check checks[] = {
	{ "going-at-a-time", going_at_a_time },
	{ "cut", cut },
	{ "told-of-each", told_of_each },
	{ "three-times", three_times },
	{ "departures", departures },
	{ "times", times },
	{ "forced", forced },
	{ "options-of-packets", options_of_packets },
	{ "ways", ways },
	{ "ways-of-six", ways_of_six },
	{ "lost", lost },
};
MAIN(checks)
