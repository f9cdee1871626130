/* What the kernel tells of sockets (man 7 sock_diag). */

#include "network.h"
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/stat.h>
#include <sys/un.h>

struct request {
	struct nlmsghdr header;
	union {
		struct inet_diag_req_v2 internet;
		struct unix_diag_req local;
	};
};

static int asker(void)
{
	int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG), protocol = number(fd, SOL_SOCKET, SO_PROTOCOL);
	WANT(fd >= 0 && protocol == NETLINK_SOCK_DIAG);
	return fd;
}

static void ask(int fd, struct request *request, int flags)
{
	size_t body = request->internet.sdiag_family == AF_UNIX ? sizeof(request->local) : sizeof(request->internet);
	request->header = (struct nlmsghdr){ NLMSG_LENGTH(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | flags, 1, 0 };
	WANT(send(fd, request, request->header.nlmsg_len, 0) == (ssize_t)request->header.nlmsg_len);
}

/* Goes through the answers to a request; the last is empty, or an error, which is returned. */
static int each(int fd, void (*look)(void *told, size_t length))
{
	static char room[32768] __attribute__((aligned(8)));
	for (;;) {
		ssize_t count = recv(fd, room, sizeof(room), 0);
		WANT(count > 0);
		for (struct nlmsghdr *one = (void *)room; NLMSG_OK(one, count); one = NLMSG_NEXT(one, count)) {
			if (one->nlmsg_type == NLMSG_ERROR)
				return -((struct nlmsgerr *)NLMSG_DATA(one))->error;
			if (one->nlmsg_type == NLMSG_DONE)
				return 0;
			WANT(one->nlmsg_type == SOCK_DIAG_BY_FAMILY);
			look(NLMSG_DATA(one), one->nlmsg_len - NLMSG_HDRLEN);
			if (!(one->nlmsg_flags & NLM_F_MULTI))
				return 0;
		}
	}
}

static unsigned inode_of(int fd)
{
	struct stat told;
	WANT(fstat(fd, &told) == 0);
	return told.st_ino;
}

static unsigned wanted, found;
static struct inet_diag_msg seen;

static void look(void *told, size_t length)
{
	struct inet_diag_msg *message = told;
	WANT(length >= sizeof(*message));
	if (message->idiag_inode == wanted) {
		found++;
		seen = *message;
	}
}

static void internet(void)
{
	int fd = asker(), server = listener(5), client = connected(port_of(server)), datagrams = bound(SOCK_DGRAM, "127.0.0.1");
	struct request request = { .internet = { AF_INET, IPPROTO_TCP, 0, 0, 1 << TCP_LISTEN, { 0 } } };
	wanted = inode_of(server);
	ask(fd, &request, NLM_F_DUMP);
	WANT(each(fd, look) == 0 && found == 1);
	WANT(seen.idiag_family == AF_INET && seen.idiag_state == TCP_LISTEN && seen.idiag_uid == getuid() && seen.idiag_rqueue == 1);
	WANT(ntohs(seen.id.idiag_sport) == port_of(server) && seen.id.idiag_src[0] == htonl(INADDR_LOOPBACK));
	WANT(seen.idiag_wqueue == 5 && seen.id.idiag_dst[0] == 0 && seen.id.idiag_dport == 0);
	/* One of them, by what was told of it. */
	struct request one = { .internet = { AF_INET, IPPROTO_TCP, 0, 0, 0, seen.id } };
	ask(fd, &one, 0);
	WANT(each(fd, look) == 0 && found == 2);
	one.internet.id.idiag_sport = 1;
	ask(fd, &one, 0);
	WANT(each(fd, look) == ENOENT);
	/* Those with a port alone: a condition, and where it leads. */
	struct {
		struct request request;
		struct rtattr attribute;
		struct inet_diag_bc_op program[2];
	} filtered = { request, { RTA_LENGTH(8), INET_DIAG_REQ_BYTECODE }, { { INET_DIAG_BC_S_EQ, 8, 12 }, { 0, 0, 0 } } };
	for (int is_its = 0; is_its < 2; is_its++) {
		filtered.program[1].no = is_its ? port_of(server) : 1;
		filtered.request.header = (struct nlmsghdr){ sizeof(filtered), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 1, 0 };
		WANT(send(fd, &filtered, sizeof(filtered), 0) == sizeof(filtered));
		WANT(each(fd, look) == 0 && found == 2u + is_its);
	}
	found = 2;
	/* Other states, protocols and families. */
	wanted = inode_of(client);
	request.internet.idiag_states = 1 << TCP_ESTABLISHED;
	WANT(write(client, "abc", 3) == 3);
	ask(fd, &request, NLM_F_DUMP);
	WANT(each(fd, look) == 0 && found == 3 && seen.idiag_state == TCP_ESTABLISHED && seen.idiag_wqueue == 3);
	request.internet.sdiag_family = AF_INET6;
	ask(fd, &request, NLM_F_DUMP);
	WANT(each(fd, look) == 0 && found == 3);
	wanted = inode_of(datagrams);
	request.internet = (struct inet_diag_req_v2){ AF_INET, IPPROTO_UDP, 0, 0, ~0U, { 0 } };
	ask(fd, &request, NLM_F_DUMP);
	WANT(each(fd, look) == 0 && found == 4 && seen.idiag_state == TCP_CLOSE);
	request.internet.sdiag_protocol = IPPROTO_SCTP;
	ask(fd, &request, NLM_F_DUMP);
	WANT(each(fd, look) == ENOENT);
	request.internet = (struct inet_diag_req_v2){ AF_PACKET, 0, 0, 0, ~0U, { 0 } };
	ask(fd, &request, NLM_F_DUMP);
	WANT(each(fd, look) == ENOENT);
	WANT_ERROR(socket(AF_NETLINK, SOCK_RAW, 77), EPROTONOSUPPORT);
}

static char name[sizeof(struct sockaddr_un)];

static void look_unix(void *told, size_t length)
{
	struct unix_diag_msg *message = told;
	WANT(length >= sizeof(*message) && message->udiag_family == AF_UNIX);
	if (message->udiag_ino != wanted)
		return;
	found++;
	WANT(message->udiag_type == SOCK_STREAM && message->udiag_state == TCP_LISTEN);
	struct nlattr *attribute = (void *)(message + 1);
	if (length > sizeof(*message) && attribute->nla_type == UNIX_DIAG_NAME)
		memcpy(name, attribute + 1, attribute->nla_len - NLA_HDRLEN);
}

static void of_unix(void)
{
	struct sockaddr_un on = { AF_UNIX, "asked-about" };
	int fd = asker(), server = make(AF_UNIX, SOCK_STREAM);
	found = 0;
	WANT(bind(server, (void *)&on, sizeof(on)) == 0 && listen(server, 1) == 0);
	struct request request = { .local = { AF_UNIX, 0, 0, 1 << TCP_LISTEN, 0, UDIAG_SHOW_NAME, { 0 } } };
	wanted = inode_of(server);
	ask(fd, &request, NLM_F_DUMP);
	WANT(each(fd, look_unix) == 0 && found == 1 && strcmp(name, "asked-about") == 0);
	request.local.udiag_ino = wanted;
	request.local.udiag_show = 0;
	ask(fd, &request, 0);
	memset(name, 0, sizeof(name));
	WANT(each(fd, look_unix) == 0 && found == 2 && name[0] == 0);
	WANT(close(server) == 0);
	ask(fd, &request, 0);
	WANT(each(fd, look_unix) == ENOENT);
}

/* Prints the ports where somebody listens. */
static void print(void *told, size_t length)
{
	struct inet_diag_msg *message = told;
	WANT(length >= sizeof(*message));
	printf("%d\n", ntohs(message->id.idiag_sport));
}

static void listeners(void)
{
	int fd = asker();
	struct request request = { .internet = { AF_INET, IPPROTO_TCP, 0, 0, 1 << TCP_LISTEN, { 0 } } };
	ask(fd, &request, NLM_F_DUMP);
	WANT(each(fd, print) == 0);
}

static const struct check checks[] = { { "internet", internet }, { "unix", of_unix }, { "listeners", listeners } };

MAIN(checks)
