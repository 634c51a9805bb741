# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A guest under QEMU, whose serial port and QMP are files: to start it, to speak
# with it, to wait for its end. To be sourced by bash, after lib.sh, by what has set
#
#   work    a directory for the files
#   out     where serial.log and qmp.log go
#   qemu    the program
#   VHDB    vhdb, if there are disks of ours
#
# One guest at a time; vhdb_pid is its process, empty if there is none.
#
# shellcheck disable=SC2154

vhdb_pid=
watchdog_pid=

# Both ways of a QEMU character device, on two of our file descriptors: what it
# says goes to a file, what it hears comes from a named pipe (opened both ways, so
# that neither side waits for the other). Not a pipe for what it says: bash's read
# with a time limit loses the byte that comes just as the time is up.
channel_open()
{
	local name=$1

	rm -f "$work/$name.in" "$work/$name.out"
	mkfifo "$work/$name.in"
	: >"$work/$name.out"
	case $name in
	serial) exec {serial_in}<>"$work/serial.in" {serial_out}<"$work/serial.out" ;;
	qmp) exec {qmp_in}<>"$work/qmp.in" {qmp_out}<"$work/qmp.out" ;;
	esac
	# A number may have been another file's.
	begun[$serial_out]='' begun[${qmp_out:-0}]=''
}

# guest_start LOG LIMIT DISKS QEMU-ARGUMENT...: DISKS is what stands before the
# "--" of vhdb run, one word each line, empty to run QEMU alone.
guest_start()
{
	local log=$1 limit=$2 disks=$3 command=()
	shift 3

	if [ -n "$disks" ]; then
		mapfile -t command <<<"$disks"
		command=("$VHDB" run "${command[@]}" --)
	fi
	# shellcheck disable=SC2054  # QEMU's own commas
	command+=("$qemu" -nodefaults -display none -accel kvm -cpu host
		-chardev "file,id=serial,path=$work/serial.out,input-path=$work/serial.in"
		-serial chardev:serial
		-chardev "file,id=qmp,path=$work/qmp.out,input-path=$work/qmp.in"
		-mon chardev=qmp,mode=control
		-device isa-debug-exit,iobase=0xf4,iosize=4 "$@")
	channel_open serial
	channel_open qmp
	"${command[@]}" </dev/null >>"$log" 2>&1 &
	vhdb_pid=$!
	deadline=$((SECONDS + limit))
	# Ends the guest, whatever it hangs in; then nothing comes any more.
	(
		sleep "$limit"
		echo "$VHDB_NAME: no end after $limit s" >>"$log"
		kill "$vhdb_pid"
	) &
	watchdog_pid=$!
}

# Wait for its end; the status is QEMU's.
guest_wait()
{
	local status=0

	wait "$vhdb_pid" || status=$?
	vhdb_pid=
	kill "$watchdog_pid" 2>/dev/null || true
	wait "$watchdog_pid" 2>/dev/null || true
	watchdog_pid=
	exec {serial_in}>&- {serial_out}>&- {qmp_in}>&- {qmp_out}>&-
	return $status
}

# Its end, now; for those on their way out.
guest_kill()
{
	local pid

	for pid in "$vhdb_pid" "$watchdog_pid"; do
		[ -z "$pid" ] || kill "$pid" 2>/dev/null || true
	done
	[ -z "$vhdb_pid" ] || wait "$vhdb_pid" 2>/dev/null || true
}

guest_alive()
{
	kill -0 "$vhdb_pid" 2>/dev/null
}

# Seen a few times: the emulated SVM shuts a nested guest's CPU down (a triple
# fault), with the driver loaded but not used, too. KVM tells it apart from all
# that a guest or a disk can do wrong, by KVM_EXIT_SHUTDOWN.
SHUTDOWN=/sys/kernel/tracing/instances/vhdb-shutdown
# shellcheck disable=SC2034  # the status, for who sources this
EMULATOR_FAILED=75

shutdown_watch()
{
	mkdir -p "$SHUTDOWN"
	echo 'reason == 8' >"$SHUTDOWN"/events/kvm/kvm_userspace_exit/filter
	echo 1 >"$SHUTDOWN"/events/kvm/kvm_userspace_exit/enable
}

emulated()
{
	grep -q 'model name.*QEMU TCG' /proc/cpuinfo
}

shutdown_seen()
{
	emulated && grep -q kvm_userspace_exit "$SHUTDOWN"/trace
}

shutdown_unwatch()
{
	[ ! -d "$SHUTDOWN" ] || {
		echo 0 >"$SHUTDOWN"/events/kvm/kvm_userspace_exit/enable
		rmdir "$SHUTDOWN"
	}
}

# A twentieth of a second, or a little more, without a process.
nap()
{
	[ -n "${idle:-}" ] || {
		rm -f "$work/idle"
		mkfifo "$work/idle"
		exec {idle}<>"$work/idle"
	}
	read -r -t 0.05 -u "$idle" || true
}

# line_from FD SECONDS: the next whole line that QEMU writes there, in $line. Fails
# after the time, or once the guest is gone and has left no line; the beginning of
# a line is kept for the next call.
line=
declare -A begun=()
line_from()
{
	local until=$((SECONDS + $2)) part gone=false

	while ! IFS= read -r -u "$1" part; do
		begun[$1]+=$part
		if $gone || [ $SECONDS -gt $until ] || [ $SECONDS -ge "$deadline" ]; then
			line=
			return 1
		fi
		# What it said last is still read.
		guest_alive || gone=true
		$gone || nap
	done
	line=${begun[$1]:-}$part
	line=${line%$'\r'}
	begun[$1]=
}

# The next line from the serial port, in $line; also into the log.
serial_line()
{
	line_from "$serial_out" "$1" || return
	printf '%s\n' "$line" >>"$out/serial.log"
}

go()
{
	echo go >&"$serial_in"
}

# The next line of QMP, in $line; also into the log.
qmp_line()
{
	line_from "$qmp_out" "$1" || return
	printf '%s\n' "${line:0:500}" >>"$out/qmp.log"
}

# qmp COMMAND [ARGUMENTS]: the answer is printed.
qmp()
{
	local line

	printf '{ "execute": "%s"%s }\n' "$1" "${2:+, \"arguments\": $2}" >&"$qmp_in"
	while qmp_line 60; do
		case $line in
		*'"return"'*)
			printf '%s\n' "$line"
			return
			;;
		*'"error"'*)
			warn "QMP: $line"
			return 1
			;;
		esac
	done
	warn "QMP does not answer $1"
	return 1
}
