# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A guest on a network device of ours, which runs net-guest: to start it, to tell it
# what to do, to check what it answers. To be sourced by bash, after guest.sh, by
# what has set
#
#   images   what net-image made
#   kernel   the guest's, by its name in the cache
#
# and, each time,
#
#   client   what stands before the device; see client_start
#   tap      its interface
#   bridge   what that is in; empty if it has an address of its own
#
# shellcheck disable=SC2034,SC2154

VHDB=${VHDB:-$TOP/build/vhdb/vhdb}
NODE=/dev/vhost-doorbell-net

# Watchdog for a guest, seconds.
LIMIT=1800
# How long it may take for what it is told to do.
PATIENCE=100
PORT=7000
# Where it leaves what comes until it is asked.
HOLD_PORT=7001
HOST=10.77.0.1
OWN=10.77.0.2
MTU=9000
MAC=52:54:00:77:00:01
# Where the host is if there is a macvtap.
WIRE=wire0

# --- what comes of it -----------------------------------------------------------

passed=0 failed=0

ok()
{
	passed=$((passed + 1))
	printf 'ok    %-12s %s\n' "$name" "$*"
}

not_ok()
{
	failed=$((failed + 1))
	printf 'FAIL  %-12s %s\n' "$name" "$*"
}

# check WHAT PATTERN: does the last line of the guest look like that?
check()
{
	# A pattern it is.
	# shellcheck disable=SC2053
	if [[ $line = $2 ]]; then
		ok "$1: ${line#@}"
	else
		not_ok "$1: '${line#@}'"
		return 1
	fi
}

# --- what the guest says --------------------------------------------------------

# The next line that is for us, in $line.
guest_line()
{
	local until=$((SECONDS + PATIENCE))

	while serial_line $((until - SECONDS + 1)); do
		case $line in
		@fail*) return 1 ;;
		@*) return 0 ;;
		esac
		[ $SECONDS -lt $until ] || return 1
	done
	return 1
}

# Until it asks for the next word.
guest_asks()
{
	guest_line && [ "$line" = @next ] && return
	not_ok "$1: the guest does not ask for more: '$line'"
	return 1
}

# say_to_guest WORD...: when it asks for one.
say_to_guest()
{
	guest_asks "$*" && echo "$*" >&"$serial_in"
}

# answers WORD PATTERN...: of the guest, one after the other
answers()
{
	local word=$1 pattern
	shift

	for pattern; do
		if ! guest_line; then
			not_ok "$word: no answer: '$line'"
			return 1
		fi
		check "$word" "$pattern" || return
	done
}

# guest_checks WORD PATTERN...: one for each answer.
guest_checks()
{
	say_to_guest "$1" && answers "$@"
}

# --- a guest --------------------------------------------------------------------

# Up, and whatever the host speaks to it by. A macvtap is, from the beginning.
tap_up()
{
	[ "$client" != pairs ] || return 0
	ip link set "$tap" mtu $MTU up
	if [ -n "$bridge" ]; then
		ip link set "$tap" master "$bridge"
	else
		ip addr replace $HOST/24 dev "$tap"
	fi
}

bridge_up()
{
	bridge=br0
	ip link add $bridge type bridge
	ip link set $bridge up
}

# The host is at the other end of what it stands on.
macvtap_up()
{
	ip link add $WIRE mtu $MTU type veth peer name vlow0 mtu $MTU
	ip addr add $HOST/24 dev $WIRE
	ip link set $WIRE up
	ip link set vlow0 up
	ip link add link vlow0 name "$tap" address "$1" type macvtap mode passthru
	ip link set "$tap" up
}

# Whatever there is.
links_down()
{
	local link

	for link in vnet0 vnet1 $WIRE "$bridge"; do
		ip link del "$link" 2>/dev/null || true
	done
	bridge=
}

# guest_append OWN PEER: words for its kernel's command line
guest_append()
{
	local append="console=ttyS0 quiet loglevel=4 panic=-1 no_timer_check tsc=reliable i8042.noaux i8042.nokbd"

	case $client in iommu) append+=" intel_iommu=on iommu.strict=1" ;; esac
	echo "$append vhdb_net=$1,$2,$MTU"
}

# client_start MAC OWN PEER QEMU-ARGUMENT...: a guest with the client, its addresses
# and that of its peer.
client_start()
{
	local mac=$1 own=$2 peer=$3 args=() disks=''
	local netdev=tap,id=net0,vhost=on path
	local device="virtio-net-pci,netdev=net0,mac=$mac,disable-legacy=on"
	local fd fds=() n1 n2 t1 t2
	shift 3

	# shellcheck disable=SC2054  # QEMU's own commas
	args=(-smp 2 -m 384M -kernel "$(kernel_boot "$kernel")"
		-initrd "$images/net.img" -append "$(guest_append "$own" "$peer")" "$@")
	case $client in
	split | packed | iommu)
		exec {n1}<>$NODE
		fds=("$n1")
		netdev+=,ifname=$tap,script=no,downscript=no,vhostfd=$n1
		;;
	pairs)
		macvtap_up "$mac"
		path=/dev/tap$(cat "/sys/class/net/$tap/ifindex")
		exec {n1}<>$NODE {n2}<>$NODE {t1}<>"$path" {t2}<>"$path"
		fds=("$n1" "$n2" "$t1" "$t2")
		netdev+=,fds=$t1:$t2,vhostfds=$n1:$n2
		device+=,mq=on,vectors=6
		;;
	stock) netdev+=,ifname=$tap,script=no,downscript=no ;;
	vdpa-*) printf -v disks '%s\n' --net "$tap,id=net0,mac=$mac,mtu=$MTU" ;;
	esac
	case $client in
	packed) device+=,packed=on ;;
	iommu)
		# shellcheck disable=SC2054
		args+=(-M q35,kernel-irqchip=split
			-device intel-iommu,intremap=on,device-iotlb=on)
		device+=,iommu_platform=on,ats=on
		;;
	esac
	case $client in
	vdpa-pci) ;;
	vdpa-netdev)
		args+=(-netdev "vhost-vdpa,id=net0,vhostdev=%net0%" -device "$device")
		;;
	*) args+=(-netdev "$netdev" -device "$device") ;;
	esac
	guest_start "$out/qemu.log" $LIMIT "${disks%$'\n'}" "${args[@]}"
	# QEMU has them now, alone.
	for fd in "${fds[@]}"; do
		exec {fd}>&-
	done
	qmp qmp_capabilities >/dev/null || return
	tap_up
}

expected_who()
{
	local pairs=1 packed=0 iommu=0

	case $client in
	pairs) pairs=2 ;;
	packed) packed=1 ;;
	iommu) iommu=1 ;;
	esac
	echo "@who $1 queues $pairs packed $packed iommu $iommu tso 1"
}

# guest_ended STATUS: is that how QEMU ends?
guest_ended()
{
	local status=0

	guest_wait 2>/dev/null || status=$?
	if [ $status = "$1" ]; then
		ok "the end"
	else
		not_ok "QEMU ended with status $status"
	fi
}

# --- where it runs --------------------------------------------------------------

net_prepare()
{
	[ "$(id -u)" = 0 ] || die "this needs root" "run it in: selftests/vm/run -- $0"
	[ -x "$VHDB" ] || die "there is no vhdb at $VHDB" "run make vhdb first"
	[ -f "$images/net.img" ] || die "there is no guest in $images" "run selftests/vm/net-image $images first"
	kvm_present
	# What is built in is no module; what is missing, its client will say.
	modprobe -qa tun macvtap veth vhost_net bridge || true
	[ -c $NODE ] || die "there is no $NODE" "run this in: selftests/vm/run -- $0"
	ip link set lo up
	# UDP loses less with it, and is told to lose.
	sysctl -q net.core.rmem_max=8388608 || true
	"$images/net_load" serve $PORT >"$results/server.log" 2>&1 &
	server=$!
}
