#!/bin/sh
# The reference scenario as a person would do it: ip, brctl, iptables, ping, five tcpdumps.
# Runs in namespaces of its own, as root: unshare --net --mount --pid --fork --mount-proc sh …
set -eu
dir=$1
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
mount -t sysfs sysfs /sys 2>/dev/null || true

ip netns add ns1
ip netns add ns2
brctl addbr br0
ip link add veth1a type veth peer name veth1b
ip link add veth2a type veth peer name veth2b
ip link set veth1a netns ns1
ip link set veth2a netns ns2
brctl addif br0 veth1b
brctl addif br0 veth2b
for dev in veth1b veth2b br0; do ip link set "$dev" up; done
ip netns exec ns1 ip link set lo up
ip netns exec ns2 ip link set lo up
ip netns exec ns1 ip address add 10.244.1.2/24 dev veth1a
ip netns exec ns2 ip address add 10.244.1.4/24 dev veth2a
ip netns exec ns1 ip link set veth1a up
ip netns exec ns2 ip link set veth2a up
sysctl -q -w net.bridge.bridge-nf-call-iptables=0

capture() { # namespace, device
	if [ "$1" = host ]; then set -- "$2"; else set -- "$2" ip netns exec "$1"; fi
	dev=$1
	shift
	"$@" tcpdump -Z root -nn -U --immediate-mode -i "$dev" -w "$dir/$dev.pcap" \
		2>"$dir/$dev.said" &
	pids="${pids:-} $!"
}
capture ns1 veth1a
capture host veth1b
capture host br0
capture host veth2b
capture ns2 veth2a
for dev in veth1a veth1b br0 veth2b veth2a; do # each says when it is ready
	until grep -q 'listening on' "$dir/$dev.said"; do
		! grep -q '^tcpdump: [^dl]' "$dir/$dev.said" || { cat "$dir/$dev.said" >&2; exit 1; }
		sleep 0.01
	done
done

tables() {
	ip netns exec ns1 arp -n
	ip netns exec ns2 arp -n
	brctl showmacs br0
}
rules() {
	iptables -t nat -nvL PREROUTING --line-numbers
	iptables -nvL FORWARD --line-numbers
	iptables -t nat -nvL POSTROUTING --line-numbers
}
tables
ip netns exec ns1 ping -c1 -W1 10.244.1.4
tables
iptables -t nat -I PREROUTING -p icmp -j LOG --log-prefix "Nat-PREROUTING-1-"
iptables -I FORWARD -p icmp -j LOG --log-prefix "Filter-FORWARD-1-"
iptables -t nat -I POSTROUTING -p icmp -j LOG --log-prefix "Nat-POSTROUTING-1-"
iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -t nat -Z
iptables -Z
rules
ip netns exec ns1 ping -c1 -W1 10.244.1.4
rules
sysctl -q -w net.bridge.bridge-nf-call-iptables=1
ip netns exec ns1 ping -c1 -W1 10.244.1.4
rules
# shellcheck disable=SC2086 # several words are meant
kill -INT $pids
wait
