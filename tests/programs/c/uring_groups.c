/* Calls through rings that wait for all others, that have several results, and that find their buffers in groups. */

#include "ring.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct ring ring;

static void make(void)
{
	ring_make(&ring, 8, 0, 0);
}

static void reads(int fd, uint64_t data, char *at)
{
	struct io_uring_sqe *entry = ring_entry(&ring, IORING_OP_READ, fd, data);
	entry->addr = (uintptr_t)at;
	entry->len = 1;
}

/* What drains begins when all before it is done, and what follows waits for it. */
static void drains(void)
{
	int ends[2];
	char byte;
	make();
	WANT(pipe(ends) == 0);
	reads(ends[0], 1, &byte);
	ring_entry(&ring, IORING_OP_NOP, -1, 2);
	ring_entry(&ring, IORING_OP_NOP, -1, 3)->flags = IOSQE_IO_DRAIN;
	ring_entry(&ring, IORING_OP_NOP, -1, 4);
	WANT(ring_submit(&ring, 1) == 4);
	WANT_DONE(&ring, 2, 0);
	WANT(ring_ready(&ring) == 0);
	ring_entry(&ring, IORING_OP_NOP, -1, 5)->flags = IOSQE_IO_DRAIN | IOSQE_IO_LINK;
	ring_entry(&ring, IORING_OP_NOP, -1, 6);
	WANT(ring_submit(&ring, 0) == 2 && ring_ready(&ring) == 0);
	WANT(write(ends[1], "x", 1) == 1);
	WANT(ring_enter(&ring, 0, 5, IORING_ENTER_GETEVENTS) == 0);
	WANT_DONE(&ring, 1, 1);
	for (int at = 3; at <= 6; at++)
		WANT_DONE(&ring, at, 0);
	/* With nothing before it, it begins at once. */
	ring_entry(&ring, IORING_OP_NOP, -1, 7)->flags = IOSQE_IO_DRAIN;
	WANT(ring_submit(&ring, 1) == 1);
	WANT_DONE(&ring, 7, 0);
	/* What is cancelled with its chain is done. */
	char two[2];
	struct io_uring_sqe *entry = ring_entry(&ring, IORING_OP_READ, ends[0], 10);
	entry->addr = (uintptr_t)two;
	entry->len = 2;
	entry->flags = IOSQE_IO_LINK;
	ring_entry(&ring, IORING_OP_NOP, -1, 11);
	ring_entry(&ring, IORING_OP_NOP, -1, 12)->flags = IOSQE_IO_DRAIN;
	WANT(ring_submit(&ring, 0) == 3 && write(ends[1], "y", 1) == 1);
	WANT(ring_enter(&ring, 0, 3, IORING_ENTER_GETEVENTS) == 0);
	WANT_DONE(&ring, 10, 1);
	WANT_DONE(&ring, 11, -ECANCELED);
	WANT_DONE(&ring, 12, 0);
	/* A ring that is closed with something held back leaves nothing. */
	reads(ends[0], 8, &byte);
	ring_entry(&ring, IORING_OP_NOP, -1, 9)->flags = IOSQE_IO_DRAIN;
	WANT(ring_submit(&ring, 0) == 2 && close(ring.fd) == 0);
}

/* The next completion, with its flags. */
static uint32_t several(uint64_t data, int result)
{
	WANT(ring_ready(&ring) > 0 || ring_enter(&ring, 0, 1, IORING_ENTER_GETEVENTS) == 0);
	struct io_uring_cqe done = ring_take(&ring);
	if (done.user_data != data || done.res != result)
		FAIL("entry %lld gave %d, wanted %lld with %d", (long long)done.user_data, done.res,
		     (long long)data, result);
	return done.flags;
}

static void repeated(void)
{
	int ends[2];
	char byte;
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "s" };
	make();
	WANT(pipe(ends) == 0);
	struct io_uring_sqe *entry = ring_entry(&ring, IORING_OP_POLL_ADD, ends[0], 1);
	entry->poll32_events = POLLIN;
	entry->len = IORING_POLL_ADD_MULTI;
	WANT(ring_submit(&ring, 0) == 1 && ring_ready(&ring) == 0);
	for (int turn = 0; turn < 3; turn++) {
		WANT(write(ends[1], "x", 1) == 1);
		WANT(several(1, POLLIN) == IORING_CQE_F_MORE);
		WANT(read(ends[0], &byte, 1) == 1);
	}
	ring_entry(&ring, IORING_OP_POLL_REMOVE, -1, 2)->addr = 1;
	WANT(ring_submit(&ring, 2) == 1);
	WANT(several(1, -ECANCELED) == 0 && several(2, 0) == 0);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	WANT(bind(listener, (void *)&name, sizeof(name)) == 0 && listen(listener, 5) == 0);
	ring_entry(&ring, IORING_OP_ACCEPT, listener, 3)->ioprio = IORING_ACCEPT_MULTISHOT;
	WANT(ring_submit(&ring, 0) == 1);
	int lowest = dup(0);
	close(lowest);
	for (int turn = 0; turn < 3; turn++) {
		int own = socket(AF_UNIX, SOCK_STREAM, 0);
		WANT(own == lowest + 2 * turn && connect(own, (void *)&name, sizeof(name)) == 0);
		WANT(several(3, own + 1) == IORING_CQE_F_MORE);
	}
	ring_entry(&ring, IORING_OP_ASYNC_CANCEL, -1, 4)->addr = 3;
	WANT(ring_submit(&ring, 2) == 1);
	WANT(several(3, -ECANCELED) == 0 && several(4, 0) == 0);
	/* Each result needs a buffer of its own. */
	ring_entry(&ring, IORING_OP_RECV, lowest, 5)->ioprio = IORING_RECV_MULTISHOT;
	WANT(ring_submit(&ring, 1) == 1 && several(5, -EINVAL) == 0);
}

static struct io_uring_sqe *provided(int fd, int count, void *from, int length, int number)
{
	struct io_uring_sqe *entry = ring_entry(&ring, IORING_OP_PROVIDE_BUFFERS, count, fd);
	entry->addr = (uintptr_t)from;
	entry->len = length;
	entry->off = number;
	entry->buf_group = 7;
	return entry;
}

static void chosen(int operation, int fd, uint64_t data, int group, int ioprio)
{
	struct io_uring_sqe *entry = ring_entry(&ring, operation, fd, data);
	entry->flags = IOSQE_BUFFER_SELECT;
	entry->buf_group = group;
	entry->ioprio = ioprio;
}

#define IN_BUFFER(number) (IORING_CQE_F_BUFFER | (number) << IORING_CQE_BUFFER_SHIFT)

static void groups(void)
{
	static char memory[4][8];
	int pair[2];
	make();
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	chosen(IORING_OP_RECV, pair[0], 1, 7, 0);
	WANT(ring_submit(&ring, 1) == 1 && several(1, -ENOBUFS) == 0);
	provided(2, 0, memory, 8, 0);
	provided(3, 2, memory, 8, 65536);
	provided(4, 2, memory, 8, 65535);
	provided(5, 3, memory, 8, 10);
	WANT(ring_submit(&ring, 4) == 4);
	several(2, -EINVAL);
	several(3, -E2BIG);
	several(4, -EINVAL);
	several(5, 0);
	/* It is chosen when there is something, and goes back when there is nothing. */
	chosen(IORING_OP_RECV, pair[0], 6, 7, 0);
	WANT(ring_submit(&ring, 0) == 1 && ring_ready(&ring) == 0);
	WANT(write(pair[1], "one", 3) == 3);
	WANT(several(6, 3) == IN_BUFFER(10) && memcmp(memory[0], "one", 3) == 0);
	WANT(write(pair[1], "0123456789", 10) == 10);
	chosen(IORING_OP_READ, pair[0], 7, 7, 0);
	ring.entries[(ring.tail - 1) & (ring.params.sq_entries - 1)].off = -1;
	WANT(ring_submit(&ring, 1) == 1);
	WANT(several(7, 8) == IN_BUFFER(11) && memcmp(memory[1], "01234567", 8) == 0);
	/* Again and again, until there is no buffer. */
	chosen(IORING_OP_RECV, pair[0], 8, 7, IORING_RECV_MULTISHOT);
	WANT(ring_submit(&ring, 1) == 1);
	WANT(several(8, 2) == (IN_BUFFER(12) | IORING_CQE_F_MORE) && memcmp(memory[2], "89", 2) == 0);
	WANT(write(pair[1], "x", 1) == 1 && several(8, -ENOBUFS) == 0);
	provided(9, 1, memory, 8, 3);
	struct io_uring_sqe *entry = ring_entry(&ring, IORING_OP_REMOVE_BUFFERS, 5, 10);
	entry->buf_group = 7;
	entry = ring_entry(&ring, IORING_OP_REMOVE_BUFFERS, 5, 11);
	entry->buf_group = 7;
	WANT(ring_submit(&ring, 3) == 3);
	several(9, 0);
	several(10, 1);
	several(11, -ENOENT);
}

static void buffer_ring(void)
{
	static char memory[4][8];
	int pair[2];
	struct io_uring_buf_ring *shared =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_buf_reg reg = { .ring_addr = (uintptr_t)shared, .ring_entries = 4, .bgid = 9 };
	make();
	WANT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	WANT_ERROR(ring_register(&ring, IORING_UNREGISTER_PBUF_RING, &reg, 1), ENOENT);
	reg.ring_entries = 3;
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_PBUF_RING, &reg, 1), EINVAL);
	reg.ring_entries = 4;
	reg.ring_addr += 8;
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_PBUF_RING, &reg, 1), EINVAL);
	reg.ring_addr = 4096;
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_PBUF_RING, &reg, 1), EFAULT);
	reg.ring_addr = (uintptr_t)shared;
	WANT(ring_register(&ring, IORING_REGISTER_PBUF_RING, &reg, 1) == 0);
	WANT_ERROR(ring_register(&ring, IORING_REGISTER_PBUF_RING, &reg, 1), EEXIST);
	for (int at = 0; at < 2; at++) {
		shared->bufs[at].addr = (uintptr_t)memory[at];
		shared->bufs[at].len = 8;
		shared->bufs[at].bid = 40 + at;
	}
	__atomic_store_n(&shared->tail, 2, __ATOMIC_RELEASE);
	chosen(IORING_OP_RECV, pair[0], 1, 9, IORING_RECV_MULTISHOT);
	WANT(ring_submit(&ring, 0) == 1);
	WANT(write(pair[1], "a", 1) == 1 && several(1, 1) == (IN_BUFFER(40) | IORING_CQE_F_MORE));
	WANT(write(pair[1], "b", 1) == 1 && several(1, 1) == (IN_BUFFER(41) | IORING_CQE_F_MORE));
	WANT(memory[0][0] == 'a' && memory[1][0] == 'b');
	WANT(write(pair[1], "c", 1) == 1 && several(1, -ENOBUFS) == 0);
	/* The place comes round; a bad address is the program's own. */
	shared->bufs[2].addr = 8;
	shared->bufs[2].len = 8;
	__atomic_store_n(&shared->tail, 3, __ATOMIC_RELEASE);
	chosen(IORING_OP_RECV, pair[0], 2, 9, 0);
	WANT(ring_submit(&ring, 1) == 1 && several(2, -EFAULT) == 0);
	/* The end is told once, without more. */
	shared->bufs[2].addr = (uintptr_t)memory[2];
	WANT(close(pair[1]) == 0);
	chosen(IORING_OP_RECV, pair[0], 3, 9, 0);
	WANT(ring_submit(&ring, 1) == 1);
	several(3, 1);
	WANT(ring_register(&ring, IORING_UNREGISTER_PBUF_RING, &reg, 1) == 0);
}

static const struct check checks[] = {
	{ "drains", drains },
	{ "repeated", repeated },
	{ "groups", groups },
	{ "buffer-ring", buffer_ring },
};

MAIN(checks)
