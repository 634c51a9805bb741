# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The ways in which a tap is made a guest's network interface: ours, and its peers'.
# To be sourced by bash, after selftests/vm/lib.sh.
#
# serve SUBJECT PAIRS adds to the array what the guest's QEMU is to be given, and
# descriptors to those that it has to inherit. Each has a number, that of its tap
# and the last byte of the guest's address: nr_of SUBJECT PAIRS.

arguments=()	# for QEMU
nodes=()	# open files of ours
taps=()		# queues of taps that QEMU is given open, from TAP_FD on

TAP_FD=100

SUBJECTS=(ours packed vhost-net qemu-packed)
# What stands in figures for each.
# shellcheck disable=SC2034  # for who sources this
declare -A NAMES=(
	[ours]=vhost-doorbell
	[packed]=vhost-doorbell-packed
	[vhost-net]=vhost-net
	[qemu-packed]=qemu-packed
)
NODE=/dev/vhost-doorbell-net

subjects_help()
{
	cat <<-END
	    ours         our driver
	    packed       our driver, packed rings
	    vhost-net    the kernel's own, which has no packed rings
	    qemu-packed  QEMU's own, in userspace, packed rings
	END
}

# Pairs of queues are 1 or 2.
nr_of()
{
	local i

	for i in "${!SUBJECTS[@]}"; do
		[ "${SUBJECTS[i]}" != "$1" ] || echo $((16 * $2 + i))
	done
}

# node PAIRS: what QEMU's option is that has them
node()
{
	local i fd fds=''

	for ((i = 0; i < $1; i++)); do
		exec {fd}<>$NODE
		nodes+=("$fd")
		fds+=${fds:+:}$fd
	done
	fds_option=vhostfd=$fds
	[ "$1" = 1 ] || fds_option=vhostfds=$fds
}

# tap_option NR PAIRS: QEMU takes several vhost files only with as many open taps.
tap_option()
{
	local i fds=''

	for ((i = 0; i < $2; i++)); do
		fds+=${fds:+:}$((TAP_FD + ${#taps[@]} + i))
	done
	if [ "$2" = 1 ]; then
		echo "ifname=bench$1,script=no,downscript=no"
	else
		echo "fds=$fds"
	fi
}

serve()
{
	local subject=$1 pairs=$2 nr netdev device i

	nr=$(nr_of "$subject" "$pairs")
	netdev=tap,id=n$nr,$(tap_option "$nr" "$pairs")
	device=virtio-net-pci,netdev=n$nr,disable-legacy=on,mac=$(guest_mac "$nr")
	if [ "$pairs" != 1 ]; then
		device+=,mq=on,vectors=$((2 * pairs + 2))
		for ((i = 0; i < pairs; i++)); do
			taps+=("bench$nr")
		done
	fi
	case $subject in
	ours | packed)
		node "$pairs"
		netdev+=,vhost=on,$fds_option
		;;
	vhost-net) netdev+=,vhost=on ;;
	esac
	case $subject in
	*packed) device+=,packed=on ;;
	esac
	arguments+=(-netdev "$netdev" -device "$device")
}

# qemu_with_taps PROGRAM SCRIPT NET_PEER: makes SCRIPT, which runs QEMU with them
qemu_with_taps()
{
	printf '#!/bin/sh\nexec %s "$@"\n' \
		"$(quote "$3" taps $TAP_FD "${taps[@]}" -- "$1")" >"$2"
	chmod 755 "$2"
}

# QEMU has them now, alone.
nodes_close()
{
	local fd

	for fd in "${nodes[@]}"; do
		exec {fd}>&-
	done
}

guest_mac()
{
	printf '52:54:00:78:00:%02x\n' "$1"
}

# tap_up SUBJECT PAIRS: once QEMU has made it.
tap_up()
{
	local nr

	nr=$(nr_of "$1" "$2")
	echo 1 >"/proc/sys/net/ipv6/conf/bench$nr/disable_ipv6"
	ip addr add "10.78.$nr.1/24" dev "bench$nr"
	ip link set "bench$nr" up
}
