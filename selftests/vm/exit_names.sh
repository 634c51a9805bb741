# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Reasons for exits to the kernel, as the processors number them: what `exits`
# prints, in words. To be sourced by bash.

# shellcheck disable=SC2034  # for who sources this
EXIT_NAMES='svm 96 interrupt|svm 97 NMI|svm 100 interrupt window|svm 114 CPUID
svm 119 PAUSE|svm 120 HLT|svm 123 port|svm 124 MSR|svm 129 hypercall
svm 1024 nested page|vmx 0 exception|vmx 1 interrupt|vmx 7 interrupt window
vmx 10 CPUID|vmx 12 HLT|vmx 18 hypercall|vmx 30 port|vmx 31 MSR|vmx 32 MSR
vmx 40 PAUSE|vmx 48 nested page|vmx 49 device memory|vmx 52 timer'
