/* A ring of io_uring without a library: the calls and the memory as `man 7 io_uring` has them. */

#ifndef RING_H
#define RING_H

#include "check.h"
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct ring {
	int fd;
	struct io_uring_params params;
	char *memory;
	struct io_uring_sqe *entries;
	unsigned tail;
};

static inline int ring_enter(struct ring *ring, unsigned submit, unsigned wait, unsigned flags)
{
	return syscall(SYS_io_uring_enter, ring->fd, submit, wait, flags, NULL, 0);
}

static inline int ring_register(struct ring *ring, unsigned what, const void *with, unsigned count)
{
	return syscall(SYS_io_uring_register, ring->fd, what, with, count);
}

static inline unsigned *ring_word(struct ring *ring, unsigned offset)
{
	return (unsigned *)(ring->memory + offset);
}

static inline void ring_make(struct ring *ring, unsigned entries, unsigned completions, unsigned flags)
{
	memset(ring, 0, sizeof *ring);
	ring->params.flags = flags | (completions ? IORING_SETUP_CQSIZE : 0);
	ring->params.cq_entries = completions;
	ring->fd = syscall(SYS_io_uring_setup, entries, &ring->params);
	WANT(ring->fd >= 0);
	size_t length = ring->params.sq_off.array + 4 * ring->params.sq_entries;
	ring->memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	WANT(ring->memory != MAP_FAILED);
	length = sizeof *ring->entries * ring->params.sq_entries;
	ring->entries = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
	WANT(ring->entries != MAP_FAILED);
}

/* The next entry, to be filled in before anything is submitted. */
static inline struct io_uring_sqe *ring_entry(struct ring *ring, int operation, int fd, uint64_t data)
{
	unsigned place = ring->tail++ & (ring->params.sq_entries - 1);
	struct io_uring_sqe *entry = &ring->entries[place];
	memset(entry, 0, sizeof *entry);
	entry->opcode = operation;
	entry->fd = fd;
	entry->user_data = data;
	ring_word(ring, ring->params.sq_off.array)[place] = place;
	return entry;
}

static inline void ring_show(struct ring *ring)
{
	__atomic_store_n(ring_word(ring, ring->params.sq_off.tail), ring->tail, __ATOMIC_RELEASE);
}

/* Submits all that was filled in. */
static inline int ring_submit(struct ring *ring, unsigned wait)
{
	unsigned taken = *ring_word(ring, ring->params.sq_off.head);
	ring_show(ring);
	return ring_enter(ring, ring->tail - taken, wait, wait ? IORING_ENTER_GETEVENTS : 0);
}

static inline unsigned ring_ready(struct ring *ring)
{
	unsigned tail = __atomic_load_n(ring_word(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE);
	return tail - *ring_word(ring, ring->params.cq_off.head);
}

/* Takes the next completion, which must be there. */
static inline struct io_uring_cqe ring_take(struct ring *ring)
{
	unsigned *head = ring_word(ring, ring->params.cq_off.head);
	WANT(ring_ready(ring) > 0);
	struct io_uring_cqe *all = (void *)(ring->memory + ring->params.cq_off.cqes);
	struct io_uring_cqe found = all[*head & (ring->params.cq_entries - 1)];
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return found;
}

/* The next completion is of this entry and has this result. */
#define WANT_DONE(ring, data, result)                                              \
	do {                                                                           \
		struct io_uring_cqe done_ = ring_take(ring);                               \
		if (done_.user_data != (uint64_t)(data) || done_.res != (int)(result))     \
			FAIL("entry %lld gave %d, wanted %lld with %d", (long long)done_.user_data, done_.res, \
			     (long long)(data), (int)(result));                                \
	} while (0)

#endif
