/*
 * The first instructions of a CPU that another has started.
 */

#include "layout.h"
#include "endian.h"

    .text

/*
 * Entered by firmware in big-endian, 64-bit mode with translation off.
 *
 * In:  r3 real address of the CPU's CpuBlock, whose kernel stack pointer is set.
 * Out: secondary_start() on that stack, r13 and SPRG0 set; never returns.
 */
    .global secondary_entry
    .type secondary_entry, @function
secondary_entry:
    to_little_endian
    li      r4, 12
    sldi    r4, r4, 60          /* LINEAR_BASE */
    clrldi  r3, r3, 32
    or      r13, r3, r4
    mtspr   SPRG0, r13
    ld      r1, BLOCK_KERNEL_SP(r13)
    li      r0, 0
    stdu    r0, -32(r1)
    address_of r12, secondary_start
    mtctr   r12
    bctrl
1:  b       1b
