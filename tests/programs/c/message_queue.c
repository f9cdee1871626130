/* POSIX message queues. */

#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/stat.h>

static mqd_t make(const char *name, int flags)
{
	struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 16 };
	mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR | flags, 0600, &attributes);
	WANT(queue >= 0);
	return queue;
}

static void names(void)
{
	struct mq_attr attributes = { .mq_maxmsg = 0, .mq_msgsize = 16 };
	char text[8192];
	WANT_ERROR(mq_open("/none", O_RDONLY), ENOENT);
	WANT_ERROR(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL), EACCES);
	WANT_ERROR(mq_open("/bad", O_RDWR | O_CREAT, 0600, &attributes), EINVAL);
	mqd_t queue = mq_open("/named", O_RDWR | O_CREAT, 0600, NULL);
	WANT(queue >= 0 && fcntl(queue, F_GETFD) == FD_CLOEXEC);
	WANT(mq_getattr(queue, &attributes) == 0);
	WANT(attributes.mq_maxmsg == 10 && attributes.mq_msgsize == 8192 && attributes.mq_curmsgs == 0);
	WANT_ERROR(mq_open("/named", O_RDWR | O_CREAT | O_EXCL, 0600, NULL), EEXIST);
	mqd_t reader = mq_open("/named", O_RDONLY | O_NONBLOCK);
	WANT(reader >= 0);
	WANT_ERROR(mq_send(reader, "x", 1, 0), EBADF);
	WANT_ERROR(mq_receive(reader, text, sizeof(text), NULL), EAGAIN);
	WANT(mq_unlink("/named") == 0);
	WANT_ERROR(mq_unlink("/named"), ENOENT);
	/* Without a name it goes on. */
	WANT(mq_send(queue, "kept", 4, 0) == 0 && mq_receive(reader, text, sizeof(text), NULL) == 4);
	WANT_ERROR(mq_send(0, "x", 1, 0), EBADF);
	queue = make("/mine", 0);
	pid_t child = fork();
	int status;
	if (child == 0) {
		WANT(setgid(65534) == 0 && setuid(65534) == 0);
		WANT_ERROR(mq_open("/mine", O_RDONLY), EACCES);
		WANT_ERROR(mq_unlink("/mine"), EACCES);
		_exit(0);
	}
	WANT(waitpid(child, &status, 0) == child && status == 0);
	WANT(mq_unlink("/mine") == 0);
}

static void order(void)
{
	char text[16];
	unsigned priority;
	mqd_t queue = make("/order", O_NONBLOCK);
	WANT(mq_unlink("/order") == 0);
	WANT(mq_send(queue, "low", 3, 1) == 0 && mq_send(queue, "high", 4, 9) == 0);
	WANT_ERROR(mq_send(queue, "more", 4, 1), EAGAIN);
	WANT_ERROR(mq_send(queue, "x", 1, 32768), EINVAL);
	WANT_ERROR(mq_send(queue, "12345678901234567", 17, 0), EMSGSIZE);
	WANT_ERROR(mq_receive(queue, text, 15, NULL), EMSGSIZE);
	WANT_ERROR(mq_receive(queue, (char *)8, 16, NULL), EFAULT);
	WANT(mq_receive(queue, text, 16, &priority) == 4 && priority == 9 && memcmp(text, "high", 4) == 0);
	WANT(mq_receive(queue, text, 16, &priority) == 3 && priority == 1);
	struct pollfd watched = { queue, POLLIN | POLLOUT, 0 };
	WANT(poll(&watched, 1, 0) == 1 && watched.revents == POLLOUT);
	WANT(mq_send(queue, "", 0, 0) == 0 && poll(&watched, 1, 0) == 1 && watched.revents == (POLLIN | POLLOUT));
}

static void waits(void)
{
	char text[16];
	struct timespec at;
	mqd_t queue = make("/waits", 0);
	WANT(mq_unlink("/waits") == 0);
	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += 20000000;
	if (at.tv_nsec >= 1000000000)
		at.tv_sec++, at.tv_nsec -= 1000000000;
	WANT_ERROR(mq_timedreceive(queue, text, 16, NULL, &at), ETIMEDOUT);
	WANT(mq_send(queue, "a", 1, 0) == 0 && mq_send(queue, "b", 1, 0) == 0);
	WANT_ERROR(mq_timedsend(queue, "c", 1, 0, &at), ETIMEDOUT);
	at.tv_nsec = -1;
	WANT_ERROR(mq_timedsend(queue, "c", 1, 0, &at), EINVAL);
	int status;
	pid_t child = fork();
	if (child == 0)
		_exit(mq_send(queue, "c", 1, 0) != 0);
	for (const char *next = "abc"; *next; next++)
		WANT(mq_receive(queue, text, 16, NULL) == 1 && text[0] == *next);
	WANT(waitpid(child, &status, 0) == child && status == 0);
	child = fork();
	if (child == 0)
		_exit(mq_receive(queue, text, 16, NULL) != 1);
	WANT(mq_send(queue, "d", 1, 0) == 0);
	WANT(waitpid(child, &status, 0) == child && status == 0);
}

static void notices(void)
{
	char text[16];
	sigset_t set;
	siginfo_t info;
	struct timespec long_enough = { 60, 0 }, none = { 0, 0 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
	event.sigev_value.sival_int = 77;
	mqd_t queue = make("/notices", 0);
	WANT(mq_unlink("/notices") == 0);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	WANT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	WANT(mq_notify(queue, &event) == 0);
	WANT_ERROR(mq_notify(queue, &event), EBUSY);
	WANT(mq_send(queue, "a", 1, 0) == 0);
	WANT(sigtimedwait(&set, &info, &long_enough) == SIGRTMIN);
	WANT(info.si_code == SI_MESGQ && info.si_value.sival_int == 77 && info.si_pid == getpid());
	/* Once, and only of what comes to an empty queue. */
	WANT(mq_notify(queue, &event) == 0 && mq_send(queue, "b", 1, 0) == 0);
	WANT_ERROR(sigtimedwait(&set, &info, &none), EAGAIN);
	WANT(mq_receive(queue, text, 16, NULL) == 1 && mq_receive(queue, text, 16, NULL) == 1);
	WANT(mq_notify(queue, NULL) == 0 && mq_send(queue, "c", 1, 0) == 0);
	WANT_ERROR(sigtimedwait(&set, &info, &none), EAGAIN);
	WANT(mq_notify(queue, &event) == 0);
	event.sigev_signo = 65;
	WANT_ERROR(mq_notify(queue, &event), EINVAL);
	/* Signal 0 is none: who asks for it is in the queue's way, and is told nothing. */
	event.sigev_signo = 0;
	WANT(mq_notify(queue, NULL) == 0 && mq_notify(queue, &event) == 0);
	WANT_ERROR(mq_notify(queue, &event), EBUSY);
}

/* The partition has none of these names, and leaves them to nobody. */
static void apart(void)
{
	WANT_ERROR(mq_open("/common", O_RDONLY), ENOENT);
	WANT(mq_open("/common", O_RDWR | O_CREAT, 0666, NULL) >= 0);
}

static const struct check checks[] = {
	{ "names", names }, { "order", order }, { "waits", waits }, { "notices", notices }, { "apart", apart },
};

MAIN(checks)
