/* The floor: how fast the kernel itself makes N pods, and lets them go.
 *
 *   floor up N       make them; print the PID that keeps them, and end
 *   floor down PID   let them go; end when that process has ended
 *
 * A pod is a network namespace, /run/netns/p1 and so on of the keeper, with the device eth0 at
 * 10.244.0.1/16 and so on; its far end v1 is a port of br0 in the keeper's own namespace. IPv6 is off
 * before links exist. Raw netlink, and every shortcut known to us that ends in the same state:
 *
 *   - two threads make the namespaces, and each fills those it made;
 *   - one message makes both ends, each in its namespace, with index, one queue, bridge and up.
 *     Only the far end cannot come up in it (ENOTCONN), and does in the pod's own batch;
 *   - of a batch, only the last message asks for an answer: the kernel answers a refusal anyhow;
 *   - IPv6 is switched off through a procfs that few namespaces have used: see procfiles.py;
 *   - the bridge comes up last, so that no port has it elect anything;
 *   - the end of the keeper, the only process of its PID and mount namespaces, ends it all at once.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS = 2, SHARING = 32, LO = 1, BRIDGE = 2, ETH0 = 2, FIRST_PORT = 3, MOST_PODS = 1023 };

#define NETNS "/run/netns"
#define IPV6_OFF "sys/net/ipv6/conf/all/disable_ipv6"
#define CHECKED(call) ({ long it = (long)(call); if (it < 0) fail(#call); it; })

static int pods;

static void fail(const char *doing)
{
	fprintf(stderr, "floor: %s: %s\n", doing, strerror(errno));
	_exit(1);
}

/* ---- netlink ---- */

struct batch {
	char bytes[2048];
	size_t used;
	struct nlmsghdr *last;
};

static void *append(struct batch *batch, const void *data, size_t size)
{
	char *at = batch->bytes + batch->used;

	if (batch->used + NLMSG_ALIGN(size) > sizeof(batch->bytes)) {
		errno = ENOBUFS;
		fail("a batch");
	}
	memset(at, 0, NLMSG_ALIGN(size));
	memcpy(at, data, size);
	batch->used += NLMSG_ALIGN(size);
	if (batch->last)
		batch->last->nlmsg_len = (char *)batch->bytes + batch->used - (char *)batch->last;
	return at;
}

static void begin(struct batch *batch, int type, int flags, const void *header, size_t size)
{
	struct nlmsghdr message = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags};

	batch->last = NULL;
	batch->last = append(batch, &message, sizeof(message));
	append(batch, header, size);
}

static struct rtattr *attribute(struct batch *batch, int type, const void *data, size_t size)
{
	struct rtattr header = {.rta_type = type, .rta_len = RTA_LENGTH(size)};
	struct rtattr *made = append(batch, &header, sizeof(header));

	if (size)
		append(batch, data, size);
	return made;
}

static void number(struct batch *batch, int type, unsigned int value)
{
	attribute(batch, type, &value, sizeof(value));
}

static void word(struct batch *batch, int type, const char *text)
{
	attribute(batch, type, text, strlen(text) + 1);
}

static void end(struct batch *batch, struct rtattr *nest)
{
	nest->rta_len = batch->bytes + batch->used - (char *)nest;
}

static int route(void)
{
	return CHECKED(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}

static void perform(int route, struct batch *batch, const char *doing)
{
	char answer[4096];
	struct nlmsghdr *message = (struct nlmsghdr *)answer;

	batch->last->nlmsg_flags |= NLM_F_ACK;
	CHECKED(send(route, batch->bytes, batch->used, 0));
	CHECKED(recv(route, answer, sizeof(answer), 0));
	errno = -((struct nlmsgerr *)NLMSG_DATA(message))->error;
	if (errno)
		fail(doing);
	batch->used = 0;
	batch->last = NULL;
}

/* ---- what is made ---- */

static void bring_up(struct batch *batch, int index)
{
	struct ifinfomsg link = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};

	begin(batch, RTM_NEWLINK, 0, &link, sizeof(link));
}

static void add_bridge(struct batch *batch)
{
	struct ifinfomsg link = {.ifi_index = BRIDGE};
	struct rtattr *info;

	begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
	word(batch, IFLA_IFNAME, "br0");
	info = attribute(batch, IFLA_LINKINFO, NULL, 0);
	word(batch, IFLA_INFO_KIND, "bridge");
	end(batch, info);
}

static void one_queue(struct batch *batch)
{
	number(batch, IFLA_NUM_TX_QUEUES, 1);
	number(batch, IFLA_NUM_RX_QUEUES, 1);
}

static void address(struct batch *batch, int pod, int side)
{
	unsigned char mac[6] = {2, side, 0, 0, pod >> 8, pod};

	attribute(batch, IFLA_ADDRESS, mac, sizeof(mac));
}

static void add_veth(struct batch *batch, int pod, int netns)
{
	struct ifinfomsg near = {
		.ifi_index = FIRST_PORT + pod, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	struct ifinfomsg far = {.ifi_index = ETH0};
	struct rtattr *info, *data, *peer;
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "v%d", pod + 1);
	begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &near, sizeof(near));
	word(batch, IFLA_IFNAME, name);
	address(batch, pod, 1);
	one_queue(batch);
	number(batch, IFLA_MASTER, BRIDGE);
	info = attribute(batch, IFLA_LINKINFO, NULL, 0);
	word(batch, IFLA_INFO_KIND, "veth");
	data = attribute(batch, IFLA_INFO_DATA, NULL, 0);
	peer = attribute(batch, VETH_INFO_PEER, NULL, 0);
	append(batch, &far, sizeof(far));
	word(batch, IFLA_IFNAME, "eth0");
	address(batch, pod, 2);
	one_queue(batch);
	number(batch, IFLA_NET_NS_FD, netns);
	end(batch, peer);
	end(batch, data);
	end(batch, info);
}

static void add_address(struct batch *batch, int pod)
{
	struct ifaddrmsg message = {.ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = ETH0};
	unsigned int ip = htonl(0x0af40000 + 1 + pod), all = htonl(0x0af4ffff);

	begin(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof(message));
	attribute(batch, IFA_LOCAL, &ip, sizeof(ip));
	attribute(batch, IFA_ADDRESS, &ip, sizeof(ip));
	attribute(batch, IFA_BROADCAST, &all, sizeof(all));
}

/* a procfs in which no names were looked up yet, mounted nowhere; without headers that are new */
static int new_proc(void)
{
	enum { CLOEXEC = 1, CREATE = 6 };
	int context = CHECKED(syscall(SYS_fsopen, "proc", CLOEXEC)), proc;

	CHECKED(syscall(SYS_fsconfig, context, CREATE, NULL, NULL, 0));
	proc = CHECKED(syscall(SYS_fsmount, context, CLOEXEC, MS_NOSUID | MS_NODEV | MS_NOEXEC));
	close(context);
	return proc;
}

static void switch_ipv6_off(int proc)
{
	int file = openat(proc, IPV6_OFF, O_WRONLY | O_CLOEXEC);

	if (file < 0) /* a kernel without IPv6 */
		return;
	CHECKED(write(file, "1", 1));
	close(file);
}

static void make_pod(int pod, int host, int proc)
{
	struct batch batch = {0};
	char path[64];
	int netns, inside;

	snprintf(path, sizeof(path), NETNS "/p%d", pod + 1);
	close(CHECKED(open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0444)));
	CHECKED(unshare(CLONE_NEWNET));
	switch_ipv6_off(proc);
	CHECKED(mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL));
	netns = CHECKED(open(path, O_RDONLY | O_CLOEXEC));
	inside = route();
	add_veth(&batch, pod, netns);
	perform(host, &batch, "making a veth pair");
	bring_up(&batch, LO);
	bring_up(&batch, ETH0);
	add_address(&batch, pod);
	perform(inside, &batch, "filling a pod");
	close(inside);
	close(netns);
}

static void *make_some(void *first)
{
	int host = route(); /* still in the keeper's namespace */
	int proc = new_proc(), done = 0;

	for (int pod = (int)(long)first; pod < pods; pod += THREADS) {
		if (++done % SHARING == 0) {
			close(proc);
			proc = new_proc();
		}
		make_pod(pod, host, proc);
	}
	close(proc);
	return NULL;
}

static void make_all(void)
{
	struct batch batch = {0};
	pthread_t threads[THREADS];
	int host = route(), proc = new_proc();

	switch_ipv6_off(proc);
	close(proc);
	add_bridge(&batch);
	bring_up(&batch, LO);
	perform(host, &batch, "making the bridge");
	for (long one = 0; one < THREADS; one++)
		if ((errno = pthread_create(&threads[one], NULL, make_some, (void *)one)))
			fail("pthread_create");
	for (int one = 0; one < THREADS; one++)
		pthread_join(threads[one], NULL);
	bring_up(&batch, BRIDGE);
	perform(host, &batch, "bringing the bridge up");
	close(host);
}

static void keep(int ready)
{
	CHECKED(setsid());
	CHECKED(unshare(CLONE_NEWNS | CLONE_NEWNET));
	CHECKED(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECKED(mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755"));
	CHECKED(mkdir(NETNS, 0755));
	make_all();
	CHECKED(write(ready, "1", 1));
	close(ready);
	for (int stream = 0; stream < 3; stream++)
		close(stream);
	for (;;)
		pause();
}

static int up(void)
{
	int ready[2];
	char byte;
	pid_t keeper;

	if (pods < 1 || pods > MOST_PODS) {
		fprintf(stderr, "floor: a bridge takes 1 to %d pods\n", MOST_PODS);
		return 2;
	}
	CHECKED(pipe2(ready, O_CLOEXEC));
	CHECKED(unshare(CLONE_NEWPID));
	keeper = CHECKED(fork());
	if (keeper == 0)
		keep(ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		return 1; /* it has said why */
	printf("%d\n", keeper);
	return 0;
}

static int down(pid_t keeper)
{
	struct pollfd life = {.events = POLLIN};

	life.fd = CHECKED(syscall(SYS_pidfd_open, keeper, 0));
	CHECKED(syscall(SYS_pidfd_send_signal, life.fd, SIGKILL, NULL, 0));
	CHECKED(poll(&life, 1, -1));
	return 0;
}

int main(int count, char **words)
{
	if (count == 3 && !strcmp(words[1], "up")) {
		pods = atoi(words[2]);
		return up();
	}
	if (count == 3 && !strcmp(words[1], "down"))
		return down(atoi(words[2]));
	fprintf(stderr, "usage: floor up N | floor down PID\n");
	return 2;
}
