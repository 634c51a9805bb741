# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Lines of raw figures, as tools/bench/figures.py takes them. To be sourced by bash,
# by what has set
#
#   out       where rows.raw goes
#   NAMES     what a subject is called in figures
#
# shellcheck disable=SC2154

# figure ROUND ROW SUBJECT METRIC UNIT BETTER VALUE [P99]
figure()
{
	printf '{"round":%d,"row":"%s","subject":"%s","metric":"%s","unit":"%s","better":"%s","value":%s%s}\n' \
		"$1" "$2" "${NAMES[$3]}" "$4" "$5" "$6" "$7" "${8:+,\"p99\":$8}" >>"$out/rows.raw"
}

# skip WHAT WHY
skip()
{
	printf '{"skip":"%s","why":"%s"}\n' "$1" "$2" >>"$out/rows.raw"
}

# compared ROW SUBJECT PEER METRIC
compared()
{
	printf '{"compare":"%s","subject":"%s","peer":"%s","peer_subject":"%s","metric":"%s"}\n' \
		"$1" "${NAMES[$2]}" "$1" "${NAMES[$3]}" "$4" >>"$out/rows.raw"
}

calc()
{
	awk "BEGIN { printf \"%.6g\", $1 }"
}

