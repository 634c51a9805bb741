# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How benchmarks with a guest get what they measure out of a VM. To be sourced by
# bash, after lib.sh of selftests/vm, by what has set
#
#   OUT      where logs and raw figures go, a directory for each run
#   KERNEL   the VM's
#   here     not empty: this machine's KVM instead of a VM
#
# shellcheck disable=SC2154

# Where the clock is a count of instructions, the kernel's own one is another.
# shellcheck disable=SC2034  # for who sources this
CLOCK="tsc=reliable clocksource=hpet"

# number OPTION VALUE
number()
{
	[ $# -ge 2 ] || die "$1 needs a number" "see tools/${VHDB_NAME/-//} --help"
	[[ $2 =~ ^[1-9][0-9]*$ ]] || die "$1 $2 is no number" "see tools/${VHDB_NAME/-//} --help"
}

# in_vm PROGRAM DIRECTORY RUN-OPTION... -- ARGUMENT...: runs it there, its results in
# DIRECTORY, with run.log
in_vm()
{
	local program=$1 dir=$2 options=() attempt status
	shift 2

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	# 75: KVM has seen the emulated CPU fail. That is no result; three are.
	for attempt in 1 2 3; do
		status=0
		selftests/vm/run -o "$dir" -t 3600 "${options[@]}" -- \
			"$program" -o "$dir" "$@" 2>&1 |
			tee "$dir/run.log" >&2 || status=$?
		[ $status = 75 ] || break
		say "no result: the emulated CPU failed (attempt $attempt of 3)"
	done
	return $status
}

# head_line NAME LOG TITLE MORE: what was measured, and where; MORE is for report
head_line()
{
	local accel=kvm place="this machine" release

	release=$(uname -r)
	if [ -z "$here" ]; then
		# As run says it: "Linux REL is up (tcg): ..."
		accel=$(sed -n 's/.*is up (\([a-z]*\)):.*/\1/p' "$2")
		place="in a VM ($accel)"
		release=$(kernel_release "$KERNEL")
	fi
	printf '{"bench":"%s","kernel":"%s","accel":"%s","place":"%s","title":"%s",%s}\n' \
		"$1" "$release" "$accel" "$place" "$3" "$4"
}

# report_of NAME: from OUT/NAME/NAME.raw to build/bench
report_of()
{
	tools/bench/report -o build/bench "$OUT/$1/$1.raw" | tee "build/bench/$1.txt"
}
