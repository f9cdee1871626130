/* System V semaphores, message queues and shared memory. */

#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

struct message {
	long type;
	char text[64];
};

static int new_set(int count)
{
	int set = semget(IPC_PRIVATE, count, 0600);
	WANT(set >= 0);
	return set;
}

static int change(int set, int number, int by, int flags)
{
	struct sembuf operation = { number, by, flags };
	return semop(set, &operation, 1);
}

/* Waits until this many wait for semaphore 0 to rise (GETNCNT), or to be 0 (GETZCNT). */
static void await_those(int set, int command, int count)
{
	int64_t late = now_ns() + 60000000000LL;
	while (semctl(set, 0, command) != count) {
		if (now_ns() > late)
			FAIL("nobody waits");
		usleep(1000);
	}
}

static void await_waiters(int set, int count)
{
	await_those(set, GETNCNT, count);
}

static void ended(pid_t child)
{
	int status;
	WANT(waitpid(child, &status, 0) == child);
	if (status != 0)
		FAIL("child: wait status %#x", status);
}

static void semaphores(void)
{
	struct sembuf both[2] = { { 0, -1, 0 }, { 1, -1, IPC_NOWAIT } };
	unsigned short values[3] = { 1, 0, 7 };
	int set = new_set(3);
	WANT(semctl(set, 0, SETALL, (union semun){ .array = values }) == 0);
	memset(values, 0, sizeof(values));
	WANT(semctl(set, 0, GETALL, (union semun){ .array = values }) == 0);
	WANT(values[0] == 1 && values[1] == 0 && values[2] == 7);
	WANT_ERROR(semop(set, both, 2), EAGAIN);
	WANT(semctl(set, 0, GETVAL) == 1);
	WANT(semctl(set, 1, SETVAL, (union semun){ .val = 1 }) == 0);
	WANT(semop(set, both, 2) == 0);
	WANT(semctl(set, 0, GETVAL) == 0 && semctl(set, 1, GETPID) == getpid());
	WANT_ERROR(change(set, 3, 1, 0), EFBIG);
	WANT_ERROR(change(set, 0, 32767, 0) == 0 ? change(set, 0, 1, 0) : 0, ERANGE);
	WANT_ERROR(semop(set, both, 0), EINVAL);
	WANT_ERROR(semop(set, both, 501), E2BIG);
	WANT_ERROR(semop(set, (struct sembuf *)8, 1), EFAULT);
	WANT_ERROR(semctl(set, 0, SETVAL, (union semun){ .val = 32768 }), ERANGE);
	WANT_ERROR(semctl(set, 0, 99), EINVAL);
	struct semid_ds status;
	WANT(semctl(set, 0, IPC_STAT, (union semun){ .buf = &status }) == 0);
	WANT(status.sem_nsems == 3 && (status.sem_perm.mode & 0777) == 0600 && status.sem_otime > 0);
	WANT(semctl(set, 0, IPC_RMID) == 0);
	WANT_ERROR(semctl(set, 0, GETVAL), EINVAL);
	WANT_ERROR(semget(IPC_PRIVATE, 0, 0600), EINVAL);
	WANT_ERROR(semget(IPC_PRIVATE, 32001, 0600), EINVAL);
}

static void semaphore_waits(void)
{
	int set = new_set(1);
	struct timespec soon = { 0, 20000000 }, wrong = { 0, -1 };
	struct sembuf take = { 0, -2, 0 };
	int64_t before = now_ns();
	WANT_ERROR(semtimedop(set, &take, 1, &soon), EAGAIN);
	WANT(now_ns() - before >= 20000000);
	WANT_ERROR(semtimedop(set, &take, 1, &wrong), EINVAL);
	pid_t child = fork();
	if (child == 0)
		_exit(semop(set, &take, 1) != 0);
	await_waiters(set, 1);
	WANT(change(set, 0, 1, 0) == 0);
	WANT(change(set, 0, 1, 0) == 0);
	ended(child);
	WANT(semctl(set, 0, GETVAL) == 0);
	/* Removed while somebody waits. */
	child = fork();
	if (child == 0)
		_exit(!(semop(set, &take, 1) == -1 && errno == EIDRM));
	await_waiters(set, 1);
	WANT(semctl(set, 0, IPC_RMID) == 0);
	ended(child);
}

/* A gate that is opened, closed and torn down at once has let everybody through who stood before it. */
static void semaphore_gate(void)
{
	enum { COUNT = 5 };
	pid_t waiting[COUNT];
	int set = new_set(1);
	WANT(semctl(set, 0, SETVAL, (union semun){ .val = 1 }) == 0);
	for (int at = 0; at < COUNT; at++) {
		waiting[at] = fork();
		if (waiting[at] == 0)
			_exit(change(set, 0, 0, 0) != 0);
	}
	await_those(set, GETZCNT, COUNT);
	/* On one CPU nobody else runs before all is done. */
	WANT(sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 10 }) == 0);
	WANT(semctl(set, 0, SETVAL, (union semun){ .val = 0 }) == 0);
	WANT(semctl(set, 0, SETVAL, (union semun){ .val = 1 }) == 0);
	WANT(semctl(set, 0, GETZCNT) == 0);
	WANT(semctl(set, 0, IPC_RMID) == 0);
	for (int at = 0; at < COUNT; at++)
		ended(waiting[at]);
}

static void handler(int number)
{
	(void)number;
}

static void semaphore_interrupted(void)
{
	int set = new_set(1);
	pid_t child = fork();
	if (child == 0) {
		/* Not even a handler that restarts calls restarts this one. */
		struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
		sigaction(SIGUSR1, &action, NULL);
		_exit(!(change(set, 0, -1, 0) == -1 && errno == EINTR));
	}
	await_waiters(set, 1);
	WANT(kill(child, SIGSTOP) == 0);
	int status;
	WANT(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
	WANT(kill(child, SIGCONT) == 0);
	await_waiters(set, 1);
	WANT(kill(child, SIGUSR1) == 0);
	ended(child);
	WANT(semctl(set, 0, GETNCNT) == 0 && semctl(set, 0, IPC_RMID) == 0);
}

static void semaphore_undo(void)
{
	int set = new_set(2);
	WANT(change(set, 0, 5, 0) == 0);
	pid_t child = fork();
	if (child == 0) {
		WANT(change(set, 0, -3, SEM_UNDO) == 0 && change(set, 1, 2, SEM_UNDO) == 0);
		/* A child of its own takes nothing back. */
		pid_t other = fork();
		if (other == 0)
			_exit(0);
		ended(other);
		_exit(!(semctl(set, 0, GETVAL) == 2 && semctl(set, 1, GETVAL) == 2));
	}
	ended(child);
	WANT(semctl(set, 0, GETVAL) == 5 && semctl(set, 1, GETVAL) == 0);
	/* Who is killed holding one lets the next have it. */
	child = fork();
	if (child == 0) {
		WANT(change(set, 0, -5, SEM_UNDO) == 0 && change(set, 1, 1, 0) == 0);
		pause();
	}
	WANT(change(set, 1, -1, 0) == 0);
	pid_t next = fork();
	if (next == 0)
		_exit(change(set, 0, -5, 0) != 0);
	await_waiters(set, 1);
	WANT(kill(child, SIGKILL) == 0);
	ended(next);
	WANT(waitpid(child, NULL, 0) == child && semctl(set, 0, IPC_RMID) == 0);
}

static void messages(void)
{
	struct message out = { 2, "second" }, in;
	int queue = msgget(IPC_PRIVATE, 0600);
	WANT(queue >= 0);
	WANT(msgsnd(queue, &out, 7, 0) == 0);
	out.type = 1;
	strcpy(out.text, "first");
	WANT(msgsnd(queue, &out, 6, 0) == 0);
	WANT_ERROR(msgrcv(queue, &in, sizeof(in.text), 3, IPC_NOWAIT), ENOMSG);
	WANT_ERROR(msgrcv(queue, &in, 2, 1, 0), E2BIG);
	WANT_ERROR(msgrcv(queue, (void *)8, 64, 0, 0), EFAULT);
	WANT(msgrcv(queue, &in, sizeof(in.text), -2, 0) == 6 && in.type == 1 && strcmp(in.text, "first") == 0);
	WANT(msgrcv(queue, &in, 3, 0, MSG_NOERROR) == 3 && in.type == 2 && memcmp(in.text, "sec", 3) == 0);
	out.type = 0;
	WANT_ERROR(msgsnd(queue, &out, 1, 0), EINVAL);
	out.type = 1;
	WANT_ERROR(msgsnd(queue, &out, 8193, 0), EINVAL);
	WANT_ERROR(msgsnd(queue, (void *)8, 1, 0), EFAULT);
	struct msqid_ds status;
	WANT(msgctl(queue, IPC_STAT, &status) == 0);
	WANT(status.msg_qnum == 0 && status.msg_qbytes == 16384 && status.msg_lspid == getpid());
	WANT(msgctl(queue, IPC_RMID, NULL) == 0);
	WANT_ERROR(msgsnd(queue, &out, 1, 0), EINVAL);
}

static void message_waits(void)
{
	static struct {
		long type;
		char text[8192];
	} big = { 1, "" };
	int queue = msgget(IPC_PRIVATE, 0600);
	WANT(msgsnd(queue, &big, 8192, 0) == 0 && msgsnd(queue, &big, 8192, 0) == 0);
	WANT_ERROR(msgsnd(queue, &big, 1, IPC_NOWAIT), EAGAIN);
	pid_t child = fork();
	if (child == 0) {
		big.type = 9;
		_exit(msgsnd(queue, &big, 100, 0) != 0);
	}
	WANT(msgrcv(queue, &big, 8192, 1, 0) == 8192);
	WANT(msgrcv(queue, &big, 8192, 9, 0) == 100);
	ended(child);
	WANT(msgrcv(queue, &big, 8192, 1, 0) == 8192);
	/* The queue goes while somebody waits, or before: both ways the waiter is told. */
	child = fork();
	if (child == 0)
		_exit(!(msgrcv(queue, &big, 8192, 0, 0) == -1 && (errno == EIDRM || errno == EINVAL)));
	usleep(1000);
	WANT(msgctl(queue, IPC_RMID, NULL) == 0);
	ended(child);
}

static void shared_memory(void)
{
	struct shmid_ds status;
	int segment = shmget(IPC_PRIVATE, 10000, 0600);
	WANT(segment >= 0);
	char *memory = shmat(segment, NULL, 0);
	WANT(memory != (char *)-1 && memory[9999] == 0);
	memory[0] = 'p';
	pid_t child = fork();
	if (child == 0) {
		WANT(shmctl(segment, IPC_STAT, &status) == 0 && status.shm_nattch == 2);
		WANT(memory[0] == 'p');
		memory[5000] = 'c';
		_exit(0);
	}
	ended(child);
	WANT(memory[5000] == 'c');
	char *reader = shmat(segment, NULL, SHM_RDONLY);
	WANT(reader != (char *)-1 && reader[5000] == 'c');
	WANT_ERROR(mprotect(reader, 4096, PROT_READ | PROT_WRITE), EACCES);
	WANT(shmctl(segment, IPC_STAT, &status) == 0);
	WANT(status.shm_nattch == 2 && status.shm_segsz == 10000 && status.shm_cpid == getpid());
	WANT(shmdt(reader) == 0);
	WANT_ERROR(shmdt(reader), EINVAL);
	WANT_ERROR(shmdt(memory + 4096), EINVAL);
	/* A place that is taken, and one that is given up for it. */
	char *place = mmap(NULL, 3 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	WANT_ERROR((long)shmat(segment, place, 0), EINVAL);
	WANT(shmat(segment, place + 1, SHM_RND | SHM_REMAP) == place && place[0] == 'p');
	WANT_ERROR((long)shmat(segment, place + 1, 0), EINVAL);
	WANT(shmdt(place) == 0);
	/* It is removed, and stays as long as it is attached. */
	WANT(shmctl(segment, IPC_RMID, NULL) == 0);
	WANT(shmctl(segment, IPC_STAT, &status) == 0 && (status.shm_perm.mode & SHM_DEST) && memory[0] == 'p');
	WANT(shmdt(memory) == 0);
	WANT_ERROR(shmctl(segment, IPC_STAT, &status), EINVAL);
	WANT_ERROR(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
	WANT_ERROR(shmget(IPC_PRIVATE, 1UL << 60, 0600), ENOMEM);
}

static void keys(void)
{
	key_t key = ftok("/", 'c');
	int segment = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600);
	WANT(segment >= 0 && shmget(key, 0, 0) == segment);
	WANT_ERROR(shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	WANT_ERROR(shmget(key, 4097, 0600), EINVAL);
	WANT_ERROR(semget(key, 1, 0600), ENOENT);
	pid_t child = fork();
	if (child == 0) {
		WANT(setgid(65534) == 0 && setuid(65534) == 0);
		WANT_ERROR(shmget(key, 0, 0600), EACCES);
		WANT_ERROR((long)shmat(segment, NULL, 0), EACCES);
		WANT_ERROR(shmctl(segment, IPC_RMID, NULL), EPERM);
		_exit(0);
	}
	ended(child);
	WANT(shmctl(segment, IPC_RMID, NULL) == 0);
	WANT_ERROR(shmget(key, 0, 0), ENOENT);
}

/* Leaves one object of each kind behind. */
static void leave(void)
{
	WANT(shmget(0x1234, 1 << 20, IPC_CREAT | 0600) >= 0);
	WANT(semget(0x1234, 4, IPC_CREAT | 0600) >= 0);
	WANT(msgget(0x1234, IPC_CREAT | 0600) >= 0);
	memset(shmat(shmget(0x1234, 0, 0), NULL, 0), 1, 1 << 20);
}

/* There is none of them here. */
static void absent(void)
{
	WANT_ERROR(shmget(0x1234, 0, 0), ENOENT);
	WANT_ERROR(semget(0x1234, 0, 0), ENOENT);
	WANT_ERROR(msgget(0x1234, 0), ENOENT);
	WANT_ERROR(shmctl(0, SHM_STAT, (struct shmid_ds *)8), EINVAL);
}

/* How many lines of a file of /proc/sysvipc have this number, with the size or count behind it. */
static int lines(const char *name, int id, const char *detail)
{
	char path[40], line[300], number[16];
	int found = 0;
	snprintf(path, sizeof(path), "/proc/sysvipc/%s", name);
	snprintf(number, sizeof(number), " %d ", id);
	FILE *file = fopen(path, "r");
	WANT(file && fgets(line, sizeof(line), file) && strstr(line, "       key"));
	while (fgets(line, sizeof(line), file))
		found += strstr(line, number) && strstr(line, detail);
	fclose(file);
	return found;
}

static void listed(void)
{
	struct {
		long kind;
		char text[5];
	} message = { 1, "four" };
	int queue = msgget(IPC_PRIVATE, 0640), set = semget(IPC_PRIVATE, 7, 0600);
	int segment = shmget(IPC_PRIVATE, 12345, 0600);
	WANT(queue >= 0 && set >= 0 && segment >= 0);
	WANT(msgsnd(queue, &message, 5, 0) == 0);
	WANT(lines("msg", queue, "   640           5          1 ") == 1);
	WANT(lines("sem", set, "   600          7 ") == 1);
	WANT(lines("shm", segment, "   600                 12345 ") == 1);
	WANT(msgctl(queue, IPC_RMID, NULL) == 0 && semctl(set, 0, IPC_RMID) == 0);
	WANT(shmctl(segment, IPC_RMID, NULL) == 0);
	WANT(lines("msg", queue, "") == 0 && lines("sem", set, "") == 0 && lines("shm", segment, "") == 0);
}

static const struct check checks[] = {
	{ "semaphores", semaphores },
	{ "semaphore-waits", semaphore_waits },
	{ "semaphore-gate", semaphore_gate },
	{ "semaphore-interrupted", semaphore_interrupted },
	{ "semaphore-undo", semaphore_undo },
	{ "messages", messages },
	{ "message-waits", message_waits },
	{ "shared-memory", shared_memory },
	{ "keys", keys },
	{ "leave", leave },
	{ "absent", absent },
	{ "listed", listed },
};

MAIN(checks)
