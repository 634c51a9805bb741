# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A guest under QEMU, whose serial port and QMP are two pipes: to start it, to
# speak with it, to wait for its end. To be sourced by bash, after lib.sh, by what
# has set
#
#   work    a directory for the pipes
#   out     where serial.log and qmp.log go
#   qemu    the program
#   VHDB    vhdb, if there are disks of ours
#
# One guest at a time; vhdb_pid is its process, empty if there is none.
#
# shellcheck disable=SC2154

vhdb_pid=
watchdog_pid=

# Both ways of a QEMU character device, as two named pipes, on two of our files.
# Opened for reading and writing, so that neither side waits for the other.
pipe_open()
{
	local name=$1

	rm -f "$work/$name.in" "$work/$name.out"
	mkfifo "$work/$name.in" "$work/$name.out"
	case $name in
	serial) exec {serial_in}<>"$work/serial.in" {serial_out}<>"$work/serial.out" ;;
	qmp) exec {qmp_in}<>"$work/qmp.in" {qmp_out}<>"$work/qmp.out" ;;
	esac
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
		-chardev "pipe,id=serial,path=$work/serial" -serial chardev:serial
		-chardev "pipe,id=qmp,path=$work/qmp" -mon chardev=qmp,mode=control
		-device isa-debug-exit,iobase=0xf4,iosize=4 "$@")
	pipe_open serial
	pipe_open qmp
	"${command[@]}" </dev/null >>"$log" 2>&1 &
	vhdb_pid=$!
	deadline=$((SECONDS + limit))
	# Ends the guest, whatever it hangs in; then nothing comes over the pipe.
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

# The next line from the serial port, in $line; also into the log. Fails after
# $1 seconds, or once the guest is gone.
line=
serial_line()
{
	local until=$((SECONDS + $1)) part

	line=
	while [ $SECONDS -le $until ] && [ $SECONDS -lt "$deadline" ]; do
		if IFS= read -r -t 1 -u "$serial_out" part; then
			line=${line}${part%$'\r'}
			printf '%s\n' "$line" >>"$out/serial.log"
			return
		fi
		line+=$part
		guest_alive || return 1
	done
	return 1
}

go()
{
	echo go >&"$serial_in"
}

# qmp COMMAND [ARGUMENTS]: the answer is printed.
qmp()
{
	local answer

	printf '{ "execute": "%s"%s }\n' "$1" "${2:+, \"arguments\": $2}" >&"$qmp_in"
	while IFS= read -r -t 20 -u "$qmp_out" answer; do
		printf '%s\n' "${answer:0:500}" >>"$out/qmp.log"
		case $answer in
		*'"return"'*)
			printf '%s\n' "$answer"
			return
			;;
		*'"error"'*)
			warn "QMP: $answer"
			return 1
			;;
		esac
	done
	warn "QMP does not answer $1"
	return 1
}
