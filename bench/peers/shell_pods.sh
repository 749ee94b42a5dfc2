#!/bin/sh
# N pods as a script makes them, a command for each thing: shell_pods.sh up N, or down N.
set -eu
number=$2

up() {
	ip link add br0 type bridge
	for pod in $(seq "$number"); do
		ip netns add "p$pod"
		ip netns exec "p$pod" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
		ip link add "v$pod" type veth peer name eth0 netns "p$pod"
		ip link set "v$pod" master br0 up
		ip -n "p$pod" link set lo up
		ip -n "p$pod" address add "10.244.$((pod / 256)).$((pod % 256))/16" dev eth0
		ip -n "p$pod" link set eth0 up
	done
	ip link set br0 up
}

down() {
	for pod in $(seq "$number"); do
		ip netns delete "p$pod"
	done
	ip link delete br0
}

"$1"
