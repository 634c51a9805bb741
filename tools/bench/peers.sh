# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# One guest that has a device served in many ways, and loads on each by turns: what
# benchmarks of that kind share. To be sourced by bash, after lib.sh, guest.sh and
# exit_names.sh of selftests/vm, by what has set
#
#   out       where serial.log, qemu.log and rows.raw go
#   work      a directory for files
#   rows      the loads, a few words each
#   subjects  the ways, and NAMES what they are called in figures
#   ms        how long each load runs
#
# and has the functions
#
#   row SPEC...               a load's name
#   load SUBJECT SPEC... MS   runs it: calls result with what it says of itself
#   measure_time ROUND ROW SUBJECT    prints its figures
#   extra_subject SPEC...     prints one more that the load is to run on, if any
#
# shellcheck disable=SC2034,SC2154

EXITS=$TOP/selftests/vm/exits
# What it has counted so far.
HISTOGRAMS=(/sys/kernel/tracing/instances/vhdb-exits/events/kvm/kvm_{exit,userspace_exit}/hist)
# A load that is next to none: what starting and ending one costs.
NOTHING_MS=1

# The guest is gone, or says nothing: not by its own fault, maybe.
guest_lost()
{
	tail -n 20 "$out/qemu.log" "$out/serial.log" >&2
	# Seen, too: a double fault, after which the guest's kernel says so itself.
	if shutdown_seen || { emulated && grep -q 'PANIC: double fault' "$out/serial.log"; }; then
		export VHDB_DIE_STATUS=$EMULATOR_FAILED
		die "the emulated CPU broke the guest, by a double or triple fault ($1)" "run it once more"
	fi
	die "$1" "see above, and $out"
}

# guest_ready KIND: the guest says "@KIND NAME ID [MORE]" of each device, and @ready;
# sets devices[ID] to "NAME [MORE]".
declare -A devices=()
guest_ready()
{
	local name id more

	while serial_line 300; do
		case $line in
		"@$1 "*)
			read -r _ name id more <<<"$line"
			devices[$id]=$name${more:+ $more}
			;;
		@ready) return ;;
		esac
	done
	guest_lost "the guest does not come up"
}

# in_guest LIMIT COMMAND...: what it answers, in $line
in_guest()
{
	local limit=$1
	shift

	echo "$*" >&"$serial_in"
	serial_line "$limit" || guest_lost "the guest says nothing more"
	line=${line#@result }
}

# result SUBJECT TEXT: sets events, ns, p50, p99
result()
{
	[[ $2 =~ ^events\ ([0-9]+)\ ns\ ([0-9]+)\ p50\ ([0-9]+)\ p99\ ([0-9]+) ]] ||
		guest_lost "a load on ${NAMES[$1]}: $2"
	events=${BASH_REMATCH[1]} ns=${BASH_REMATCH[2]}
	p50=${BASH_REMATCH[3]} p99=${BASH_REMATCH[4]}
}

# --- rounds ----------------------------------------------------------------------

# A round for each row, of all subjects, each time with another one first.
measure_round()
{
	local round=$1 what=$2 spec name subject i nr=${#subjects[@]}

	for spec in "${rows[@]}"; do
		# shellcheck disable=SC2086  # words
		name=$(row $spec)
		for ((i = 0; i <= nr; i++)); do
			subject=${subjects[(i + round) % nr]}
			# shellcheck disable=SC2086
			[ "$i" != "$nr" ] || subject=$(extra_subject $spec)
			[ -n "$subject" ] || continue
			# shellcheck disable=SC2086
			load "$subject" $spec "$ms"
			"measure_$what" "$round" "$name" "$subject"
		done
	done
}

measure_rounds()
{
	local i

	for ((i = 0; i < $1; i++)); do
		say "round $((i + 1)) of $1"
		measure_round "$i" "$2"
	done
}

# per_event SNAPSHOT FIGURES SPEC...: what is counted while a load runs. A load's
# start and end have some of it, too, many exits at the serial port for one; that
# of a load of nothing is taken off. Calls SNAPSHOT with 0, 1 and 2, before, between
# and after the two, and FIGURES EVENTS ROW SUBJECT.
per_event()
{
	local snapshot=$1 figures=$2 fixed name subject
	shift 2

	name=$(row "$@")
	for subject in "${subjects[@]}"; do
		"$snapshot" 0 "$subject"
		load "$subject" "$@" $NOTHING_MS
		fixed=$events
		"$snapshot" 1 "$subject"
		load "$subject" "$@" "$ms"
		"$snapshot" 2 "$subject"
		if [ "$events" -gt "$fixed" ]; then
			"$figures" $((events - fixed)) "$name" "$subject"
		else
			# Nothing was served but what was in flight.
			skip "$name, ${NAMES[$subject]}" "the load was too short to count"
		fi
	done
}

exits_snapshot()
{
	cat "${HISTOGRAMS[@]}" >"$work/exits.$1"
}

# exits_figures EVENTS ROW SUBJECT
exits_figures()
{
	local metric value

	while read -r value metric; do
		figure 0 "$2" "$3" "$metric" "" lower "$value"
	done < <(awk -v n="$1" -v names="$EXIT_NAMES" '
		BEGIN {
			count = split(names, list, /[|\n]/)
			for (i = 1; i <= count; i++) {
				split(list[i], w, " ")
				name[w[1] " " w[2]] = substr(list[i], length(w[1] w[2]) + 3)
			}
			sum["exits"] = sum["to user"] = 0
		}
		# the third count less the second, less the second less the first
		FNR == 1 { file++ }
		# { isa:  2, exit_reason:  1024 } hitcount:  12
		# { reason:  2 } hitcount:  12
		/^#/ { next }
		gsub(/[{}:,]/, " ") && /hitcount/ { times = (file == 2 ? -2 : 1) * $NF }
		$1 == "isa" {
			key = ($2 == 1 ? "vmx" : "svm") " " $4
			sum["exits"] += times
			sum[key in name ? name[key] : key] += times
		}
		$1 == "reason" { sum["to user"] += times }
		END {
			for (i in sum)
				printf "%.4f %s\n", (sum[i] > 0 ? sum[i] : 0) / n, i
		}' "$work"/exits.[012] | sort -rn)
}

# --- rows -----------------------------------------------------------------------

# pick_rows NAME...: those that are wanted, of those that there are; by itself all
pick_rows()
{
	local all=("${rows[@]}") spec name want

	[ $# != 0 ] || return 0
	rows=()
	for spec in "${all[@]}"; do
		# shellcheck disable=SC2086  # words
		name=$(row $spec)
		for want; do
			[ "$want" != "$name" ] || rows+=("$spec")
		done
	done
	[ ${#rows[@]} != 0 ] || die "no such row: $*" "see -h, and the rows of a table"
}
