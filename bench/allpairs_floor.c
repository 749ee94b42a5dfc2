/* The floor of all-pairs probing: each pod of a standing floor pings every other one.
 *
 *   allpairs_floor PID N AT_ONCE   PID is what `floor up N` printed
 *
 * One raw ICMP socket in each namespace. A pod sends AT_ONCE requests with one system call, at
 * most as many as its receive buffer has room for answers, and takes the answers with another:
 * over veth and bridge the kernel has answered when sending returns, or nearly so. With one at
 * once each reply is timed, as ping does. Two threads, half of the pods each. Prints the pairs
 * that answered, and fails when one did not within a second. Neighbours are to be known before,
 * else ARP is what is measured.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 2, MOST_PODS = 1023, PATIENCE = 1000, MOST_AT_ONCE = 128 };

#define SOL_RAW_ 255 /* SOL_RAW, which not every libc names */
#define CHECKED(call) ({ long it = (long)(call); if (it < 0) fail(#call); it; })

static int pods, keeper, at_once;
static _Atomic int answered;

static void fail(const char *doing)
{
	fprintf(stderr, "allpairs_floor: %s: %s\n", doing, strerror(errno));
	_exit(1);
}

struct pings { /* of one pod at a time */
	struct sockaddr_in to[MOST_PODS];
	struct icmphdr echo[MOST_PODS];
	char answered[MOST_PODS];
	long took[MOST_PODS]; /* nanoseconds, of requests sent one by one */
	struct iovec out[MOST_AT_ONCE], in[MOST_AT_ONCE];
	struct mmsghdr sent[MOST_AT_ONCE], got[MOST_AT_ONCE];
	char answer[MOST_AT_ONCE][64];
};

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

static unsigned short checksum(const struct icmphdr *echo)
{
	const unsigned short *words = (const unsigned short *)echo;
	unsigned int sum = 0;

	for (size_t i = 0; i < sizeof(*echo) / 2; i++)
		sum += words[i];
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

static void prepare(struct pings *pings)
{
	for (int pod = 0; pod < pods; pod++) {
		pings->to[pod].sin_family = AF_INET;
		pings->to[pod].sin_addr.s_addr = htonl(0x0af40000 + 1 + pod);
		pings->echo[pod].type = ICMP_ECHO;
		pings->echo[pod].un.echo.sequence = htons(pod);
	}
	for (int one = 0; one < MOST_AT_ONCE; one++) {
		pings->in[one] = (struct iovec){pings->answer[one], sizeof(pings->answer[one])};
		pings->got[one].msg_hdr = (struct msghdr){
			.msg_iov = &pings->in[one], .msg_iovlen = 1};
	}
}

static int socket_in(int pod)
{
	struct icmp_filter only = {.data = ~(1U << ICMP_ECHOREPLY)};
	int netns, raw;
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/root/run/netns/p%d", keeper, pod + 1);
	netns = CHECKED(open(path, O_RDONLY | O_CLOEXEC));
	CHECKED(setns(netns, CLONE_NEWNET));
	close(netns);
	raw = CHECKED(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
	CHECKED(setsockopt(raw, SOL_RAW_, ICMP_FILTER, &only, sizeof(only)));
	return raw;
}

static void send_some(struct pings *pings, int raw, int pod, int from, int to)
{
	int count = 0;

	for (int other = from; other < to; other++) {
		struct icmphdr *echo = &pings->echo[other];

		if (other == pod)
			continue;
		echo->un.echo.id = htons(pod + 1);
		echo->checksum = 0;
		echo->checksum = checksum(echo);
		pings->out[count] = (struct iovec){echo, sizeof(*echo)};
		pings->sent[count].msg_hdr = (struct msghdr){
			.msg_name = &pings->to[other], .msg_namelen = sizeof(pings->to[other]),
			.msg_iov = &pings->out[count], .msg_iovlen = 1};
		count++;
	}
	for (int done = 0; done < count;)
		done += CHECKED(sendmmsg(raw, pings->sent + done, count - done, 0));
}

static int new_answer(struct pings *pings, const char *packet, size_t size, int pod)
{
	const struct iphdr *ip = (const struct iphdr *)packet;
	const struct icmphdr *echo = (const struct icmphdr *)(packet + 4 * ip->ihl);
	int from = ntohl(ip->saddr) - 0x0af40000 - 1;

	if (size < 4U * ip->ihl + sizeof(*echo) || echo->type != ICMP_ECHOREPLY ||
	    ntohs(echo->un.echo.id) != pod + 1 || ntohs(echo->un.echo.sequence) != from ||
	    from < 0 || from >= pods || pings->answered[from])
		return 0;
	pings->answered[from] = 1;
	return 1;
}

static void collect(struct pings *pings, int raw, int pod, int wanted)
{
	struct pollfd more = {.fd = raw, .events = POLLIN};

	while (wanted > 0) {
		int got = recvmmsg(raw, pings->got, at_once, MSG_DONTWAIT, NULL);

		if (got < 0 && errno != EAGAIN)
			fail("recvmmsg");
		for (int i = 0; i < got; i++)
			wanted -= new_answer(pings, pings->answer[i], pings->got[i].msg_len, pod);
		if (got < 0 && poll(&more, 1, PATIENCE) == 0) {
			errno = ETIMEDOUT;
			fail("waiting for an answer");
		}
	}
}

static void probe(struct pings *pings, int pod)
{
	int raw = socket_in(pod);

	memset(pings->answered, 0, sizeof(pings->answered));
	for (int from = 0; from < pods; from += at_once) {
		int to = from + at_once < pods ? from + at_once : pods;
		long begun = at_once == 1 ? now() : 0;

		send_some(pings, raw, pod, from, to);
		collect(pings, raw, pod, to - from - (from <= pod && pod < to));
		if (at_once == 1)
			pings->took[from] = now() - begun;
	}
	close(raw);
	answered += pods - 1;
}

static void *probe_some(void *first)
{
	struct pings *pings = calloc(1, sizeof(*pings));

	if (!pings)
		fail("memory");
	prepare(pings);
	for (int pod = (int)(long)first; pod < pods; pod += THREADS)
		probe(pings, pod);
	free(pings);
	return NULL;
}

int main(int count, char **words)
{
	pthread_t threads[THREADS];

	if (count != 4 || (pods = atoi(words[2])) < 2 || pods > MOST_PODS ||
	    (at_once = atoi(words[3])) < 1 || at_once > MOST_AT_ONCE) {
		fprintf(stderr, "usage: allpairs_floor PID N AT_ONCE, N from 2 to %d, AT_ONCE from "
			"1 to %d\n", MOST_PODS, MOST_AT_ONCE);
		return 2;
	}
	keeper = atoi(words[1]);
	for (long one = 0; one < THREADS; one++)
		if ((errno = pthread_create(&threads[one], NULL, probe_some, (void *)one)))
			fail("pthread_create");
	for (int one = 0; one < THREADS; one++)
		pthread_join(threads[one], NULL);
	printf("%d\n", answered);
	return 0;
}
