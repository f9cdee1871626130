/*
 * Entry from Open Firmware, and calls back into it.
 *
 * Firmware or a boot loader enters at the first byte of the image in big-endian, 32-bit mode with translation off; the image
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

/* Makes instruction fetches see what has been stored from \from to \to. Writes \from, CR0. */
.macro sync_instructions from, to
8:  dcbst   0, \from
    sync
    icbi    0, \from
    addi    \from, \from, 128
    cmpld   \from, \to
    blt     8b
    sync
    isync
.endm

/*
 * In:  r3 RAM disk's real address, r4 its size (0: none), r5 client interface handler's real address.
 * Out: boot_entry(r3, r4, r5) on the boot stack; never returns.
 *
 * QEMU loads the image where it is linked; other boot loaders (GRUB) load it where there is room, and it moves first. They
 * put the RAM disk behind the image, and the image has room behind it (kernel.ld): so the way is free.
 */
    .global _start
_start:
    to_little_endian
here:
    clrldi  r10, r10, 32        /* where `here` is */
    address_of r6, here
    clrldi  r6, r6, 4           /* where it should be */
    subf.   r7, r6, r10         /* by how much the image lies too high */
    beq     at_home
    address_of r8, __bss_start
    clrldi  r8, r8, 4           /* the end of what is to be moved */
    address_of r9, _start
    clrldi  r9, r9, 4           /* its start */
    blt     upwards

    /* Downwards, from the start. The loop could be overwritten: it runs from the image's bss, which stays behind. */
    add     r11, r8, r7
    addi    r12, r10, downwards - here
    li      r0, (downwards_end - downwards) / 4
    mtctr   r0
    mr      r6, r11
1:  lwz     r0, 0(r12)
    stw     r0, 0(r6)
    addi    r12, r12, 4
    addi    r6, r6, 4
    bdnz    1b
    mr      r12, r11
    sync_instructions r12, r6
    mtctr   r11
    bctr
downwards:
    add     r6, r9, r7
    mr      r11, r9
2:  ld      r12, 0(r6)
    std     r12, 0(r11)
    addi    r6, r6, 8
    addi    r11, r11, 8
    cmpld   r11, r8
    blt     2b
    sync_instructions r9, r8
    address_of r12, at_home
    mtctr   r12
    bctr
downwards_end:

upwards:                        /* from the end: this code is the last to be reached */
    add     r6, r8, r7
    mr      r11, r8
3:  ldu     r12, -8(r6)
    stdu    r12, -8(r11)
    cmpld   r11, r9
    bgt     3b
    sync_instructions r9, r8
    address_of r12, at_home
    mtctr   r12
    bctr

at_home:
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
    .global boot_stack_top
boot_stack_top:
    .balign 8
firmware_stack:
    .space  8
