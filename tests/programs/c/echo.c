/* Echoes of ICMP (man 7 icmp), and options of TCP (man 7 tcp). */

#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

static void echoes(int family, struct sockaddr *to, socklen_t length, uint8_t request, uint8_t answer)
{
	uint8_t out[64] = { request, 0, 0, 0, 9, 9, 0, 7 }, in[100];
	struct sockaddr_storage from;
	socklen_t room = sizeof(from);
	int protocol = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6, value;
	int own = socket(family, SOCK_DGRAM, protocol);
	WANT(own >= 0);
	WANT(setuid(1000) == 0);
	int other = socket(family, SOCK_DGRAM, protocol);
	WANT(other >= 0);
	memset(out + 8, 'p', sizeof(out) - 8);
	WANT(sendto(own, out, sizeof(out), 0, to, length) == sizeof(out));
	WANT_ERROR(recv(other, in, sizeof(in), MSG_DONTWAIT), EAGAIN);
	WANT(recvfrom(own, in, sizeof(in), 0, (void *)&from, &room) == sizeof(out));
	WANT(in[0] == answer && in[7] == 7 && memcmp(in + 8, out + 8, sizeof(out) - 8) == 0);
	WANT(room == length && from.ss_family == family);
	room = sizeof(from);
	WANT(getsockname(own, (void *)&from, &room) == 0);
	WANT(((struct sockaddr_in *)&from)->sin_port == *(uint16_t *)(in + 4));
	room = sizeof(value);
	WANT(getsockopt(own, SOL_SOCKET, SO_PROTOCOL, &value, &room) == 0 && value == protocol);
	WANT(connect(own, to, length) == 0 && send(own, out, 8, 0) == 8 && recv(own, in, 100, 0) == 8);
	out[0] = answer;
	WANT_ERROR(send(own, out, 8, 0), EINVAL);
	WANT_ERROR(send(own, out, 7, 0), EINVAL);
}

static void echo4(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	echoes(AF_INET, (void *)&to, sizeof(to), ICMP_ECHO, ICMP_ECHOREPLY);
	WANT_ERROR(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMPV6), EPROTONOSUPPORT);
	WANT_ERROR(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), EPERM);
	int own = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
	uint8_t out[8] = { ICMP_ECHO };
	to.sin_addr.s_addr = htonl(0x0a000001);
	WANT_ERROR(sendto(own, out, 8, 0, (void *)&to, sizeof(to)), ENETUNREACH);
}

static void echo6(void)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	echoes(AF_INET6, (void *)&to, sizeof(to), ICMP6_ECHO_REQUEST, ICMP6_ECHO_REPLY);
	WANT_ERROR(socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMP), EPROTONOSUPPORT);
}

static int ends[2];

static void connected(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	WANT(bind(listener, (void *)&at, length) == 0 && listen(listener, 1) == 0);
	WANT(getsockname(listener, (void *)&at, &length) == 0);
	WANT(connect(ends[0], (void *)&at, length) == 0);
	ends[1] = accept(listener, NULL, NULL);
	WANT(ends[1] >= 0);
	close(listener);
}

static void options(void)
{
	struct tcp_info info;
	char name[20];
	int value;
	socklen_t length = sizeof(info);
	int fresh = socket(AF_INET, SOCK_STREAM, 0), plain = socket(AF_INET, SOCK_DGRAM, 0);
	WANT(getsockopt(fresh, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	WANT(length == 104 && info.tcpi_state == TCP_CLOSE);
	length = sizeof(value);
	WANT(getsockopt(fresh, IPPROTO_TCP, TCP_MAXSEG, &value, &length) == 0 && value == 536);
	connected();
	length = sizeof(info);
	WANT(getsockopt(ends[0], IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	WANT(info.tcpi_state == TCP_ESTABLISHED && info.tcpi_snd_mss == 65483);
	length = sizeof(value);
	WANT(getsockopt(ends[0], IPPROTO_TCP, TCP_MAXSEG, &value, &length) == 0 && value == 65483);
	WANT(shutdown(ends[0], SHUT_WR) == 0);
	length = sizeof(info);
	WANT(getsockopt(ends[1], IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	WANT(info.tcpi_state == TCP_CLOSE_WAIT);
	/* A short place gets the beginning. */
	length = 1;
	WANT(getsockopt(ends[1], IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && length == 1);
	length = sizeof(name);
	WANT(getsockopt(fresh, IPPROTO_TCP, TCP_CONGESTION, name, &length) == 0 && length == 16);
	WANT(strcmp(name, "cubic") == 0);
	WANT(setsockopt(fresh, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) == 0);
	WANT_ERROR(setsockopt(fresh, IPPROTO_TCP, TCP_CONGESTION, "vegas", 5), ENOENT);
	WANT(setsockopt(fresh, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0);
	WANT(setsockopt(plain, SOL_SOCKET, SO_BINDTODEVICE, "", 0) == 0);
	WANT_ERROR(setsockopt(fresh, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5), ENODEV);
	value = 80;
	WANT_ERROR(setsockopt(fresh, IPPROTO_TCP, TCP_MAXSEG, &value, 4), EINVAL);
	value = 3;
	WANT(setsockopt(fresh, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, 4) == 0);
	length = sizeof(value);
	WANT(getsockopt(fresh, IPPROTO_TCP, TCP_DEFER_ACCEPT, &value, &length) == 0 && value == 3);
}

static void *sends(void *unused)
{
	(void)unused;
	for (int at = 0; at < 4; at++) {
		usleep(5000);
		WANT(send(ends[0], "ab", 2, 0) == 2);
	}
	return NULL;
}

static void low_water(void)
{
	char bytes[64];
	int value = 8;
	socklen_t length = sizeof(value);
	pthread_t thread;
	connected();
	struct pollfd readable = { ends[1], POLLIN, 0 };
	WANT(setsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &value, 4) == 0);
	WANT(getsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &value, &length) == 0 && value == 8);
	WANT(send(ends[0], "abcd", 4, 0) == 4 && poll(&readable, 1, 0) == 0);
	/* Who does not wait, or wants less, gets what there is. */
	WANT(recv(ends[1], bytes, 64, MSG_DONTWAIT) == 4);
	WANT(send(ends[0], "abcd", 4, 0) == 4 && recv(ends[1], bytes, 3, 0) == 3);
	WANT(recv(ends[1], bytes, 1, 0) == 1);
	WANT(pthread_create(&thread, NULL, sends, NULL) == 0);
	WANT(recv(ends[1], bytes, 64, 0) == 8 && memcmp(bytes, "abababab", 8) == 0);
	WANT(pthread_join(thread, NULL) == 0);
	WANT(send(ends[0], "12345678", 8, 0) == 8 && poll(&readable, 1, 0) == 1);
	WANT(recv(ends[1], bytes, 64, 0) == 8);
	/* At the end nobody waits for more. */
	WANT(send(ends[0], "z", 1, 0) == 1 && shutdown(ends[0], SHUT_WR) == 0);
	WANT(poll(&readable, 1, 0) == 1 && recv(ends[1], bytes, 64, 0) == 1);
	WANT(recv(ends[1], bytes, 64, 0) == 0);
	value = 0;
	WANT(setsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &value, 4) == 0);
	WANT(getsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &value, &length) == 0 && value == 1);
}

static const struct check checks[] = {
	{ "echo4", echo4 },
	{ "echo6", echo6 },
	{ "options", options },
	{ "low-water", low_water },
};

MAIN(checks)
