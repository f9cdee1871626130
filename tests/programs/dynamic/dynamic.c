/* What a dynamically linked program relies on. It is built twice, position-independent and at a fixed address;
   see tests/scripts/dynamic.sh. */

#include "../c/check.h"
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/auxv.h>
#include <sys/mman.h>

extern char **environ;
extern char _end[];
extern void _start(void);

static char bss[8];

/* The dynamic linker says here what it has relocated, and protects it afterwards. */
__attribute__((section(".data.rel.ro"))) static void (*volatile relocated)(void) = _start;

/* AT_PHDR, AT_PHNUM and AT_ENTRY are the program's, AT_BASE is the linker's, and the path is the one executed. */
static void auxiliary(void)
{
	const ElfW(Phdr) *header = (const void *)getauxval(AT_PHDR);
	unsigned long count = getauxval(AT_PHNUM);
	const unsigned char *linker = (const void *)getauxval(AT_BASE);
	int interpreters = 0;

	WANT(header != NULL && count > 0 && getauxval(AT_PHENT) == sizeof(*header));
	for (unsigned long at = 0; at < count; at++)
		interpreters += header[at].p_type == PT_INTERP;
	WANT(interpreters == 1);
	WANT(linker != NULL && memcmp(linker, ELFMAG, SELFMAG) == 0);
	WANT(getauxval(AT_ENTRY) == (unsigned long)_start);
	WANT(getauxval(AT_PAGESZ) == (unsigned long)sysconf(_SC_PAGESIZE));
	WANT(getauxval(AT_RANDOM) != 0 && getauxval(AT_SECURE) == 0);
	WANT(strstr((const char *)getauxval(AT_EXECFN), "/dynamic") != NULL);
	WANT(strncmp((const char *)getauxval(AT_PLATFORM), "power", 5) == 0);
}

/* The rest of the last page of data reads as zeros, whatever lies behind the data in the file: the dynamic linker
   hands it out as such before malloc is there. */
static void tail(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	bss[0] = 1;
	for (const char *at = _end; (uintptr_t)at % page != 0; at++)
		WANT(*at == 0);
}

static void write_relocated(void)
{
	*(volatile uintptr_t *)(uintptr_t)&relocated = 0;
}

/* What is only written while it is relocated cannot be written later. */
static void relro(void)
{
	WANT(relocated == _start);
	WANT_SIGNAL(write_relocated, SIGSEGV);
}

/* A library that is opened at run time works, and one that is not there is an error with a text. */
static void library(void)
{
	void *mathematics = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
	if (mathematics == NULL)
		FAIL("%s", dlerror());
	double (*power)(double, double) = (double (*)(double, double))dlsym(mathematics, "pow");
	WANT(power != NULL && power(2.0, 10.0) == 1024.0);
	WANT(dlclose(mathematics) == 0);
	WANT(dlopen("libnothing.so.1", RTLD_NOW) == NULL && dlerror() != NULL);
}

static _Thread_local int own = 7;

static void *thread(void *argument)
{
	int wanted = own + (int)(intptr_t)argument;
	for (int round = 0; round < 1000; round++)
		own++;
	own += (int)(intptr_t)argument - 1000;
	return (void *)(intptr_t)(own == wanted);
}

/* Every thread has its own copy of a thread-local variable, with its first value. */
static void threads(void)
{
	pthread_t running[8];

	for (intptr_t at = 0; at < 8; at++)
		WANT(pthread_create(&running[at], NULL, thread, (void *)at) == 0);
	for (int at = 0; at < 8; at++) {
		void *right;
		WANT(pthread_join(running[at], &right) == 0 && right != NULL);
	}
	WANT(own == 7);
}

/* The linker binds functions when they are first called, in a child as in its parent. */
static void child(void)
{
	int status = in_child(library);
	WANT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A fixed address that is taken is refused with MAP_FIXED_NOREPLACE, and what is there stays. */
static void noreplace(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *block = mmap(NULL, 3 * page, protection, flags, -1, 0);
	WANT(block != MAP_FAILED);
	block[page] = 42;
	WANT_ERROR(mmap(block + page, page, protection, flags | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	WANT(block[page] == 42);
	WANT(munmap(block + page, page) == 0);
	WANT(mmap(block + page, page, protection, flags | MAP_FIXED_NOREPLACE, -1, 0) == block + page);
	WANT(block[page] == 0);
}

/* /proc/self/maps names the files that are mapped, and /proc/self/auxv is the vector that the stack holds. */
static void proc(void)
{
	unsigned long pair[2] = { AT_IGNORE };
	char line[512];
	int own_name = 0, libc = 0, linker = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	FILE *vector = fopen("/proc/self/auxv", "r");

	WANT(maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		own_name += strstr(line, "/corral-tests/dynamic") != NULL;
		libc += strstr(line, " /usr/lib/libc.so.6\n") != NULL;
		linker += strstr(line, " /usr/lib64/ld64.so.2\n") != NULL;
	}
	WANT(own_name > 0 && libc > 0 && linker > 0);
	WANT(vector != NULL);
	while (fread(pair, sizeof(pair), 1, vector) == 1 && pair[0] != AT_NULL)
		WANT(getauxval(pair[0]) == pair[1]);
	WANT(pair[0] == AT_NULL);
}

/* POSIX shared memory and named semaphores are seen by other processes, until they are unlinked. */
static void named(void)
{
	int memory = shm_open("/dynamic", O_CREAT | O_EXCL | O_RDWR, 0600);
	WANT(memory >= 0 && ftruncate(memory, 4096) == 0);
	volatile int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	WANT(shared != MAP_FAILED);
	sem_t *ready = sem_open("/dynamic", O_CREAT | O_EXCL, 0600, 0);
	WANT(ready != SEM_FAILED);
	pid_t pid = fork();
	WANT(pid >= 0);
	if (pid == 0) {
		sem_t *own = sem_open("/dynamic", 0);
		*shared = 42;
		_exit(own == SEM_FAILED || sem_post(own) != 0);
	}
	WANT(sem_wait(ready) == 0 && *shared == 42);
	WANT(waitpid(pid, NULL, 0) == pid);
	WANT(sem_unlink("/dynamic") == 0 && shm_unlink("/dynamic") == 0);
	WANT_ERROR(shm_open("/dynamic", O_RDWR, 0), ENOENT);
}

/* Tells where everything is. */
static void maps(void)
{
	char line[512];
	FILE *file = fopen("/proc/self/maps", "r");
	WANT(file != NULL);
	while (fgets(line, sizeof line, file) != NULL)
		fputs(line, stdout);
	fclose(file);
}

static const struct check checks[] = {
	{ "auxiliary", auxiliary }, { "tail", tail },   { "relro", relro },         { "library", library },
	{ "threads", threads },     { "child", child }, { "noreplace", noreplace }, { "proc", proc }, { "named", named },
	{ "maps", maps },
};

MAIN(checks)
