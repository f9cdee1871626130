/* Address spaces: mmap, protection, copy on write, brk, large maps. */

#include "check.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define PAGE 4096UL
#define MIB (1024 * 1024UL)

static char *map(size_t size, int protection)
{
	char *start = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(start != MAP_FAILED);
	return start;
}

static char *victim;
static void touch_write(void) { *(volatile char *)victim = 1; }
static void touch_read(void) { (void)*(volatile char *)victim; }
static void touch_execute(void) { struct { void *entry; } descriptor = { victim }; ((void (*)(void))descriptor.entry)(); }

static void anonymous(void)
{
	WANT(sysconf(_SC_PAGESIZE) == PAGE);
	char *start = map(4 * MIB, PROT_READ | PROT_WRITE);
	for (size_t at = 0; at < 4 * MIB; at += 512)
		WANT(start[at] == 0);
	memset(start, 0x5a, 4 * MIB);
	WANT(munmap(start + MIB, MIB) == 0);
	WANT(start[MIB - 1] == 0x5a && start[2 * MIB] == 0x5a);
	victim = start + MIB;
	WANT_SIGNAL(touch_read, SIGSEGV);
	victim = start + 2 * MIB - 1;
	WANT_SIGNAL(touch_read, SIGSEGV);
	WANT(munmap(start, 4 * MIB) == 0);
}

static void protection(void)
{
	victim = map(4 * PAGE, PROT_READ);
	touch_read();
	WANT_SIGNAL(touch_write, SIGSEGV);
	WANT(mprotect(victim, PAGE, PROT_READ | PROT_WRITE) == 0);
	touch_write();
	victim += PAGE;
	WANT_SIGNAL(touch_write, SIGSEGV);
	WANT(mprotect(victim, PAGE, PROT_NONE) == 0);
	WANT_SIGNAL(touch_read, SIGSEGV);
	WANT_ERROR(mprotect(victim + 100 * MIB, PAGE, PROT_READ), ENOMEM);
	WANT_ERROR(mprotect(victim + 1, PAGE, PROT_READ), EINVAL);
}

static void execution(void)
{
	static const unsigned code[] = { 0x38600007, 0x4e800020 }; /* li r3,7; blr */
	victim = map(PAGE, PROT_READ | PROT_WRITE);
	memcpy(victim, code, sizeof(code));
	WANT_SIGNAL(touch_execute, SIGSEGV);
	WANT(mprotect(victim, PAGE, PROT_READ | PROT_EXEC) == 0);
	__builtin___clear_cache(victim, victim + sizeof(code));
	WANT(((int (*)(void))(void *)victim)() == 7);
	WANT_SIGNAL(touch_write, SIGSEGV);
}

static void fixed(void)
{
	char *start = map(4 * PAGE, PROT_READ | PROT_WRITE);
	memset(start, 1, 4 * PAGE);
	char *inside = mmap(start + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	WANT(inside == start + PAGE && inside[0] == 0 && start[0] == 1 && start[2 * PAGE] == 1);
	void *clash = mmap(start, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	WANT(clash == MAP_FAILED && errno == EEXIST);
	WANT_ERROR(mmap(start + 1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EINVAL);
	WANT_ERROR(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
	WANT_ERROR(mmap(NULL, 1UL << 60, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
	WANT_ERROR(munmap(start + 1, PAGE), EINVAL);
}

static void copy_on_write(void)
{
	enum { COUNT = 300 };
	char *start = map(COUNT * PAGE, PROT_READ | PROT_WRITE);
	for (int at = 0; at < COUNT; at++)
		start[at * PAGE] = (char)at;
	int ends[2], status;
	WANT(pipe(ends) == 0);
	pid_t pid = fork();
	if (pid == 0) {
		char go;
		for (int at = 0; at < COUNT; at += 2)
			start[at * PAGE] = 'c';
		WANT(read(ends[0], &go, 1) == 1);
		for (int at = 1; at < COUNT; at += 2)
			WANT(start[at * PAGE] == (char)at);
		_exit(0);
	}
	for (int at = 1; at < COUNT; at += 2)
		start[at * PAGE] = 'p';
	WANT(write(ends[1], "g", 1) == 1);
	WANT(waitpid(pid, &status, 0) == pid && status == 0);
	for (int at = 0; at < COUNT; at++)
		WANT(start[at * PAGE] == (at % 2 ? 'p' : (char)at));
}

static void shared(void)
{
	int *number = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	WANT(number != MAP_FAILED);
	pid_t pids[4];
	for (int at = 0; at < 4; at++) {
		pids[at] = fork();
		if (pids[at] == 0) {
			for (int round = 0; round < 1000; round++)
				__sync_fetch_and_add(number, 1);
			_exit(0);
		}
	}
	for (int at = 0; at < 4; at++)
		WANT(waitpid(pids[at], NULL, 0) == pids[at]);
	WANT(*number == 4000);
}

static void file(void)
{
	char text[3 * PAGE + 100];
	for (size_t at = 0; at < sizeof(text); at++)
		text[at] = (char)(at * 7);
	int fd = open("mapped", O_RDWR | O_CREAT, 0600);
	WANT(fd >= 0 && write(fd, text, sizeof(text)) == sizeof(text));
	char *private = mmap(NULL, sizeof(text), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	WANT(private != MAP_FAILED && memcmp(private, text, sizeof(text)) == 0);
	for (size_t at = sizeof(text); at < 4 * PAGE; at++)
		WANT(private[at] == 0); /* the rest of the last page */
	private[PAGE] = 'x';
	char byte;
	WANT(pread(fd, &byte, 1, PAGE) == 1 && byte == text[PAGE]);
	char *second = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
	WANT(second != MAP_FAILED && memcmp(second, text + 2 * PAGE, PAGE) == 0);
	WANT_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100), EINVAL);
	WANT_ERROR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 77, 0), EBADF);
	close(fd);
	WANT(second[5] == text[2 * PAGE + 5]); /* the mapping outlives the descriptor */
}

static void beyond_file(void)
{
	int fd = open("short", O_RDWR | O_CREAT, 0600);
	WANT(fd >= 0 && write(fd, "abc", 3) == 3);
	victim = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	WANT(victim != MAP_FAILED && victim[2] == 'c' && victim[3] == 0);
	victim += PAGE;
	WANT_SIGNAL(touch_read, SIGBUS);
}

static void program_break(void)
{
	char *start = sbrk(0);
	WANT(sbrk(MIB) == start);
	memset(start, 3, MIB);
	WANT(sbrk(-(intptr_t)(MIB / 2)) == start + MIB);
	victim = start + MIB / 2 + PAGE;
	WANT_SIGNAL(touch_read, SIGSEGV);
	WANT(sbrk(MIB) == start + MIB / 2);
	WANT(start[0] == 3 && start[MIB / 2 + PAGE] == 0);
}

static void sparse(void)
{
	/* Far more address space than memory; only what is touched costs. */
	char *start = mmap(NULL, 64UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	WANT(start != MAP_FAILED);
	for (size_t at = 0; at < 64UL << 30; at += 1UL << 30)
		start[at] = 1;
	WANT(munmap(start, 64UL << 30) == 0);
}

static void many_maps(void)
{
	enum { COUNT = 2000 };
	static char *starts[COUNT];
	for (int at = 0; at < COUNT; at++) {
		starts[at] = map(PAGE * (1 + at % 3), at % 2 ? PROT_READ : PROT_READ | PROT_WRITE);
		if (at % 2 == 0)
			starts[at][0] = (char)at;
	}
	for (int at = 0; at < COUNT; at++) {
		WANT(starts[at][0] == (at % 2 ? 0 : (char)at));
		WANT(munmap(starts[at], PAGE * (1 + at % 3)) == 0);
	}
}

static void grow(void)
{
	char *start = map(2 * PAGE, PROT_READ | PROT_WRITE);
	start[0] = 'a';
	start[2 * PAGE - 1] = 'z';
	start = mremap(start, 2 * PAGE, 100 * PAGE, MREMAP_MAYMOVE);
	WANT(start != MAP_FAILED && start[0] == 'a' && start[2 * PAGE - 1] == 'z' && start[99 * PAGE] == 0);
	start = mremap(start, 100 * PAGE, PAGE, 0);
	WANT(start != MAP_FAILED && start[0] == 'a');
	victim = start + PAGE;
	WANT_SIGNAL(touch_read, SIGSEGV);
}

static void discard(void)
{
	char *start = map(4 * PAGE, PROT_READ | PROT_WRITE);
	memset(start, 9, 4 * PAGE);
	WANT(madvise(start + PAGE, PAGE, MADV_DONTNEED) == 0);
	WANT(start[0] == 9 && start[PAGE] == 0 && start[2 * PAGE] == 9);
}

static void deeper(int left, volatile char *above)
{
	volatile char room[4000];
	room[0] = above ? *above : 1;
	room[3999] = 1;
	if (left > 0)
		deeper(left - 1, room);
}
static void overflow(void) { deeper(1 << 30, NULL); }

static void stack(void)
{
	deeper(1500, NULL); /* 6 MB of the usual 8 */
	WANT_SIGNAL(overflow, SIGSEGV);
}

static void exhaust_body(void)
{
	for (;;) {
		char *start = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (start == MAP_FAILED)
			_exit(errno == ENOMEM ? 0 : 1);
		memset(start, 1, MIB);
	}
}

static void exhaust(void)
{
	/* Taking all memory gives ENOMEM or SIGKILL, and everything comes back. */
	int status = in_child(exhaust_body);
	WANT(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	char *start = map(64 * MIB, PROT_READ | PROT_WRITE);
	memset(start, 1, 64 * MIB);
}

static void residence(void)
{
	/* What was touched is there; what is not mapped is told. */
	unsigned char answers[2000];
	char *start = map(1024 * PAGE, PROT_READ | PROT_WRITE);
	start[0] = start[700 * PAGE] = 1;
	memset(answers, 7, sizeof(answers));
	WANT(mincore(start, 1023 * PAGE + 1, answers) == 0);
	WANT((answers[0] & 1) == 1 && (answers[700] & 1) == 1);
	WANT((answers[350] & 1) == 0 && (answers[1023] & 1) == 0 && answers[1024] == 7);
	WANT(madvise(start + 700 * PAGE, PAGE, MADV_FREE) == 0);
	WANT_ERROR(mincore(start + 1, PAGE, answers), EINVAL);
	WANT_ERROR(mincore(start, PAGE, NULL), EFAULT);
	WANT(munmap(start + 100 * PAGE, PAGE) == 0);
	WANT_ERROR(mincore(start, 1024 * PAGE, answers), ENOMEM);
	/* A file is in memory before it is touched. */
	int file = open("resident", O_RDWR | O_CREAT, 0600);
	WANT(file >= 0 && ftruncate(file, 3 * PAGE) == 0 && pwrite(file, "x", 1, PAGE) == 1);
	char *mapped = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	WANT(mapped != MAP_FAILED && mincore(mapped, 3 * PAGE, answers) == 0 && (answers[1] & 1) == 1);
	WANT_ERROR(madvise(mapped, PAGE, MADV_FREE), EINVAL);
}

static void overcommit(void)
{
	/* More than there is at all is refused, unless nothing is to be promised; less is not counted. */
	size_t more = (size_t)sysconf(_SC_PHYS_PAGES) * PAGE * 2;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	WANT(mmap(NULL, more, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED && errno == ENOMEM);
	WANT(mmap(NULL, more, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
	WANT(mmap(NULL, more, PROT_NONE, flags, -1, 0) != MAP_FAILED);
	WANT(mmap(NULL, more, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, -1, 0) != MAP_FAILED);
	for (int at = 0; at < 4; at++)
		WANT(mmap(NULL, more / 4, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED);
}

/* The pages go, and what was mapped is empty (man 2 mremap, MREMAP_DONTUNMAP). */
static void left_mapped(void)
{
	enum { DONTUNMAP = 4, COUNT = 300 };
	int flags = MREMAP_MAYMOVE | DONTUNMAP;
	char *old = mmap(NULL, COUNT * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(old != MAP_FAILED);
	for (int page = 0; page < COUNT; page++)
		old[page * PAGE] = page % 100 + 1;
	WANT(mremap(old, COUNT * PAGE, COUNT * PAGE, DONTUNMAP) == MAP_FAILED && errno == EINVAL);
	WANT(mremap(old, COUNT * PAGE, PAGE, flags) == MAP_FAILED && errno == EINVAL);
	char *moved = mremap(old, COUNT * PAGE, COUNT * PAGE, flags);
	WANT(moved != MAP_FAILED && moved != old);
	for (int page = 0; page < COUNT; page++)
		WANT(moved[page * PAGE] == page % 100 + 1 && old[page * PAGE] == 0);
	char *fixed = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT(mremap(moved, 2 * PAGE, 2 * PAGE, flags | MREMAP_FIXED, fixed) == fixed);
	WANT(fixed[PAGE] == 2 && moved[PAGE] == 0 && moved[2 * PAGE] == 3);
}

static const struct check checks[] = {
	{ "anonymous", anonymous }, { "protection", protection }, { "execution", execution }, { "fixed", fixed },
	{ "copy-on-write", copy_on_write }, { "shared", shared }, { "file", file }, { "beyond-file", beyond_file },
	{ "break", program_break }, { "sparse", sparse }, { "many-maps", many_maps }, { "grow", grow },
	{ "discard", discard }, { "stack", stack }, { "exhaust", exhaust },
	{ "residence", residence }, { "overcommit", overcommit },
	{ "left-mapped", left_mapped },
};
MAIN(checks)
