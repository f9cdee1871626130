/*
 * Access to user memory that may fault. A stretch of such instructions has an entry in .fixups: where it begins and ends,
 * and where to go on when a data storage interrupt of it cannot be resolved (see trap.rs).
 */
#include "layout.h"

.macro guarded
77:
.endm

.macro guarded_end target=faulted
78: .pushsection .fixups, "a"
    .quad   77b, 78b, \target
    .popsection
.endm

.macro try instruction:vararg
    guarded
    \instruction
    guarded_end
.endm
