/*
 * Entry from Open Firmware, and calls back into it.
 *
 * Firmware enters at the first byte of the image in big-endian, 32-bit mode with translation off; the image
 * is linked at KERNEL_BASE and everything else in it is little-endian and 64-bit. With translation off the
 * processor ignores the top bits of an address, so linked addresses work before the MMU is on.
 */

#include "../../arch/src/endian.h"

#define STACK_SIZE 131072

/* Loads the 64-bit linked address of a symbol. Writes \reg only. */
.macro address_of reg, symbol
    lis     \reg, \symbol@highest
    ori     \reg, \reg, \symbol@higher
    sldi    \reg, \reg, 32
    oris    \reg, \reg, \symbol@high
    ori     \reg, \reg, \symbol@l
.endm

    .section .head.text, "ax"

/*
 * In:  r3 RAM disk's real address, r4 its size (0: none), r5 client interface handler's real address.
 * Out: boot_entry(r3, r4, r5) on the boot stack; never returns.
 */
    .global _start
_start:
    to_little_endian
    address_of r6, __bss_start
    address_of r7, __bss_end
    li      r8, 0
1:  cmpld   r6, r7
    bge     2f
    std     r8, 0(r6)
    addi    r6, r6, 8
    b       1b
2:  address_of r1, boot_stack_top
    stdu    r8, -32(r1)
    clrldi  r3, r3, 32
    clrldi  r4, r4, 32
    clrldi  r5, r5, 32
    address_of r12, boot_entry
    mtctr   r12
    bctrl
3:  b       3b

    .text

/*
 * u64 open_firmware_call(u64 arguments, u64 handler)
 *
 * In:  r3 real address of the argument cells (below 4 GiB), r4 real address of the handler.
 * Out: r3 the handler's answer, sign-extended. Firmware runs in 32-bit mode and keeps only low halves, so all
 * non-volatile registers are kept on our stack, and r1 in memory. Translation must be off.
 */
    .global open_firmware_call
    .type open_firmware_call, @function
open_firmware_call:
    mflr    r0
    std     r0, 16(r1)
    mfcr    r0
    std     r0, 8(r1)
    stdu    r1, -208(r1)
    std     r2, 24(r1)
    std     r13, 32(r1)
    .irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    std     \n, (\n - 14) * 8 + 48(r1)
    .endr
    mfmsr   r7
    std     r7, 40(r1)
    address_of r5, firmware_stack
    std     r1, 0(r5)
    address_of r6, firmware_return
    clrldi  r6, r6, 4
    mtlr    r6
    clrldi  r7, r7, 1           /* SF off */
    rldicr  r7, r7, 0, 62       /* LE off */
    mtsrr0  r4
    mtsrr1  r7
    clrldi  r1, r1, 4
    rfid
firmware_return:
    to_little_endian
    address_of r5, firmware_stack
    ld      r1, 0(r5)
    ld      r2, 24(r1)
    ld      r13, 32(r1)
    .irp n, 14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld      \n, (\n - 14) * 8 + 48(r1)
    .endr
    addi    r1, r1, 208
    ld      r0, 8(r1)
    mtcrf   0xff, r0
    ld      r0, 16(r1)
    mtlr    r0
    extsw   r3, r3
    blr

    .section .bss.stack, "aw", @nobits
    .balign 4096
    .global boot_stack_guard
boot_stack_guard:               /* left unmapped: an overflow faults */
    .space  4096
    .space  STACK_SIZE
boot_stack_top:
    .balign 8
firmware_stack:
    .space  8
