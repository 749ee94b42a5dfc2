#!/bin/sh
# N pods with few processes: batch_pods.sh up FOLDER, or down FOLDER.
# The folder holds what `ip -batch` is to do: nodes, one file for each pod, host.
set -eu
folder=$2

up() {
	ip -batch "$folder/nodes"
	for file in "$folder"/p*; do
		nsenter --net="/run/netns/${file##*/}" sh -c '
			echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
			exec ip -batch "$1"' sh "$file"
	done
	ip -batch "$folder/host"
}

down() {
	ip -batch "$folder/end"
}

"$1"
